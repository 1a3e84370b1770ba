"""An event that seems older than the value that was read is swallowed; clocks are no proof of that, so the value is read once more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mxgateway import Origin, Timestamp, proto, to_mx_value
from mxgateway.simulator import SimulatorOptions
from tests.client.support import DATA_CHANGE, kinds, until
from tests.events.support import OTHER, TAG, Site, site
from tests.subscription.rig import Consumer, account, consumed, is_connected, options, publish

TAGS = [TAG, OTHER]
RING = SimulatorOptions(replay_limit=3)


async def lose_and_read(world: Site, consumer: Consumer) -> None:
    """Let more events get lost than the gateway keeps, so that one tag is read."""
    await until(lambda: consumer.values.keys() == set(TAGS))
    await world.lose_events(lambda: publish(world.gateway, [TAG] * 15 + [OTHER] * 5, 5), 20)
    await until(lambda: consumer.subscription.stats().snapshots and is_connected(consumer.subscription))
    await until(lambda: consumer.values == {TAG: 5, OTHER: 5})


def send_late(world: Site, value: int, seconds: float) -> None:
    """Let the tag that was read have an event that the worker has taken so long ago."""
    world.faults.skip()
    known = next(event for event in world.history.events[world.session.session_id] if event.reference == TAG)
    time = Timestamp.from_datetime(datetime.now(UTC) - timedelta(seconds=seconds))
    event = proto.MxEvent(
        session_id=world.session.session_id,
        family=DATA_CHANGE,
        server_handle=known.server_handle,
        item_handle=known.item_handle,
        worker_sequence=world.there.events.last_sequence,
        value=to_mx_value(value),
        quality=192,
        source_timestamp=time,
        worker_timestamp=time,
        on_data_change=proto.OnDataChangeEvent(),
    )
    world.faults.inject(event)


@pytest.mark.parametrize("by", [-0.3, -0.6, -0.95])
async def test_a_change_right_after_the_workers_clock_was_set_back_by_less_than_a_second_comes(by: float) -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe(TAGS, options())) as consumer:
        await lose_and_read(world, consumer)
        world.clock.step(by)
        world.gateway.set_tag(TAG, 77)
        await until(lambda: consumer.values[TAG] == 77, patience=5)
        stats = consumer.subscription.stats()
        assert (stats.conflated, consumer.updates[-1].origin) == (1, Origin.SNAPSHOT)
        account(consumer.subscription, world.gateway)


async def test_a_clock_that_is_set_back_again_and_again_swallows_nothing_for_good() -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe(TAGS, options())) as consumer:
        await lose_and_read(world, consumer)
        for value in (70, 71, 72):
            world.clock.step(-0.9)
            world.gateway.set_tag(TAG, value)
            await until(lambda: consumer.values[TAG] == value, patience=5)  # noqa: B023 - called within the iteration
        publish(world.gateway, TAGS, 73)
        await until(lambda: consumer.values == {TAG: 73, OTHER: 73}, patience=5)
        account(consumer.subscription, world.gateway)


async def test_a_change_while_the_value_is_read_once_more_makes_it_be_read_another_time() -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe(TAGS, options())) as consumer:
        await lose_and_read(world, consumer)
        reads = kinds(world.gateway).count("READ_BULK")
        changed = False

        def change(reply: Any) -> Any:
            nonlocal changed
            changed = True
            world.gateway.set_tag(TAG, 78)
            return reply

        world.clock.step(-0.9)
        world.gateway.reply_override("Invoke.ReadBulk", change)
        world.gateway.set_tag(TAG, 77)
        await until(lambda: changed and consumer.values[TAG] == 78, patience=5)
        assert kinds(world.gateway).count("READ_BULK") <= reads + 3
        account(consumer.subscription, world.gateway)


async def test_an_event_that_is_truly_old_costs_one_read_and_tells_the_consumer_nothing() -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe(TAGS, options())) as consumer:
        await lose_and_read(world, consumer)
        before, taken = consumer.subscription.stats(), consumer.taken
        reads = kinds(world.gateway).count("READ_BULK")
        for value in (1, 2, 3):
            send_late(world, value, 0.8)
        await until(lambda: kinds(world.gateway).count("READ_BULK") == reads + 1, patience=5)
        await asyncio.sleep(0.8)
        stats = consumer.subscription.stats()
        assert (stats.conflated - before.conflated, stats.snapshots, consumer.taken) == (3, before.snapshots, taken)
        assert kinds(world.gateway).count("READ_BULK") == reads + 1
        account(consumer.subscription, world.gateway)


async def test_nothing_is_read_once_more_when_a_newer_event_has_come() -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe(TAGS, options())) as consumer:
        await lose_and_read(world, consumer)
        reads = kinds(world.gateway).count("READ_BULK")
        send_late(world, 1, 0.8)
        publish(world.gateway, [TAG], 6)
        await until(lambda: consumer.values[TAG] == 6)
        await asyncio.sleep(0.8)
        assert (kinds(world.gateway).count("READ_BULK"), consumer.values[TAG]) == (reads, 6)
        account(consumer.subscription, world.gateway)


async def test_a_value_that_could_not_be_read_once_more_is_told_when_it_can_be_read_again() -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe(TAGS, options())) as consumer:
        await lose_and_read(world, consumer)

        def fail(reply: Any) -> Any:
            for result in reply.read_bulk.results:
                result.was_successful, result.error_message = False, "ordered by the test"
            return reply

        world.gateway.reply_override("Invoke.ReadBulk", fail)
        send_late(world, 1, 0.8)
        await until(lambda: consumer.values[TAG] is None, patience=5)
        await world.lose_events(lambda: publish(world.gateway, [OTHER] * 20, 9), 20)
        await until(lambda: consumer.values == {TAG: 5, OTHER: 9}, patience=5)
        account(consumer.subscription, world.gateway)


async def test_who_goes_on_elsewhere_reads_what_was_swallowed() -> None:
    async with site(options=RING) as world, consumed(world.client.subscribe(TAGS, options())) as consumer:
        subscription = consumer.subscription
        world.session = await subscription.session()
        await lose_and_read(world, consumer)
        world.clock.step(-0.9)
        world.gateway.set_tag(TAG, 77)
        await until(lambda: subscription.stats().conflated)
        state = subscription.export_state()
        assert state["unread"] == [TAG]
        await subscription.aclose(keep_session=True)
        async with world.client.subscribe(resume_from=state, options=options()) as other:
            async for update in other:
                if getattr(update, "tag", "") == TAG:
                    assert getattr(update, "value", None) == 77
                    break
