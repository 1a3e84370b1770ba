"""A close that fails, and what happens meanwhile: no exception of the block is hidden, and on a dead network it is bounded."""

from __future__ import annotations

import asyncio
import logging

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import advised, connect, is_streaming, until

# -- exceptions


class Boom(Exception):
    """What a block may raise."""


async def test_an_exception_of_the_block_is_not_hidden_by_a_close_that_fails(
    gateway: SimulatedGateway, client: GatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail_next("CloseSession", Status.INTERNAL, "no close today")
    with pytest.raises(Boom) as caught:
        async with client.open_session():
            raise Boom

    assert len(caught.value.__notes__) == 1
    assert "closing the session failed as well" in caught.value.__notes__[0]
    assert "no close today" in caught.value.__notes__[0]
    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == ["mxgateway.session"]


async def test_a_close_that_fails_raises_when_the_block_did_not(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.fail_next("CloseSession", Status.INTERNAL, "no close today")
    with pytest.raises(MxGatewayTransportError, match="no close today"):
        async with client.open_session():
            pass


async def test_a_client_whose_sessions_cannot_be_closed_says_so_in_its_log_and_hides_nothing(
    gateway: SimulatedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.fail_next("CloseSession", Status.INTERNAL, "no close today")

    async def fail() -> None:
        async with connect(gateway) as client:
            await client.open_session()
            raise Boom

    with pytest.raises(Boom) as caught:
        await fail()

    assert not hasattr(caught.value, "__notes__")
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.name == "mxgateway.client"
    (session_id,) = gateway.sessions
    assert f"{session_id} was left to its lease" in record.message


async def test_a_failure_of_the_block_after_the_gateway_has_gone_is_told_and_not_the_close(
    gateway: SimulatedGateway,
) -> None:
    async def fail() -> None:
        async with connect(gateway) as client, client.open_session() as session:
            await gateway.stop()
            await session.ping()

    with pytest.raises(MxGatewayTransportError, match="nothing is listening") as caught:
        await fail()
    assert caught.value.method == "MxAccessGateway/Invoke"
    assert any("closing the session failed as well" in note for note in caught.value.__notes__)


# -- a gateway that is dead


async def test_closing_on_a_dead_network_is_bounded(
    gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mxgateway.client.CLOSE_TIMEOUT", 0.1)
    monkeypatch.setattr("mxgateway.transport.http2.connection.CLOSE_TIMEOUT", 0.1)
    async with FaultProxy(gateway.port) as proxy:
        client = await GatewayClient.connect(proxy.endpoint, api_key=gateway.api_key, plaintext=True)
        sessions = [await client.open_session() for _ in range(3)]
        item = await advised(sessions[0])
        await sessions[0].write_confirmed(*item.pair, 1)
        patient = asyncio.create_task(sessions[1].close(timeout=float("inf")))
        reader = asyncio.create_task(anext(sessions[2].stream_events()))
        await until(lambda: sessions[1].session_id not in gateway.sessions and is_streaming(gateway, sessions[2]))
        await patient
        proxy.both.freeze()
        patient = asyncio.create_task(sessions[0].close(timeout=float("inf")))
        await asyncio.sleep(0)
        await client.close()

        with pytest.raises(MxGatewayTransportError):
            await patient
        with pytest.raises(MxGatewayTransportError, match="the client was closed"):
            await reader
    lease = [record.message for record in caplog.records if "was left to its lease" in record.message]
    assert len(lease) == 2


async def test_a_session_closes_within_its_bound_although_its_stream_cannot_be_opened() -> None:
    options = SimulatorOptions(streams_per_connection=1)
    async with SimulatedGateway(options=options) as gateway, connect(gateway) as client:
        session = await client.open_session()
        gateway.hold_commands()
        ping = asyncio.create_task(session.ping())
        await until(lambda: len(gateway.sessions[session.session_id].worker.apartment))
        reader = asyncio.create_task(anext(session.stream_events()))
        await asyncio.sleep(0)
        with pytest.raises(MxGatewayTimeoutError):
            await session.close(timeout=0.05)
        with pytest.raises(MxGatewaySessionError):
            await reader
        gateway.release_commands()
        await ping


@pytest.mark.parametrize("code", [Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED])
async def test_a_session_whose_close_has_failed_is_closed_with_the_client(code: Status) -> None:
    async with SimulatedGateway() as gateway:
        async with connect(gateway, retry=None) as client:
            session = await client.open_session()
            gateway.fail_next("CloseSession", code, "ordered by the test")
            with pytest.raises(MxGatewayError, match="ordered by the test"):
                await session.close()
            assert len(gateway.sessions) == 1
        assert not gateway.sessions
