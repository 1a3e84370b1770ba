"""A false place in the stream: a jump that nothing has followed yet. It outlives its stream, and whoever joins stands there too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mxgateway import MxGatewaySessionError, proto
from tests.client.confirming import WRONG, accepted, confirm
from tests.client.support import connect, until
from tests.events.defects.test_defects_nonsense import a_gap, an_event
from tests.events.support import OTHER, TAG, Site, never_confirmed
from tests.subscription.rig import consumed, is_connected, options, publish

FAR = 2**39
FALSE = {
    "an event": lambda world: an_event(world, FAR),
    "a mark": lambda world: a_gap(world, world.there.events.last_sequence, FAR),
}


@pytest.fixture(params=FALSE.values(), ids=list(FALSE))
def false(request: pytest.FixtureRequest) -> Callable[[Site], proto.MxEvent]:
    """What jumps."""
    jump: Callable[[Site], proto.MxEvent] = request.param
    return jump


async def _jump(world: Site, event: proto.MxEvent) -> None:
    world.faults.inject(event)
    await until(lambda: (world.session.pump.newest or 0) >= FAR - 1)


async def test_a_false_place_is_found_out_on_the_stream_behind_it(
    world: Site, false: Callable[[Site], proto.MxEvent]
) -> None:
    async with consumed(world.session.subscribe([TAG], options())) as consumer:
        await until(lambda: TAG in consumer.values)
        item = await world.advised(OTHER)
        await world.confirm(item, 1)
        await _jump(world, false(world))
        await world.blip()
        await until(lambda: world.there.events.is_attached and is_connected(consumer.subscription))
        publish(world.gateway, [TAG], 7)
        await until(lambda: consumer.values[TAG] == 7)
        await world.confirm(item, 2)
        async with consumed(world.session.subscribe([OTHER], options())) as late:
            await until(lambda: OTHER in late.values)
            publish(world.gateway, [OTHER], 8)
            await until(lambda: late.values[OTHER] == 8)


async def test_an_iterator_whose_first_event_is_false_is_not_blind_where_nobody_knows_the_place(world: Site) -> None:
    item = await world.advised()
    async with connect(world.gateway) as other, asyncio.timeout(8):
        events = other.attach_session(world.session.session_id).stream_events(resume=True)
        with world.there.another_reader():
            publish(world.gateway, [TAG] * 5, 7)
        world.faults.inject(an_event(world, FAR))
        async with events:
            assert (await anext(events)).worker_sequence == FAR
            publish(world.gateway, [TAG] * 2, 8)
            seen = [await anext(events) for _ in range(2)]
    assert [(event.worker_sequence, event.item_handle) for event in seen] == [(7, item.handle), (8, item.handle)]


async def test_a_write_whose_completion_somebody_else_has_read_behind_a_false_mark_is_told_so_at_once(
    world: Site,
) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    last = world.there.events.last_sequence
    world.faults.inject(a_gap(world, last, last + 3))
    await until(lambda: world.session.pump.newest == last + 2)
    world.gateway.hold_write_completions()
    written = confirm(world.session, item, 2, timeout=60)
    await accepted(world.gateway, world.session, 1)
    with world.there.another_reader():
        world.gateway.release_write_completions()
        await until(lambda: world.there.events.last_sequence > last)
    with pytest.raises(MxGatewaySessionError, match="OnWriteComplete was not seen"):
        await asyncio.wait_for(written, 8)
    await world.confirm_again(item, 3)


async def test_no_completion_confirms_another_write_behind_a_false_place(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    last = world.there.events.last_sequence
    world.faults.inject(a_gap(world, last, last + 2))
    await until(lambda: (world.session.pump.newest or 0) > last)
    await world.blip()
    await world.session.ping()
    await until(lambda: world.there.events.is_attached)
    world.gateway.hold_write_completions()
    writes = [confirm(world.session, item, value, timeout=3) for value in (WRONG, 8)]
    await accepted(world.gateway, world.session, 2)
    world.gateway.release_write_completions()
    never_confirmed((await asyncio.gather(*writes, return_exceptions=True))[0])


async def test_who_joins_at_a_false_place_is_not_blind(world: Site, false: Callable[[Site], proto.MxEvent]) -> None:
    async with asyncio.timeout(8), world.session.stream_events() as events:
        item = await world.advised()
        await anext(events)
        await _jump(world, false(world))
        async with consumed(world.session.subscribe([OTHER], options())) as consumer:
            await until(lambda: OTHER in consumer.values)
            publish(world.gateway, [OTHER], 7)
            await until(lambda: consumer.values[OTHER] == 7)
        await world.confirm(item, 5)


async def test_who_joins_behind_what_has_come_shows_the_others_that_their_place_is_false(
    world: Site, false: Callable[[Site], proto.MxEvent]
) -> None:
    async with consumed(world.session.subscribe([TAG], options())) as consumer:
        await until(lambda: TAG in consumer.values)
        await _jump(world, false(world))
        async with asyncio.timeout(8), world.session.stream_events(1) as events:
            await until(lambda: world.streams_asked[-1] == 1)
            publish(world.gateway, [TAG] * 2, 7)
            while (await anext(events)).worker_sequence < world.there.events.last_sequence:
                pass
            await until(lambda: consumer.values[TAG] == 7)


async def test_the_next_iterator_gets_what_was_kept_around_a_false_place(
    world: Site, false: Callable[[Site], proto.MxEvent]
) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    await _jump(world, false(world))
    publish(world.gateway, [TAG] * 3, 7)
    last = world.there.events.last_sequence
    await until(lambda: world.session.pump.newest == last)
    seen: list[int] = []
    async with asyncio.timeout(8), world.session.stream_events() as events:
        while last not in seen:
            event = await anext(events)
            seen += [event.worker_sequence] if event.item_handle == item.handle else []
    assert seen[-4:] == list(range(last - 3, last + 1))


@pytest.mark.parametrize("ahead", [2, 3, 9])
async def test_what_got_lost_on_its_way_behind_a_false_place_is_asked_for(world: Site, ahead: int) -> None:
    item = await world.advised()
    async with asyncio.timeout(10), world.session.stream_events(resume=True) as events:
        seen = [(await anext(events)).worker_sequence]
        last = world.there.events.last_sequence
        world.faults.inject(an_event(world, last + ahead))
        await until(lambda: world.session.pump.newest == last + ahead)
        await world.lose_events(lambda: publish(world.gateway, [TAG] * 3, 7), 3)
        await until(lambda: world.there.events.is_attached)
        publish(world.gateway, [TAG], 8)
        while len(seen) < last + 4:
            event = await anext(events)
            if event.item_handle == item.handle:
                seen.append(event.worker_sequence)
    assert seen == list(range(1, last + 5))
