"""Handles of registrations and items that are gone are remembered while they may do harm, and never without a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from grpclib.const import Status

from mxgateway import TagUpdate
from tests.client.support import commands, until
from tests.events.support import OTHER, TAG, Site, site
from tests.subscription.rig import account, consumed, options, publish

LIMIT = 5


@pytest.fixture
async def world() -> AsyncIterator[Site]:
    async with site() as found:
        yield found


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few handles be as many as are remembered."""
    monkeypatch.setattr("mxgateway.commands.barrier.PAST_LIMIT", LIMIT)
    monkeypatch.setattr("mxgateway.subscription.supervisor.PAST_LIMIT", LIMIT)
    monkeypatch.setattr("mxgateway.commands.core.PAST_SERVERS", 4 * LIMIT)


def barriers(world: Site) -> int:
    """Return how often a marker was registered."""
    registered = [request.command for request in commands(world.gateway) if request.command.kind.name == "REGISTER"]
    return sum(command.register.client_name == "mxgateway-marker" for command in registered)


async def test_tags_that_come_and_go_for_ever_fill_no_memory(world: Site) -> None:
    async with consumed(world.session.subscribe([OTHER], options())) as consumer:
        subscription, most = consumer.subscription, 0
        for number in range(8 * LIMIT):
            await subscription.add([TAG])
            publish(world.gateway, [TAG, OTHER], number)
            await until(lambda: consumer.values == {TAG: number, OTHER: number})  # noqa: B023 - called within the iteration
            await subscription.remove([TAG])
            epoch = subscription._supervisor.epoch
            assert epoch is not None
            most = max(most, len(epoch.items.retired))
        assert most <= LIMIT
        assert barriers(world) == 7
        await until(lambda: subscription.stats().received == world.there.events.last_sequence)
        account(subscription, world.gateway)


async def test_subscriptions_that_come_and_go_for_ever_in_one_session_fill_no_memory(world: Site) -> None:
    most = 0
    for number in range(8 * LIMIT):
        async with world.session.subscribe([TAG], options()) as updates:
            publish(world.gateway, [TAG], number)
            while not isinstance(update := await anext(updates), TagUpdate) or update.value != number:
                pass
        most = max(most, len(world.session.past_servers))
    assert most <= LIMIT + 1
    assert barriers(world) > 5
    assert not world.there.worker.servers


async def test_registrations_that_come_and_go_for_ever_fill_no_memory_and_cost_nothing_more(world: Site) -> None:
    for _ in range(10 * LIMIT):
        await world.session.unregister(await world.session.register("tests"))
    assert len(world.session.past_servers) == 4 * LIMIT
    assert barriers(world) == 0
    assert not world.there.events.is_attached


@pytest.mark.parametrize("before", [0, 2 * LIMIT], ids=["soon", "after a barrier for the others"])
async def test_a_handle_of_before_tells_no_values_of_the_registration_that_had_it(world: Site, before: int) -> None:
    session, worker = world.session, world.there.worker
    for _ in range(before):
        async with session.subscribe([TAG], options()):
            pass
    async with session.subscribe([TAG], options()):
        (server,) = worker.servers
        (item,) = worker.servers[server].items
        for number in range(5_000):
            world.gateway.set_tag(TAG, 1_000 + number)
    worker.give_again(server)
    worker.give_again(item)
    async with consumed(session.subscribe([OTHER], options())) as consumer:
        publish(world.gateway, [OTHER], 5)
        await until(lambda: consumer.values == {OTHER: 5})
        assert max(cast("int", update.value) for update in consumer.updates) == 5


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_handle_whose_registration_ended_without_an_answer_tells_no_values_of_it(
    world: Site, cancelled: bool
) -> None:
    session, worker = world.session, world.there.worker
    async with consumed(session.subscribe(["Unit.Tag0002"], options())):
        subscription = session.subscribe([TAG], options())
        await subscription.__aenter__()
        epoch = subscription._supervisor.epoch
        assert epoch is not None
        server, item = epoch.server_handle, epoch.items.handles[TAG]
        world.proxy.to_client.freeze()
        for number in range(500):
            world.gateway.set_tag(TAG, 1_000 + number)
        leaving = asyncio.create_task(subscription.aclose())
        await until(lambda: server not in worker.servers)
        if cancelled:
            leaving.cancel()
        await world.blip(world.lose_connections)
        await asyncio.wait([leaving])
        worker.give_again(server)
        worker.give_again(item)
        async with consumed(session.subscribe([OTHER], options())) as consumer:
            await until(lambda: OTHER in consumer.values)
            publish(world.gateway, [OTHER], 5)
            await until(lambda: consumer.values == {OTHER: 5})
            assert max(cast("int", update.value) for update in consumer.updates) == 5


async def test_a_tag_whose_item_has_a_handle_of_before_is_told_its_own_values_at_the_bound_as_well(world: Site) -> None:
    async with consumed(world.session.subscribe([OTHER], options())) as consumer:
        subscription = consumer.subscription
        for _ in range(LIMIT - 1):
            await subscription.add(["Unit.Tag0002"])
            await subscription.remove(["Unit.Tag0002"])
        await subscription.add([TAG])
        epoch = subscription._supervisor.epoch
        assert epoch is not None
        handle = epoch.items.handles[TAG]
        for number in range(5_000):
            world.gateway.set_tag(TAG, 1_000 + number)
        await subscription.remove([TAG])
        publish(world.gateway, ["Unit.Tag0002"], 5)
        adding = subscription.add(["Unit.Tag0002"])
        world.gateway.reply_override("Invoke.Unregister", lambda reply: worker_gives(world, handle, reply))
        await adding
        assert barriers(world) == 1
        assert epoch.items.handles["Unit.Tag0002"] == handle
        await until(lambda: consumer.values.get("Unit.Tag0002") == 5)
        assert [each.value for each in consumer.updates if each.tag == "Unit.Tag0002"][LIMIT - 1 :] == [5]


def worker_gives(world: Site, handle: int, reply: object) -> object:
    """Let the next item get a handle that another one had."""
    world.there.worker.give_again(handle)
    return reply


async def test_nothing_stays_advised_of_an_addition_that_is_cancelled_while_it_waits_for_old_events(
    world: Site,
) -> None:
    async with consumed(world.session.subscribe([OTHER, TAG], options())) as consumer:
        subscription, gateway = consumer.subscription, world.gateway
        (server,) = world.there.worker.servers.values()
        epoch = subscription._supervisor.epoch
        assert epoch is not None
        handle = epoch.items.handles[TAG]
        await subscription.remove([TAG])
        world.there.worker.give_again(handle)
        gateway.reply_override("Invoke.UnsubscribeBulk", lambda reply: hold(world, reply))
        adding = asyncio.create_task(subscription.add([TAG, "Unit.Tag0002"]))
        await until(lambda: barriers(world) == 1)
        adding.cancel()
        await asyncio.wait([adding])
        gateway.release_commands()
        await until(lambda: len(world.there.worker.servers) == 1)
        assert server.items.keys() == set(epoch.items.tags)
        assert await subscription.add([TAG, "Unit.Tag0002"]) == {}
        assert server.items.keys() == set(epoch.items.tags)
        publish(gateway, [TAG, OTHER, "Unit.Tag0002"], 5)
        await until(lambda: consumer.values == {TAG: 5, OTHER: 5, "Unit.Tag0002": 5})
        await until(lambda: subscription.stats().received == world.there.events.last_sequence)
        account(subscription, gateway)


def hold(world: Site, reply: object) -> object:
    """Let the next command wait."""
    world.gateway.hold_commands()
    return reply


async def test_a_marker_that_cannot_be_unregistered_leaves_no_other_one_behind(world: Site) -> None:
    session, worker = world.session, world.there.worker
    async with session.subscribe([TAG], options()), session.subscribe([TAG], options()):
        past = list(worker.servers)
    for handle in past:
        worker.give_again(handle)
    world.gateway.fail_next("Invoke.Unregister", Status.INTERNAL)
    async with session.subscribe([TAG], options()):
        assert barriers(world) == 2
        assert len(worker.servers) == 2  # the subscription's, and the one that could not be unregistered


async def test_a_barrier_that_is_cancelled_while_its_registrations_end_leaves_none_behind(
    world: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, worker = world.session, world.there.worker
    async with session.subscribe([TAG], options()), session.subscribe([TAG], options()):
        past = list(worker.servers)
    for handle in past:
        worker.give_again(handle)
    waiting = asyncio.create_task(session.event_barrier.wait(TAG))
    unregister = session.unregister

    async def cancelled(server_handle: int, *, timeout: float) -> None:
        waiting.cancel()
        await unregister(server_handle, timeout=timeout)

    monkeypatch.setattr(session, "unregister", cancelled)
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await until(lambda: not worker.servers)


async def test_a_tag_whose_removal_is_cancelled_at_any_moment_is_there_with_its_item_or_gone_with_it(
    world: Site,
) -> None:
    async with consumed(world.session.subscribe([OTHER], options())) as consumer:
        subscription = consumer.subscription
        (server,) = world.there.worker.servers.values()
        for steps in range(12):
            await subscription.add([TAG])
            removing = asyncio.create_task(subscription.remove([TAG]))
            for _ in range(steps):
                await asyncio.sleep(0)
            removing.cancel()
            await asyncio.wait([removing])
            await until(lambda: len(server.items) == len(subscription.tags))
