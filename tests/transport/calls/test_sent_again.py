"""A call that was surely not processed is sent again once, at once, whatever it is; everybody knows of it, and nothing is lost or done twice."""

import asyncio
from typing import Any

import pytest
from hyperframe.frame import GoAwayFrame, RstStreamFrame, SettingsFrame

from mxgateway import proto
from mxgateway.calling import requests
from mxgateway.calling import rpcs as methods
from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewayTimeoutError, MxGatewayTransportError
from mxgateway.errors.faults import is_unprocessed
from mxgateway.options import RetryOptions
from mxgateway.transport.calls.method import CallOptions, Method, Progress
from mxgateway.transport.calls.unary import UnaryCall, unary
from tests.client.calling.test_tracing import Recorder
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, Request
from tests.transport.rig import REPLY, channel_to, event, invoke, sequences, stream
from tests.transport.rows import each_row
from tests.transport.unavailable import (
    KINDS,
    METHODS,
    QUICK,
    REPEATABLE,
    Fault,
    Gateway,
    call,
    each_doubt,
    each_proof,
    goes_away_before_it,
    is_lost,
    refuses_the_stream,
    wrapped,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

WRITE = proto.MxCommandKind.WRITE
FOREVER = RetryOptions(max_attempts=5, initial_backoff=3600, max_backoff=3600)


@each_proof
@each_row("retry", [None, FOREVER])
@each_row("method", METHODS)
async def test_every_call_that_was_not_processed_is_sent_again_at_once(
    method: Method[Any, Any], retry: RetryOptions | None, fault: Fault
) -> None:
    async with Gateway(fault) as server, channel_to(server, retry=retry) as channel:
        (message,) = await call(channel, method)
        assert isinstance(message, method.reply_type)
        assert [request.header(b":path") for request in server.seen] == [method.path.encode()] * 2
        assert server.seen[0].body == server.seen[1].body
        stats = channel.stats()
        assert (stats.calls_started, stats.calls_succeeded, stats.calls_failed, stats.calls_retried) == (1, 1, 0, 1)
        assert (stats.messages_sent, stats.calls_open) == (2, 0)


@each_proof
async def test_every_command_that_was_not_processed_is_sent_again_at_once(fault: Fault) -> None:
    async with Gateway(fault) as server, channel_to(server, retry=None) as channel:
        for kind in KINDS:
            server.faults_left = 1
            progress = Progress()
            reply = await requests.invoke_raw(channel, wrapped(kind), None, progress)
            assert (reply.diagnostic_message, progress.sent) == ("answered", True)
        assert len(server.seen) == 2 * len(KINDS)


@each_proof
@each_row("method", [method for method in METHODS if method.name not in REPEATABLE])
async def test_a_second_refusal_is_the_error(method: Method[Any, Any], fault: Fault) -> None:
    async with Gateway(fault, times=2) as server, channel_to(server, retry=QUICK) as channel:
        with pytest.raises(MxGatewayTransportError, match="did not see the request") as caught:
            await call(channel, method)
        assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.UNAVAILABLE, True)
        assert is_unprocessed(caught.value.__cause__)
        assert len(server.seen) == 2
        assert (channel.stats().calls_failed, channel.stats().calls_retried) == (1, 1)


@each_proof
async def test_a_call_that_may_be_repeated_has_its_own_attempts_besides(fault: Fault) -> None:
    options = RetryOptions(max_attempts=3, initial_backoff=0.001, max_backoff=0.001)
    async with Gateway(fault, times=float("inf")) as server, channel_to(server, retry=options) as channel:
        with pytest.raises(MxGatewayTransportError):
            await call(channel, methods.BROWSE_CHILDREN)
        assert len(server.seen) == 1 + 3


@each_doubt
async def test_what_is_in_doubt_after_it_was_sent_again_is_not_sent_a_third_time(fault: Fault) -> None:
    async def first_refuses(peer: Http2Peer, request: Request) -> None:
        await (refuses_the_stream if len(server.seen) == 1 else fault)(peer, request)

    async with Gateway(first_refuses, times=2) as server, channel_to(server, retry=QUICK) as channel:
        progress = Progress()
        with pytest.raises(MxGatewayError) as caught:
            await requests.invoke_raw(channel, wrapped(WRITE), None, progress)
        assert (progress.sent, is_unprocessed(caught.value.__cause__)) == (True, False)
        assert len(server.seen) == 2


@each_proof
async def test_a_call_whose_reply_has_begun_was_perhaps_processed_and_is_not_sent_again(fault: Fault) -> None:
    async def begins_a_reply(peer: Http2Peer, request: Request) -> None:
        await peer.send(peer.headers(request.stream_id))
        await fault(peer, request)

    async with Gateway(begins_a_reply, times=2) as server, channel_to(server, retry=QUICK) as channel:
        progress = Progress()
        with pytest.raises(MxGatewayTransportError) as caught:
            await requests.invoke_raw(channel, wrapped(WRITE), None, progress)
        assert (progress.sent, is_unprocessed(caught.value.__cause__)) == (True, False)
        assert "did not see" not in str(caught.value)
        assert len(server.seen) == 1


async def test_a_call_that_nobody_takes_any_more_was_surely_not_sent() -> None:
    async def goes_away_for_good(peer: Http2Peer, request: Request) -> None:
        assert server._server is not None
        server._server.close()
        await goes_away_before_it(peer, request)

    async with Gateway(goes_away_for_good) as server, channel_to(server) as channel:
        progress = Progress()
        with pytest.raises(MxGatewayTransportError, match="nothing is listening"):
            await requests.invoke_raw(channel, wrapped(WRITE), None, progress)
        assert not progress.sent


async def test_the_bound_is_that_of_both_times() -> None:
    async def refuses_and_is_silent(peer: Http2Peer, request: Request) -> None:
        if len(server.seen) == 1:
            await refuses_the_stream(peer, request)
        else:
            await peer.until(lambda: request.stream_id in peer.resets)

    loop = asyncio.get_running_loop()
    async with Gateway(refuses_and_is_silent, times=2) as server, channel_to(server) as channel:
        began = loop.time()
        with pytest.raises(MxGatewayTimeoutError, match=r"within 0\.2 s"):
            await call(channel, methods.OPEN_SESSION, timeout=0.2)
        assert loop.time() - began < 5
        await call(channel, methods.OPEN_SESSION)
        assert len(server.seen) == 3


async def test_a_call_that_was_cancelled_meanwhile_is_not_sent_again() -> None:
    async def goes_away_and_greets_no_more(peer: Http2Peer) -> None:
        request = await peer.request()
        refusing.set()
        await refuse.wait()
        await peer.send(SettingsFrame(0, settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 0}))
        await refuses_the_stream(peer, request)
        refused.set()
        await peer.until_gone()

    refusing, refuse, refused = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with Http2Server(goes_away_and_greets_no_more) as server, channel_to(server) as channel:
        progress = Progress()
        task = asyncio.create_task(requests.invoke_raw(channel, wrapped(WRITE), None, progress))
        await refusing.wait()
        assert progress.sent
        refuse.set()
        await refused.wait()
        while progress.sent:  # until it waits for a stream that the gateway does not allow
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not progress.sent
        assert len(server.peers[0].requests) == 1


async def test_a_refusal_that_contradicts_a_reply_proves_nothing() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id), RstStreamFrame(request.stream_id, error_code=0x7))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTransportError, match="REFUSED_STREAM"):
            await call(channel, methods.OPEN_SESSION)
        assert len(server.peers[0].requests) == 1


async def test_a_large_request_of_which_a_part_was_sent_is_sent_again_whole() -> None:
    async def script(peer: Http2Peer) -> None:
        if peer.number > 0:
            await peer.serve(REPLY)
        await peer.begun_request()
        await peer.send(GoAwayFrame(0, last_stream_id=0))
        await peer.until_gone()

    async with Http2Server(script, credits=True) as server, channel_to(server) as channel:
        reply = await invoke(channel, "x" * 300_000)
        assert reply.diagnostic_message == "answered"
        assert server.connections == 2


async def test_a_call_that_is_read_step_by_step_is_sent_again_too() -> None:
    async with Gateway(refuses_the_stream) as server, channel_to(server) as channel:
        sent = await UnaryCall(channel, methods.INVOKE, wrapped(proto.MxCommandKind.READ_BULK), CallOptions()).send()
        assert not await sent.arrived()
        assert (await sent.reply()).diagnostic_message == "answered"
        sent.close()
        assert len(server.seen) == 2
        assert channel.stats().calls_succeeded == 1


async def test_a_call_that_is_read_step_by_step_is_not_sent_again_when_it_may_have_been_processed() -> None:
    async with Gateway(is_lost) as server, channel_to(server, retry=QUICK) as channel:
        sent = await UnaryCall(channel, methods.INVOKE, wrapped(proto.MxCommandKind.READ_BULK), CallOptions()).send()
        with pytest.raises(MxGatewayTransportError):
            await sent.reply()
        assert len(server.seen) == 1


async def test_many_calls_that_one_goaway_refuses_share_the_next_connection() -> None:
    async def script(peer: Http2Peer) -> None:
        if peer.number > 0:
            await peer.serve(REPLY)
        for _ in range(50):
            await peer.request()
        await peer.send(GoAwayFrame(0, last_stream_id=0))
        await peer.until_gone()

    async with Http2Server(script) as server, channel_to(server) as channel:
        await channel.ready()
        replies = await asyncio.gather(
            *(unary(channel, methods.INVOKE, wrapped(WRITE), CallOptions()) for _ in range(50))
        )
        assert {reply.diagnostic_message for reply in replies} == {"answered"}
        assert server.connections == 2
        assert channel.stats().calls_retried == 50


async def test_a_stream_that_was_not_opened_is_opened_again_and_one_that_has_begun_is_not() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        if peer.number == 0:
            await peer.send(GoAwayFrame(0, last_stream_id=0))
            return
        await peer.reply(request, event(1), event(2))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert await sequences(stream(channel)) == [1, 2]
        assert server.connections == 2


async def test_a_tracer_is_told_that_a_call_is_sent_again_at_once() -> None:
    tracer = Recorder()
    async with Gateway(refuses_the_stream) as server, channel_to(server, tracer=tracer) as channel:
        await requests.invoke_raw(channel, wrapped(WRITE), None)
    (trace,) = tracer.traces
    assert trace.steps == ["sent", "retrying", "sent", "received", "ended"]
    _, error, delay = trace.told[1]
    assert "did not see the request" in error.message
    assert delay == 0
    assert trace.outcome == (None, False)
