"""`doctor` as a process: a closed pipe and signals end it as they end every command, with the session closed."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.cli.gateway import Gateway
from tests.cli.process import finish, start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")


async def running(gateway: Gateway) -> asyncio.subprocess.Process:
    """Start `doctor`, and return it when it waits for the galaxy with a session open."""
    gateway.simulated.hold("GetLastDeployTime")
    process = await start("doctor", "--plaintext", "-o", "jsonl", env=gateway.env)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b'"ping"' not in await process.stdout.readline():
            pass
    assert len(gateway.simulated.sessions) == 1
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_closes_the_session_first(gateway: Gateway, number: signal.Signals, code: int) -> None:
    process = await running(gateway)
    process.send_signal(number)
    outcome = await finish(process)

    assert outcome.code == code
    assert outcome.err == ""
    assert not gateway.simulated.sessions


async def test_a_closed_pipe_ends_quietly_with_0(gateway: Gateway) -> None:
    process = await running(gateway)
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined]
    gateway.simulated.release("GetLastDeployTime")
    outcome = await finish(process)

    assert outcome.code == 0
    assert outcome.err == ""
    assert not gateway.simulated.sessions
