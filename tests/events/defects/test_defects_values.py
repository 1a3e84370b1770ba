"""The newest value of each tag comes in the end: whatever the clocks say, however large the values are, whatever was refused before."""

from __future__ import annotations

import asyncio
import copy
import gc
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mxgateway import GapCause, Origin, Outcome, TagUpdate, proto
from mxgateway.simulator import Attribute, DataType, Plant, PlantObject, SimulatorOptions, Template
from tests.client.support import DATA_CHANGE, kinds, until
from tests.events.support import OTHER, TAG, Site, site
from tests.subscription.rig import Consumer, consumed, is_connected, options, publish

HOUR = 3600.0
RING = SimulatorOptions(replay_limit=3)

Step = Callable[[Site, float], None]


@pytest.fixture
def our_clock(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Return what sets the clock of this process ahead or back, but not the gateway's."""
    ahead = 0.0
    seconds, nanoseconds = time.time, time.time_ns

    def step(world: Site, by: float) -> None:
        nonlocal ahead
        ahead += by
        world.clock.step(-by)

    monkeypatch.setattr(time, "time", lambda: seconds() + ahead)
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + round(ahead * 10**9))
    return step


@pytest.fixture
def worker_clock() -> Step:
    return lambda world, by: world.clock.step(by)


@pytest.fixture(params=["our_clock", "worker_clock"])
def step(request: pytest.FixtureRequest) -> Step:
    """Return what sets one of both clocks."""
    found: Step = request.getfixturevalue(request.param)
    return found


async def lose_and_read_again(world: Site, consumer: Consumer) -> None:
    """Let more events get lost than the gateway keeps, so that the tags are read again."""
    snapshots = consumer.subscription.stats().snapshots
    await world.lose_events(lambda: publish(world.gateway, [TAG] * 15 + [OTHER] * 5, 5), 20)
    await until(lambda: consumer.subscription.stats().snapshots > snapshots and is_connected(consumer.subscription))
    await until(lambda: consumer.values == {TAG: 5, OTHER: 5})


@pytest.mark.parametrize("by", [HOUR, -HOUR])
async def test_a_clock_that_is_set_swallows_no_value(step: Step, by: float) -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe([TAG, OTHER], options())) as consumer:
        await until(lambda: consumer.values.keys() == {TAG, OTHER})
        step(world, by)
        await lose_and_read_again(world, consumer)
        step(world, -by)
        for value in range(6, 12):
            publish(world.gateway, [TAG, OTHER], value)
            await until(lambda: consumer.values == {TAG: value, OTHER: value}, patience=5)  # noqa: B023 - called within the iteration


async def test_a_device_whose_clock_was_set_back_is_heard_after_a_gap(step: Step) -> None:
    async with site(options=RING) as world, consumed(world.session.subscribe([TAG, OTHER], options())) as consumer:
        await until(lambda: consumer.values.keys() == {TAG, OTHER})
        step(world, HOUR)
        await lose_and_read_again(world, consumer)
        before = datetime.now(UTC) - timedelta(seconds=30)
        for value in range(3):
            world.gateway.set_tag(TAG, 100 + value, source_time=before + timedelta(seconds=value))
        await until(lambda: consumer.values[TAG] == 102, patience=5)


@pytest.mark.parametrize("by", [HOUR, -HOUR])
async def test_after_a_clock_was_set_live_values_are_live_and_not_late(step: Step, by: float) -> None:
    async with site() as world, consumed(world.session.subscribe([TAG], options())) as consumer:
        await until(lambda: TAG in consumer.values)
        publish(world.gateway, [TAG], 1)
        step(world, by)
        publish(world.gateway, [TAG] * 3, 2)
        await until(lambda: consumer.taken == 5)
        assert abs(consumer.subscription.stats().lag) < 10
        await world.blip()
        await until(lambda: consumer.subscription.stats().reconnects == 1 and is_connected(consumer.subscription))
        for value in range(3, 6):
            publish(world.gateway, [TAG], value)
            await until(lambda: consumer.values[TAG] == value)  # noqa: B023 - called within the iteration
        assert [update.origin for update in consumer.updates[-2:]] == [Origin.LIVE] * 2
        assert abs(consumer.subscription.stats().lag) < 10


# -- values that are too large


DOCUMENTS = [f"Unit.Doc{number:02}" for number in range(20)]


def documents(size: int) -> Plant:
    """Return a plant with documents of a size, and with a counter."""
    attributes = [
        Attribute(name=tag.partition(".")[2], data_type=DataType.BIG_STRING, value="x" * size) for tag in DOCUMENTS
    ]
    return Plant([PlantObject(1, "Unit", Template("$Unit", attributes=(*attributes, Attribute(name="Count"))))])


LIMITS: dict[str, dict[str, Any]] = {
    "of the gateway": {"options": SimulatorOptions(replay_limit=3, message_limit=50_000)},
    "of the client": {"options": RING, "max_receive_bytes": 50_000},
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_a_read_whose_reply_is_too_large_is_read_in_smaller_parts(limit: str) -> None:
    async with site(plant=documents(10_000), **LIMITS[limit]) as world:
        values = await world.session.read(DOCUMENTS)
        assert [value.value for value in values] == ["x" * 10_000] * len(DOCUMENTS)
        server = await world.session.register("reader")
        results = await world.session.read_bulk(server, DOCUMENTS)
        assert [result.tag_address for result in results] == DOCUMENTS
        assert all(result.was_successful for result in results)


@pytest.mark.parametrize("limit", LIMITS)
async def test_values_are_read_again_after_a_gap_though_one_reply_cannot_hold_them(limit: str) -> None:
    tags = [*DOCUMENTS, "Unit.Count"]
    async with (
        site(plant=documents(10_000), **LIMITS[limit]) as world,
        consumed(world.session.subscribe(tags, options())) as consumer,
    ):
        await until(lambda: consumer.values.keys() == set(tags))

        def change() -> None:
            world.gateway.set_tag(DOCUMENTS[7], "new")
            publish(world.gateway, ["Unit.Count"] * 20, 20)

        await world.lose_events(change, 21)
        await until(lambda: consumer.values[DOCUMENTS[7]] == "new" and consumer.values["Unit.Count"] == 20, patience=10)
        await until(lambda: is_connected(consumer.subscription))
        assert Outcome.GAP in consumer.outcomes
        assert consumer.values[DOCUMENTS[8]] == "x" * 10_000


@pytest.mark.parametrize("limit", LIMITS)
async def test_an_event_that_is_too_large_is_a_gap_of_one_and_starves_no_other_tag(limit: str) -> None:
    tags = [DOCUMENTS[0], "Unit.Count"]
    async with (
        site(plant=documents(1_000), **LIMITS[limit]) as world,
        consumed(world.session.subscribe(tags, options())) as consumer,
    ):
        await until(lambda: consumer.values.keys() == set(tags))
        world.gateway.set_tag(DOCUMENTS[0], "y" * 60_000)
        for value in range(1, 4):
            publish(world.gateway, ["Unit.Count"], value)
            await until(lambda: consumer.values["Unit.Count"] == value, patience=10)  # noqa: B023 - called within the iteration
        (gap,) = consumer.gaps
        assert (gap.first_lost, gap.last_lost, gap.count, gap.cause) == (3, 3, 1, GapCause.UNREADABLE)
        await until(lambda: consumer.values[DOCUMENTS[0]] is None)
        (told,) = [update for update in consumer.updates if update.tag == DOCUMENTS[0] and update.value is None]
        assert told.error
        assert is_connected(consumer.subscription)
        world.gateway.set_tag(DOCUMENTS[0], "small again")
        await until(lambda: consumer.values[DOCUMENTS[0]] == "small again", patience=5)


# -- tags that come and go


async def test_a_tag_that_was_refused_is_tried_again_and_what_came_of_it_is_told(world: Site) -> None:
    def deny(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        for result in reply.subscribe_bulk.results:
            result.was_successful, result.item_handle, result.error_message = False, 0, "denied for now"
        return reply

    async with consumed(world.client.subscribe([TAG], options())) as consumer:
        subscription = consumer.subscription
        world.gateway.reply_override("Invoke.SubscribeBulk", deny, times=2)
        for attempt in (1, 2):
            assert "denied for now" in (await subscription.add([OTHER]))[OTHER], attempt
            assert OTHER in subscription.refused
        assert await subscription.add([OTHER]) == {}
        assert subscription.refused == {}
        publish(world.gateway, [OTHER], 5)
        await until(lambda: consumer.values.get(OTHER) == 5)
        assert kinds(world.gateway).count("SUBSCRIBE_BULK") == 4


async def test_events_of_handles_that_nobody_knows_yet_fill_no_memory(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG], options(max_items=100)), keep=False) as consumer:
        await until(lambda: TAG in consumer.values)
        server = world.history.events[world.session.session_id][0].server_handle
        before = told()
        world.gateway.hold("Invoke.SubscribeBulk")
        adding = asyncio.create_task(consumer.subscription.add([OTHER]))
        await until(lambda: kinds(world.gateway).count("SUBSCRIBE_BULK") == 2)
        for _ in range(30_000):
            world.faults.skip()
            world.faults.inject(unknown(server, world.there.events.last_sequence))
            if len(world.there.events) >= 1_000:
                await until(lambda: not len(world.there.events))
        publish(world.gateway, [TAG], 1)
        await until(lambda: consumer.subscription.stats().received >= 30_002)
        assert told() - before < 12_000
        world.gateway.release("Invoke.SubscribeBulk")
        assert await adding == {}
        publish(world.gateway, [TAG, OTHER], 2)
        await until(lambda: consumer.values == {TAG: 2, OTHER: 2})


def unknown(server: int, sequence: int) -> proto.MxEvent:
    """Return an event of an item that was never added."""
    return proto.MxEvent(
        family=DATA_CHANGE,
        server_handle=server,
        item_handle=777,
        worker_sequence=sequence,
        quality=192,
        on_data_change=proto.OnDataChangeEvent(),
    )


def told() -> int:
    """Return how many events and updates the process holds."""
    gc.collect()
    return sum(isinstance(each, proto.MxEvent | TagUpdate) for each in gc.get_objects())


async def test_a_value_that_was_read_before_a_loss_is_read_again_after_it(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG, OTHER], options())) as consumer:
        await until(lambda: len(consumer.values) == 2)
        world.gateway.hold("Invoke.ReadBulk")
        world.faults.lose_next(1)
        publish(world.gateway, [TAG, OTHER], 5)
        await until(lambda: consumer.subscription.stats().lost == 1)
        await until(lambda: world.commands_received("READ_BULK"))
        world.faults.lose_next(1)
        publish(world.gateway, [TAG, OTHER], 6)
        await until(lambda: consumer.subscription.stats().lost == 2)
        world.gateway.reply_override("Invoke.ReadBulk", lambda reply: _with_value(reply, 5))
        world.gateway.release("Invoke.ReadBulk")
        await until(lambda: consumer.values == {TAG: 6, OTHER: 6})


def _with_value(reply: proto.MxCommandReply, value: int) -> proto.MxCommandReply:
    taken = copy.deepcopy(reply)
    for result in taken.read_bulk.results:
        result.value.int32_value = value
    return taken
