"""A conversation that is cut after any number of bytes: never a success without status 0, never a hang, and the next call succeeds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewayTimeoutError, MxGatewayTransportError
from mxgateway.testing.network.fault_proxy import Direction, FaultProxy, Pipe
from mxgateway.transport.channel import Channel
from tests.peers.http2.http2_peer import Http2Peer
from tests.peers.http2.http2_server import Http2Server
from tests.transport.fault_rows import GRACE, check_form, next_call_succeeds, nothing_escapes, open_channel
from tests.transport.rig import REPLY, event, invoke, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

EVENTS = [1, 2, 3]
GREETING = 9
"""Bytes of the gateway's first frame: before they are there, there is no HTTP/2 connection to speak of."""
BOUND = 0.1
"""Seconds that a call has whose conversation freezes."""
EVERY = 5
"""At every how many bytes a conversation freezes: each costs a bound."""
AT_ONCE = 16


async def gateway(peer: Http2Peer) -> None:
    """Answer every call of either kind."""
    while True:
        request = await peer.request()
        streaming = b"StreamEvents" in (request.header(b":path") or b"")
        await peer.reply(request, *(map(event, EVENTS) if streaming else [REPLY]))


async def unary(channel: Channel, timeout: float) -> None:
    """Make a unary call; whatever it returns is right."""
    assert (await invoke(channel, timeout=timeout)).diagnostic_message == "answered"


async def streaming(channel: Channel, timeout: float) -> None:
    """Read a stream; what it delivers is the beginning of what was sent, and all of it when it ends well."""
    received: list[int] = []
    try:
        async with stream(channel, timeout=timeout) as call:
            received += [message.worker_sequence async for message in call]
    except MxGatewayError:
        assert received == EVENTS[: len(received)]
        raise
    assert received == EVENTS


@dataclass(frozen=True)
class Conversation:
    """One call on a connection of its own, and the direction in which it is cut."""

    call: Callable[[Channel, float], Awaitable[None]]
    way: str

    def direction(self, proxy: FaultProxy) -> Direction:
        """Return the direction of a proxy that is meant."""
        found: Direction = getattr(proxy, self.way)
        return found

    async def size(self, server: Http2Server) -> int:
        """Return how many bytes go this way."""
        async with FaultProxy(server.port) as proxy, open_channel(proxy.endpoint) as channel:
            await self.call(channel, math.inf)
            return self.direction(proxy).forwarded


CONVERSATIONS = {
    "the answer to a unary call": Conversation(unary, "to_client"),
    "the answers of a stream": Conversation(streaming, "to_client"),
    "a request": Conversation(unary, "to_server"),
}


@each_row("then", [Pipe.reset, Pipe.close])
@each_row("name", CONVERSATIONS)
async def test_a_connection_that_ends_after_any_number_of_bytes(name: str, then: Callable[[Pipe], None]) -> None:
    conversation = CONVERSATIONS[name]

    async def ends(cut: int) -> None:
        async with FaultProxy(server.port) as proxy, open_channel(proxy.endpoint) as channel:
            conversation.direction(proxy).limit(cut, then, on="new")
            error = await failure(conversation.call(channel, math.inf))
            if error.phase == "stream":
                assert type(error) is MxGatewayTransportError
                assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, True)
            else:
                assert error.phase == "http2"
                assert conversation.way == "to_server" or cut < GREETING
            proxy.both.heal()
            await next_call_succeeds(channel)

    async with nothing_escapes(), Http2Server(gateway) as server:
        await side_by_side(ends, range(await conversation.size(server)))


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_a_conversation_that_freezes_after_any_number_of_bytes_and_thaws_later(name: str) -> None:
    conversation = CONVERSATIONS[name]

    async def freezes(cut: int) -> None:
        async with FaultProxy(server.port) as proxy, open_channel(proxy.endpoint) as channel:
            conversation.direction(proxy).limit(cut, Pipe.freeze, on="new")
            error = await failure(conversation.call(channel, BOUND))
            assert type(error) is MxGatewayTimeoutError
            assert error.grpc_status is GrpcStatus.DEADLINE_EXCEEDED
            proxy.both.heal()
            await next_call_succeeds(channel)
            assert proxy.accepted == 1

    async with nothing_escapes(), Http2Server(gateway) as server:
        await side_by_side(freezes, range(0, await conversation.size(server), EVERY))


async def side_by_side(check: Callable[[int], Awaitable[None]], cuts: range) -> None:
    """Check each cut, some at the same time: most of the time is spent on waiting."""
    assert len(cuts) > 10
    for start in range(0, len(cuts), AT_ONCE):
        await asyncio.gather(*map(check, cuts[start : start + AT_ONCE]))


async def failure(call: Awaitable[None]) -> MxGatewayError:
    """Return the error that a call ends with, soon."""
    with pytest.raises(MxGatewayError) as caught:
        async with asyncio.timeout(GRACE):
            await call
    check_form(caught.value)
    return caught.value
