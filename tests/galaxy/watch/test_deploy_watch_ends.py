"""The end of a watch of deployments: however its consumer leaves it, nothing is left; and nobody who reads it is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Awaitable, Callable

import pytest
from grpclib.const import Status

from mxgateway import GatewayClient, MxGatewayError, RecoveryOptions
from mxgateway.simulator import ManualClock, SimulatedGateway
from mxgateway.transport.calls.backoff import Backoff
from tests.client.support import connect, until
from tests.galaxy.deployments import QUICK, attached, deploy


def nothing_left(gateway: SimulatedGateway, client: GatewayClient) -> bool:
    return not (attached(gateway) or client.stats().calls_open)


# -- whatever ends it


async def by_break(client: GatewayClient) -> None:
    async for _ in client.galaxy.watch_deploy_events():
        break


async def by_leaving_the_block(client: GatewayClient) -> None:
    async with client.galaxy.watch_deploy_events() as watch:
        await anext(watch)


async def by_aclose(client: GatewayClient) -> None:
    watch = client.galaxy.watch_deploy_events()
    await anext(watch)
    await watch.aclose()
    await watch.aclose()


async def by_cancellation(client: GatewayClient) -> None:
    watch = client.galaxy.watch_deploy_events()
    await anext(watch)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(anext(watch), 0.01)


async def by_garbage_collection_in_another_thread(client: GatewayClient) -> None:
    cycle: list[object] = [client.galaxy.watch_deploy_events()]
    cycle.append(cycle)
    await anext(cycle[0])  # type: ignore[call-overload]
    del cycle
    thread = threading.Thread(target=gc.collect)
    thread.start()
    await asyncio.to_thread(thread.join)


ENDINGS: list[Callable[[GatewayClient], Awaitable[None]]] = [
    by_break,
    by_leaving_the_block,
    by_aclose,
    by_cancellation,
    by_garbage_collection_in_another_thread,
]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
async def test_a_watch_that_has_ended_leaves_nothing_behind_without_the_collector(
    gateway: SimulatedGateway, client: GatewayClient, end: Callable[[GatewayClient], Awaitable[None]]
) -> None:
    gc.disable()
    try:
        for _ in range(3):
            await end(client)
        await until(lambda: nothing_left(gateway, client))
    finally:
        gc.enable()


# -- whoever waits


async def test_a_reader_that_nobody_holds_is_not_collected_while_it_waits_also_in_a_pause(
    gateway: SimulatedGateway, client: GatewayClient, clock: ManualClock
) -> None:
    seen: list[object] = []

    async def consume() -> None:
        async for event in client.galaxy.watch_deploy_events(recovery=QUICK):
            seen.append(event)

    asyncio.create_task(consume())  # noqa: RUF006 - that nobody holds it is the point
    await until(lambda: seen)
    gc.collect()
    deploy(gateway, clock)
    await until(lambda: len(seen) == 2)
    gateway.drop_connections(politely=False)
    gc.collect()
    await until(lambda: attached(gateway) == 0)
    gc.collect()
    deploy(gateway, clock)
    await until(lambda: len(seen) == 3)


async def test_a_watch_that_has_given_up_keeps_why_and_has_ended(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    options = RecoveryOptions(give_up_after=0.001, initial_backoff=0.01, max_backoff=0.01)
    watch = client.galaxy.watch_deploy_events(recovery=options)
    await anext(watch)
    await gateway.stop()
    with pytest.raises(MxGatewayError) as caught:
        while True:
            await anext(watch)
    assert caught.value.__cause__ is not None
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


# -- the client's end


async def test_the_watch_of_a_client_that_is_closed_answers_at_once(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    await client.close()
    watch = client.galaxy.watch_deploy_events()
    with pytest.raises(MxGatewayError, match="closed"):
        await asyncio.wait_for(anext(watch), 5)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(watch), 5)
    await asyncio.wait_for(watch.aclose(), 5)


async def test_closing_the_client_frees_the_reader_of_a_watch_that_waits_for_its_next_attempt(
    gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "next", lambda self: 600.0)
    async with connect(gateway) as client:
        options = RecoveryOptions(initial_backoff=600.0, max_backoff=600.0)
        async with client.galaxy.watch_deploy_events(recovery=options) as watch:
            await anext(watch)
            gateway.fail_next("WatchDeployEvents", Status.UNAVAILABLE)
            reading = asyncio.ensure_future(anext(watch))
            gateway.drop_connections()
            await until(lambda: attached(gateway) == 0)
            await until(lambda: not client.stats().calls_open)  # the reader has seen it, and pauses
            await client.close()
            with pytest.raises(MxGatewayError, match="closed"):
                await asyncio.wait_for(reading, 10)
