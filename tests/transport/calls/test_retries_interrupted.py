"""Attempts that are interrupted: a stream that has begun, a caller that gives up, a client that closes."""

import asyncio
from typing import Any

import pytest

from mxgateway import proto
from mxgateway.calling import rpcs as methods
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayTransportError,
)
from mxgateway.options import RetryOptions
from mxgateway.transport.calls.method import CallOptions, Method
from mxgateway.transport.calls.server_stream import ServerStream
from tests.peers.http2.raw_peers import Http2Peer, Request, grpc_message
from tests.transport.rig import channel_to
from tests.transport.unavailable import (
    METHODS,
    QUICK,
    REPEATABLE,
    STREAMS,
    UNAVAILABLE,
    Gateway,
    call,
    pushes_back,
    says_unavailable,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


# -- streams


async def one_message_and_then_unavailable(peer: Http2Peer, request: Request) -> None:
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(b""))
    await asyncio.sleep(0.02)
    await peer.send(peer.trailers(request.stream_id, UNAVAILABLE))


@pytest.mark.parametrize("method", [m for m in METHODS if m.name in REPEATABLE & STREAMS], ids=str)
async def test_a_stream_that_has_begun_to_arrive_is_not_begun_anew(method: Method[Any, Any]) -> None:
    async with Gateway(one_message_and_then_unavailable) as server, channel_to(server, retry=QUICK) as channel:
        stream = ServerStream(channel, method, method.request_type(), CallOptions())
        assert isinstance(await anext(stream), method.reply_type)
        with pytest.raises(MxGatewayError) as caught:
            await anext(stream)
        assert caught.value.grpc_status is GrpcStatus.UNAVAILABLE
        assert [message async for message in stream] == []
        assert len(server.seen) == 1
        stats = channel.stats()
        assert (stats.calls_failed, stats.calls_retried, stats.calls_open) == (1, 0, 0)


async def test_a_stream_that_was_opened_ahead_is_tried_again_as_well() -> None:
    async with Gateway(says_unavailable) as server, channel_to(server, retry=QUICK) as channel:
        stream = ServerStream(channel, methods.WATCH_DEPLOY_EVENTS, proto.WatchDeployEventsRequest(), CallOptions())
        await stream.open()
        assert len(await stream.messages()) == 1
        assert await stream.messages() == []
        assert len(server.seen) == 2


async def test_a_read_that_is_cancelled_between_two_attempts_leaves_the_next_one_to_the_next_read() -> None:
    async with Gateway(pushes_back(b"150")) as server, channel_to(server, retry=QUICK) as channel:
        stream = ServerStream(channel, methods.WATCH_DEPLOY_EVENTS, proto.WatchDeployEventsRequest(), CallOptions())
        loop = asyncio.get_running_loop()
        began = loop.time()
        reading = asyncio.create_task(stream.messages())
        while channel.stats().calls_retried == 0:
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert len(await stream.messages()) == 1
        assert loop.time() - began >= 0.15  # the gateway's wish outlives the first reader
        assert len(server.seen) == 2
        assert await stream.messages() == []
        stats = channel.stats()
        assert (stats.calls_started, stats.calls_succeeded, stats.calls_cancelled) == (1, 1, 0)


async def test_closing_a_stream_between_two_attempts_frees_its_reader_at_once() -> None:
    async with Gateway(pushes_back(b"600000")) as server, channel_to(server, retry=QUICK) as channel:
        stream = ServerStream(channel, methods.WATCH_DEPLOY_EVENTS, proto.WatchDeployEventsRequest(), CallOptions())
        reading = asyncio.create_task(stream.messages())
        while channel.stats().calls_retried == 0:
            await asyncio.sleep(0)
        await stream.aclose()
        assert await reading == []
        assert reading.cancelling() == 0
        assert len(server.seen) == 1
        stats = channel.stats()
        assert (stats.calls_cancelled, stats.calls_failed, stats.calls_open) == (1, 0, 0)


# -- giving up


async def test_a_call_that_is_cancelled_between_two_attempts_ends_at_once() -> None:
    slow = RetryOptions(initial_backoff=3600, max_backoff=3600)
    async with Gateway(says_unavailable) as server, channel_to(server, retry=slow, call_timeout=None) as channel:
        calling = asyncio.create_task(call(channel, methods.BROWSE_CHILDREN))
        while channel.stats().calls_retried == 0:
            await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert calling.cancelling() == 1
        assert len(server.seen) == 1
        stats = channel.stats()
        assert (stats.calls_cancelled, stats.calls_failed, stats.calls_succeeded, stats.calls_open) == (1, 0, 0, 0)


async def test_closing_the_client_ends_a_call_that_waits_for_its_next_attempt() -> None:
    slow = RetryOptions(initial_backoff=3600, max_backoff=3600)
    async with Gateway(says_unavailable) as server, channel_to(server, retry=slow, call_timeout=None) as channel:
        calling = asyncio.create_task(call(channel, methods.BROWSE_CHILDREN))
        while channel.stats().calls_retried == 0:
            await asyncio.sleep(0)
        await channel.aclose()
        with pytest.raises(MxGatewayTransportError, match="the client is closed"):
            await calling
        assert len(server.seen) == 1
