"""Nonsense from the wire is reported and survived: impossible numbers, jumps, duplicates, messages that cannot be decoded."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway import (
    GapCause,
    MxGatewayError,
    proto,
)
from tests.client.confirming import accepted, confirm
from tests.client.support import DATA_CHANGE, WRITE_COMPLETE, until
from tests.events.support import OTHER, TAG, Site, sequences
from tests.subscription.rig import consumed, options, publish

BIGGEST = 2**64 - 1


def an_event(world: Site, sequence: int) -> proto.MxEvent:
    return proto.MxEvent(
        session_id=world.session.session_id,
        family=DATA_CHANGE,
        server_handle=99,
        item_handle=99,
        worker_sequence=sequence,
        quality=192,
        on_data_change=proto.OnDataChangeEvent(),
    )


def a_gap(world: Site, requested: int, oldest: int) -> proto.MxEvent:
    gap = proto.ReplayGap(requested_after_sequence=requested, oldest_available_sequence=oldest)
    return proto.MxEvent(session_id=world.session.session_id, replay_gap=gap)


NONSENSE = {
    "the greatest number": lambda world: an_event(world, BIGGEST),
    "a number far ahead": lambda world: an_event(world, 2**63),
    "no number": lambda world: an_event(world, 0),
    "an old number": lambda world: an_event(world, 1),
    "a gap up to nowhere": lambda world: a_gap(world, 3, BIGGEST),
    "a gap that ends before it begins": lambda world: a_gap(world, 50, 20),
    "a gap before the first event": lambda world: a_gap(world, 1, 0),
}


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_from_the_wire_is_survived(world: Site, nonsense: str) -> None:
    tags = [TAG, OTHER]
    async with consumed(world.session.subscribe(tags, options())) as consumer:
        await until(lambda: consumer.values.keys() == set(tags))
        item = await world.advised("Unit.Tag0002")
        await world.confirm(item, 1)
        world.faults.inject(NONSENSE[nonsense](world))
        for value in range(5):
            publish(world.gateway, tags, 100 + value)
        await until(lambda: consumer.values == dict.fromkeys(tags, 104), patience=5)
        item = await world.confirm_again(item, 4, "Unit.Tag0002")
        await world.blip()
        publish(world.gateway, tags, 200)
        await until(lambda: consumer.values == dict.fromkeys(tags, 200), patience=5)
        for gap in consumer.gaps:
            assert gap.last_lost is not None
            assert 0 < gap.first_lost <= gap.last_lost <= world.there.events.last_sequence
            assert gap.count is not None
            assert gap.count > 0
        assert max(world.streams_asked) <= world.there.events.last_sequence
        await world.confirm_again(item, 5, "Unit.Tag0002")


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_an_iterator_survives_nonsense_from_the_wire(world: Site, nonsense: str) -> None:
    await world.advised()
    async with world.session.stream_events(resume=True) as events:
        assert await sequences(events, 1) == [1]
        world.faults.inject(NONSENSE[nonsense](world))
        publish(world.gateway, [TAG] * 3, 5)
        last = world.there.events.last_sequence
        seen: list[int] = []
        while last not in seen:
            event = await asyncio.wait_for(anext(events), 5)
            seen.append(event.worker_sequence)
        assert [number for number in seen if 1 < number <= last] == [2, 3, 4]
        await world.blip()
        publish(world.gateway, [TAG], 6)
        while (event := await asyncio.wait_for(anext(events), 5)).worker_sequence != last + 1:
            assert not 0 < event.worker_sequence <= last


async def test_an_event_that_comes_twice_in_one_batch_is_told_once(world: Site) -> None:
    await world.advised()
    async with (
        world.session.stream_events(resume=True) as events,
        consumed(world.session.subscribe([OTHER], options())) as consumer,
    ):
        await until(lambda: OTHER in consumer.values)
        await sequences(events, 2)
        world.faults.repeat_next(3)
        publish(world.gateway, [OTHER, TAG, OTHER], 5)
        assert await sequences(events, 5) == [3, 4, 5]
        await until(lambda: consumer.values == {OTHER: 5} and consumer.taken == 3)
        assert consumer.gaps == []


async def test_a_jump_is_a_gap_and_the_values_are_read_again(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG, OTHER], options())) as consumer:
        await until(lambda: consumer.values.keys() == {TAG, OTHER})
        world.faults.lose_next(2)
        publish(world.gateway, [TAG, TAG, OTHER], 9)
        await until(lambda: consumer.values == {TAG: 9, OTHER: 9})
        assert [(gap.first_lost, gap.last_lost, gap.cause) for gap in consumer.gaps] == [(3, 4, GapCause.SEQUENCE)]


async def test_an_event_that_cannot_be_decoded_is_a_gap_of_one_and_the_stream_goes_on(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG, OTHER], options())) as consumer:
        await until(lambda: consumer.values.keys() == {TAG, OTHER})
        world.faults.spoil_next()
        publish(world.gateway, [TAG, OTHER], 9)
        await until(lambda: consumer.values == {TAG: 9, OTHER: 9}, patience=10)
        assert [(gap.first_lost, gap.last_lost, gap.count) for gap in consumer.gaps] == [(3, 3, 1)]
        assert consumer.gaps[0].cause is GapCause.UNREADABLE
        item = await world.advised("Unit.Tag0002")
        await world.confirm(item, 1)


async def test_a_completion_that_cannot_be_decoded_is_told_as_lost(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.faults.spoil_next(family=WRITE_COMPLETE)
    with pytest.raises(MxGatewayError):
        await world.session.write_confirmed(*item.pair, 2, timeout=20)
    await world.confirm_again(item, 3)


@pytest.mark.parametrize("number", [BIGGEST, 2**63])
async def test_a_number_that_cannot_be_among_drained_events_hides_no_later_completion(world: Site, number: int) -> None:
    def renumber(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        reply.drain_events.events.append(an_event(world, number))
        return reply

    item = await world.advised()
    world.gateway.reply_override("Invoke.DrainEvents", renumber, times=2)
    await world.session.drain_events()  # before the stream, and beside it
    await world.confirm(item, 1)
    await world.session.drain_events()
    await world.confirm(item, 2)
    assert max(world.streams_asked) <= world.there.events.last_sequence


async def test_a_completion_without_a_number_puts_the_writes_in_doubt_because_nothing_tells_it_from_a_replayed_one(
    world: Site,
) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold_write_completions()
    write = confirm(world.session, item, 2)
    await accepted(world.gateway, world.session, 1)
    event = an_event(world, 0)
    event.family, event.server_handle, event.item_handle = WRITE_COMPLETE, *item.pair
    world.faults.inject(event)
    publish(world.gateway, [TAG], 5)
    with pytest.raises(MxGatewayError, match="was not seen"):
        async with asyncio.timeout(5):
            await write
    world.gateway.release_write_completions()
    await world.confirm_again(item, 3)
