"""What the tests of pushed streams have in common: a receiver that keeps what it gets, and a peer without a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from hyperframe.frame import DataFrame

from mxgateway import proto
from mxgateway.calling.rpcs import STREAM_EVENTS
from mxgateway.errors import (
    MxGatewayError,
)
from mxgateway.testing.network.sockets import PATIENCE
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.pushed_stream import PushedStream
from mxgateway.transport.channel import Channel
from mxgateway.wire import decode
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.rig import channel_to, event

BROKEN = grpc_message(b"\xff\xff\xff")
Stream = PushedStream[proto.StreamEventsRequest, proto.MxEvent]


class Taker:
    """A receiver that keeps the numbers of the events that it gets.

    Args:
        then: Called with itself behind each batch; what it returns, unless None, tells whether to go on.
    """

    def __init__(self, then: Callable[[Taker], bool | None] | None = None) -> None:
        self._then = then
        self._ended = asyncio.Event()
        self._changed = asyncio.Event()
        self.batches: list[list[int]] = []
        self.ends: list[MxGatewayError | None] = []

    @property
    def taken(self) -> list[int]:
        """Every event so far."""
        return [number for batch in self.batches for number in batch]

    def receive(self, messages: list[proto.MxEvent], /) -> bool:
        """Keep the numbers."""
        self.batches.append([message.worker_sequence for message in messages])
        self._changed.set()
        goes_on = self._then(self) if self._then is not None else True
        return goes_on is None or goes_on

    def ended(self, error: MxGatewayError | None, /) -> None:
        """Keep the end."""
        self.ends.append(error)
        self._ended.set()
        self._changed.set()

    async def end(self) -> MxGatewayError | None:
        """Wait for the end and return it; there is one."""
        async with asyncio.timeout(PATIENCE):
            await self._ended.wait()
        (error,) = self.ends
        return error

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that comes makes `condition` true."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def pushed(
    channel: Channel, taker: Any, decode: Callable[[bytes], proto.MxEvent] | None = None, **options: Any
) -> Stream:
    """Return a pushed stream of events that has not begun."""
    return PushedStream(channel, STREAM_EVENTS, proto.StreamEventsRequest(), CallOptions(**options), taker, decode)


async def opened(channel: Channel, taker: Any, **options: Any) -> Stream:
    """Return a pushed stream of events whose request is sent."""
    stream = pushed(channel, taker, **options)
    await stream.open()
    return stream


async def turns(count: int = 3) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


def messages(first: int, last: int, *, padding: int = 0) -> bytes:
    """Return the events from `first` to `last` as they stand in a reply."""
    return b"".join(grpc_message(event(number, padding=padding)) for number in range(first, last + 1))


async def no_answer(peer: Http2Peer) -> None:
    """Play a peer that takes requests and answers none."""


class Fed:
    """A channel's connection that is fed by hand, as if its socket had brought the bytes."""

    def __init__(self, channel: Channel) -> None:
        assert channel.current is not None
        self.connection = channel.current
        self.protocol = self.connection._transport.get_protocol()

    @property
    def stream_id(self) -> int:
        """The stream that was opened last."""
        return self.connection.next_stream_id - 2

    def feed(self, data: bytes) -> None:
        """Let the socket bring bytes in one read."""
        self.protocol.data_received(data)  # type: ignore[attr-defined]


def to_event(data: bytes) -> proto.MxEvent:
    return decode(proto.MxEvent, data)


def data(stream_id: int, *pieces: bytes) -> bytes:
    """Return DATA frames."""
    return b"".join(DataFrame(stream_id, piece).serialize() for piece in pieces)


@contextlib.asynccontextmanager
async def fed(**options: Any) -> AsyncIterator[tuple[Channel, Fed, Http2Peer]]:
    """Give a channel whose connection the test feeds by hand, and the peer at its other end, which answers nothing."""
    async with Http2Server(no_answer) as server, channel_to(server, **options) as channel:
        await channel.ready()
        yield channel, Fed(channel), server.peers[0]
