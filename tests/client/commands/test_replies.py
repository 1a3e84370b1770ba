"""How replies are judged: MXAccess failures, protocol failures, replies that lack what they must carry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    GrpcStatus,
    MxAccessError,
    MxGatewayAuthenticationError,
    MxGatewayCommandError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayMalformedReplyError,
    MxGatewayProtocolError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import DENIED_TAG, TAG, advised, connect, in_words, until
from tests.rows import each_row

E_INVALIDARG = 0x80070057 - 2**32
E_PROVIDER_SECURITY = 0x80040200 - 2**32
PING = proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand())


def advise_command(server: int, item: int) -> proto.MxCommand:
    body = proto.AdviseCommand(server_handle=server, item_handle=item)
    return proto.MxCommand(kind=proto.MxCommandKind.ADVISE, advise=body)


# -- MXAccess failures


async def test_a_bad_handle_is_an_mxaccess_error_with_everything_that_mxaccess_said(session: Session) -> None:
    with pytest.raises(MxAccessError) as caught:
        await session.advise(77, 88)

    error = caught.value
    assert error.hresult == E_INVALIDARG
    assert error.reply.protocol_status.code == proto.ProtocolStatusCode.MXACCESS_FAILURE
    assert error.reply.correlation_id == error.correlation_id != ""
    assert error.session_id == session.session_id
    assert error.phase == "reply"
    assert error.grpc_status is None
    assert not error.retryable
    assert in_words(error, "MXAccess refused advise", "server handle 77", "item handle 88", "0x80070057 E_INVALIDARG")
    assert str(error).casefold().count("value does not fall within the expected range") == 1


async def test_a_refusal_with_statuses_is_told_in_words(session: Session) -> None:
    item = await advised(session, DENIED_TAG)
    with pytest.raises(MxAccessError) as caught:
        await session.write(*item.pair, 1)

    error = caught.value
    assert error.hresult == E_PROVIDER_SECURITY
    assert error.statuses == tuple(error.reply.statuses)
    assert [status.detail for status in error.statuses] == [321]
    assert in_words(error, "0x80040200", "security error", "detail 321", "Write denied by provider security.")


async def test_a_write_of_an_item_that_is_not_advised_is_refused(session: Session) -> None:
    server = await session.register("tests")
    item = await session.add_item(server, TAG)
    with pytest.raises(MxAccessError) as caught:
        await session.write(server, item, 1)

    assert caught.value.hresult == E_INVALIDARG


async def test_an_mxaccess_failure_is_data_for_the_raw_calls(client: GatewayClient, session: Session) -> None:
    command = advise_command(77, 88)
    for reply in (
        await session.invoke_raw(command),
        await client.invoke_raw(proto.MxCommandRequest(session_id=session.session_id, command=command)),
    ):
        assert reply.protocol_status.code == proto.ProtocolStatusCode.MXACCESS_FAILURE
        assert reply.hresult == E_INVALIDARG


async def test_an_mxaccess_failure_raises_from_invoke(client: GatewayClient, session: Session) -> None:
    command = advise_command(77, 88)
    for call in (
        session.invoke(command),
        client.invoke(proto.MxCommandRequest(session_id=session.session_id, command=command)),
    ):
        with pytest.raises(MxAccessError) as caught:
            await call
        assert caught.value.hresult == E_INVALIDARG


async def test_an_accepted_command_returns_its_reply_from_invoke(session: Session) -> None:
    reply = await session.invoke(PING, correlation_id="here")

    assert reply.protocol_status.code == proto.ProtocolStatusCode.OK
    assert reply.correlation_id == "here"


def overridden(**fields: Any) -> Callable[[proto.MxCommandReply], proto.MxCommandReply]:
    def replace(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        return proto.MxCommandReply(
            session_id=reply.session_id,
            kind=reply.kind,
            **{"protocol_status": reply.protocol_status, "correlation_id": reply.correlation_id, **fields},
        )

    return replace


FAILED_STATUS = proto.MxStatusProxy(
    category=proto.MxStatusCategory.COMMUNICATION_ERROR, detail=2, diagnostic_text="no\nengine"
)


@pytest.mark.parametrize(
    ("fields", "hresult", "words"),
    [
        ({"hresult": -1}, -1, "0xFFFFFFFF"),
        ({"hresult": 0, "statuses": [FAILED_STATUS]}, 0, "communication error"),
        ({"statuses": [FAILED_STATUS]}, None, "no engine"),
    ],
)
async def test_a_failure_under_an_ok_status_is_no_success(
    gateway: SimulatedGateway, session: Session, fields: dict[str, Any], hresult: int | None, words: str
) -> None:
    gateway.reply_override("Invoke.Ping", overridden(**fields))
    with pytest.raises(MxAccessError) as caught:
        await session.ping()

    assert caught.value.hresult == hresult
    assert in_words(caught.value, "MXAccess refused ping", words)


@pytest.mark.parametrize("category", ["OK", "PENDING", "WARNING", "UNSPECIFIED"])
async def test_a_status_that_is_no_failure_is_a_success(
    gateway: SimulatedGateway, session: Session, category: str
) -> None:
    status = proto.MxStatusProxy(success=0, category=proto.MxStatusCategory.from_string(category))
    gateway.reply_override("Invoke.Ping", overridden(hresult=1, statuses=[status]))

    await session.ping()


async def test_a_failure_without_reasons_says_so(gateway: SimulatedGateway, session: Session) -> None:
    bare = proto.ProtocolStatus(code=proto.ProtocolStatusCode.MXACCESS_FAILURE)
    gateway.reply_override("Invoke.Ping", overridden(protocol_status=bare))
    with pytest.raises(MxAccessError, match="MXAccess refused ping: no reason given") as caught:
        await session.ping()

    assert caught.value.hresult is None
    assert caught.value.statuses == ()


# -- replies that lack what they must carry

PAYLOADS: dict[str, tuple[Callable[[Session], Awaitable[Any]], dict[str, Any], str]] = {
    "Invoke.Register": (lambda s: s.register("x"), {"register": proto.RegisterReply()}, "server_handle 0"),
    "Invoke.AddItem": (lambda s: s.add_item(1, "A"), {"add_item": proto.AddItemReply()}, "item_handle 0"),
    "Invoke.AddItem2": (lambda s: s.add_item2(1, "A", "B"), {"add_item2": proto.AddItem2Reply()}, "item_handle 0"),
    "Invoke.GetSessionState": (
        lambda s: s.state(),
        {"register": proto.RegisterReply(server_handle=1)},
        "session_state",
    ),
}
OK = proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK)


@each_row("method", PAYLOADS)
@each_row("echo", [{}, {"correlation_id": ""}])
async def test_an_ok_reply_without_its_payload_is_malformed(
    gateway: SimulatedGateway, session: Session, method: str, echo: dict[str, Any]
) -> None:
    call, _, _ = PAYLOADS[method]
    gateway.reply_override(method, overridden(protocol_status=OK, **echo))
    with pytest.raises(MxGatewayMalformedReplyError, match=r"carries no \w+ payload") as caught:
        await call(session)

    assert isinstance(caught.value.reply, proto.MxCommandReply)
    assert caught.value.correlation_id == gateway.received[-1].request.client_correlation_id
    assert caught.value.session_id == session.session_id
    assert caught.value.endpoint == gateway.endpoint


@pytest.mark.parametrize("method", PAYLOADS)
async def test_a_handle_of_zero_or_another_commands_payload_is_malformed(
    gateway: SimulatedGateway, session: Session, method: str
) -> None:
    call, payload, words = PAYLOADS[method]
    gateway.reply_override(method, overridden(protocol_status=OK, **payload))
    with pytest.raises(MxGatewayMalformedReplyError, match=words):
        await call(session)


async def test_a_reply_without_a_protocol_status_is_malformed(gateway: SimulatedGateway, session: Session) -> None:
    gateway.reply_override("Invoke.Ping", overridden(protocol_status=None))
    with pytest.raises(MxGatewayMalformedReplyError, match="MxCommandReply carries no protocol status"):
        await session.ping()


async def test_a_session_without_an_id_is_malformed(gateway: SimulatedGateway, client: GatewayClient) -> None:
    gateway.reply_override("OpenSession", lambda reply: proto.OpenSessionReply(protocol_status=OK))
    with pytest.raises(MxGatewayMalformedReplyError, match="no session id") as caught:
        await client.open_session(correlation_id="mine")

    assert caught.value.correlation_id == "mine"


# -- protocol failures

PROTOCOL_FAILURES: dict[str, tuple[type[MxGatewayError], GrpcStatus | None]] = {
    "INVALID_REQUEST": (MxGatewayInvalidRequestError, GrpcStatus.INVALID_ARGUMENT),
    "SESSION_NOT_FOUND": (MxGatewaySessionError, GrpcStatus.NOT_FOUND),
    "SESSION_NOT_READY": (MxGatewaySessionError, GrpcStatus.FAILED_PRECONDITION),
    "WORKER_UNAVAILABLE": (MxGatewayWorkerError, GrpcStatus.UNAVAILABLE),
    "TIMEOUT": (MxGatewayTimeoutError, GrpcStatus.DEADLINE_EXCEEDED),
    "CANCELED": (MxGatewayCommandError, None),
    "PROTOCOL_VIOLATION": (MxGatewayProtocolError, GrpcStatus.INTERNAL),
}


@each_row("name", PROTOCOL_FAILURES)
async def test_a_protocol_failure_raises_its_class_also_from_the_raw_calls(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, name: str
) -> None:
    cls, status = PROTOCOL_FAILURES[name]
    spare = await client.open_session_raw(proto.OpenSessionRequest())
    failure = proto.ProtocolStatus(code=proto.ProtocolStatusCode.from_string(name), message="for this reason")
    gateway.reply_override("Invoke.Ping", overridden(protocol_status=failure), times=3)
    gateway.reply_override("OpenSession", lambda reply: proto.OpenSessionReply(protocol_status=failure))
    gateway.reply_override("CloseSession", lambda reply: proto.CloseSessionReply(protocol_status=failure))
    asking = proto.MxCommandRequest(session_id=session.session_id, command=PING)
    for call in (
        session.ping(),
        session.invoke_raw(PING),
        client.invoke_raw(asking),
        client.open_session_raw(proto.OpenSessionRequest()),
        client.close_session_raw(spare.session_id),
    ):
        with pytest.raises(cls) as caught:
            await call
        assert type(caught.value) is cls
        assert caught.value.grpc_status is status
        assert in_words(caught.value, name, "for this reason", gateway.endpoint)


async def test_a_protocol_status_of_a_newer_gateway_is_a_command_error(
    gateway: SimulatedGateway, session: Session
) -> None:
    newer = proto.ProtocolStatus(code=proto.ProtocolStatusCode.try_value(99), message="?")
    gateway.reply_override("Invoke.Ping", overridden(protocol_status=newer))
    with pytest.raises(MxGatewayCommandError, match="protocol status 99"):
        await session.ping()


async def test_a_command_that_the_gateway_does_not_know_is_an_invalid_request(session: Session) -> None:
    with pytest.raises(MxGatewayError) as caught:
        await session.invoke_raw(proto.MxCommand(kind=proto.MxCommandKind.REGISTER))

    assert isinstance(caught.value, MxGatewayInvalidRequestError)
    assert caught.value.grpc_status is GrpcStatus.INVALID_ARGUMENT


# -- gRPC statuses

GRPC_FAILURES: dict[Status, tuple[type[MxGatewayError], bool]] = {
    Status.UNAUTHENTICATED: (MxGatewayAuthenticationError, False),
    Status.NOT_FOUND: (MxGatewaySessionError, False),
    Status.FAILED_PRECONDITION: (MxGatewaySessionError, False),
    Status.RESOURCE_EXHAUSTED: (MxGatewaySessionError, True),
    Status.UNAVAILABLE: (MxGatewayWorkerError, True),
    Status.DEADLINE_EXCEEDED: (MxGatewayTimeoutError, False),
    Status.INVALID_ARGUMENT: (MxGatewayInvalidRequestError, False),
    Status.INTERNAL: (MxGatewayTransportError, False),
}


@each_row("status", GRPC_FAILURES)
async def test_a_grpc_status_raises_its_class(gateway: SimulatedGateway, session: Session, status: Status) -> None:
    cls, retryable = GRPC_FAILURES[status]
    gateway.fail_next("Invoke.Register", status, "for this reason")
    with pytest.raises(cls, match="for this reason") as caught:
        await session.register("x", correlation_id="mine")

    assert type(caught.value) is cls
    assert caught.value.retryable is retryable
    assert caught.value.correlation_id == "mine"
    assert caught.value.method == "MxAccessGateway/Invoke"
    await session.ping()


async def test_an_unknown_session_is_a_session_error(client: GatewayClient) -> None:
    session = client.attach_session("session-unknown")
    for call in (session.ping(), anext(session.stream_events())):
        with pytest.raises(MxGatewaySessionError) as caught:
            await call
        assert caught.value.grpc_status is GrpcStatus.NOT_FOUND
        assert caught.value.session_id == "session-unknown"
        assert in_words(caught.value, "session-unknown", "open a new one")


async def test_the_session_limit_is_a_session_error(gateway: SimulatedGateway) -> None:
    async with SimulatedGateway(options=SimulatorOptions(session_limit=1)) as small, connect(small) as client:
        await client.open_session()
        with pytest.raises(MxGatewaySessionError) as caught:
            await client.open_session()

    assert caught.value.grpc_status is GrpcStatus.RESOURCE_EXHAUSTED
    assert caught.value.retryable


async def test_a_worker_that_crashes_under_a_command_is_a_worker_error(
    gateway: SimulatedGateway, session: Session
) -> None:
    gateway.hold_commands()
    registering = asyncio.create_task(session.register("x"))
    await until(lambda: len(gateway.sessions[session.session_id].worker.apartment))
    gateway.crash_worker(session.session_id)
    with pytest.raises(MxGatewayWorkerError) as caught:
        await registering

    assert caught.value.session_id == session.session_id


async def test_a_session_that_was_closed_here_is_refused_without_a_call(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    await session.close()
    before = len(gateway.received)
    for call in (
        session.ping(),
        session.register("x"),
        session.write(1, 2, 3),
        session.write_confirmed(1, 2, 3),
        session.invoke_raw(PING),
        anext(session.stream_events()),
    ):
        with pytest.raises(MxGatewaySessionError, match="is closed") as caught:
            await call
        assert caught.value.session_id == session.session_id
        assert caught.value.endpoint == gateway.endpoint

    assert len(gateway.received) == before


async def test_a_call_that_takes_too_long_is_a_timeout_that_names_its_bound(
    gateway: SimulatedGateway, session: Session
) -> None:
    gateway.hold_commands()
    with pytest.raises(MxGatewayTimeoutError) as caught:
        await session.ping(timeout=0.05)
    gateway.release_commands()

    assert isinstance(caught.value, TimeoutError)
    assert caught.value.grpc_status is GrpcStatus.DEADLINE_EXCEEDED
    assert in_words(caught.value, "0.05 s", session.session_id, "may still be carried out")
    await session.ping()
