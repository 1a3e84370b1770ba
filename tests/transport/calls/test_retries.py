"""What may be carried out twice is tried again while the gateway is unavailable; nothing else is sent twice, unless it was surely not processed."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from betterproto import Message
from betterproto.lib.google.protobuf import FileDescriptorSet

from mxgateway import contract, proto
from mxgateway.calling import requests
from mxgateway.calling import rpcs as methods
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayProtocolError,
    MxGatewayTimeoutError,
    MxGatewayTlsError,
)
from mxgateway.options import ClientOptions, Endpoint, RetryOptions, TlsOptions
from mxgateway.transport.calls.method import Method
from mxgateway.transport.channel import Channel
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, RawServer, Request, says
from tests.peers.network.certificates import Authority, self_signed
from tests.transport.rig import channel_to
from tests.transport.rows import each_row
from tests.transport.unavailable import (
    KINDS,
    METHODS,
    QUICK,
    REPEATABLE,
    REPEATABLE_KINDS,
    STREAMS,
    UNAVAILABLE,
    Fault,
    Gateway,
    call,
    each_doubt,
    each_fault,
    pushes_back,
    says_unavailable,
    wrapped,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

# -- what is tried again


def test_the_table_of_methods_is_the_whole_contract() -> None:
    files = FileDescriptorSet().parse(contract.own_descriptor_set()).file
    rpcs = {
        f"/{file.package}.{service.name}/{rpc.name}": rpc.server_streaming
        for file in files
        for service in file.service
        for rpc in service.method
    }
    assert {method.path: method.name in STREAMS for method in METHODS} == rpcs
    assert {method.name for method in METHODS if method.repeatable} == REPEATABLE


@each_fault
@each_row("method", [m for m in METHODS if m.name in REPEATABLE])
async def test_a_repeatable_call_is_tried_again_while_the_gateway_is_unavailable(
    method: Method[Any, Any], fault: Fault
) -> None:
    async with Gateway(fault, times=2) as server, channel_to(server, retry=QUICK) as channel:
        (message,) = await call(channel, method)
        assert isinstance(message, method.reply_type)
        assert [request.header(b":path") for request in server.seen] == [method.path.encode()] * 3
        assert len({request.body for request in server.seen}) == 1
        stats = channel.stats()
        assert (stats.calls_started, stats.calls_succeeded, stats.calls_retried) == (1, 1, 2)
        assert (stats.messages_sent, stats.messages_received, stats.calls_open) == (3, 1, 0)


@each_fault
@each_row("kind", [kind for kind in KINDS if kind.name in REPEATABLE_KINDS])
async def test_a_repeatable_command_is_tried_again_while_the_gateway_is_unavailable(
    kind: proto.MxCommandKind, fault: Fault
) -> None:
    async with Gateway(fault, times=2) as server, channel_to(server, retry=QUICK) as channel:
        reply = await requests.invoke_raw(channel, wrapped(kind), None)
        assert reply.diagnostic_message == "answered"
        assert len(server.seen) == 3


async def test_a_gateway_that_is_not_there_yet_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = RetryOptions(max_attempts=100, initial_backoff=0.02, max_backoff=0.02)
    channel = Channel([Endpoint("127.0.0.1", port)], ClientOptions(plaintext=True, retry=options))
    waiting = asyncio.create_task(call(channel, methods.TEST_CONNECTION))
    while channel.stats().calls_retried < 2:
        await asyncio.sleep(0.005)
    async with Gateway(says_unavailable, times=0, port=port) as server:
        assert len(await waiting) == 1
        assert len(server.seen) == 1
        await channel.aclose()


# -- what is not


@each_doubt
@each_row("method", [m for m in METHODS if m.name not in REPEATABLE])
async def test_no_other_call_is_sent_twice(method: Method[Any, Any], fault: Fault) -> None:
    async with Gateway(fault) as server, channel_to(server, retry=QUICK) as channel:
        with pytest.raises(MxGatewayError) as caught:
            await call(channel, method)
        assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.UNAVAILABLE, True)
        await call(channel, methods.TEST_CONNECTION)
        assert [request.header(b":path") for request in server.seen] == [
            method.path.encode(), methods.TEST_CONNECTION.path.encode(),
        ]  # fmt: skip
        assert channel.stats().calls_retried == 0


@each_doubt
async def test_no_other_command_is_sent_twice(fault: Fault) -> None:
    kinds = [kind for kind in KINDS if kind.name not in REPEATABLE_KINDS]
    assert len(kinds) > 25
    async with Gateway(fault, times=len(kinds)) as server, channel_to(server, retry=QUICK) as channel:
        for sent, kind in enumerate(kinds, 1):
            with pytest.raises(MxGatewayError) as caught:
                await requests.invoke_raw(channel, wrapped(kind), None)
            assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.UNAVAILABLE, True)
            assert len(server.seen) == sent, kind
        await call(channel, methods.TEST_CONNECTION)
        assert len(server.seen) == len(kinds) + 1


@each_row(
    "command",
    [
        proto.MxCommand(kind=proto.MxCommandKind.PING, write=proto.WriteCommand(server_handle=1)),
        proto.MxCommand(kind=proto.MxCommandKind.GET_WORKER_INFO, shutdown_worker=proto.ShutdownWorkerCommand()),
        proto.MxCommand(kind=proto.MxCommandKind.WRITE, ping=proto.PingCommand()),
        proto.MxCommand(),
        proto.MxCommand(write=proto.WriteCommand()),
    ],
)
async def test_a_command_that_calls_itself_something_else_is_sent_once(command: proto.MxCommand) -> None:
    async with Gateway(says_unavailable) as server, channel_to(server, retry=QUICK) as channel:
        with pytest.raises(MxGatewayError):
            await requests.invoke_raw(channel, proto.MxCommandRequest(session_id="s", command=command), None)
        assert len(server.seen) == 1


@each_row("status", [each for each in GrpcStatus if each not in (0, UNAVAILABLE)])
async def test_no_other_status_is_tried_again(status: GrpcStatus) -> None:
    async def fails(peer: Http2Peer, request: Request) -> None:
        await peer.send(peer.headers(request.stream_id), peer.trailers(request.stream_id, status))

    async with Gateway(fails) as server, channel_to(server, retry=QUICK) as channel:
        with pytest.raises(MxGatewayError) as caught:
            await call(channel, methods.BROWSE_CHILDREN)
        assert caught.value.grpc_status is status
        assert len(server.seen) == 1


async def test_a_deadline_that_passes_here_is_not_tried_again() -> None:
    async def is_silent(peer: Http2Peer, request: Request) -> None:
        await peer.until(lambda: request.stream_id in peer.resets)

    async with Gateway(is_silent) as server, channel_to(server, retry=QUICK) as channel:
        with pytest.raises(MxGatewayTimeoutError):
            await call(channel, methods.BROWSE_CHILDREN, timeout=0.1)
        await call(channel, methods.TEST_CONNECTION)
        assert len(server.seen) == 2


async def test_a_peer_that_breaks_the_protocol_is_not_tried_again() -> None:
    async def answers_nonsense(peer: Http2Peer, request: Request) -> None:
        await peer.send(peer.headers(request.stream_id, [(b":status", b"200"), (b"content-type", b"text/html")]))

    async with Gateway(answers_nonsense) as server, channel_to(server, retry=QUICK) as channel:
        with pytest.raises(MxGatewayProtocolError):
            await call(channel, methods.BROWSE_CHILDREN)
        assert len(server.seen) == 1


async def test_a_refused_certificate_is_not_tried_again(authority: Authority, tmp_path: Path) -> None:
    greetings: list[object] = []
    context = self_signed().context()
    context.sni_callback = lambda *hello: greetings.append(hello)
    options = {"plaintext": False, "tls": TlsOptions(ca_file=authority.write(tmp_path / "ca.pem")), "retry": QUICK}
    async with Http2Server(serve, tls=context) as server, channel_to(server, **options) as channel:
        with pytest.raises(MxGatewayTlsError):
            await call(channel, methods.BROWSE_CHILDREN)
        assert len(greetings) == 1
        assert channel.stats().calls_retried == 0


async def serve(peer: Http2Peer) -> None:
    await peer.serve(b"")


async def test_a_peer_without_tls_is_not_tried_again() -> None:
    async with RawServer(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        async with channel_to(server, retry=QUICK, plaintext=False) as channel:
            with pytest.raises(MxGatewayTlsError):
                await call(channel, methods.BROWSE_CHILDREN)
        assert server.connections == 1


async def test_retries_can_be_switched_off() -> None:
    async with Gateway(says_unavailable) as server, channel_to(server, retry=None) as channel:
        with pytest.raises(MxGatewayError):
            await call(channel, methods.BROWSE_CHILDREN)
        assert len(server.seen) == 1


# -- how often, and when


@each_doubt
@each_row("attempts", [1, 3])
async def test_the_last_attempt_is_the_one_whose_number_was_given(attempts: int, fault: Fault) -> None:
    options = RetryOptions(max_attempts=attempts, initial_backoff=0.001, max_backoff=0.001)
    async with Gateway(fault, times=float("inf")) as server, channel_to(server, retry=options) as channel:
        for number in range(1, 3):
            with pytest.raises(MxGatewayError) as caught:
                await call(channel, methods.BROWSE_CHILDREN)
            assert caught.value.grpc_status is GrpcStatus.UNAVAILABLE
            assert len(server.seen) == attempts * number
        assert channel.stats().calls_failed == 2
        assert channel.stats().calls_retried == 2 * (attempts - 1)


async def test_all_attempts_together_have_the_callers_bound() -> None:
    options = RetryOptions(max_attempts=100, initial_backoff=0.05, max_backoff=0.05)
    loop = asyncio.get_running_loop()
    async with Gateway(says_unavailable, times=float("inf")) as server, channel_to(server, retry=options) as channel:
        await channel.ready()
        began = loop.time()
        with pytest.raises(MxGatewayError) as caught:
            await call(channel, methods.BROWSE_CHILDREN, timeout=0.4)
        # The last fault, and not a deadline: no attempt begins that could not be waited for.
        assert caught.value.grpc_status in (GrpcStatus.UNAVAILABLE, GrpcStatus.DEADLINE_EXCEEDED)
        assert loop.time() - began < 5
        told = [int((request.header(b"grpc-timeout") or b"")[:-1]) for request in server.seen]
        units = {(request.header(b"grpc-timeout") or b"")[-1:] for request in server.seen}
        assert 1 < len(server.seen) < 100
        assert units <= {b"m", b"u"}
        microseconds = [
            count * (1000 if (request.header(b"grpc-timeout") or b"").endswith(b"m") else 1)
            for count, request in zip(told, server.seen, strict=True)
        ]
        assert microseconds == sorted(microseconds, reverse=True)
        assert microseconds[0] <= 400_000


@pytest.mark.parametrize("at_once", [False, True], ids=["in trailers", "in trailers without headers"])
async def test_a_gateway_that_says_when_to_come_back_is_believed(at_once: bool) -> None:
    loop = asyncio.get_running_loop()
    fault = pushes_back(b"150", at_once=at_once)
    async with Gateway(fault) as server, channel_to(server, retry=QUICK) as channel:
        began = loop.time()
        await call(channel, methods.BROWSE_CHILDREN)
        assert loop.time() - began >= 0.15
        assert len(server.seen) == 2


async def test_a_gateway_that_says_to_come_back_at_once_is_believed_too() -> None:
    slow = RetryOptions(initial_backoff=3600, max_backoff=3600)
    async with Gateway(pushes_back(b"0")) as server, channel_to(server, retry=slow) as channel:
        await call(channel, methods.BROWSE_CHILDREN)
        assert len(server.seen) == 2


NEVER = [b"-1", b"soon", b"", b"1.5", b"+5", b"2147483648", b"9" * 5000, b"6000"]


@each_row("value", NEVER)
async def test_a_gateway_that_says_not_to_come_back_is_left_alone(value: bytes) -> None:
    async with Gateway(pushes_back(value)) as server, channel_to(server, retry=QUICK) as channel:
        with pytest.raises(MxGatewayError) as caught:
            await call(channel, methods.BROWSE_CHILDREN)  # whose bound is 5 s
        assert caught.value.grpc_status is GrpcStatus.UNAVAILABLE
        assert len(server.seen) == 1


def test_the_table_of_kinds_is_the_whole_contract() -> None:
    arms = {arm.upper() for arm in requests._ARMS.values()}
    assert {kind.name for kind in KINDS} == arms
    assert {kind.name for kind in requests.REPEATABLE} == REPEATABLE_KINDS
    assert all(issubclass(payload, Message) for payload in requests._ARMS)
