"""However a recorder ends, what it has written is a recording, or the beginning of one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from mxgateway.simulator import Recording
from mxgateway.simulator.recording.records import RecordedConnection, RecordedEvent, RecordedGap
from tests.cli.gateway import Gateway
from tests.cli.recovery.running import restart, running
from tests.recording.recorder import of_kind

CHANGING = "TestMachine_001.TestChangingInt"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_a_footer_and_closes_the_session(
    gateway: Gateway, tmp_path: Path, number: signal.Signals
) -> None:
    async with running(gateway, "record", "-", CHANGING) as recorder:
        await recorder.until('"event"')
        recorder.process.send_signal(number)
        outcome = await recorder.outcome()
    assert (outcome.code, outcome.err) == (128 + number, "")
    assert outcome.lines[-1]["footer"]["reason"] == "signal"
    assert not gateway.simulated.sessions
    path = tmp_path / "a.jsonl"
    path.write_text(outcome.out + "\n", "utf-8")
    assert of_kind(Recording.load(path), RecordedEvent)


async def test_a_closed_pipe_ends_it_quietly(gateway: Gateway) -> None:
    async with running(gateway, "record", "-", CHANGING) as recorder:
        await recorder.until('"event"')
        recorder.close_pipe()
        code = await recorder.process.wait()
        assert recorder.process.stderr is not None
        assert (code, await recorder.process.stderr.read()) == (0, b"")
    assert not gateway.simulated.sessions


async def test_a_recorder_that_is_killed_leaves_a_beginning(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    async with running(gateway, "record", str(path), CHANGING) as recorder:
        while not path.exists() or b'"event"' not in path.read_bytes():
            await asyncio.sleep(0.05)
        recorder.process.kill()
        await recorder.process.wait()
    with pytest.raises(ValueError, match="truncated"):
        Recording.load(path)
    assert of_kind(Recording.load(path, partial=True), RecordedEvent)


async def test_a_restart_in_the_middle_is_recorded_and_survived(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    async with running(gateway, "record", "-", CHANGING, "--alarms") as recorder:
        await recorder.until('"event"')
        await restart(gateway)
        await recorder.until('"outcome":"rebuilt"', '"feed":"events"')
        await recorder.until('"event"')
        recorder.process.send_signal(signal.SIGTERM)
        outcome = await recorder.outcome()
    path.write_text(outcome.out + "\n", "utf-8")
    recording = Recording.load(path)
    states = [
        (record.state, record.outcome) for record in of_kind(recording, RecordedConnection) if record.feed == "events"
    ]
    assert states == [("recovering", None), ("connected", "rebuilt")]
    [gap] = of_kind(recording, RecordedGap)
    assert (gap.cause, gap.last) == ("session lost", None)
    sessions = {record.event.session_id for record in of_kind(recording, RecordedEvent)}
    assert sessions == {"session-1", "session-2"}
    assert "endpoint" not in outcome.out
    assert gateway.simulated.endpoint not in outcome.out
    assert json.loads(outcome.out.splitlines()[-1])["footer"]["gaps"] == 1
