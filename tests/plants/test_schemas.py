"""The schemas, judged by a validator that is not ours, and the loaders agree on files: good ones, and mutants of them."""

from __future__ import annotations

import csv
import json
import random
import re
import tomllib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path as File
from typing import Any

import fastjsonschema
import pytest

import mxgateway.simulator
from mxgateway.simulator import Plant, Scenario
from mxgateway.simulator.files import DescriptionError, check, schema
from mxgateway.simulator.scenarios.scenario import scenario_schema
from tests.plants import test_plant_files
from tests.plants.test_key_lines import PLANT, SCENARIO, paths
from tests.scenarios import test_bad_files

ROOT = File(__file__).parents[2]
PACKAGE = File(mxgateway.simulator.__file__).parent

Validate = Callable[[Any], Any]

ALL_BEHAVIOURS: dict[str, Any] = {
    "objects": {
        "A": {
            "template": "T",
            "attributes": {
                "Constant": {"type": "double", "behaviour": {"kind": "constant", "noise": 1, "bad": 0.1}},
                "Counter": {"type": "integer", "behaviour": {"kind": "counter", "every": 5, "seed": 3}},
                "Ramp": {"type": "float", "behaviour": {"kind": "ramp", "low": 1, "high": 2, "period": 3}},
                "Sine": {"type": "float", "unit": "%", "behaviour": {"kind": "sine", "low": 1, "high": 2, "period": 3}},
                "Square": {"type": "float", "behaviour": {"kind": "square", "low": 1, "high": 2, "period": 3}},
                "Walk": {"type": "float", "behaviour": {"kind": "random_walk", "low": 1, "high": 2, "step": 0.5}},
                "Replay": {"type": "float", "behaviour": {"kind": "replay", "file": "values.csv", "uncertain": 0}},
                "Command": {"type": "float", "value": 1, "security": "tune", "historized": True},
                "Step": {"type": "float", "behaviour": {"kind": "step", "on": "Command", "to": 5, "delay": 1, "lag": 2}},
                "Follow": {"type": "float", "behaviour": {"kind": "follow", "source": "Ramp", "delay": 1, "lag": 2}},
                "Expr": {"type": "float", "behaviour": {"kind": "expression", "expression": "Ramp + 1", "noise": 2}},
                "Array": {"type": "string", "length": 2, "value": ["a", "b"]},
                "Limits": {"type": "double", "alarms": [{"name": "Hi", "limit": 5, "severity": 3, "above": False, "category": "", "description": ""}]},
            },
        }
    },
    "templates": {"T": {}},
}  # fmt: skip

MEANING = re.compile(
    "this must be an array of|is no [A-Z]+ value|is no array, its value|there is no (template|object|area|step)|depends on '|it is above high"
    "|No such file|a step has one action|this needs every|give (one of|at)"
)
"""What no schema says: which names there are, what a type can hold, which keys exclude each other."""


def plant_schema() -> dict[str, Any]:
    return schema("plant", "plant.schema.json")


@pytest.fixture(scope="module")
def is_plant() -> Validate:
    return compiled(plant_schema())


@pytest.fixture(scope="module")
def is_scenario() -> Validate:
    return compiled(scenario_schema())


def compiled(judge: dict[str, Any]) -> Validate:
    validate = fastjsonschema.compile(judge)

    def accepts(document: Any) -> bool:
        try:
            validate(document)
        except fastjsonschema.JsonSchemaException:
            return False
        return True

    return accepts


def agrees(document: Any, judge: dict[str, Any]) -> bool:
    try:
        check(document, judge)
    except DescriptionError:
        return False
    return True


def parsed(path: File) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)


def test_every_file_of_the_package_and_of_the_examples_validates(is_plant: Validate, is_scenario: Validate) -> None:
    scenarios = sorted((ROOT / "examples" / "scenarios").glob("*.toml"))
    plants = [PACKAGE / "plant" / "demo.toml", *sorted((ROOT / "examples").rglob("plant*.toml"))]
    assert len(scenarios) > 2
    assert len(plants) > 1
    assert all(map(is_scenario, map(parsed, scenarios)))
    assert all(map(is_plant, map(parsed, plants)))
    assert all(map(is_plant, (PLANT, ALL_BEHAVIOURS, tomllib.loads(test_plant_files.GOOD))))
    assert is_scenario(SCENARIO)


def test_the_wrong_files_of_the_tests_are_judged_alike(is_plant: Validate, is_scenario: Validate) -> None:
    plants = [(text, is_plant, plant_schema()) for text, _ in test_plant_files.WRONG]
    scenarios = [(text, is_scenario, scenario_schema()) for text, _ in test_bad_files.WRONG_FILES]
    refused = 0
    for text, validate, judge in plants + scenarios:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        if not re.search(r"\b(inf|nan)\b", text):  # which JSON has not
            assert validate(document) == agrees(document, judge), text
            refused += not validate(document)
    assert refused > 20


def mutant(good: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a document with one to three changes at any places."""
    bad = deepcopy(good)
    for _ in range(rng.randrange(1, 4)):
        if not (every := paths(bad)):
            break
        at: Any = bad
        [*outer, last] = rng.choice(every)
        for key in outer:
            at = at[key]
        kind = rng.randrange(4)
        if kind == 0:
            del at[last]
        elif kind == 1 and isinstance(at, dict):
            at[
                rng.choice(["kind", "value", "low", "limit", "template", "at", "every", "no_such_key", "to", "times"])
            ] = any_value(rng)
        elif kind == 2 and isinstance(at, dict):
            at[rng.choice(["area", "type", "name", "source", "length", "when", "A"])] = at.pop(last)
        else:
            at[last] = any_value(rng)
    return bad


# Whole floats are integers to JSON Schema and not to TOML; infinities are not in JSON.
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 7, 10**9, -(10**12), 10**12, 0.5, -2.5, 0.0001, "", "A", "sine", "follow", "double", [], [1], ["A"], {},
    {"A": "B"}, {"kind": "counter"},
]  # fmt: skip


def any_value(rng: random.Random) -> Any:
    return deepcopy(rng.choice(VALUES))


@pytest.mark.parametrize(
    ("goods", "judge"),
    [([PLANT, ALL_BEHAVIOURS], plant_schema), ([SCENARIO], scenario_schema)],
    ids=["plants", "scenarios"],
)
def test_any_value_at_any_key_is_judged_alike(goods: list[dict[str, Any]], judge: Callable[[], dict[str, Any]]) -> None:
    validate, refused = compiled(judge()), 0
    for good in goods:
        for path in paths(good):
            document = deepcopy(good)
            at: Any = document
            for key in path[:-1]:
                at = at[key]
            for value in VALUES:
                at[path[-1]] = value
                is_valid = validate(document)
                assert agrees(document, judge()) == is_valid, (path, value)
                refused += not is_valid
    assert refused > 200


@pytest.mark.parametrize(
    ("goods", "load", "judge"),
    [([PLANT, ALL_BEHAVIOURS], Plant.load, plant_schema), ([SCENARIO], Scenario.load, scenario_schema)],
)
def test_what_the_schema_refuses_the_loader_refuses_and_the_other_way_round(
    tmp_path: File, goods: list[dict[str, Any]], load: Callable[[Any], Any], judge: Callable[[], dict[str, Any]]
) -> None:
    (tmp_path / "values.csv").write_text("0,1\n1,2\n", encoding="utf-8")
    file, validate = tmp_path / "mutant.json", compiled(judge())
    outcomes = {"good": 0, "refused by the schema": 0, "refused for its meaning": 0}
    for seed in range(250):
        rng = random.Random(seed)
        bad = mutant(rng.choice(goods), rng)
        is_valid = validate(bad)
        assert agrees(bad, judge()) == is_valid, bad
        file.write_text(json.dumps(bad), encoding="utf-8")
        try:
            load(file)
        except ValueError as error:
            said = str(error)
            assert said.startswith(f"{file}: ")
            assert "\n" not in said
            assert not is_valid or MEANING.search(said), (said, bad)
            outcomes["refused for its meaning" if is_valid else "refused by the schema"] += 1
        else:
            assert is_valid, bad
            outcomes["good"] += 1
    assert min(outcomes.values()) > 5, outcomes


def test_the_documented_keys_are_those_of_the_schema() -> None:
    page = (ROOT / "docs" / "plants.md").read_text(encoding="utf-8")
    known = plant_schema()["$defs"]
    kinds = [known[each["$ref"].rpartition("/")[2]] for each in known["behaviour"]["oneOf"]]
    names = {kind["properties"]["kind"]["const"] for kind in kinds} | {
        key for kind in kinds for key in kind["properties"]
    }
    for key in names | known["attribute"]["properties"].keys():
        assert f"`{key}`" in page, key


def test_the_columns_of_a_table_are_documented() -> None:
    page = (ROOT / "docs" / "plants.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="known are") as refused:
        from mxgateway.simulator.plant.tables import TagTable

        TagTable("x.csv", "colour\n")
    columns = next(csv.reader([str(refused.value).partition("known are ")[2].replace(", ", ",")]))
    assert [column for column in columns if f"`{column}`" not in page] == []
