"""The client's main job against a gateway that shares nothing with it but the contract: the same bytes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, MxAccessError, TlsOptions, proto, wire
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayAuthenticationError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
)
from tests.peers.grpcio_gateway import GrpcioGateway
from tests.peers.grpcio_sessions import E_INVALIDARG, prepared_events, serialize
from tests.peers.network.certificates import Authority, self_signed

KEY = "mxgw_interop_a-secret"
ROOT = Path(__file__).parents[2]

REPLY_TYPES: dict[str, type[Any]] = {
    "OpenSession": proto.OpenSessionReply,
    "CloseSession": proto.CloseSessionReply,
    "Invoke": proto.MxCommandReply,
    "StreamEvents": proto.MxEvent,
}
VALUES: list[Any] = [
    42, -1, 2**31 - 1, 2**40, -(2**63), True, False, 0.0, -0.0, 3.5, 1e300, "", "Größe 你好 🙂", b"", b"\x00\xff", None,
    datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC), datetime(1601, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC), [1, 2, 3], [-1, 2**31 - 1], [1.5, -0.0], [True, False], ["a", "", "ü"],
    [datetime(2026, 3, 1, tzinfo=UTC)], [2**40, 1],
]  # fmt: skip


@pytest.fixture
async def gateway() -> AsyncIterator[GrpcioGateway]:
    async with GrpcioGateway(api_key=KEY) as running:
        yield running


@pytest.fixture
async def client(gateway: GrpcioGateway) -> AsyncIterator[GatewayClient]:
    async with GatewayClient.connect(gateway.endpoint, api_key=KEY, plaintext=True) as connected:
        yield connected


def assert_both_sides_bytes_agree(gateway: GrpcioGateway) -> None:
    """Requests are what google.protobuf writes for what it reads; replies come out of our codec as they went in."""
    assert gateway.exchanges
    for exchange in gateway.exchanges:
        assert exchange.request == serialize(exchange.parsed), exchange.method
        for reply in exchange.replies:
            assert wire.encode(wire.decode(REPLY_TYPES[exchange.method], reply)) == reply, exchange.method


async def test_open_register_add_advise_stream_write_close(gateway: GrpcioGateway, client: GatewayClient) -> None:
    async with client.open_session(client_session_name="interop", command_timeout=12.5) as session:
        assert session.gateway_protocol_version == 3
        assert session.capabilities == ("unary-acknowledge-alarm", "server-stream-active-alarms")
        server = await session.register("interop")
        item = await session.add_item(server, "TestChildObject.TestInt")
        other = await session.add_item2(server, "TestInt", "TestChildObject")
        assert len({server, item, other}) == 3
        async with session.stream_events() as events:
            await session.advise(server, item)
            await session.advise_supervisory(server, other)
            await session.write(server, item, 123)
            received = [await anext(events) for _ in range(4)]
            confirmed = await session.write_confirmed(server, item, 124, user_id=7, timeout=5)
        assert (await session.state()).state == proto.SessionState.READY
        await session.ping()
        await session.unadvise(server, item)
        await session.remove_item(server, other)
        await session.unregister(server)

    families = proto.MxEventFamily
    assert [(event.worker_sequence, event.item_handle, event.family) for event in received] == [
        (1, item, families.ON_DATA_CHANGE),
        (2, other, families.ON_DATA_CHANGE),
        (3, item, families.ON_DATA_CHANGE),
        (4, item, families.ON_WRITE_COMPLETE),
    ]
    assert received[2].value.int32_value == 123
    assert (confirmed.worker_sequence, confirmed.family) == (6, families.ON_WRITE_COMPLETE)
    assert_both_sides_bytes_agree(gateway)
    (stream,) = [exchange for exchange in gateway.exchanges if exchange.method == "StreamEvents"]
    assert [wire.encode(event) for event in [*received, confirmed]] == [stream.replies[i] for i in (0, 1, 2, 3, 5)]
    assert {exchange.metadata["authorization"] for exchange in gateway.exchanges} == {f"Bearer {KEY}"}
    assert [exchange.method for exchange in gateway.exchanges][-1] == "CloseSession"


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_every_kind_of_value_has_the_same_bytes_there_and_back(
    gateway: GrpcioGateway, client: GatewayClient, value: Any
) -> None:
    async with client.open_session() as session:
        server = await session.register("values")
        item = await session.add_item(server, "Any.Value")
        await session.write(server, item, value)
        await session.write2(server, item, value, datetime(2026, 3, 1, 8, 0, 0, 100, tzinfo=UTC), user_id=-5)
        async with session.stream_events() as events:
            received = [await anext(events) for _ in range(4)]
    writes = [
        exchange.parsed.command
        for exchange in gateway.exchanges
        if exchange.parsed.DESCRIPTOR.name == "MxCommandRequest"
    ]
    sent = [getattr(command, arm).value for command in writes for arm in ("write", "write2") if command.HasField(arm)]
    assert [wire.encode(received[i].value) for i in (0, 2)] == [serialize(each) for each in sent]
    assert_both_sides_bytes_agree(gateway)


async def test_raw_replies_come_out_of_the_codec_as_they_went_in(gateway: GrpcioGateway, client: GatewayClient) -> None:
    opened = await client.open_session_raw(proto.OpenSessionRequest(client_correlation_id="c-1"))
    session = client.attach_session(opened.session_id)
    registered = await session.invoke_raw(
        proto.MxCommand(kind=proto.MxCommandKind.REGISTER, register=proto.RegisterCommand(client_name="raw"))
    )
    failed = await session.invoke_raw(
        proto.MxCommand(kind=proto.MxCommandKind.ADVISE, advise=proto.AdviseCommand(server_handle=1, item_handle=99))
    )
    closed = await client.close_session_raw(opened.session_id)
    replies = [wire.encode(reply) for reply in (opened, registered, failed, closed)]
    assert replies == [exchange.replies[0] for exchange in gateway.exchanges]
    assert failed.hresult == E_INVALIDARG
    assert_both_sides_bytes_agree(gateway)


async def test_failures_have_the_classes_that_the_gateway_means(gateway: GrpcioGateway, client: GatewayClient) -> None:
    async with client.open_session() as session:
        with pytest.raises(MxAccessError) as refused:
            await session.advise(1, 99)
        assert refused.value.hresult == E_INVALIDARG
        with pytest.raises(MxGatewayInvalidRequestError, match="Unsupported MXAccess command kind drain_events"):
            await session.invoke(
                proto.MxCommand(kind=proto.MxCommandKind.DRAIN_EVENTS, drain_events=proto.DrainEventsCommand())
            )
        async with session.stream_events() as events:
            server = await session.register("events")
            await session.advise(server, await session.add_item(server, "Any.Value"))
            await anext(events)  # this stream is the subscriber: the gateway may serve two calls in any order
            with pytest.raises(MxGatewaySessionError, match="already has an event subscriber") as taken:
                await client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id)).messages()
            assert taken.value.grpc_status is GrpcStatus.ALREADY_EXISTS
    with pytest.raises(MxGatewaySessionError, match="was not found") as unknown:
        await client.attach_session("session-unknown").ping()
    assert unknown.value.grpc_status is GrpcStatus.NOT_FOUND
    assert_both_sides_bytes_agree(gateway)


async def test_a_wrong_key_is_refused_on_unary_calls_and_streams(gateway: GrpcioGateway) -> None:
    async with GatewayClient.connect(gateway.endpoint, api_key="mxgw_interop_wrong", plaintext=True) as client:
        for call in (
            client.open_session_raw(proto.OpenSessionRequest()),
            client.stream_events_raw(proto.StreamEventsRequest()).messages(),
        ):
            with pytest.raises(MxGatewayAuthenticationError, match="Missing or invalid API key") as caught:
                await call
            assert "wrong" not in str(caught.value)
            assert caught.value.grpc_status is GrpcStatus.UNAUTHENTICATED


async def test_the_gateway_learns_of_the_deadline(gateway: GrpcioGateway, client: GatewayClient) -> None:
    async with client.open_session(timeout=7.0) as session:
        await session.ping(timeout=float("inf"))
        with pytest.raises(MxGatewayTimeoutError):
            await client.stream_events_raw(
                proto.StreamEventsRequest(session_id=session.session_id), timeout=0.3
            ).messages()
    opened, ping, stream, _ = gateway.exchanges
    assert opened.timeout is not None
    assert 55 < opened.timeout <= 60  # longer than its caller waits: a session that comes late is closed
    assert ping.timeout is None
    assert stream.timeout is not None
    assert stream.timeout <= 0.31


async def test_leaving_a_stream_frees_it_at_the_gateway_and_the_session_lives_on(
    gateway: GrpcioGateway, client: GatewayClient
) -> None:
    async with client.open_session() as session:
        server = await session.register("leaving")
        item = await session.add_item(server, "Any.Value")
        for expected in (1, 2):
            async with session.stream_events(after_worker_sequence=expected - 1) as events:
                await session.advise(server, item)
                assert (await anext(events)).worker_sequence == expected
            known = gateway.sessions[session.session_id]
            async with asyncio.timeout(10):
                while known.streaming:
                    await session.ping()
        await session.ping()


async def test_large_messages_pass_in_both_directions(gateway: GrpcioGateway, client: GatewayClient) -> None:
    text = "x" * (15 << 20)
    async with client.open_session() as session:
        server = await session.register("large")
        item = await session.add_item(server, "Any.Value")
        await session.write(server, item, text)
        async with session.stream_events() as events:
            assert (await anext(events)).value.string_value == text
        with pytest.raises(MxGatewayInvalidRequestError, match="exceeds the limit of 16777216 bytes"):
            await session.write(server, item, "x" * (16 << 20))


@pytest.mark.parametrize("trust", ["CA file", "first use"])
async def test_the_same_over_tls(trust: str, tmp_path: Path) -> None:
    authority = Authority()
    certificate = authority.issue("localhost") if trust == "CA file" else self_signed()
    tls = TlsOptions(ca_file=authority.write(tmp_path / "ca.pem")) if trust == "CA file" else None
    async with (
        GrpcioGateway(api_key=KEY, certificate=certificate) as gateway,
        GatewayClient.connect(gateway.endpoint, api_key=KEY, tls=tls) as client,
        client.open_session() as session,
        session.stream_events() as events,
    ):
        server = await session.register("tls")
        await session.advise(server, await session.add_item(server, "Any.Value"))
        assert (await anext(events)).worker_sequence == 1
    assert_both_sides_bytes_agree(gateway)


async def test_a_gateway_in_another_process_streams_prepared_events_to_the_last_one() -> None:
    count = 3000
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.peers.grpcio_gateway", "--port", "0", "--events", str(count),
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        assert gateway.stdout is not None
        port = int(await gateway.stdout.readline())
        async with (
            GatewayClient.connect(f"localhost:{port}", plaintext=True) as client,
            client.stream_events_raw(proto.StreamEventsRequest(session_id="any")) as events,
        ):
            received = [wire.encode(event) async for event in events]
    finally:
        gateway.kill()
        await gateway.communicate()
    assert received == prepared_events(count)


async def test_a_gateway_that_stops_ends_its_calls_and_another_one_in_its_place_is_found(
    gateway: GrpcioGateway,
) -> None:
    async with GrpcioGateway() as first:
        client = await GatewayClient.connect(first.endpoint, plaintext=True)
        session = await client.open_session()
        stream = asyncio.create_task(
            client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id)).messages()
        )
        await session.ping()
    with pytest.raises(MxGatewayError) as caught:
        await stream
    assert caught.value.grpc_status in (GrpcStatus.UNAVAILABLE, GrpcStatus.CANCELLED)
    async with GrpcioGateway(port=first.port):
        with pytest.raises(MxGatewaySessionError) as unknown:
            await session.ping()
        assert unknown.value.grpc_status is GrpcStatus.NOT_FOUND
        await client.close()
