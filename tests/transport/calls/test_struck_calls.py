"""The network fails under a call that is connected and waits: whatever it waits for, it ends as told, and the next call succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from mxgateway.errors import GrpcStatus, MxGatewayTimeoutError
from mxgateway.testing.network.fault_proxy import FaultProxy
from mxgateway.transport.channel import Channel
from tests.peers.http2.http2_frames import grpc_message
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import (
    Step,
    answers,
    body_of,
    data,
    frames,
    headers,
    in_turn,
    message,
    on_headers,
    on_request,
    per_connection,
    ping,
    reply,
    several,
    telling,
    until_reset,
)
from tests.peers.misbehaving.bad_replies import half_message
from tests.transport.fault_rows import (
    OK,
    SOON,
    Ending,
    lost,
    next_call_succeeds,
    nothing_escapes,
    open_channel,
    stream_ends,
    unanswered,
    unary_ends,
)
from tests.transport.rig import REPLY, event, invoke, sequences, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

WINDOW = 65_535
CREDIT = WindowUpdateFrame(0, window_increment=WINDOW)
KEEPALIVE = {"keepalive_time": 0.2, "keepalive_timeout": 0.2}

NOTHING = several()

Call = Callable[[Channel, Ending], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class State:
    """What a call waits for when the network fails."""

    step: Step
    """What the gateway does until then."""
    call: Call = unary_ends
    messages: int = 0
    """What a stream has delivered by then."""
    begun: bool = False
    """The gateway does it while the request is still being sent."""
    streams: int = 100
    """How many streams the gateway allows at once."""
    afterwards: Step = NOTHING
    """What the gateway does when the call is over, where the connection goes on."""
    sent: bool = True
    """False for a call that has not left: it takes the next connection."""


async def large_request_ends(channel: Channel, expected: Ending) -> None:
    """Make a unary call whose request exceeds the gateway's window."""
    await unary_ends(channel, expected, text="x" * 3 * WINDOW)


async def waiting_call_ends(channel: Channel, expected: Ending) -> None:
    """Make a unary call while the only stream that the gateway allows is taken."""
    async with stream(channel) as occupying:
        await occupying.open()
        await unary_ends(channel, expected)


STATES = {
    "a unary call before its answer": State(NOTHING),
    "a unary call within its answer": State(half_message(REPLY)),
    "a stream before its headers": State(NOTHING, stream_ends),
    "a stream before its first message": State(headers(), stream_ends),
    "a stream between two messages": State(several(headers(), message(event(1), event(2))), stream_ends, messages=2),
    "a stream within a message": State(
        several(headers(), message(event(1)), data(grpc_message(event(2))[:-1])), stream_ends, messages=1
    ),
    "a request that waits for its window": State(
        body_of(WINDOW), large_request_ends, begun=True, afterwards=several(until_reset(), frames(CREDIT))
    ),
    "a call that waits for a free stream": State(NOTHING, waiting_call_ends, streams=1, sent=False),
}


NO_FREE_STREAM = Ending(
    error=MxGatewayTimeoutError, status=GrpcStatus.DEADLINE_EXCEEDED, retryable=True, bound=SOON, text="all 1 streams"
)


@dataclass(frozen=True)
class Struck:
    """A call that waits, and what it waits on."""

    proxy: FaultProxy
    channel: Channel
    call: asyncio.Task[None]
    """Is over when the call has ended as it must."""


@asynccontextmanager
async def waiting(name: str, ending: Ending, **options: Any) -> AsyncIterator[Struck]:
    """Give a call that waits; at the end of the block it must end, and the next one succeed."""
    state, waits = STATES[name], asyncio.Event()
    play = on_headers if state.begun else on_request
    first = play(state.step, ping(), telling(waits), state.afterwards)
    script = per_connection(in_turn(first, answers(REPLY)), answers(REPLY))
    settings = {SettingsFrame.MAX_CONCURRENT_STREAMS: state.streams}
    async with nothing_escapes(), Http2Server(script, settings=settings) as server, FaultProxy(server.port) as proxy:
        async with open_channel(proxy.endpoint, **{"keepalive_time": None, **options}) as channel:
            await channel.ready()
            call = asyncio.create_task(state.call(channel, ending.after(state.messages)))
            await waits.wait()
            yield Struck(proxy, channel, call)
            await call
            await next_call_succeeds(channel)


# -- the connection ends


@each_row(
    ("way", "fault", "text"),
    [
        ("to_client", "reset", "the connection was lost"),
        ("to_client", "reset_receiver", "the connection was lost"),
        ("to_client", "close", "the gateway closed the connection"),
        ("to_client", "half_close", "the gateway closed the connection"),
        ("to_server", "half_close", "the gateway closed the connection"),
    ],
)
@each_row("name", STATES)
async def test_a_connection_that_ends_fails_the_call_that_was_sent_and_moves_the_one_that_was_not(
    name: str, way: str, fault: str, text: str
) -> None:
    async with waiting(name, lost(text) if STATES[name].sent else OK) as struck:
        getattr(getattr(struck.proxy, way), fault)(on="current")


# -- the connection stays open, and nothing comes


@each_row("name", STATES)
async def test_a_black_hole_is_noticed_by_keepalive_which_frees_the_call(name: str) -> None:
    ending = lost("has been silent for") if STATES[name].sent else OK
    async with waiting(name, ending, **KEEPALIVE) as struck:
        struck.proxy.both.black_hole(on="current")


@pytest.mark.parametrize("way", ["to_client", "to_server"])
async def test_a_black_hole_in_one_direction_is_noticed_as_well(way: str) -> None:
    ending = lost("has been silent for")
    async with waiting("a unary call before its answer", ending, **KEEPALIVE) as struck:
        getattr(struck.proxy, way).black_hole(on="current")


@each_row("name", STATES)
async def test_a_frozen_network_ends_a_call_by_its_bound_and_a_thawed_one_is_the_same_connection(name: str) -> None:
    async with waiting(name, unanswered() if STATES[name].sent else NO_FREE_STREAM) as struck:
        struck.proxy.both.freeze()
        await struck.call
        struck.proxy.both.thaw()
        await next_call_succeeds(struck.channel)
        assert struck.proxy.accepted == 1


# -- a network that is bad and lives


def freezes_for_a_while(proxy: FaultProxy) -> None:
    """Freeze the network for less time than any call has."""
    proxy.both.freeze()
    asyncio.get_running_loop().call_later(0.1, proxy.both.thaw)


BAD_NETWORKS: dict[str, Callable[[FaultProxy], None]] = {
    "single bytes": lambda proxy: proxy.both.slices(1),
    "pieces of 7 bytes": lambda proxy: proxy.both.slices(7),
    "latency and jitter": lambda proxy: proxy.both.delay(0.01, jitter=0.02),
    "20 KB a second": lambda proxy: proxy.both.bandwidth(20_000),
    "a freeze that thaws in time": freezes_for_a_while,
}


@each_row("name", BAD_NETWORKS)
@each_row("connected", [True, False])
async def test_calls_pass_a_bad_network_unharmed(name: str, connected: bool) -> None:
    events = [event(sequence) for sequence in range(1, 51)]
    script = in_turn(on_request(reply(*events)), answers(REPLY))
    async with nothing_escapes(), Http2Server(script) as server, FaultProxy(server.port) as proxy:
        async with open_channel(proxy.endpoint) as channel:
            if connected:
                await channel.ready()
            BAD_NETWORKS[name](proxy)
            assert await sequences(stream(channel)) == list(range(1, 51))
            assert (await invoke(channel)).diagnostic_message == "answered"
            assert proxy.accepted == 1
