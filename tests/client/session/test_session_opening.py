"""Sessions are opened one after another where a client needs many, and none is left at the gateway that nobody has."""

from __future__ import annotations

import asyncio

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    proto,
)
from mxgateway.simulator import SimulatorOptions
from tests.client.openings import SLOW, in_virtual_time, names, now, opening, plant
from tests.client.support import requests, until
from tests.client.virtual_time import run
from tests.rows import each_row

# -- a caller that has gone


@in_virtual_time
async def test_a_session_that_is_opened_after_its_caller_ran_out_of_time_is_closed() -> None:
    async with plant(SLOW) as (gateway, client):
        begin = now()
        with pytest.raises(
            MxGatewayTimeoutError, match=r"no answer .* within 0.3 s during MxAccessGateway/OpenSession"
        ):
            await client.open_session(timeout=0.3)
        assert now() - begin == pytest.approx(0.3)
        assert len(gateway.sessions) == 1
        await asyncio.sleep(4)
        assert not gateway.sessions
        assert len(requests(gateway, "CloseSession")) == 1
        assert not client._opener.pending


@each_row("end", ["timeout", "cancelled", "client closed"])
@each_row("way", ["open_session", "open_session_raw"])
def test_no_session_is_left_whose_caller_has_gone(way: str, end: str) -> None:
    async def go(client: GatewayClient) -> None:
        bound = 1.0 if end == "timeout" else None
        if way == "open_session":
            await client.open_session(timeout=bound)
        else:
            await client.open_session_raw(proto.OpenSessionRequest(), timeout=bound)

    async def play() -> None:
        async with plant(SLOW) as (gateway, client):
            caller = asyncio.create_task(go(client))
            await asyncio.sleep(1.1)
            if end == "cancelled":
                caller.cancel()
            elif end == "client closed":
                await client.close()
            await asyncio.wait([caller])
            assert caller.cancelled() or isinstance(caller.exception(), MxGatewayError)
            await asyncio.sleep(4)
            assert len(requests(gateway, "OpenSession")) == len(requests(gateway, "CloseSession")) == 1
            assert not gateway.sessions

    run(play())


@in_virtual_time
async def test_a_session_that_was_opened_raw_is_its_caller_s_alone() -> None:
    async with plant() as (gateway, client):
        session_id = (await client.open_session_raw(proto.OpenSessionRequest())).session_id
        await client.close()
        assert set(gateway.sessions) == {session_id}


@in_virtual_time
async def test_the_client_s_own_bound_counts_as_the_caller_s() -> None:
    async with plant(SLOW, call_timeout=1.0) as (gateway, client):
        with pytest.raises(MxGatewayTimeoutError, match="within 1 s"):
            await client.open_session()
        await asyncio.sleep(4)
        assert not gateway.sessions


@in_virtual_time
async def test_a_caller_that_waits_longer_than_any_other_is_waited_for_by_the_call() -> None:
    async with plant(SimulatorOptions(worker_start_time=100, worker_start_limit=200)) as (gateway, client):
        await client.open_session(timeout=150)
        await client.open_session(timeout=float("inf"))
        assert len(gateway.sessions) == 2


@in_virtual_time
async def test_a_call_that_ran_out_of_time_before_it_was_sent_is_never_sent() -> None:
    async with plant(SimulatorOptions(streams_per_connection=1)) as (gateway, client):
        session = await client.open_session()
        gateway.hold("Invoke.Ping")
        ping = asyncio.create_task(session.ping())
        await asyncio.sleep(0.1)
        with pytest.raises(MxGatewayTimeoutError, match="no free stream for MxAccessGateway/OpenSession"):
            await client.open_session(timeout=0.3)
        gateway.release("Invoke.Ping")
        await ping
        await asyncio.sleep(1)
        assert len(names(gateway)) == 1


@in_virtual_time
async def test_a_refused_bound_is_told_before_anything_is_sent() -> None:
    async with plant() as (gateway, client):
        with pytest.raises(MxGatewayError, match="timeout is -1"):
            await client.open_session(timeout=-1)
        assert not names(gateway)


@pytest.mark.parametrize(("refused", "later", "closings", "left"), [(2, 20, 3, 0), (1000, 100, 6, 1)])
@in_virtual_time
async def test_a_session_whose_closing_did_not_reach_the_gateway_is_closed_later_or_left_to_its_lease(
    refused: int, later: float, closings: int, left: int
) -> None:
    async with plant(SLOW, retry=None) as (gateway, client):
        gateway.fail_next("CloseSession", Status.UNAVAILABLE, "not just now", times=refused)
        with pytest.raises(MxGatewayTimeoutError):
            await client.open_session(timeout=1)
        await asyncio.sleep(later)
        assert len(gateway.sessions) == left
        assert len(requests(gateway, "CloseSession")) == closings
        assert not client._opener.pending


# -- the end of the client


@in_virtual_time
async def test_closing_the_client_frees_whoever_waits_for_a_session_of_a_subscription_at_once() -> None:
    async with plant(SLOW) as (gateway, client):
        openings = [opening(client) for _ in range(6)]
        await asyncio.sleep(1)
        begin = now()
        closing = asyncio.create_task(client.close())
        await asyncio.wait(openings)
        assert now() == begin
        for each in openings:
            with pytest.raises(MxGatewayTransportError, match="the client is closed"):
                each.result()
        await closing
        assert now() - begin <= 5
        assert len(names(gateway)) == 2
        await asyncio.sleep(10)
        assert len(gateway.sessions) == 1, (
            "the second worker would have taken 7 s, closing the client takes 5 s at most"
        )


@in_virtual_time
async def test_closing_the_client_waits_for_what_was_sent_and_closes_it() -> None:
    async with plant(SLOW) as (gateway, client):
        late = asyncio.create_task(client.open_session(timeout=0.1).__aenter__())
        await asyncio.wait([late])
        assert isinstance(late.exception(), MxGatewayTimeoutError)
        begin = now()
        await client.close()
        assert now() - begin == pytest.approx(3.9, abs=0.1)
        assert not gateway.sessions


@in_virtual_time
async def test_a_client_that_closes_opens_no_further_session() -> None:
    async with plant(SLOW) as (gateway, client):
        first = asyncio.create_task(client.open_session().__aenter__())
        await until(lambda: len(names(gateway)) == 1)
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(1)
        for attempt in (
            opening(client),
            client.open_session(),
            client.open_session_raw(requests(gateway, "OpenSession")[0]),
        ):
            with pytest.raises(MxGatewayTransportError, match="the client is closed"):
                await attempt
        await closing
        with pytest.raises(MxGatewayTransportError, match="the client is closed"):
            await first
        assert not gateway.sessions
        assert len(names(gateway)) == 1


@in_virtual_time
async def test_whoever_opens_a_session_is_freed_at_once_when_the_client_closes_sent_or_not() -> None:
    async with plant(SimulatorOptions(streams_per_connection=1)) as (gateway, client):
        gateway.hold("OpenSession")
        openings = [asyncio.create_task(client.open_session().__aenter__()) for _ in range(3)]
        await asyncio.sleep(1)
        closing = asyncio.create_task(client.close())
        begin = now()
        await asyncio.wait(openings)
        assert now() == begin
        assert all(isinstance(each.exception(), MxGatewayTransportError) for each in openings)
        gateway.release("OpenSession")
        await closing
        assert len(names(gateway)) == 1
        assert not gateway.sessions
