"""A fault that passes ends no command that watches or waits: what it writes, line by line."""

from __future__ import annotations

import pytest

from tests.cli.gateway import TAG, Gateway
from tests.cli.recovery.running import (
    ALARMS,
    EVENTS,
    WAIT,
    WATCH,
    Fault,
    advised,
    away,
    crash,
    drop,
    go_away,
    in_short,
    restart,
    running,
)

LOST, SAME, NEW = "recovering UNAVAILABLE", "connected continuous", "connected rebuilt"
GAP = "gap session lost 2 None"
FAULTS = {
    drop: [LOST, SAME],
    go_away: [LOST, SAME],
    restart: [LOST, GAP, NEW],
    away: [LOST, GAP, NEW],
    crash: [LOST, GAP, NEW],
}
by_fault = pytest.mark.parametrize(("fault", "between"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])


@by_fault
async def test_watch_and_stream_events_go_on_and_tell_what_is_missing(
    gateway: Gateway, fault: Fault, between: list[str]
) -> None:
    for arguments, kind, bound in ((WATCH, "value", "--count"), (EVENTS, "event", "--max-events")):
        gateway.simulated.set_tag(TAG, 17)
        async with running(gateway, *arguments, bound, "2", "-ojsonl") as command:
            await command.until("17")
            await fault(gateway)
            await command.until("connection", '"connected"')
            if SAME in between:
                gateway.simulated.set_tag(TAG, 18)
            outcome = await command.outcome()

        after = f"{kind} {18 if SAME in between else 17}"
        assert (outcome.code, outcome.err) == (0, "")
        assert in_short(outcome.out) == [f"{kind} 17", *between, after]
        assert not gateway.simulated.sessions


@pytest.mark.parametrize("fault", [drop, go_away, restart, away], ids=lambda fault: fault.__name__)
async def test_stream_alarms_begins_again_with_the_active_alarms(gateway: Gateway, fault: Fault) -> None:
    async with running(gateway, *ALARMS, "--max-messages", "4", "-ojsonl") as command:
        await command.until("providerStatus")
        await fault(gateway)
        outcome = await command.outcome()

    feed = ["snapshotComplete", "providerStatus"]
    assert (outcome.code, outcome.err) == (0, "")
    assert in_short(outcome.out) == [*feed, LOST, NEW, *feed]


@by_fault
async def test_wait_waits_on_with_warnings_beside_its_one_result(
    gateway: Gateway, fault: Fault, between: list[str]
) -> None:
    for form in ("-ojsonl", "-ovalue"):
        gateway.simulated.set_tag(TAG, 17)
        before = gateway.simulated.events_sent
        async with running(gateway, *WAIT, form) as command:
            await advised(gateway, before)
            await fault(gateway)
            gateway.simulated.set_tag(TAG, 5)
            outcome = await command.outcome()

        assert outcome.code == 0, outcome.err
        assert outcome.out == "5" or outcome.document["value"] == 5
        assert "connection lost: " in outcome.err.splitlines()[0]
        assert len(outcome.err.splitlines()) == len(between)


async def test_a_table_has_a_line_for_each_change_and_value_has_values_only(gateway: Gateway) -> None:
    for arguments, bound in ((WATCH, "--count"), (EVENTS, "--max-events")):
        async with running(gateway, *arguments, bound, "2") as command:
            await command.until("17")
            await gateway.simulated.restart()
            outcome = await command.outcome()
        heading, first, lost, gap, back, second = outcome.out.splitlines()
        assert (outcome.code, outcome.err) == (0, "")
        assert "value" in heading
        assert "17" in first
        assert "17" in second
        assert lost.startswith("connection lost: ")
        assert gap == "events from 2 on, of the old session, lost (session lost)"
        assert back == "connected again, a new session"

        async with running(gateway, *arguments, bound, "2", "-ovalue") as command:
            await command.until("17")
            await gateway.simulated.restart()
            outcome = await command.outcome()
        assert (outcome.code, outcome.out) == (0, "17\n17")
        assert [line.split(":")[0] for line in outcome.err.splitlines()] == ["warning"] * 3


async def test_a_document_holds_the_changes_in_their_place(gateway: Gateway) -> None:
    async with running(gateway, *EVENTS, "--max-events", "2", "--json") as command:
        await advised(gateway)
        await gateway.simulated.restart()
        outcome = await command.outcome()

    assert (outcome.code, outcome.err) == (0, "")
    assert (outcome.document["eventCount"], outcome.document["lastWorkerSequence"]) == (2, "1")
    keys = [next(iter(record)) for record in outcome.document["events"]]
    assert keys == [keys[0], "connection", "gap", "connection", keys[0]]
