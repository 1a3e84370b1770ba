"""A worker that begins to number its events anew within a session leaves nobody blind: that is told, and everybody goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mxgateway import Gap, GapCause, MxGatewayError, TagUpdate, proto
from mxgateway.events.sequence_order import RESTART
from tests.client.confirming import accepted, confirm
from tests.client.support import DATA_CHANGE, kinds, until
from tests.events.support import OTHER, TAG, Site, site
from tests.subscription.rig import consumed, is_connected, options, publish

TAGS = [TAG, OTHER]
LAST = "Unit.Tag0002"


@pytest.fixture
async def world() -> AsyncIterator[Site]:
    async with site() as found:
        yield found


def begin_anew(world: Site, at: int = 0) -> int:
    """Let the worker number its next event anew, and the gateway forget those of before; return the last number of those."""
    events = world.there.events
    before, events.last_sequence = events.last_sequence, at
    events._ring.clear()
    return before


@pytest.mark.parametrize("cut", [False, True], ids=["while the stream is open", "while it is away"])
@pytest.mark.parametrize("at", [0, 2**60], ids=["from 1 on", "far ahead"])
async def test_numbers_that_begin_anew_are_a_gap_of_unknown_size_and_values_and_confirmations_go_on(
    world: Site, at: int, cut: bool
) -> None:
    async with consumed(world.session.subscribe(TAGS, options())) as consumer:
        await until(lambda: consumer.values.keys() == set(TAGS))
        item = await world.advised(LAST)
        await world.confirm(item, 1)
        publish(world.gateway, TAGS * 20, 2)
        await until(lambda: consumer.taken == 42)
        before = begin_anew(world, at)
        if cut:
            await world.blip()
            await until(lambda: world.there.events.is_attached and is_connected(consumer.subscription))
        publish(world.gateway, TAGS * (RESTART // 2), 3)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 3), patience=5)
        publish(world.gateway, TAGS, 4)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 4))
        assert consumer.gaps == [Gap(before + 1, None, GapCause.RESTARTED, None)]
        assert [each.worker_sequence - at for each in consumer.updates if each.worker_sequence][42:] == [
            *range(1, RESTART + 3)
        ]
        item = await world.confirm_again(item, 5, LAST)
        await world.blip()
        publish(world.gateway, TAGS, 6)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 6))
        await world.confirm(item, 7)


async def test_who_comes_after_the_numbers_have_begun_anew_is_not_blind(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG], options())) as consumer:
        publish(world.gateway, [TAG] * 100, 2)
        await until(lambda: consumer.values == {TAG: 2})
        await world.blip()  # the next stream begins where that one has stopped
        await until(lambda: world.there.events.is_attached and is_connected(consumer.subscription))
        begin_anew(world)
        publish(world.gateway, [TAG] * 10, 3)
        await until(lambda: consumer.values == {TAG: 3})
        async with consumed(world.session.subscribe([OTHER], options())) as other:
            await until(lambda: OTHER in other.values)
            publish(world.gateway, [OTHER], 4)
            await until(lambda: other.values == {OTHER: 4})
            assert other.gaps == []
            assert not other.error


async def test_raw_events_have_the_gateways_own_mark_where_the_numbers_begin_anew(world: Site) -> None:
    await world.advised(TAG)
    async with world.session.stream_events(resume=True) as events:
        publish(world.gateway, [TAG] * 9, 2)
        seen: list[proto.MxEvent] = [await anext(events) for _ in range(10)]
        begin_anew(world)
        publish(world.gateway, [TAG] * (RESTART + 1), 3)
        seen = [await anext(events) for _ in range(RESTART + 2)]
        assert seen[0].replay_gap == proto.ReplayGap(requested_after_sequence=10, oldest_available_sequence=1)
        assert [event.worker_sequence for event in seen[1:]] == list(range(1, RESTART + 2))


async def test_a_write_whose_completion_may_be_among_the_numbers_of_before_is_in_doubt(world: Site) -> None:
    async with consumed(world.session.subscribe(TAGS, options())) as consumer:
        await until(lambda: consumer.values.keys() == set(TAGS))
        item = await world.advised(LAST)
        world.gateway.hold_write_completions()
        publish(world.gateway, TAGS * 20, 2)
        writing = confirm(world.session, item, 1, timeout=10)
        await accepted(world.gateway, world.session, 1)
        begin_anew(world)
        publish(world.gateway, TAGS * RESTART, 3)
        with pytest.raises(MxGatewayError, match="may have been"):
            await asyncio.wait_for(writing, 5)


async def test_values_are_right_before_enough_numbers_have_come_to_be_sure(world: Site) -> None:
    async with consumed(world.session.subscribe(TAGS, options())) as consumer:
        await until(lambda: consumer.values.keys() == set(TAGS))
        publish(world.gateway, TAGS * 20, 2)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 2))
        begin_anew(world)
        publish(world.gateway, TAGS, 3)
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 3), patience=5)
        assert consumer.gaps == []


async def test_events_that_come_twice_are_no_new_beginning(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG], options())) as consumer:
        for value in range(20):
            publish(world.gateway, [TAG], value)
        await until(lambda: consumer.taken == 21)
        events = [event for event in world.history.events[world.session.session_id] if event.family == DATA_CHANGE]
        for event in events[3 : 2 + RESTART]:
            again = proto.MxEvent(
                session_id=world.session.session_id, family=DATA_CHANGE, worker_sequence=event.worker_sequence,
                quality=192, on_data_change=proto.OnDataChangeEvent(),
                server_handle=event.server_handle, item_handle=event.item_handle,
            )  # fmt: skip
            world.faults.inject(again)
        publish(world.gateway, [TAG], 30)
        await until(lambda: consumer.values == {TAG: 30})
        assert consumer.gaps == []
        numbers = [update.worker_sequence for update in consumer.updates if update.worker_sequence]
        assert numbers == list(range(1, 23))
        assert kinds(world.gateway).count("READ_BULK") <= 2


async def test_where_somebody_else_goes_on_the_numbers_are_the_new_ones(world: Site) -> None:
    async with world.client.subscribe(TAGS, options()) as updates:
        world.session = await updates.session()
        publish(world.gateway, TAGS * 20, 2)
        while not isinstance(update := await anext(updates), TagUpdate) or update.worker_sequence < 42:
            pass
        begin_anew(world)
        publish(world.gateway, TAGS * RESTART, 3)
        while not isinstance(update := await anext(updates), Gap):
            pass
        update = await anext(updates)
        while not isinstance(update, TagUpdate) or update.worker_sequence != RESTART:
            update = await anext(updates)
        await until(lambda: updates.stats().received == 42 + 2 * RESTART)
        assert updates.export_state()["afterWorkerSequence"] == RESTART
