"""A unary call step by step: its reply is waited for without being decoded, and what is no reply is not waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hyperframe.frame import DataFrame

from mxgateway import proto
from mxgateway.calling.rpcs import INVOKE
from mxgateway.errors import GrpcStatus, MxGatewayTimeoutError, MxGatewayTransportError
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.unary import UnaryCall
from mxgateway.wire import encode
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.rig import REPLY, channel_to

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@asynccontextmanager
async def sent(
    script: Callable[[Http2Peer], Awaitable[None]], timeout: float = 5.0, **options: Any
) -> AsyncIterator[UnaryCall[proto.MxCommandRequest, proto.MxCommandReply]]:
    """Send a call to a scripted gateway, and close it after the block."""
    async with Http2Server(script) as server, channel_to(server, **options) as channel:
        request = proto.MxCommandRequest(session_id="session-1")
        call = await UnaryCall(channel, INVOKE, request, CallOptions(timeout=timeout)).send()
        try:
            yield call
        finally:
            call.close()


async def test_a_reply_in_single_bytes_arrives_whole() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        for byte in grpc_message(REPLY):
            await peer.send(DataFrame(stream_id, bytes([byte])))
        await peer.send(peer.trailers(stream_id))

    async with sent(script) as call:
        assert await call.arrived()
        assert (await call.reply()).diagnostic_message == "answered"


async def test_a_reply_larger_than_the_window_arrives() -> None:
    reply = proto.MxCommandReply(diagnostic_message="x" * 8_000_000)

    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        await peer.send_data(stream_id, grpc_message(encode(reply)))
        await peer.send(peer.trailers(stream_id))

    async with sent(script) as call:
        assert await call.arrived()
        assert await call.reply() == reply


async def test_a_status_that_is_not_ok_is_told_before_it_raises() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id), peer.trailers(stream_id, status=13))

    async with sent(script) as call:
        assert not await call.arrived()
        with pytest.raises(MxGatewayTransportError) as caught:
            await call.reply()
    assert caught.value.grpc_status is GrpcStatus.INTERNAL


@pytest.mark.parametrize("data", [grpc_message(REPLY) * 2, grpc_message(REPLY) + b"\0", b"\0\xff\xff\xff\xff"])
async def test_what_is_no_reply_is_refused_although_the_gateway_says_no_more(data: bytes) -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id), DataFrame(stream_id, data))
        await peer.until_gone()

    async with sent(script, timeout=20) as call:
        assert not await call.arrived()


async def test_the_bound_ends_the_waiting() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.until_gone()

    async with sent(script, timeout=0.1) as call:
        assert not await call.arrived()
        with pytest.raises(MxGatewayTimeoutError):
            await call.reply()
