"""Events that are queued at the gateway before the stream is open come as one burst; it is taken, however slow the consumer is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest

from mxgateway import Gap, Overflow, Subscription, TagUpdate, proto
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import connect, until
from tests.subscription.rig import (
    Consumer,
    account,
    check_books,
    consumed,
    options,
    publish,
    quiet_plant,
    tags_of,
    unexplained,
)

TAGS: Final = tags_of(100)
QUEUE_LIMIT: Final = SimulatorOptions().event_queue_limit
"""One more event that waits, and the gateway ends stream and session."""
LATER: Final = 1_000


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(plant=quiet_plant(len(TAGS))) as gateway:
        yield gateway


def fill_the_queue(gateway: SimulatedGateway) -> None:
    """Let tags change until one change more would be too many for the gateway."""
    (session,) = gateway.sessions.values()
    for number in range(QUEUE_LIMIT // len(TAGS)):
        publish(gateway, TAGS, number)
    assert session.events.is_full
    assert session.state is proto.SessionState.READY


async def change_while_it_drains(gateway: SimulatedGateway, subscription: Subscription) -> None:
    """Let tags change again as soon as there is any room: together that is more than the gateway's queue holds."""
    (session,) = gateway.sessions.values()
    await until(lambda: len(session.events) < QUEUE_LIMIT // 2)
    publish(gateway, TAGS * (LATER // len(TAGS)), -1)
    await until(lambda: subscription.stats().received >= QUEUE_LIMIT + LATER)
    assert session.state is proto.SessionState.READY
    assert subscription.stats().delivered < QUEUE_LIMIT // 2, "the consumer was too quick to prove anything"


def one_millisecond() -> float:
    return 0.001


@pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG])
async def test_a_full_queue_is_drained_at_once_where_another_subscription_has_stopped_though_the_consumer_is_slow(
    gateway: SimulatedGateway, overflow: Overflow
) -> None:
    async with connect(gateway) as client:
        async with client.subscribe(TAGS, options()) as first:
            taken = Consumer(first)
            while len(taken.updates) < len(TAGS):
                taken.take(await anext(first))
            state = first.export_state()
            await first.aclose(keep_session=True)
        fill_the_queue(gateway)
        second = client.subscribe(resume_from=state, options=options(overflow))
        async with consumed(second, pause=one_millisecond) as consumer:
            await change_while_it_drains(gateway, second)
            consumer.pause = lambda: None
            await until(lambda: second.stats().queued == 0)
            check_books(consumer)
            assert set(consumer.values.values()) == {-1}
            assert consumer.values.keys() == set(TAGS)
            assert not consumer.gaps
            stats = second.stats()
            assert stats.delivered + stats.conflated == QUEUE_LIMIT + LATER
            assert stats.slow_episodes == 0


async def test_a_full_queue_is_drained_at_once_after_an_interruption_though_the_consumer_is_slow(
    gateway: SimulatedGateway,
) -> None:
    async with connect(gateway) as client:
        subscription = client.subscribe(TAGS, options())
        async with consumed(subscription) as consumer:
            await until(lambda: len(consumer.updates) == len(TAGS))
            consumer.pause = one_millisecond
            (session,) = gateway.sessions.values()
            gateway.drop_connections()
            await until(lambda: not session.events.is_attached)
            fill_the_queue(gateway)
            await change_while_it_drains(gateway, subscription)
            consumer.pause = lambda: None
            await until(lambda: unexplained(subscription, gateway) == subscription.stats().queued == 0)
            account(subscription, gateway)
            check_books(consumer)
            assert consumer.taken == len(TAGS) + QUEUE_LIMIT + LATER
            assert set(consumer.values.values()) == {-1}


async def test_a_burst_of_more_than_the_limits_is_drained_as_well_and_a_gap_says_what_was_dropped(
    gateway: SimulatedGateway,
) -> None:
    async with connect(gateway) as client:
        subscription = client.subscribe(TAGS, options(Overflow.DROP_OLDEST, max_items=500))
        async with subscription:
            (session,) = gateway.sessions.values()
            gateway.drop_connections()
            await until(lambda: not session.events.is_attached)
            fill_the_queue(gateway)
            await until(lambda: subscription.stats().received == session.events.last_sequence)
            stats = subscription.stats()
            assert (stats.queued, stats.slow_episodes) == (500, 1)
            assert stats.dropped == session.events.last_sequence - 500
            account(subscription, gateway)
            items = []
            while subscription.stats().queued:
                items.append(await anext(subscription))
            gaps = [item for item in items if isinstance(item, Gap)]
            assert sum(gap.count or 0 for gap in gaps) == stats.dropped
            updates = [item for item in items if isinstance(item, TagUpdate)]
            assert [update.worker_sequence for update in updates] == list(
                range(stats.dropped + 1, session.events.last_sequence + 1)
            )
