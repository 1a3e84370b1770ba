"""An event that comes again behind a jump is an event that comes again, and the jump was none the less true."""

from __future__ import annotations

import asyncio

from mxgateway import MxGatewayError
from tests.client.confirming import accepted, confirm
from tests.events.support import TAG, Site
from tests.subscription.rig import publish


async def test_an_event_that_comes_twice_long_after_a_jump_is_delivered_once_and_nothing_is_called_lost(
    world: Site,
) -> None:
    await world.advised()
    async with world.session.stream_events() as events:
        await anext(events)
        world.faults.skip(3)
        publish(world.gateway, [TAG] * 4, 7)
        seen = [await anext(events)]
        world.faults.inject(seen[0])
        publish(world.gateway, [TAG] * 3, 8)
        while seen[-1].worker_sequence < world.there.events.last_sequence:
            seen.append(await anext(events))
    assert [event.worker_sequence for event in seen] == [5, 6, 7, 8, 9, 10, 11]


async def test_a_completion_that_comes_again_long_after_a_jump_confirms_no_other_write(world: Site) -> None:
    item, session = await world.advised(), world.session
    async with session.stream_events() as events:
        world.faults.skip(3)
        publish(world.gateway, [TAG], 7)
        while (await anext(events)).worker_sequence < world.there.events.last_sequence:
            pass
        first = await session.write_confirmed(*item.pair, 2, timeout=10)
        world.gateway.hold_write_completions()
        second = confirm(session, item, 3, timeout=10)
        await accepted(world.gateway, session, 1)
        world.faults.inject(first)
        publish(world.gateway, [TAG], 9)
        while (await anext(events)).worker_sequence < world.there.events.last_sequence:
            pass
        third = confirm(session, item, 4, timeout=10)
        await asyncio.wait([third], timeout=0.5)
        world.gateway.release_write_completions()
        outcomes = await asyncio.gather(second, third, return_exceptions=True)
    for value, outcome in zip((3, 4), outcomes, strict=True):
        if not isinstance(outcome, MxGatewayError):
            assert not isinstance(outcome, BaseException)
            assert world.write_of(outcome).value.int32_value == value
