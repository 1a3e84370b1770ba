"""A gateway that restarts ends its sessions; the client goes on."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway import GrpcStatus, MxGatewaySessionError, MxGatewayTransportError, proto
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.client.support import WRITE_COMPLETE, advised, connect, requests

KEY = SimulatedKey(key_id="tests")


async def test_the_next_call_after_a_restart_connects_again_and_finds_the_session_gone() -> None:
    async with SimulatedGateway(api_keys=[KEY]) as first:
        client = await connect(first)
        session = await client.open_session()
        await session.ping()
    async with SimulatedGateway(port=first.port, api_keys=[KEY]) as second:
        for call in (session.ping(), session.write(1, 2, 3), session.write_confirmed(1, 2, 3), session.state()):
            with pytest.raises(MxGatewaySessionError) as caught:
                await call
            assert caught.value.grpc_status is GrpcStatus.NOT_FOUND
            assert caught.value.session_id == session.session_id
        assert second.connections == 1

        async with client.open_session() as again:
            item = await advised(again)
            assert (await again.write_confirmed(*item.pair, 1)).family == WRITE_COMPLETE
        await client.close()


async def test_a_stream_ends_at_a_restart_and_the_session_cannot_be_resumed(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client:
        session = await client.open_session()
        await advised(session)
        async with session.stream_events() as events:
            await anext(events)
            await gateway.restart()
            with pytest.raises(MxGatewayTransportError) as caught:
                await anext(events)
            assert caught.value.retryable
        with pytest.raises(MxGatewaySessionError) as unknown:
            await anext(session.stream_events(1))
        assert unknown.value.grpc_status is GrpcStatus.NOT_FOUND


async def test_calls_fail_while_the_gateway_is_down_and_work_when_it_is_back(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client:
        await gateway.stop()
        for _ in range(3):
            with pytest.raises(MxGatewayTransportError, match="nothing is listening") as caught:
                await client.open_session()
            assert caught.value.retryable
            assert caught.value.phase == "connect"
        await gateway.start()
        assert (await client.open_session_raw(proto.OpenSessionRequest())).session_id in gateway.sessions


async def test_callers_that_find_the_connection_gone_share_the_next_one(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client:
        session = await client.open_session()
        gateway.drop_connections()
        await asyncio.gather(*(session.ping(timeout=10) for _ in range(20)), return_exceptions=True)
        await asyncio.gather(*(session.ping() for _ in range(20)))
        assert gateway.connections == 1


async def test_a_polite_goodbye_costs_no_call(gateway: SimulatedGateway) -> None:
    async with connect(gateway, retry=None) as client:
        session = await client.open_session()
        for _ in range(3):
            gateway.drop_connections(politely=True)
            await session.ping()
            await session.ping()
    assert len(requests(gateway, "CloseSession")) == 1
