"""The line of an error is that of the key: documents in any style, written by a model that knows the lines."""

from __future__ import annotations

import json
import random
import tomllib
from copy import deepcopy
from pathlib import Path as File
from typing import Any

import pytest

from mxgateway.simulator import Plant, Scenario
from mxgateway.simulator.files import Description
from mxgateway.simulator.key_lines import Path, line_of
from tests.plants.documents import Written

KEYS = ["a", "b-1", "steps", "x y", "dotted.key", "é", 'say "x"', "", "#", "[t]", "k=v", "a\\b", "objects"]
TEXTS = [
    "",
    "plain",
    "[objects.A]\nkey = 1\n",
    'a "quoted" \\ text',
    "# no comment",
    "'",
    "x]} ''",
    'x ""',
    "é\n\n'''",
    "1,2",
]

PLANT: dict[str, Any] = {
    "name": "Site",
    "areas": {"Yard": {}, "Hall": {"area": "Yard"}},
    "templates": {
        "Tank": {
            "attributes": {
                "Inlet": {"type": "boolean", "security": "operate"},
                "Level": {
                    "type": "float",
                    "value": 50.0,
                    "alarms": [{"name": "Hi", "limit": 90}, {"name": "Lo", "limit": 10, "above": False}],
                    "behaviour": {"kind": "expression", "expression": "if(Inlet, 95, 5)", "lag": 20, "every": 0.5},
                },
            }
        },
        "Pump": {"attributes": {"Speed": {"type": "double", "behaviour": {"kind": "ramp", "low": 0, "high": 9, "period": 5}}}},
    },
    "objects": {
        "Tank01": {"template": "Tank", "area": "Yard"},
        "Pump01": {"template": "Pump", "parent": "Tank01", "attributes": {"Odd name": {"type": "integer", "length": 2}}},
    },
}  # fmt: skip
SCENARIO: dict[str, Any] = {
    "description": "[[steps]]\nat = 1\n",
    "steps": [
        {"at": 1, "set_tag": {"tag": "A.B", "value": 1}},
        {"when": {"sessions": 1}, "every": 5, "times": 2, "drop_connections": {"politely": True}},
        {"after": 5, "deploy": {"remove": ["A", "B"], "rename": {"C": "D"}}},
    ],
}


def document(rng: random.Random, depth: int = 0) -> Any:
    """Return any value."""
    kind = rng.random()
    if depth < 4 and (kind < 0.4 or depth == 0):
        return {rng.choice(KEYS): document(rng, depth + 1) for _ in range(rng.randrange(5))}
    if depth < 4 and kind < 0.6:
        return [document(rng, depth + 1) for _ in range(rng.randrange(4))]
    return rng.choice([rng.choice(TEXTS), rng.randrange(-99, 99), 1.5, True, False])


def paths(value: Any, path: Path = ()) -> list[Path]:
    """Return every path of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, below in inner for each in ((*path, key), *paths(below, (*path, key)))]


@pytest.mark.parametrize("is_json", [False, True])
def test_every_key_of_every_document_has_its_line(is_json: bool) -> None:
    for seed in range(150):
        rng = random.Random(seed)
        said = document(rng)
        written = Written(said, rng, is_json=is_json)
        assert (json.loads if is_json else tomllib.loads)(written.text) == said, written.text
        every = paths(said)
        assert written.lines.keys() == set(every)
        for path in every:
            assert line_of(written.text, path, is_json=is_json) == written.lines[path], (path, written.text)
        for path in every:  # what is not there has the line of what is around it
            assert line_of(written.text, (*path, "no such key"), is_json=is_json) == written.lines[path]


def test_the_lines_of_an_array_are_those_of_its_elements() -> None:
    for seed in range(50):
        written = Written(SCENARIO, random.Random(seed), is_json=False)
        lines = Description("x.toml", written.text).lines("steps")
        assert lines == {index: written.lines["steps", index] for index in range(3)}


@pytest.mark.parametrize(("good", "load"), [(PLANT, Plant.load), (SCENARIO, Scenario.load)])
def test_an_error_at_any_key_names_its_line(tmp_path: File, good: dict[str, Any], load: Any) -> None:
    free = {
        "value",
        "attributes",
        "areas",
        "templates",
        "objects",
        "rename",
    }  # what has names of the user's own, or any value
    for seed in range(120):
        rng = random.Random(seed)
        bad = deepcopy(good)
        path = rng.choice([each for each in paths(good) if each[-1] not in free])
        at: Any = bad
        for key in path[:-1]:
            at = at[key]
        if (
            isinstance(at[path[-1]], dict)
            and not set(path[-2:]) & {"areas", "objects", "templates"}
            and rng.random() < 0.5
        ):
            path = (*path, "no_such_key")
            at = at[path[-2]]
        if isinstance(at, dict):
            at[path[-1]] = [[]] if not isinstance(at.get(path[-1]), list) else 7
        else:
            at[path[-1]] = [[]]
        is_json = rng.random() < 0.5
        written = Written(bad, rng, is_json=is_json)
        file = tmp_path / ("bad.json" if is_json else "bad.toml")
        file.write_text(written.text, encoding="utf-8", newline="")
        with pytest.raises(ValueError, match="bad") as refused:
            load(file)
        said = str(refused.value)
        assert said.startswith(f"{file}: line {written.lines[path]}: "), (path, said, written.text)
        assert str(path[-1]) in said


def test_a_key_that_is_given_twice_is_refused_with_its_second_line(tmp_path: File) -> None:
    for name, text, place in (
        ("a.json", '{"objects": {},\n"name": {"a": 1,\n"a": 2}}', "line 3: name.a: a key is given twice"),
        ("b.json", '{"objects": {},\n"objects": {}}', "line 2: objects: a key is given twice"),
        ("c.toml", 'name = "a"\nname = "b"\n[objects]', "line 2, column 11: Cannot overwrite a value"),
    ):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="line") as refused:
            Plant.load(file)
        assert str(refused.value) == f"{file}: {place}"


def test_what_is_nested_too_deeply_for_a_line_has_none() -> None:
    assert line_of("[" * 100_000, (0, 0), is_json=True) is None
