"""What is dropped ends by itself; what somebody waits on lives, whoever holds it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from mxgateway import GatewayClient, Session, TagUpdate
from mxgateway.simulator import SimulatedGateway
from tests.client.support import advised, connect, until
from tests.events.support import OTHER, TAG, Site
from tests.subscription.rig import options, publish, quiet_plant


@pytest.fixture
async def client() -> AsyncIterator[tuple[SimulatedGateway, GatewayClient]]:
    async with SimulatedGateway(plant=quiet_plant(3)) as gateway, connect(gateway) as client:
        yield gateway, client


async def a_value_of_a_subscription(client: GatewayClient) -> Any:
    async for update in client.subscribe([TAG], options()):
        if isinstance(update, TagUpdate):
            return update.value
    return None


async def a_value_of_a_shared_subscription(session: Session) -> Any:
    async for update in session.subscribe([TAG], options()):
        if isinstance(update, TagUpdate):
            return update.value
    return None


async def an_event(session: Session) -> Any:
    async for event in session.stream_events():
        return event
    return None


async def until_collected(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds, and let the collector run meanwhile."""

    def looked_at() -> bool:
        gc.collect()
        return holds()

    await until(looked_at, patience=10)


async def test_a_subscription_that_is_dropped_leaves_no_session_and_no_task(
    client: tuple[SimulatedGateway, GatewayClient],
) -> None:
    gateway, mine = client
    await mine.galaxy.test_connection()
    tasks = len(asyncio.all_tasks())
    for _ in range(3):
        assert await a_value_of_a_subscription(mine) == 0
    await until_collected(lambda: not gateway.sessions)
    await until_collected(lambda: len(asyncio.all_tasks()) <= tasks)
    assert mine.stats().calls_open == 0


@pytest.mark.parametrize("leave", [a_value_of_a_shared_subscription, an_event])
async def test_what_is_dropped_in_a_session_leaves_no_stream_and_no_task(
    world: Site, leave: Callable[[Session], Awaitable[Any]]
) -> None:
    await world.advised()
    await world.session.ping()
    tasks = len(asyncio.all_tasks())
    for _ in range(3):
        publish(world.gateway, [TAG], 1)
        await leave(world.session)
    await until_collected(lambda: not world.there.events.is_attached)
    await until_collected(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_follower_whose_task_nobody_holds_lives_as_long_as_events_come(
    client: tuple[SimulatedGateway, GatewayClient],
) -> None:
    gateway, mine = client
    session, shared = await mine.open_session(), await mine.open_session()
    seen: dict[str, Any] = {}

    async def follow(name: str, subscription: Any) -> None:
        async with subscription:
            async for update in subscription:
                if isinstance(update, TagUpdate):
                    seen[name] = update.value

    async def follow_raw() -> None:
        async with session.stream_events() as events:
            await advised(session, TAG)
            async for _ in events:
                seen["raw"] = gateway.tag(TAG).sample.native

    before = asyncio.all_tasks()
    asyncio.create_task(follow("own", mine.subscribe([TAG], options())))  # noqa: RUF006 - nobody holds it
    asyncio.create_task(follow("shared", shared.subscribe([TAG], options())))  # noqa: RUF006
    asyncio.create_task(follow_raw())  # noqa: RUF006
    await until(lambda: seen.keys() == {"own", "shared", "raw"})
    for value in range(1, 4):
        gc.collect()
        publish(gateway, [TAG, OTHER], value)
        await until(lambda: seen == dict.fromkeys(("own", "shared", "raw"), value), patience=5)  # noqa: B023 - called within the iteration
    for task in asyncio.all_tasks() - before:
        task.cancel()
    await asyncio.sleep(0)
