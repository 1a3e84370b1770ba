"""A consumer that does not take updates in time: each policy does what it says, once told, and the books stay exact."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from grpclib.const import Status

from mxgateway import GatewayClient, MxGatewaySessionError, Overflow, RecoveryOptions, SubscriptionState
from mxgateway.simulator import SimulatedGateway
from tests.client.support import connect, until
from tests.subscription.rig import (
    Consumer,
    account,
    check_books,
    consumed,
    is_connected,
    options,
    publish,
    quiet_plant,
    tags_of,
)

TAGS: Final = tags_of(10)
CHANGES: Final = 60
"""Bursts of all tags, each in a batch of its own."""


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(plant=quiet_plant(len(TAGS))) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: SimulatedGateway) -> AsyncIterator[GatewayClient]:
    async with connect(gateway) as client:
        yield client


async def change(gateway: SimulatedGateway, times: int = CHANGES) -> None:
    for number in range(1, times + 1):
        publish(gateway, TAGS, number)
        await asyncio.sleep(0.001)


class Stall:
    """Lets a consumer wait at its next update until it may go on."""

    def __init__(self) -> None:
        self.on = False

    def __call__(self) -> float | None:
        return 0.002 if self.on else None


async def stalled(consumer: Consumer, stall: Stall) -> None:
    """Let the consumer take hardly anything any more."""
    await until(lambda: len(consumer.updates) == len(TAGS))
    stall.on = True


@pytest.mark.parametrize("overflow", Overflow, ids=lambda overflow: overflow.value)
async def test_a_consumer_that_catches_up_in_time_loses_nothing_unsaid(
    gateway: SimulatedGateway, client: GatewayClient, overflow: Overflow, caplog: pytest.LogCaptureFixture
) -> None:
    stall = Stall()
    limit = 1_000 if overflow is Overflow.FAIL else 50
    async with consumed(client.subscribe(TAGS, options(overflow, max_items=limit)), pause=stall) as consumer:
        subscription = consumer.subscription
        await stalled(consumer, stall)
        await change(gateway)
        if overflow is Overflow.BLOCK:
            await until(lambda: subscription.stats().slow_episodes == 1)
            assert subscription.stats().received < CHANGES * len(TAGS)
        stall.on = False
        await until(lambda: consumer.values == dict.fromkeys(TAGS, CHANGES))
        await until(lambda: subscription.stats().queued == 0)
        account(subscription, gateway)
        check_books(consumer)
        stats = subscription.stats()
        assert (stats.dropped > 0) is (overflow is Overflow.DROP_OLDEST)
        assert (stats.conflated > 0) is (overflow is Overflow.LATEST_PER_TAG)
        assert sum(update.conflated for update in consumer.updates) == stats.conflated
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == stats.slow_episodes
    assert (stats.slow_episodes > 0) is (overflow in (Overflow.BLOCK, Overflow.DROP_OLDEST))


@pytest.mark.parametrize(
    ("overflow", "fields", "words"),
    [(Overflow.BLOCK, {"block_timeout": 0.05}, "no room within 0.05 s"), (Overflow.FAIL, {}, "updates wait")],
    ids=["block", "fail"],
)
async def test_a_consumer_that_does_not_is_told_behind_what_has_waited(
    gateway: SimulatedGateway, client: GatewayClient, overflow: Overflow, fields: dict[str, Any], words: str
) -> None:
    subscription = client.subscribe(TAGS, options(overflow, max_items=50, **fields))
    async with subscription:
        (session,) = gateway.sessions.values()
        await change(gateway)
        await until(lambda: subscription.state is SubscriptionState.FAILED)
        await until(lambda: not gateway.sessions)
        consumer = Consumer(subscription)
        await consumer.run()
        assert isinstance(consumer.error, MxGatewaySessionError)
        assert words in str(consumer.error)
        assert consumer.taken == subscription.stats().received >= 50
        assert [update.worker_sequence for update in consumer.updates] == list(range(1, consumer.taken + 1))
        assert consumer.taken <= session.events.last_sequence
        assert subscription.stats().slow_episodes == 1
        check_books(consumer)
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)


async def test_a_consumer_that_is_too_slow_for_its_own_subscription_holds_up_no_other_one_of_the_session(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.open_session() as session:
        slow = session.subscribe(TAGS, options(Overflow.DROP_OLDEST, max_items=20))
        async with slow, consumed(session.subscribe(TAGS, options())) as consumer:
            await change(gateway)
            await until(lambda: consumer.values == dict.fromkeys(TAGS, CHANGES))
            await until(lambda: slow.stats().received + 2 * len(TAGS) >= CHANGES * len(TAGS))
            assert slow.stats().queued == 20
            assert consumer.gaps == []


async def test_a_link_that_flaps_while_the_consumer_stalls_is_told_in_a_few_changes(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.subscribe(TAGS, options(max_items=20)) as subscription:
        for number in range(1, 13):
            publish(gateway, TAGS, number)
            await until(lambda: subscription.stats().received == (number + 1) * len(TAGS))  # noqa: B023 - called within the iteration
            gateway.drop_connections()
            await until(lambda: subscription.stats().reconnects == number)  # noqa: B023 - called within the iteration
        consumer = Consumer(subscription)
        task = asyncio.create_task(consumer.run())
        await until(lambda: subscription.stats().queued == 0)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 12))
        await until(lambda: is_connected(subscription) and len(consumer.outcomes) > 0)
        assert len(consumer.changes) < 12
        assert [gap.cause.value for gap in consumer.gaps] == ["overflow"]
        account(subscription, gateway)
        check_books(consumer)
        task.cancel()
        await asyncio.wait([task])


async def test_a_subscription_that_fails_in_the_middle_of_a_pause_takes_nothing_more_and_lets_go_of_its_session(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    slow = RecoveryOptions(initial_backoff=1000, max_backoff=1000)
    async with client.subscribe(TAGS, options(Overflow.FAIL, max_items=20, recovery=slow)) as subscription:
        while subscription.stats().delivered < len(TAGS):
            await anext(subscription)
        (session,) = gateway.sessions.values()
        gateway.fail_next("Invoke.ReadBulk", Status.INTERNAL, "ordered by the test")
        publish(gateway, TAGS, 1)
        session.events.drain(1000)  # as if another reader had taken them
        session.events._ring.clear()
        publish(gateway, TAGS[1:], 2)
        await until(lambda: subscription._supervisor._recovery.is_failing)
        publish(gateway, TAGS * 2, 3)
        await until(lambda: subscription.state is SubscriptionState.FAILED)
        waiting = subscription.stats().queued
        publish(gateway, TAGS * 5, 4)
        await until(lambda: not gateway.sessions)
        assert subscription.stats().queued == waiting
