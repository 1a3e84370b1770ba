"""The cases of gRPC's interoperability suite that apply to a client with unary and server-streaming calls, against grpcio's C core.

Each ends as the suite wants it, with the error's class and status, within its bound; afterwards the same client makes a successful call, and, as
none of the cases is a reason to give a connection up, it makes it on the same one.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc
import pytest

from mxgateway import GatewayClient, MxGatewayError, Session, proto
from mxgateway.calling.rpcs import ACKNOWLEDGE_ALARM, CLOSE_SESSION, GET_LAST_DEPLOY_TIME, INVOKE, STREAM_ALARMS
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayContractError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.transport.calls.call import Call
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from tests.client.support import until
from tests.peers.grpcio_gateway import Answer, Context, Exchange, GrpcioGateway
from tests.rows import each_row

MIB: Final = 1 << 20
NOTHING: Final = CallOptions()

STATUS_MESSAGE: Final = "test status message"
SPECIAL_MESSAGE: Final = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈, 100 % or %41\t\n"
SPECIAL_MESSAGE_ON_ONE_LINE: Final = "test with whitespace and Unicode BMP ☺ and non-BMP 😈, 100 % or %41"

ASCII_VALUE: Final = "test_initial_metadata_value"
BINARY_VALUE: Final = b"\xab\x00\xff"
BINARY_TEXT: Final = base64.b64encode(BINARY_VALUE).decode().rstrip("=")


@dataclass(frozen=True)
class Rig:
    """A gateway on grpcio's C core, and a client with a session there."""

    gateway: GrpcioGateway
    channel: Channel
    client: GatewayClient
    session: Session

    @property
    def last(self) -> Exchange:
        """The last call as the server saw it."""
        return self.gateway.exchanges[-1]

    def events(self, **options: Any) -> ServerStream[Any, proto.MxEvent]:
        """Return an event stream of the session that has not begun."""
        return self.client.stream_events_raw(proto.StreamEventsRequest(session_id=self.session.session_id), **options)

    async def advise(self) -> None:
        """Let the session have an event."""
        server = await self.session.register("interop")
        await self.session.advise(server, await self.session.add_item(server, "Any.Value"))

    async def arrival(self, method: str) -> Exchange:
        """Return the call of a method that has arrived at the server last, waiting for it to be the last of all."""
        await until(lambda: self.last.method == method)
        return self.last


@asynccontextmanager
async def connected(gateway: GrpcioGateway, **options: Any) -> AsyncIterator[Rig]:
    channel = Channel([Endpoint.parse(gateway.endpoint)], ClientOptions(plaintext=True, **options))
    async with GatewayClient(channel) as client, client.open_session() as session:
        yield Rig(gateway, channel, client, session)


# --------------------------------------------------------------------------------------------------------------------
# What the server does


def aborts(message: str) -> Answer:
    async def answer(exchange: Exchange, context: Context) -> None:
        await context.abort(grpc.StatusCode.UNKNOWN, message)

    return answer


async def answers_with_nothing(exchange: Exchange, context: Context) -> bytes:
    return b""


async def sleeps(exchange: Exchange, context: Context) -> None:
    await asyncio.Event().wait()


async def echoes_metadata(exchange: Exchange, context: Context) -> None:
    """Send the ASCII value back with the headers, the binary one with the trailers."""
    await context.send_initial_metadata((("x-echo-initial", exchange.metadata["x-test-initial"]),))
    context.set_trailing_metadata((("x-echo-trailing-bin", exchange.binary_metadata["x-test-trailing-bin"]),))


# --------------------------------------------------------------------------------------------------------------------
# What the client does


async def empty_unary(rig: Rig) -> None:
    reply = await unary(rig.channel, CLOSE_SESSION, proto.CloseSessionRequest(), NOTHING)
    assert reply == proto.CloseSessionReply()
    assert (rig.last.request, rig.last.replies) == (b"", [b""])


async def large_unary(rig: Rig) -> None:
    text = "x" * (8 * MIB)  # the gateway gives a request's correlation id back
    command = proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand())
    reply = await rig.client.invoke(proto.MxCommandRequest(rig.session.session_id, text, command))
    assert reply.correlation_id == text
    assert min(len(rig.last.request), len(rig.last.replies[0])) > 8 * MIB


async def server_streaming(rig: Rig) -> None:
    sizes = [31415, 9, 2653, 58979, 8 * MIB]
    server = await rig.session.register("interop")
    item = await rig.session.add_item(server, "Any.Value")
    for size in sizes:
        await rig.session.write(server, item, bytes(size))
    await rig.client.close_session_raw(rig.session.session_id)
    async with rig.events() as events:
        received = [event async for event in events]
    assert [event.worker_sequence for event in received] == list(range(1, 2 * len(sizes) + 1))
    assert [len(event.value.raw_value) for event in received[::2]] == sizes


async def empty_stream(rig: Rig) -> None:
    await rig.client.close_session_raw(rig.session.session_id)
    async with rig.events() as events:
        assert [event async for event in events] == []


async def custom_metadata(rig: Rig) -> None:
    metadata = (("x-test-initial", ASCII_VALUE), ("x-test-trailing-bin", BINARY_TEXT))
    request = proto.MxCommandRequest(
        session_id=rig.session.session_id,
        command=proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand()),
    )
    call = Call(rig.channel, INVOKE, CallOptions(metadata=metadata))
    stream = await call.start(request)
    while await stream.messages():
        pass
    stream.close()
    call.succeed()
    assert rig.last.metadata["x-test-initial"] == ASCII_VALUE
    assert rig.last.metadata["x-of-the-client"] == "every call"
    assert rig.last.binary_metadata == {"x-test-trailing-bin": BINARY_VALUE}
    assert (stream.headers or {})[b"x-echo-initial"] == ASCII_VALUE.encode()
    assert (stream.trailers or {})[b"x-echo-trailing-bin"].rstrip(b"=") == BINARY_TEXT.encode()


async def ping(rig: Rig) -> None:
    await rig.session.ping()


async def ping_with_a_bound(rig: Rig) -> None:
    await rig.session.ping(timeout=0.2)


async def stream(rig: Rig) -> None:
    async with rig.events() as events:
        await events.messages()


async def stream_with_a_bound(rig: Rig) -> None:
    async with rig.events(timeout=0.2) as events:
        await events.messages()


async def unknown_method(rig: Rig) -> None:
    method = replace(INVOKE, name="NoSuchMethod")
    await unary(rig.channel, method, proto.MxCommandRequest(), NOTHING)


async def unserved_method(rig: Rig) -> None:
    await unary(rig.channel, ACKNOWLEDGE_ALARM, proto.AcknowledgeAlarmRequest(), NOTHING)


async def unserved_stream(rig: Rig) -> None:
    async with ServerStream(rig.channel, STREAM_ALARMS, proto.StreamAlarmsRequest(), NOTHING) as alarms:
        await alarms.messages()


async def unserved_service(rig: Rig) -> None:
    await unary(rig.channel, GET_LAST_DEPLOY_TIME, proto.GetLastDeployTimeRequest(), NOTHING)


async def cancel_a_unary_call(rig: Rig) -> None:
    call = asyncio.create_task(rig.session.ping())
    exchange = await rig.arrival("Invoke")
    await cancelled(call)
    await until(lambda: exchange.cancelled)


async def cancel_a_stream_after_begin(rig: Rig) -> None:
    events = rig.events()
    reading = asyncio.create_task(events.messages())
    exchange = await rig.arrival("StreamEvents")
    await cancelled(reading)
    await events.aclose()
    await until(lambda: exchange.cancelled)


async def leave_a_stream_before_its_first_message(rig: Rig) -> None:
    async with rig.events() as events:
        await events.open()
        exchange = await rig.arrival("StreamEvents")
    await until(lambda: exchange.cancelled)


async def cancel_after_first_response(rig: Rig) -> None:
    await rig.advise()
    events = rig.events()
    assert [event.worker_sequence for event in await events.messages()] == [1]
    reading = asyncio.create_task(events.messages())
    await asyncio.sleep(0)
    await cancelled(reading)
    await events.aclose()
    await until(lambda: rig.last.cancelled)


async def leave_a_stream_after_its_first_message(rig: Rig) -> None:
    await rig.advise()
    async with rig.events() as events:
        assert (await anext(events)).worker_sequence == 1
    await until(lambda: rig.last.cancelled)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """The error that a call ends with."""

    error: type[MxGatewayError]
    status: GrpcStatus
    text: str


@dataclass(frozen=True)
class Case:
    """One case: what the client does, what the server does, and the error that comes of it."""

    name: str
    act: Callable[[Rig], Awaitable[None]]
    answer: Answer | None = None
    failure: Failure | None = None
    bound: float = 20.0
    """Seconds."""


def unknown(text: str) -> Failure:
    return Failure(MxGatewayTransportError, GrpcStatus.UNKNOWN, text)


def unimplemented(text: str) -> Failure:
    return Failure(MxGatewayContractError, GrpcStatus.UNIMPLEMENTED, text)


TOO_LATE: Final = Failure(MxGatewayTimeoutError, GrpcStatus.DEADLINE_EXCEEDED, "0.2 s")
PLAIN, SPECIAL = unknown(STATUS_MESSAGE), unknown(SPECIAL_MESSAGE_ON_ONE_LINE)

CASES: Final = [
    Case("empty_unary", empty_unary, answers_with_nothing),
    Case("large_unary", large_unary),
    Case("server_streaming", server_streaming),
    Case("empty_stream", empty_stream),
    Case("custom_metadata", custom_metadata, echoes_metadata),
    Case("status_code_and_message, unary", ping, aborts(STATUS_MESSAGE), PLAIN),
    Case("status_code_and_message, stream", stream, aborts(STATUS_MESSAGE), PLAIN),
    Case("special_status_message, unary", ping, aborts(SPECIAL_MESSAGE), SPECIAL),
    Case("special_status_message, stream", stream, aborts(SPECIAL_MESSAGE), SPECIAL),
    Case("unimplemented_method, not in the contract", unknown_method, None, unimplemented("NoSuchMethod")),
    Case("unimplemented_method, unary", unserved_method, None, unimplemented("AcknowledgeAlarm")),
    Case("unimplemented_method, stream", unserved_stream, None, unimplemented("StreamAlarms")),
    Case("unimplemented_service", unserved_service, None, unimplemented("GalaxyRepository")),
    Case("cancel_after_begin, unary", cancel_a_unary_call, sleeps),
    Case("cancel_after_begin, stream", cancel_a_stream_after_begin, sleeps),
    Case("cancel_after_begin, stream left", leave_a_stream_before_its_first_message),
    Case("cancel_after_first_response", cancel_after_first_response),
    Case("cancel_after_first_response, stream left", leave_a_stream_after_its_first_message),
    Case("timeout_on_sleeping_server, unary", ping_with_a_bound, sleeps, TOO_LATE),
    Case("timeout_on_sleeping_server, stream", stream_with_a_bound, sleeps, TOO_LATE),
]


@each_row("case", CASES)
async def test_an_interop_case_ends_as_it_should_and_the_client_goes_on(case: Case) -> None:
    async with GrpcioGateway() as gateway, connected(gateway, metadata=(("x-of-the-client", "every call"),)) as rig:
        gateway.answer = case.answer
        async with asyncio.timeout(case.bound):
            if case.failure is None:
                await case.act(rig)
            else:
                with pytest.raises(case.failure.error) as caught:
                    await case.act(rig)
                assert (type(caught.value), caught.value.grpc_status) == (case.failure.error, case.failure.status)
                assert case.failure.text in str(caught.value)
        gateway.answer = None

        await rig.session.ping()
        stats = rig.client.stats()
        assert stats.connections_opened == 1
        assert stats.calls_open == 0


async def test_a_server_that_forbids_frequent_pings_is_asked_less_often_until_it_is_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policy = [("grpc.http2.min_ping_interval_without_data_ms", 150), ("grpc.http2.max_ping_strikes", 1)]
    complaints: list[MxGatewayError] = []
    async with GrpcioGateway(options=policy) as gateway, connected(gateway, keepalive_time=0.1) as rig:
        while (complaint := await complaint_during(rig, pings=8)) is not None:
            complaints.append(complaint)
            await rig.session.ping()
        await rig.session.ping()
        assert rig.client.stats().reconnects == len(complaints)

    assert 1 <= len(complaints) <= 3
    assert {(complaint.grpc_status, complaint.retryable) for complaint in complaints} == {
        (GrpcStatus.UNAVAILABLE, True)
    }
    assert "Too many pings" in str(complaints[0])  # the server says so in the trailers, then in GOAWAY
    warnings = [record.getMessage() for record in caplog.records if record.name == "mxgateway.transport.channel"]
    assert len(warnings) == len(complaints)
    assert "from now on they are sent after 0.2 s of silence" in warnings[0]


async def complaint_during(rig: Rig, *, pings: int) -> MxGatewayError | None:
    """Keep a silent stream open for so many keepalive pings; return how the server ended it, None if it did not."""
    reading = asyncio.create_task(stream(rig))
    enough = rig.client.stats().pings_sent + pings
    await until(lambda: reading.done() or rig.client.stats().pings_sent >= enough)
    if not reading.done():
        await cancelled(reading)
        return None
    fault = reading.exception()
    assert isinstance(fault, MxGatewayError)
    return fault
