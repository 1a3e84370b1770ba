from __future__ import annotations

import json
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import proto
from mxgateway_cli.output.events import EventWriter
from mxgateway_cli.terminal.stdout import Output
from tests.cli.gateway import TAG, Gateway
from tests.cli.process import finish, start

CHANGING = "TestMachine_001.TestChangingInt"
SILENT = "TestChildObject.SilentInt"


async def advised_session(gateway: Gateway, *tags: str) -> str:
    session_id = await gateway.open_session()
    async with gateway.client() as client:
        session = client.attach_session(session_id)
        server = await session.register("test")
        for tag in tags:
            await session.advise(server, await session.add_item(server, tag))
    return session_id


async def test_a_bounded_json_stream_is_one_document(gateway: Gateway) -> None:
    session_id = await advised_session(gateway, TAG, "TestChildObject.TestString")

    outcome = await gateway.mxgw("stream-events", "--session-id", session_id, "--max-events", "2", "--json")

    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert list(document) == ["operation", "sessionId", "eventCount", "lastWorkerSequence", "events"]
    assert (document["sessionId"], document["eventCount"], document["lastWorkerSequence"]) == (session_id, 2, "2")
    assert [event["workerSequence"] for event in document["events"]] == ["1", "2"]
    assert session_id in gateway.simulated.sessions


async def test_json_without_a_bound_and_jsonl_are_one_object_per_line(gateway: Gateway) -> None:
    for arguments in (("--json", "--timeout", "2"), ("-ojsonl", "--max-events", "1")):
        session_id = await advised_session(gateway, TAG)
        outcome = await gateway.mxgw("stream-events", "--session-id", session_id, *arguments)

        assert outcome.code == 0, outcome.err
        assert [event["value"]["int32Value"] for event in outcome.lines] == [17]


async def test_a_table_shows_tag_value_quality_and_time(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("stream-events", "--item", "TestChildObject.TestString", "--max-events", "1")

    assert outcome.code == 0, outcome.err
    heading, row = outcome.out.splitlines()
    assert heading.split() == ["sequence", "family", "item", "value", "quality", "source", "time", "error"]
    assert row.split()[:5] == ["1", "OnDataChange", "TestChildObject.TestString", "Grüße", "192"]


async def test_a_table_says_what_is_wrong_with_a_tag_and_cuts_long_values(gateway: Gateway) -> None:
    items = ("--item", "No.Such", "--item", "TestChildObject.TestBigString")
    outcome = await gateway.mxgw("stream-events", *items, "--max-events", "2")

    _, unknown, long = outcome.out.splitlines()
    assert "configuration error" in unknown
    assert long.split()[3] == "x" * 59 + "…"


async def test_the_format_value_shows_values_alone(gateway: Gateway) -> None:
    items = ("--item", "TestChildObject.TestBool", "--item", "TestChildObject.TestIntArray")
    outcome = await gateway.mxgw("stream-events", *items, "--max-events", "2", "-o", "value")

    assert outcome.out == "true\n[1, 2, 3, 4, 5]\n"


async def test_missing_events_at_the_time_limit_are_exit_code_20_with_what_came(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("stream-events", "--item", TAG, "--max-events", "3", "--timeout", "2", "--json")

    assert outcome.code == 20
    assert outcome.document["eventCount"] == 1
    assert "1 of 3 events arrived within 2 s" in outcome.error["message"]
    assert not gateway.simulated.sessions


async def test_a_stream_resumes_after_a_sequence(gateway: Gateway) -> None:
    session_id = await advised_session(gateway, TAG, "TestChildObject.TestString", "TestChildObject.TestBool")
    first = await gateway.mxgw("stream-events", "--session-id", session_id, "--max-events", "1", "-ojsonl")

    arguments = ("--after-worker-sequence", "1", "--max-events", "2", "-ojsonl")
    rest = await gateway.mxgw("stream-events", "--session-id", session_id, *arguments)

    sequences = [event["workerSequence"] for event in [*first.lines, *rest.lines]]
    assert sequences == ["1", "2", "3"]


async def test_a_broken_stream_leaves_a_record_and_the_exit_code_of_its_status(gateway: Gateway) -> None:
    process = await start("stream-events", "--item", CHANGING, "--plaintext", "-ojsonl", env=gateway.env)
    assert process.stdout is not None
    await process.stdout.readline()
    [session_id] = gateway.simulated.sessions
    gateway.simulated.crash_worker(session_id)
    outcome = await finish(process)

    assert outcome.code == 64 + Status.UNAVAILABLE.value
    assert list(outcome.lines[-1]) == ["disconnect"]
    assert outcome.lines[-1]["disconnect"]["grpcStatus"] == "UNAVAILABLE"
    assert outcome.err.startswith('{"error":')


@pytest.mark.parametrize(
    ("events", "gap"),
    [
        ([1, 2, 5], {"cause": "sequence", "firstLost": "3", "lastLost": "4"}),
        ([3, (3, 9), 9], {"cause": "replay", "firstLost": "4", "lastLost": "8"}),
    ],
)
def test_a_gap_is_a_record_of_its_own(
    events: list[Any], gap: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    writer = EventWriter(Output("json"), 3, lambda *_: None)
    writer.start()
    for event in events:
        if isinstance(event, tuple):
            writer.add(proto.MxEvent(replay_gap=proto.ReplayGap(*event)))
        else:
            writer.add(proto.MxEvent(worker_sequence=event))
    writer.finish("session-x")

    document = json.loads(capsys.readouterr().out)
    assert document["eventCount"] == sum(isinstance(event, int) for event in events)
    assert {"gap": gap} in document["events"]
    assert document["events"].index({"gap": gap}) == len(document["events"]) - 2
