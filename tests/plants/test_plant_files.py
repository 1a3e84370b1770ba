"""A plant file says what a plant has, and a wrong one is refused with its place."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mxgateway.simulator import Attribute, DataType, ManualClock, Plant, SimulatedGateway
from mxgateway.simulator.files import schema
from mxgateway.simulator.plant.live_tags import LivePlant
from tests.cli.in_process import run_here
from tests.client.support import connect
from tests.rows import each_row

GOOD = """
name = "Site"
[areas.Yard]
[templates.Base.attributes.Product]
type = "string"
value = "Water"
[templates.Tank]
base = "Base"
[templates.Tank.attributes.Level]
type = "float"
alarms = [{name = "Hi", limit = 80}]
behaviour = {kind = "sine", low = 5, high = 95, period = 120}
[objects.Tank01]
template = "Tank"
area = "Yard"
[objects.Pump01]
template = "Base"
parent = "Tank01"
contained = "Pump"
attributes.Rpm = {type = "integer", length = 2}
"""


def written(folder: Path, text: str, name: str = "plant.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def behaving(folder: Path, behaviour: str, kind: str = "double") -> LivePlant:
    text = f'[templates.T.attributes.V]\ntype = "{kind}"\nbehaviour = {{{behaviour}}}\n[objects.A]\ntemplate = "T"\n'
    return LivePlant(Plant.load(written(folder, text)), ManualClock())


def played(live: LivePlant, ticks: int) -> list[tuple[Any, int]]:
    found = live.find("A.V")
    assert found is not None
    assert isinstance(live.clock, ManualClock)
    values = []
    for _ in range(ticks):
        values.append((found[0].sample.native, found[0].sample.quality))
        live.clock.advance(1)
    return values


def test_a_plant_has_what_its_file_says(tmp_path: Path) -> None:
    plant = Plant.load(written(tmp_path, GOOD))
    assert plant.name == "Site"
    assert [obj.tag_name for obj in plant.objects] == ["Yard", "Tank01", "Pump01"]
    target = plant.find("Tank01.Pump.Product")
    assert target is not None
    assert target.attribute.initial == "Water"
    assert plant.find("Pump01.Rpm[2]") is not None
    assert plant.objects[1].template.chain == ("$Tank", "$Base", "$UserDefined")


def test_json_says_the_same(tmp_path: Path) -> None:
    said = {
        "templates": {"T": {"attributes": {"V": {"type": "integer", "value": 7}}}},
        "objects": {"A": {"template": "T"}},
    }
    plant = Plant.load(written(tmp_path, json.dumps(said), "plant.json"))
    target = plant.find("A.V")
    assert target is not None
    assert target.attribute.initial == 7


WRONG = [
    ('objects = "x"', "objects: this must be of type object"),
    ("", "plant.toml: the key 'objects' is missing"),
    ("[objects.A]\ntemplate =\nx = 1", "line 2, column 11: Invalid value"),
    ("colour = 1\n[objects]", "colour: the key is unknown"),
    ('[objects.A]\ntemplate = "T"', "objects.A.template: there is no template 'T'"),
    ('[objects."A.B"]\ntemplate = "T"', "objects.A.B: a tag name"),
    ('[areas.A]\narea = "B"\n[areas.B]\narea = "A"\n[objects]', "areas.A.area: it contains itself"),
    ('[areas.A]\narea = "C"\n[objects]', "areas.A.area: there is no area 'C'"),
    ("[areas.A]\n[areas.a]\n[objects]", "areas.a: the name is taken"),
    ('[templates.T]\nbase = "U"\n[templates.U]\nbase = "T"\n[objects]', "the templates are based on each other"),
    ('[templates.T.attributes.V]\ntype = "int"\n[objects]', "templates.T.attributes.V.type: 'int' is none of"),
    ('[templates.T.attributes.V]\ntype = "integer"\nvalue = "x"\n[objects]', "templates.T.attributes.V.value: 'x'"),
    ('[templates.T.attributes.V]\ntype = "integer"\nvalue = 2147483648\n[objects]', "templates.T.attributes.V.value"),
    (
        '[templates.T.attributes.V]\ntype = "string"\nbehaviour.kind = "counter"\n[objects]',
        "V.behaviour.kind: only a number",
    ),
    (
        '[templates.T.attributes.V]\ntype = "float"\nbehaviour.kind = "sine"\n[objects]',
        "V.behaviour: the key 'low' is missing",
    ),
    ('[templates.T.attributes.V]\ntype = "float"\nbehaviour = {kind = "counter", low = 1}\n[objects]', "behaviour.low"),
    ('[templates.T.attributes.V]\ntype = "string"\nalarms = [{name = "H", limit = 1}]\n[objects]', "V.alarms"),
    ('[templates.T.attributes.V]\ntype = "float"\nalarms = [{name = "H", limit = inf}]\n[objects]', "alarms[0].limit"),
    ('[templates.T.attributes.V]\ntype = "float"\nbehaviour = {kind = "replay", file = "no.csv"}\n[objects]', "no.csv"),
]


@each_row(("text", "place"), WRONG)
def test_a_wrong_file_is_refused_in_one_line_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"plant\.toml: ") as refused:
        Plant.load(path)
    assert place in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_command_starts_nothing_with_a_wrong_file(tmp_path: Path) -> None:
    outcome = run_here("simulate", "--port", "0", "--plant", str(written(tmp_path, "colour = 1\n[objects]")))
    assert outcome.code == 2
    assert "colour" in outcome.err
    assert not outcome.out


def test_a_file_of_a_gigabyte_is_refused_at_once(tmp_path: Path) -> None:
    for name, load in (("plant.toml", Plant.load), ("plant.jsonl", Plant.from_galaxy)):
        path = tmp_path / name
        path.touch()
        os.truncate(path, 1 << 30)
        with pytest.raises((OSError, ValueError), match=r"larger|longer"):
            load(path)


def test_the_schema_knows_every_type() -> None:
    types = schema("plant", "plant.schema.json")["$defs"]["attribute"]["properties"]["type"]["enum"]
    assert {kind.upper() for kind in types} == {kind.name for kind in DataType} - {"CUSTOM"}


def test_values_follow_from_the_seed_and_stay_within_their_limits(tmp_path: Path) -> None:
    for kind in ("sine", "square", "ramp"):
        line = f'kind = "{kind}", low = 5, high = 9, period = 10'
        values = played(behaving(tmp_path, line), 20)
        assert values == played(behaving(tmp_path, line), 20)
        assert all(5 <= value <= 9 for value, _ in values)
        assert [value for value, _ in values[:10]] == pytest.approx([value for value, _ in values[10:]])
    walk = played(behaving(tmp_path, 'kind = "random_walk", low = 0, high = 10, step = 1'), 200)
    assert all(abs(after[0] - before[0]) <= 1 for before, after in pairwise(walk))
    assert len({value for value, _ in walk}) > 100


def test_faults_of_quality_come_as_often_as_the_file_says(tmp_path: Path) -> None:
    values = played(behaving(tmp_path, 'kind = "counter", bad = 0.2, uncertain = 0.2'), 500)
    assert 60 < sum(quality == 0 for _, quality in values) < 140
    assert 60 < sum(quality == 64 for _, quality in values) < 140


def test_a_recording_is_replayed_in_order_with_its_qualities(tmp_path: Path) -> None:
    written(tmp_path, "time,value,quality\n0,1.5\n2,2.5,64\n3,3.5,0\n", "values.csv")
    values = played(behaving(tmp_path, 'kind = "replay", file = "values.csv"'), 5)
    assert values == [(1.5, 192), (1.5, 192), (2.5, 64), (3.5, 0), (1.5, 192)]


def test_a_wrong_recording_is_refused_with_its_line(tmp_path: Path) -> None:
    for text, line in (("0,1\nx,2\n", 2), ("0,1\n0,one\n", 2), ("5,1\n4,2\n", 2), ("0\n", 1)):
        written(tmp_path, text, "values.csv")
        with pytest.raises(ValueError, match=f"values.csv: line {line}: "):
            behaving(tmp_path, 'kind = "replay", file = "values.csv"')


def test_a_first_value_of_another_type_is_refused_when_the_attribute_is_built() -> None:
    with pytest.raises(ValueError, match="'text' is no INTEGER value"):
        Attribute(name="A", value="text")
    with pytest.raises(ValueError, match="no array"):
        Attribute(name="A", value=[1])
    assert Attribute(name="A", data_type=DataType.FLOAT, value=1).initial == 1


async def test_the_demo_plant_has_alarms_that_come_and_go() -> None:
    clock = ManualClock()
    plant = Plant.demo()
    async with SimulatedGateway(plant=plant, clock=clock) as gateway:
        counts = set()
        for _ in range(180):
            clock.advance(1)
            counts.add(len(list(gateway.alarms.active(""))))
    assert len(counts) > 1


async def test_the_demo_plant_does_what_is_written_to_it() -> None:
    clock = ManualClock()
    async with SimulatedGateway(plant=Plant.demo(), clock=clock) as gateway, connect(gateway) as client:
        async with client.open_session() as session:
            tags = {"Filler01.SpeedSetpoint": 30.0, "Tank01.ManualStop": True, "Pump02.Setpoint": 40.0}
            await session.write_tags(tags, confirm=True)
            levels, flows = list[Any](), list[Any]()
            for _ in range(30):
                clock.advance(10)
                level, flow = await session.read(["Tank02.Level", "Pump02.Flow"])
                levels.append(level.value)
                flows.append(flow.value)
            [speed, stopped, state, unit] = await session.read(
                ["Filler01.Speed", "Tank01.Level", "Tank01.State", "Tank01.Level.EngUnits"]
            )
    assert speed.value == pytest.approx(30, abs=1.5)
    assert stopped.value == pytest.approx(50, abs=1)
    assert (state.value, unit.value) == ("Stopped", "%")
    assert max(levels) > 90
    assert min(levels) < 10
    assert max(flows) == pytest.approx(40, abs=0.5)
    assert min(flows) == pytest.approx(0, abs=0.5)


def test_a_unit_and_an_attribute_of_its_name_exclude_each_other(tmp_path: Path) -> None:
    lines = ['V = { type = "float", unit = "%" }', '"v.engunits" = { type = "string" }']
    for number, place in (
        (1, "V.unit: the name of its tag, 'V.EngUnits', is taken"),
        (-1, "v.engunits: the name is empty or taken"),
    ):
        text = "[templates.T.attributes]\n" + "\n".join(lines[::-number]) + "\n[objects]"
        with pytest.raises(ValueError, match=r"line 3: templates\.T\.attributes\.") as refused:
            Plant.load(written(tmp_path, text))
        assert place in str(refused.value)
