"""gRPC's interop cases that a client without streams of its own can play, against gRPC's C core, and its negative HTTP/2 cases.

A case has the name that it has there. After each of them the same client makes a successful call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from mxgateway import proto
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayProtocolError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.methods import INVOKE, STREAM_EVENTS
from mxgateway.transport.calls import unary
from mxgateway.transport.channel import Channel
from mxgateway.transport.method import CallOptions, Method
from mxgateway.wire import encode
from tests.peers.bad_ends import goaway, rst_after_data, rst_after_header, rst_during_data
from tests.peers.http2_server import Http2Server, Script
from tests.peers.interop_server import Context, InteropServer
from tests.peers.odd_frames import pings_while_replying
from tests.peers.scripts import answers, in_turn, on_request, per_connection, reply
from tests.transport.fault_rows import next_call_succeeds, nothing_escapes, open_channel
from tests.transport.rig import REPLY, channel_to, event, invoke, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

REQUEST_SIZE, REPLY_SIZE = 271_828, 314_159
STREAM_SIZES = [31_415, 9, 2653, 58_979]
WHITESPACE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


class Gateway:
    """What the C core's server answers, by what the request asks for in its session id."""

    def __init__(self) -> None:
        self.given_up = asyncio.Event()
        self.requests: list[proto.MxCommandRequest] = []

    async def invoke(self, request: bytes, context: Context) -> bytes:
        """Answer a unary call."""
        asked = proto.MxCommandRequest().parse(request)
        self.requests.append(asked)
        match asked.session_id:
            case "":
                return b""
            case "large":
                return encode(proto.MxCommandReply(diagnostic_message="y" * REPLY_SIZE))
            case "status":
                await context.abort(grpc.StatusCode.UNKNOWN, "test status message")
            case "special status":
                await context.abort(grpc.StatusCode.UNKNOWN, WHITESPACE)
            case "metadata":
                await context.send_initial_metadata([("x-grpc-test-echo-initial", "test_initial_metadata_value")])
                context.set_trailing_metadata([("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")])
            case "sleep":
                await self.sleep()
        return REPLY

    async def stream_events(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Answer a streaming call."""
        match proto.StreamEventsRequest().parse(request).session_id:
            case "sizes":
                for number, size in enumerate(STREAM_SIZES):
                    yield event(number, padding=size)
            case "one and no more":
                yield event(1)
                await self.sleep()
            case "sleep":
                await self.sleep()

    async def sleep(self) -> None:
        """Sleep until the client has given the call up."""
        try:
            await asyncio.sleep(3600)
        finally:
            self.given_up.set()


Case = Callable[[Gateway, InteropServer, Channel], Awaitable[None]]
CASES: dict[str, Case] = {}


def case(play: Case) -> Case:
    """Enter a case in the table under its name."""
    CASES[play.__name__] = play
    return play


@case
async def empty_unary(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    assert await invoke(channel, "") == proto.MxCommandReply()
    assert gateway.requests == [proto.MxCommandRequest()]


@case
async def large_unary(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    request = proto.MxCommandRequest(session_id="large", client_correlation_id="x" * REQUEST_SIZE)
    answer = await unary(channel, INVOKE, request, CallOptions())
    assert answer.diagnostic_message == "y" * REPLY_SIZE
    assert gateway.requests == [request]


@case
async def server_streaming(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    async with events(channel, "sizes") as call:
        received = [(message.worker_sequence, len(message.raw_status)) async for message in call]
    assert received == list(enumerate(STREAM_SIZES))


@case
async def empty_stream(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    async with events(channel, "") as call:
        assert [message async for message in call] == []


@case
async def custom_metadata(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    sent = (("x-grpc-test-echo-initial", "test_initial_metadata_value"), ("x-grpc-test-echo-trailing-bin", "q6ur"))
    assert (await invoke(channel, "metadata", metadata=sent)).diagnostic_message == "answered"
    assert server.metadata[-1]["x-grpc-test-echo-initial"] == "test_initial_metadata_value"
    assert server.metadata[-1]["x-grpc-test-echo-trailing-bin"] == b"\xab\xab\xab"


@case
async def status_code_and_message(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    error = await failure(invoke(channel, "status"), MxGatewayTransportError, GrpcStatus.UNKNOWN)
    assert error.message.endswith(": test status message")


@case
async def special_status_message(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    error = await failure(invoke(channel, "special status"), MxGatewayTransportError, GrpcStatus.UNKNOWN)
    assert error.message.endswith(": test with whitespace and Unicode BMP ☺ and non-BMP 😈")  # an error is one line


@case
async def unimplemented_method(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    method = Method(INVOKE.service, "NoSuchMethod", INVOKE.request_type, INVOKE.reply_type)
    call = unary(channel, method, proto.MxCommandRequest(), CallOptions())
    await failure(call, MxGatewayProtocolError, GrpcStatus.UNIMPLEMENTED)


@case
async def unimplemented_service(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    method = Method("no.such.Service", INVOKE.name, INVOKE.request_type, INVOKE.reply_type)
    call = unary(channel, method, proto.MxCommandRequest(), CallOptions())
    await failure(call, MxGatewayProtocolError, GrpcStatus.UNIMPLEMENTED)


@case
async def cancel_after_begin(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    call = asyncio.create_task(invoke(channel, "sleep"))
    while not gateway.requests:
        await asyncio.sleep(0.001)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await gateway.given_up.wait()


@case
async def cancel_after_first_response(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    async with events(channel, "one and no more") as call:
        assert (await anext(call)).worker_sequence == 1
    await gateway.given_up.wait()


@case
async def timeout_on_sleeping_server(gateway: Gateway, server: InteropServer, channel: Channel) -> None:
    for call in (invoke(channel, "sleep", timeout=0.1), events(channel, "sleep", timeout=0.1).messages()):
        await failure(call, MxGatewayTimeoutError, GrpcStatus.DEADLINE_EXCEEDED)
        await gateway.given_up.wait()
        gateway.given_up.clear()


def events(channel: Channel, asked: str, **options: Any) -> Any:
    """Return a stream of what is asked for."""
    return stream(channel, proto.StreamEventsRequest(session_id=asked), **options)


async def failure(call: Awaitable[Any], error_class: type[MxGatewayError], status: GrpcStatus) -> MxGatewayError:
    """Return the error that a call ends with."""
    with pytest.raises(error_class) as caught:
        await call
    assert caught.value.grpc_status is status
    return caught.value


@pytest.mark.parametrize("name", CASES)
async def test_an_interop_case_goes_well_and_the_next_call_succeeds(name: str) -> None:
    gateway = Gateway()
    async with InteropServer(
        unary={INVOKE.path: gateway.invoke}, streaming={STREAM_EVENTS.path: gateway.stream_events}
    ) as server:
        async with nothing_escapes(), open_channel(server.endpoint) as channel, asyncio.timeout(20.0):
            await CASES[name](gateway, server, channel)
            await next_call_succeeds(channel)
            assert channel.stats().connections_opened == 1


# -- negative HTTP/2 cases


@pytest.mark.parametrize("misbehave", [rst_after_header, rst_during_data, rst_after_data])
async def test_a_stream_that_is_reset_fails_its_call_alone(misbehave: Callable[[], Any]) -> None:
    async with Http2Server(in_turn(on_request(misbehave()), answers(REPLY))) as server, channel_to(server) as channel:
        await failure(invoke(channel), MxGatewayTransportError, GrpcStatus.INTERNAL)
        await next_call_succeeds(channel)
        assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "settings", "calls", "connections"),
    [
        (per_connection(on_request(goaway(), reply(REPLY)), answers(REPLY)), {}, 2, 2),
        (in_turn(*[on_request(pings_while_replying(REPLY))] * 3, answers(REPLY)), {}, 3, 1),
        (answers(REPLY), {0x3: 1}, 1, 1),
    ],
    ids=["goaway", "ping", "max_streams"],
)
async def test_a_connection_that_is_restricted_or_replaced_fails_no_call(
    script: Script, settings: dict[int, int], calls: int, connections: int
) -> None:
    async with Http2Server(script, settings=settings) as server, channel_to(server) as channel:
        for _ in range(calls):
            await next_call_succeeds(channel)
        await asyncio.gather(*[next_call_succeeds(channel) for _ in range(10)])
        assert server.connections == connections
        if settings:
            assert server.peers[0].most_concurrent == 1
