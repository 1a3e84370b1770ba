"""What the transport tests have in common: a channel to a peer, the calls they make and the messages they expect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mxgateway import proto
from mxgateway.calling.rpcs import INVOKE, STREAM_EVENTS
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from mxgateway.wire import encode
from tests.peers.http2.raw_peers import RawServer

REPLY = encode(
    proto.MxCommandReply(
        session_id="session-1",
        protocol_status=proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK),
        diagnostic_message="answered",
    )
)
"""An Invoke reply as it stands on the wire."""


def event(sequence: int, *, padding: int = 0) -> bytes:
    """Return an event as it stands on the wire, `padding` bytes larger than it needs to be."""
    return encode(proto.MxEvent(worker_sequence=sequence, raw_status="x" * padding))


@asynccontextmanager
async def channel_to(server: RawServer, **options: Any) -> AsyncIterator[Channel]:
    """Give a plaintext channel for the time of the block; when it is closed, so is every connection of the server."""
    fields = {"plaintext": True, "connect_timeout": 5.0, "call_timeout": 5.0, **options}
    channel = Channel([Endpoint.parse(server.endpoint)], ClientOptions(**fields))
    try:
        yield channel
    finally:
        await channel.aclose()
    await server.all_gone()


async def invoke(channel: Channel, text: Any = "session-1", **options: Any) -> proto.MxCommandReply:
    """Make a unary call."""
    return await unary(channel, INVOKE, proto.MxCommandRequest(session_id=text), CallOptions(**options))


def stream(
    channel: Channel, request: proto.StreamEventsRequest | None = None, **options: Any
) -> ServerStream[proto.StreamEventsRequest, proto.MxEvent]:
    """Return a server-streaming call that has not begun."""
    if request is None:
        request = proto.StreamEventsRequest()
    return ServerStream(channel, STREAM_EVENTS, request, CallOptions(**options))


async def sequences(call: ServerStream[Any, proto.MxEvent]) -> list[int]:
    """Read a stream to its end and return the worker sequences."""
    async with call:
        return [event.worker_sequence async for event in call]
