"""The API key goes with every call, and with nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway import (
    ApiKey,
    GatewayClient,
    GrpcStatus,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    Session,
    proto,
)
from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from mxgateway.transport.connecting.open_channel import Opening
from tests.client.support import advised, connect, is_streaming, until

ALL_CALLS = ["OpenSession", "Invoke", "Invoke", "Invoke", "StreamEvents", "Invoke", "CloseSession"]


async def one_of_each_call(client: GatewayClient) -> None:
    async with client.open_session() as session:
        item = await advised(session)
        async for _ in session.stream_events():
            break
        await session.write(*item.pair, 1)


def sent(gateway: SimulatedGateway, header: str) -> list[str | None]:
    return [call.header(header) for call in gateway.received]


@pytest.mark.parametrize("wrap", [str, ApiKey])
async def test_the_api_key_goes_with_every_unary_call_and_every_stream(
    gateway: SimulatedGateway, wrap: type[str] | type[ApiKey]
) -> None:
    async with connect(gateway, api_key=wrap(gateway.api_key)) as client:
        await one_of_each_call(client)

    assert [call.method for call in gateway.received] == ALL_CALLS
    assert set(sent(gateway, "authorization")) == {f"Bearer {gateway.api_key}"}


async def test_metadata_of_ones_own_goes_with_every_call_beside_the_key(gateway: SimulatedGateway) -> None:
    async with connect(gateway, metadata=(("x-site", "plant 7"), ("x-line", "3"), ("x-line", "4"))) as client:
        await one_of_each_call(client)

    assert set(sent(gateway, "authorization")) == {f"Bearer {gateway.api_key}"}
    assert set(sent(gateway, "x-site")) == {"plant 7"}
    for call in gateway.received:
        assert [value for name, value in call.metadata if name == "x-line"] == ["3", "4"]
        assert [name for name, _ in call.metadata].count("authorization") == 1


async def test_the_raw_calls_carry_the_key_as_well(gateway: SimulatedGateway, client: GatewayClient) -> None:
    opened = await client.open_session_raw(proto.OpenSessionRequest())
    ping = proto.MxCommand(kind=proto.MxCommandKind.PING, ping=proto.PingCommand())
    await client.invoke_raw(proto.MxCommandRequest(session_id=opened.session_id, command=ping))
    await client.invoke(proto.MxCommandRequest(session_id=opened.session_id, command=ping))
    async with client.stream_events_raw(proto.StreamEventsRequest(session_id=opened.session_id)) as events:
        await events.open()
        await until(lambda: gateway.sessions[opened.session_id].events.is_attached)
    await client.close_session_raw(opened.session_id)

    assert [call.method for call in gateway.received] == [
        "OpenSession", "Invoke", "Invoke", "StreamEvents", "CloseSession",
    ]  # fmt: skip
    assert set(sent(gateway, "authorization")) == {f"Bearer {gateway.api_key}"}


async def test_without_a_key_none_is_sent_and_the_gateway_says_so(gateway: SimulatedGateway) -> None:
    async with connect(gateway, api_key=None) as client:
        with pytest.raises(MxGatewayAuthenticationError) as caught:
            await client.open_session()

    assert sent(gateway, "authorization") == [None]
    assert caught.value.grpc_status is GrpcStatus.UNAUTHENTICATED
    assert not caught.value.retryable


async def test_a_key_that_the_gateway_does_not_know_is_an_authentication_error(gateway: SimulatedGateway) -> None:
    async with connect(gateway, api_key="mxgw_tests_not-this-one") as client:
        with pytest.raises(MxGatewayAuthenticationError, match="Missing or invalid API key") as caught:
            await client.open_session()
        stream = client.stream_events_raw(proto.StreamEventsRequest(session_id="session-1"))
        with pytest.raises(MxGatewayAuthenticationError):
            await anext(stream)

    assert "not-this-one" not in str(caught.value)
    assert caught.value.endpoint == gateway.endpoint
    assert caught.value.method == "MxAccessGateway/OpenSession"


READER = SimulatedKey(key_id="reader", scopes=frozenset({Scope.SESSION_OPEN, Scope.SESSION_CLOSE, Scope.INVOKE_READ}))


@pytest.fixture
async def restricted() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(api_keys=[READER]) as gateway:
        yield gateway


@pytest.fixture
async def reader(restricted: SimulatedGateway) -> AsyncIterator[Session]:
    """A session whose key may neither write nor read events."""
    async with connect_as(restricted, READER) as client, client.open_session() as session:
        yield session


def connect_as(gateway: SimulatedGateway, key: SimulatedKey) -> Opening[GatewayClient]:
    return GatewayClient.connect(gateway.endpoint, api_key=key.reveal(), plaintext=True)


async def test_a_missing_scope_is_named_by_the_error_of_a_call(reader: Session) -> None:
    item = await advised(reader)
    with pytest.raises(MxGatewayAuthorizationError) as caught:
        await reader.write(*item.pair, 1)

    assert caught.value.required_scope == "invoke:write"
    assert caught.value.grpc_status is GrpcStatus.PERMISSION_DENIED
    assert caught.value.session_id == reader.session_id
    assert "use a key with that scope" in str(caught.value)


async def test_a_missing_scope_is_named_by_the_error_of_a_stream(reader: Session) -> None:
    with pytest.raises(MxGatewayAuthorizationError) as caught:
        await anext(reader.stream_events())

    assert caught.value.required_scope == "events:read"


async def test_a_confirmed_write_needs_the_scope_to_read_events() -> None:
    writer = SimulatedKey(key_id="writer", scopes=READER.scopes | {Scope.INVOKE_WRITE})
    async with (
        SimulatedGateway(api_keys=[writer]) as gateway,
        connect_as(gateway, writer) as client,
        client.open_session() as session,
    ):
        item = await advised(session)
        with pytest.raises(MxGatewayAuthorizationError) as caught:
            await session.write_confirmed(*item.pair, 1)
        assert not is_streaming(gateway, session)

    assert caught.value.required_scope == "events:read"
