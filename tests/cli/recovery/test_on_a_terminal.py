"""An outage on a terminal: below the live table, and as dim lines between the rows."""

from __future__ import annotations

import os

import pytest
from grpclib.const import Status

from tests.cli.gateway import TAG, Gateway
from tests.cli.terminal import terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")


async def test_the_live_table_says_that_the_connection_is_lost_for_as_long_as_it_is(gateway: Gateway) -> None:
    arguments = ("watch", TAG, "--count", "3", "--plaintext")
    async with terminal(*arguments, env=gateway.env, columns=100, lines=10) as screen:
        await screen.until(lambda: screen.frame[-1:] == ["1 updates"])
        await gateway.simulated.stop()
        await screen.until(lambda: screen.frame[-1].startswith("1 updates, connection lost: "))
        await gateway.simulated.start()
        await screen.until(lambda: screen.frame[-1:] == ["2 updates"])
        assert screen.frame[1].split()[:2] == [TAG, "17"]
        gateway.simulated.set_tag(TAG, 18)
        assert await screen.ended() == 0
        assert "warning" not in screen.text


async def test_stream_events_resumes_on_a_terminal_by_itself_with_dim_lines(gateway: Gateway) -> None:
    for environment, begin in (({}, "\x1b[2m"), ({"NO_COLOR": "1"}, "")):
        arguments = ("stream-events", "--item", TAG, "--max-events", "2", "--plaintext")
        async with terminal(*arguments, env={**gateway.env, **environment}, columns=200, lines=10) as screen:
            await screen.until(lambda: "17" in screen.text)
            await gateway.simulated.restart()
            assert await screen.ended() == 0
            lines = screen.text.splitlines()
        assert lines[2].startswith(f"{begin}connection lost: ")
        assert lines[3].startswith(f"{begin}events from 2 on")
        assert lines[4].startswith(f"{begin}connected again, a new session")
        assert "17" in lines[5]


async def test_without_a_terminal_stream_events_ends_at_the_first_fault(gateway: Gateway) -> None:
    session_id = await gateway.open_session()
    gateway.simulated.fail_next("StreamEvents", Status.UNAVAILABLE)
    outcome = await gateway.mxgw("stream-events", "--session-id", session_id)
    assert outcome.code == 78
