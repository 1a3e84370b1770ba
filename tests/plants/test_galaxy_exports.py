"""The export of a galaxy becomes a plant with the same objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mxgateway.simulator import Plant, SimulatedGateway, small_plant
from tests.cli.in_process import mxgw
from tests.rows import each_row

OBJECT = '{"gobjectId":%d,"tagName":"A%d","attributes":[{"attributeName":"V","mxDataType":2}]}\n'


async def exported(plant: Plant) -> str:
    async with SimulatedGateway(plant=plant) as gateway:
        where = ("--endpoint", gateway.endpoint, "--plaintext")
        outcome = await mxgw("galaxy-discover", "-o", "jsonl", *where, env={"MXGATEWAY_API_KEY": gateway.api_key})
    assert outcome.code == 0
    return outcome.out


async def test_the_export_of_an_export_is_the_same(tmp_path: Path) -> None:
    first = await exported(small_plant())
    path = tmp_path / "site.jsonl"
    path.write_text(first, encoding="utf-8")
    assert await exported(Plant.from_galaxy(path)) == first


def test_an_object_without_its_parent_is_at_the_top(tmp_path: Path) -> None:
    path = tmp_path / "site.jsonl"
    path.write_text('{"gobjectId":5,"tagName":"A","parentGobjectId":4}\n', encoding="utf-8")
    assert Plant.from_galaxy(path).objects[0].parent_id == 0


@each_row(
    "line",
    ["{", "[]", '"x"', "{}", '{"gobjectId":"1","tagName":"A"}', '{"gobjectId":1,"tagName":"A","attributes":[{}]}',
     '{"gobjectId":1,"tagName":"A","attributes":7}', "[" * 100_000],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "site.jsonl"
    path.write_text(f"{OBJECT % (7, 7)}{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"site\.jsonl: line 2: "):
        Plant.from_galaxy(path)


def test_a_circle_of_parents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.jsonl"
    lines = (json.dumps({"gobjectId": n, "tagName": f"A{n}", "parentGobjectId": 3 - n}) + "\n" for n in (1, 2))
    path.write_text("".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match="contains itself"):
        Plant.from_galaxy(path)


def test_objects_of_a_kind_share_their_template(tmp_path: Path) -> None:
    path = tmp_path / "site.jsonl"
    path.write_text("".join(OBJECT % (number, number) for number in range(1, 100)), encoding="utf-8")
    assert len({id(obj.template) for obj in Plant.from_galaxy(path).objects}) == 1


async def test_an_alarm_of_any_type_is_loaded_and_one_of_a_boolean_is_there_while_it_is_true(tmp_path: Path) -> None:
    said = [{"attributeName": f"V{kind}", "mxDataType": kind, "isAlarm": True} for kind in range(18)]
    array = {"attributeName": "Array", "mxDataType": 2, "isArray": True, "arrayDimension": 2, "isAlarm": True}
    path = tmp_path / "site.jsonl"
    path.write_text(json.dumps({"gobjectId": 1, "tagName": "A", "attributes": [*said, array]}), encoding="utf-8")
    async with SimulatedGateway(plant=Plant.from_galaxy(path)) as gateway:
        seen = []
        for value in (True, False):
            gateway.set_tag("A.V1", value)
            seen.append([alarm.current_value.bool_value for alarm in gateway.alarms.snapshots("Galaxy!.A.V1")])
    assert seen == [[True], []]
