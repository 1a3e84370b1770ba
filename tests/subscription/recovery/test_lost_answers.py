"""A subscription lets go what an unanswered call has left advised: nobody wants its events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from mxgateway import MxGatewayError, Subscription, proto
from tests.client.support import until
from tests.events.support import OTHER, TAG, Site, site
from tests.subscription.rig import account, consumed, is_connected, options, publish


@pytest.fixture
async def world() -> AsyncIterator[Site]:
    async with site() as found:
        yield found


def items(world: Site) -> set[int]:
    """Return the items that are there at the gateway."""
    return {handle for server in world.there.worker.servers.values() for handle in server.items}


def known(subscription: Subscription) -> set[int]:
    """Return the items that a subscription has."""
    epoch = subscription._supervisor.epoch
    return set(epoch.items.tags) if epoch is not None else set()


async def lose(world: Site, call: Coroutine[Any, Any, Any], *, request: bool, count: int) -> None:
    """Make a call and lose its request, or its reply once so many items are there."""
    lane = world.proxy.to_server if request else world.proxy.to_client
    lane.freeze()
    received = lane.received

    async def suppressed() -> None:
        with contextlib.suppress(MxGatewayError):
            await call

    calling = asyncio.create_task(suppressed())
    await until(lambda: lane.received > received and (request or len(items(world)) == count))
    world.lose_connections()
    await calling


@pytest.mark.parametrize("reused", [False, True], ids=["new handle", "old handle"])
async def test_an_item_whose_addition_was_not_answered_is_let_go(world: Site, reused: bool) -> None:
    async with consumed(world.session.subscribe([OTHER, "Unit.Tag0002"], options())) as consumer:
        subscription = consumer.subscription
        await subscription.remove(["Unit.Tag0002"])
        if reused:
            epoch = subscription._supervisor.epoch
            assert epoch is not None
            world.there.worker.give_again(*epoch.items.retired)
        await lose(world, subscription.add([TAG]), request=False, count=2)
        assert subscription.tags == (OTHER,)
        await until(lambda: items(world) == known(subscription))
        await until(lambda: is_connected(subscription))
        assert await subscription.add([TAG]) == {}
        publish(world.gateway, [TAG, OTHER], 5)
        await until(lambda: (consumer.values.get(TAG), consumer.values[OTHER]) == (5, 5))
        assert items(world) == known(subscription)
        await until(lambda: subscription.stats().received == world.there.events.last_sequence)
        account(subscription, world.gateway)


async def test_invented_items_are_not_remembered_without_a_bound(world: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mxgateway.subscription.items.PAST_LIMIT", 5)
    async with consumed(world.session.subscribe([OTHER], options())) as consumer:
        epoch = consumer.subscription._supervisor.epoch
        assert epoch is not None
        for number in range(-5, 50):
            event = proto.MxEvent(server_handle=epoch.server_handle, item_handle=1_000 * number)
            event.family = proto.MxEventFamily.ON_DATA_CHANGE
            event.worker_sequence = world.there.events.last_sequence + 1
            world.faults.skip()
            world.faults.inject(event)
        publish(world.gateway, [OTHER], 5)
        await until(lambda: consumer.values == {OTHER: 5})
        await until(lambda: not epoch.items.orphans)
        assert len(epoch.items.retired) == 5
        assert items(world) == known(consumer.subscription)


@pytest.mark.parametrize("request_is_lost", [False, True], ids=["reply", "request"])
async def test_an_item_whose_removal_was_not_answered_is_let_go(world: Site, request_is_lost: bool) -> None:
    async with consumed(world.session.subscribe([OTHER, TAG], options())) as consumer:
        subscription = consumer.subscription
        await lose(world, subscription.remove([TAG]), request=request_is_lost, count=1)
        assert subscription.tags == (OTHER,)
        await until(lambda: items(world) == known(subscription))
        await until(lambda: is_connected(subscription))
        assert await subscription.add([TAG]) == {}
        publish(world.gateway, [TAG, OTHER], 5)
        await until(lambda: consumer.values == {TAG: 5, OTHER: 5})
        assert items(world) == known(subscription)


async def test_an_item_that_was_added_again_meanwhile_is_not_let_go(world: Site) -> None:
    async with consumed(world.session.subscribe([OTHER, TAG], options())) as consumer:
        subscription = consumer.subscription
        (handle,) = known(subscription) - {min(known(subscription))}
        world.gateway.hold("StreamEvents")
        await lose(world, subscription.remove([TAG]), request=False, count=1)
        world.there.worker.give_again(handle)
        world.gateway.release("StreamEvents")
        await until(lambda: is_connected(subscription))
        assert await subscription.add([TAG]) == {}
        publish(world.gateway, [TAG, OTHER], 5)
        await until(lambda: consumer.values == {TAG: 5, OTHER: 5})
        assert items(world) == known(subscription)
