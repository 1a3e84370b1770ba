"""One value for all tags of a pattern: nothing is written that nobody has counted."""

from __future__ import annotations

from typing import Any

import pytest

from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from mxgateway.wire import which_one_of
from tests.cli.gateway import KEY, Gateway

PATTERN = "TestMachine_00?.SpeedSetpoint"
SETPOINTS = [f"TestMachine_{number:03}.SpeedSetpoint" for number in range(1, 7)]


def values(gateway: Gateway, tags: list[str]) -> list[Any]:
    return [gateway.simulated.tag(tag).sample.native for tag in tags]


def writes(gateway: Gateway) -> int:
    requests = [call.request for call in gateway.simulated.received if call.method == "Invoke"]
    return sum(
        request is not None and which_one_of(request.command, "payload").startswith("write") for request in requests
    )


async def test_a_pattern_writes_nothing_until_its_tags_were_counted(gateway: Gateway) -> None:
    uncounted = await gateway.mxgw("write", PATTERN, "--value", "900")
    wrong = await gateway.mxgw("write", PATTERN, "--value", "900", "--tag-count", "5")

    assert uncounted.code == wrong.code == 2
    assert uncounted.err.splitlines() == [
        f"error: '{PATTERN}' matches 6 tags: nothing was written",
        "hint: --dry-run shows them; --tag-count 6 writes them",
    ]
    assert wrong.err.splitlines()[0] == f"error: '{PATTERN}' matches 6 tags, not 5: nothing was written"
    assert writes(gateway) == 0
    assert values(gateway, SETPOINTS) == [1000.0] * 6


async def test_a_dry_run_shows_every_tag_and_the_number_that_writes_them(gateway: Gateway) -> None:
    table = await gateway.mxgw("write", PATTERN, "--value", "900", "--dry-run")
    document = await gateway.mxgw("write", PATTERN, "--value", "900", "--dry-run", "--json")
    again = await gateway.mxgw("write", PATTERN, "--value", "900", "--dry-run", "--tag-count", "7")

    assert (table.code, document.code, again.code) == (0, 0, 2)
    heading, *rows = table.out.splitlines()
    assert heading.split() == ["tag", "old", "value", "new", "value", "type", "quality"]
    assert [row.split() for row in rows] == [[tag, "1000.0", "900.0", "VT_R8", "good"] for tag in SETPOINTS]
    assert table.err == "6 tags would be written; --tag-count 6 writes them\n"
    assert list(document.document) == [
        "operation", "sessionId", "dryRun", "pattern", "tagCount", "results", "correlationId",
    ]  # fmt: skip
    assert [each["tag"] for each in document.document["results"]] == SETPOINTS
    assert writes(gateway) == 0


async def test_the_number_of_tags_writes_them_as_their_own_type(gateway: Gateway) -> None:
    accepted = await gateway.mxgw("write", PATTERN, "--value", "900", "--tag-count", "6")
    confirmed = await gateway.mxgw("write", PATTERN, "--value", "901", "--tag-count", "6", "--confirm", "--json")

    assert (accepted.code, confirmed.code) == (0, 0), accepted.err + confirmed.err
    assert [row.split() for row in accepted.out.splitlines()[1:]] == [
        [tag, "1000.0", "900.0", "accepted"] for tag in SETPOINTS
    ]
    assert list(confirmed.document) == [
        "operation", "sessionId", "pattern", "tagCount", "failedCount", "results", "correlationId",
    ]  # fmt: skip
    assert [(each["ok"], each["confirmed"]) for each in confirmed.document["results"]] == [(True, True)] * 6
    assert values(gateway, SETPOINTS) == [901.0] * 6
    assert not gateway.simulated.sessions


async def test_tags_that_do_not_take_the_value_let_none_be_written(gateway: Gateway) -> None:
    arguments = ("write", "TestMachine_001.*S*", "--value", "900", "--dry-run")
    outcome = await gateway.mxgw(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert "cannot take the value: TestMachine_001." in outcome.err
    assert "nothing was written" in outcome.err
    assert writes(gateway) == 0


async def test_a_tag_that_refuses_the_write_fails_no_other(gateway: Gateway) -> None:
    arguments = ("write", "TestChildObject.*edInt", "--type", "int32", "--value", "3", "--tag-count", "2", "--confirm")
    outcome = await gateway.mxgw(*arguments, "-ojsonl")

    assert outcome.code == 21
    assert [each["tag"] for each in outcome.lines] == ["TestChildObject.DeniedInt", "TestChildObject.RefusedInt"]
    assert [each["ok"] for each in outcome.lines] == [False, False]
    assert outcome.error["message"] == "2 of 2 tags could not be written"


async def test_an_open_session_is_left_as_it_was(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    outcome = await gateway.mxgw(
        "write", PATTERN, "--value", "7", "--tag-count", "6", "--session-id", session_id, "-ovalue"
    )

    assert (outcome.code, outcome.out) == (0, "true\n" * 6), outcome.err
    assert session_id in gateway.simulated.sessions


@pytest.mark.parametrize("missing", [Scope.METADATA_READ, Scope.INVOKE_WRITE])
async def test_a_key_without_the_scope_writes_nothing(missing: Scope) -> None:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY, scopes=set(Scope) - {missing})]) as simulated:
        outcome = await Gateway(simulated).mxgw("write", PATTERN, "--value", "900", "--tag-count", "6")

        assert outcome.code == 71, outcome.err
        assert missing in outcome.err
        assert values(Gateway(simulated), SETPOINTS) == [1000.0] * 6
