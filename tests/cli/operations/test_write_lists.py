"""A list of values for tags, and what a write shows of the value before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from tests.cli.gateway import TAG, Gateway

RECIPE, SETPOINT = "TestMachine_001.Recipe", "TestMachine_001.SpeedSetpoint"


@pytest.fixture
def setpoints(tmp_path: Path) -> str:
    path = tmp_path / "setpoints.csv"
    path.write_text(f"tag,type,value\n{SETPOINT},,1200\n{RECIPE},,Fine\n{TAG},int32,5\n")
    return str(path)


def values(gateway: Gateway) -> list[Any]:
    return [gateway.simulated.tag(tag).sample.native for tag in (SETPOINT, RECIPE, TAG)]


async def test_a_list_is_shown_then_written_as_the_tags_own_types(gateway: Gateway, setpoints: str) -> None:
    shown = await gateway.mxgw("write", "--from", setpoints, "--dry-run")
    before = values(gateway)
    written = await gateway.mxgw("write", "--from", setpoints, "--confirm", "--json")

    assert (shown.code, written.code) == (0, 0), shown.err + written.err
    assert [row.split()[:3] for row in shown.out.splitlines()[1:]] == [
        [SETPOINT, "1000.0", "1200.0"], [RECIPE, "Standard", "Fine"], [TAG, "17", "5"],
    ]  # fmt: skip
    assert shown.err == "3 tags would be written\n"
    assert before == [1000.0, "Standard", 17]
    results = written.document["results"]
    assert [list(each)[:6] for each in results] == [["tag", "oldValue", "value", "ok", "error", "confirmed"]] * 3
    assert [(each["oldValue"], each["value"], each["confirmed"]) for each in results] == [
        (1000.0, 1200.0, True), ("Standard", "Fine", True), (17, 5, True),
    ]  # fmt: skip
    assert values(gateway) == [1200.0, "Fine", 5]
    assert not gateway.simulated.sessions


@pytest.mark.parametrize("command", [("write",), ("write", "--confirm"), ("write-bulk",), ("write-bulk", "--confirm")])
async def test_a_value_that_does_not_fit_its_tag_lets_none_be_written(
    gateway: Gateway, tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_text(
        f'{{"tag": "{SETPOINT}", "value": 5}}\n{{"tag": "{TAG}", "value": "much"}}\n{{"tag": "No.Such", "value": 1}}\n'
    )

    outcome = await gateway.mxgw(*command, "--from", str(path))

    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert "2 of" in outcome.err
    assert TAG in outcome.err
    assert "No.Such cannot be read" in outcome.err
    assert values(gateway) == [1000.0, "Standard", 17]


async def test_a_bulk_write_takes_types_from_its_tags_and_confirms(gateway: Gateway, setpoints: str) -> None:
    accepted = await gateway.mxgw("write-bulk", "--from", setpoints, "-o", "jsonl")
    refused = await gateway.mxgw(
        "write-bulk", TAG, "TestChildObject.RefusedInt", "--values", "6,1", "--type", "int32", "--confirm", "-ojsonl"
    )

    assert accepted.code == 0, accepted.err
    assert [each["value"] for each in accepted.lines] == [1200.0, "Fine", 5]
    assert refused.code == 21
    assert [(each["ok"], each["confirmed"]) for each in refused.lines] == [(True, True), (False, False)]
    assert gateway.simulated.tag(TAG).sample.native == 6


async def test_what_was_read_in_bulk_is_written_back_with_its_types(gateway: Gateway, tmp_path: Path) -> None:
    tags = [f"TestChildObject.{name}" for name in ("TestBool", "TestInt", "TestWideInt", "TestFloat", "TestTime")]
    before = await gateway.mxgw("read-bulk", *tags, "-o", "jsonl")
    path = tmp_path / "plant.jsonl"
    path.write_text(before.out)

    written = await gateway.mxgw("write-bulk", "--from", str(path), "--confirm")
    after = await gateway.mxgw("read-bulk", *tags, "-o", "jsonl")

    assert written.code == 0, written.err
    assert [each["value"] for each in after.lines] == [each["value"] for each in before.lines]


async def test_an_old_value_that_cannot_be_read_fails_no_write(gateway: Gateway) -> None:
    gateway.simulated.fail_next("Invoke.ReadBulk", Status.INTERNAL, "no reads today")
    table = await gateway.mxgw("write", TAG, "5", "--type", "int32", "--confirm")
    gateway.simulated.fail_next("Invoke.ReadBulk", Status.INTERNAL, "no reads today")
    document = await gateway.mxgw("write", TAG, "6", "--type", "int32", "--json")

    assert (table.code, table.out) == (0, f"{TAG}  ? -> 5  confirmed\n"), table.err
    assert (document.document["oldValue"], document.document["value"]) == (None, 6)


async def test_the_next_deployment_is_waited_for(gateway: Gateway) -> None:
    missed = await gateway.mxgw("galaxy-watch", "--next", "--timeout", "1")

    assert missed.code == 20
    assert "0 of 1 deployments arrived" in missed.err
