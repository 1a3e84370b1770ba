"""A pause of a channel lasts as long as it must, and no longer than the channel is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from mxgateway.calling import rpcs as methods
from mxgateway.errors import MxGatewayTransportError
from mxgateway.options import ClientOptions, Endpoint, RetryOptions
from mxgateway.transport.channel import Channel
from tests.peers.http2.raw_peers import Http2Peer, Http2Server
from tests.transport.rig import REPLY, channel_to, invoke
from tests.transport.unavailable import Gateway, call, says_unavailable

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

LONG = 3600.0


@pytest.fixture
async def channel() -> AsyncIterator[Channel]:
    channel = Channel([Endpoint("127.0.0.1", 1)], ClientOptions(plaintext=True))
    yield channel
    await channel.aclose()


async def paused(*pauses: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Let pauses begin."""
    tasks = [asyncio.create_task(pause) for pause in pauses]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return tasks


async def test_a_pause_is_over_when_its_time_is(channel: Channel) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await channel.pause(0.05)
    await channel.pause(0.05, asyncio.Event())
    assert loop.time() - began >= 0.1
    assert not channel.closing


async def test_a_pause_is_over_when_its_sleeper_is_woken_and_nobody_elses(channel: Channel) -> None:
    mine, other = asyncio.Event(), asyncio.Event()
    tasks = await paused(channel.pause(LONG, mine), channel.pause(LONG, other), channel.pause(LONG))
    mine.set()
    await tasks[0]
    await channel.pause(LONG, mine)  # it stays set
    assert [task.done() for task in tasks] == [True, False, False]
    other.set()
    await tasks[1]
    tasks[2].cancel()
    await asyncio.wait([tasks[2]])
    assert tasks[2].cancelled()


@pytest.mark.parametrize("close", [Channel.begin_closing, Channel.end], ids=lambda close: close.__name__)
async def test_closing_ends_every_pause_at_once_and_lets_none_begin(
    channel: Channel, close: Callable[[Channel], None]
) -> None:
    event = asyncio.Event()
    tasks = await paused(*(channel.pause(LONG) for _ in range(10)), channel.pause(LONG, event))
    close(channel)
    assert channel.closing
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
        await channel.pause(LONG)
        await channel.pause(LONG, event)
    assert not event.is_set()
    close(channel)


async def test_closing_it_ends_every_pause(channel: Channel) -> None:
    tasks = await paused(channel.pause(LONG))
    await channel.aclose()
    assert channel.closing
    await asyncio.gather(*tasks)


async def test_a_pause_that_ends_in_the_very_turn_in_which_closing_begins_ends_once(channel: Channel) -> None:
    event = asyncio.Event()
    (task,) = await paused(channel.pause(LONG, event))
    event.set()
    channel.begin_closing()
    await task
    assert task.cancelling() == 0


async def test_a_cancelled_sleeper_stays_cancelled_when_closing_begins(channel: Channel) -> None:
    (task,) = await paused(channel.pause(LONG))
    channel.begin_closing()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def serve(peer: Http2Peer) -> None:
    await peer.serve(REPLY)


@pytest.mark.parametrize("connected", [True, False])
async def test_sessions_can_still_be_closed_while_it_is_closing_and_nothing_else_be_done(connected: bool) -> None:
    async with Http2Server(serve) as server, channel_to(server) as channel:
        if connected:
            await channel.ready()
        channel.begin_closing()
        assert await call(channel, methods.CLOSE_SESSION)
        with pytest.raises(MxGatewayTransportError, match="client is closed"):
            await invoke(channel)
        channel.end()
        with pytest.raises(MxGatewayTransportError, match="client is closed"):
            await call(channel, methods.CLOSE_SESSION)


async def test_a_call_that_waits_for_its_next_attempt_makes_it_when_closing_begins() -> None:
    slow = RetryOptions(initial_backoff=LONG, max_backoff=LONG)
    async with Gateway(says_unavailable) as server, channel_to(server, retry=slow, call_timeout=None) as channel:
        waiting = asyncio.create_task(call(channel, methods.CLOSE_SESSION))
        while not channel.stats().calls_retried:
            await asyncio.sleep(0)
        channel.begin_closing()
        await waiting
        assert len(server.seen) == 2
