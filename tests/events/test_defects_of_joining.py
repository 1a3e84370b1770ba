"""Readers that join a stream which lives, which others have read before, or which is held for somebody else."""

from __future__ import annotations

import asyncio
import contextlib

from mxgateway import MxGatewayError, TagUpdate, proto
from tests.client.confirming import WRONG, confirm
from tests.client.support import WRITE_COMPLETE, until
from tests.events.support import OTHER, TAG, Site, never_confirmed
from tests.subscription.rig import options, publish


async def _all_has_come(world: Site) -> None:
    await until(lambda: world.session._pump.newest == world.there.events.last_sequence)


async def test_a_completion_lost_in_a_jump_is_missed_also_on_a_stream_that_was_read_before_the_first_write(
    world: Site,
) -> None:
    item, session = await world.advised(), world.session
    async with session.stream_events() as events:
        await anext(events)
        world.faults.lose_next(family=WRITE_COMPLETE)
        lost = confirm(session, item, 1, timeout=3)
        await until(lambda: world.native() == 1)
        publish(world.gateway, [OTHER, TAG], 70)
        await _all_has_come(world)
        refused = confirm(session, item, WRONG, timeout=3)
        await asyncio.sleep(0.1)
        good = confirm(session, item, 5, timeout=3)
        outcomes = await asyncio.gather(lost, refused, good, return_exceptions=True)
    never_confirmed(outcomes[0])
    never_confirmed(outcomes[1])
    assert not isinstance(outcomes[0], TimeoutError)


async def test_a_subscription_that_joins_a_stream_held_for_an_unread_iterator_has_its_values(world: Site) -> None:
    await world.advised()
    async with world.session.stream_events() as unread:
        await anext(unread)
        for value in range(24):
            publish(world.gateway, [TAG] * 500, value)
            await asyncio.sleep(0.01)
        await until(world.session._pump._readers.hold)
        async with asyncio.timeout(8), world.session.subscribe([OTHER], options()) as updates:
            while not isinstance(await anext(updates), TagUpdate):
                pass


async def test_an_iterator_resumes_behind_any_event_whatever_a_subscription_has_read_meanwhile(world: Site) -> None:
    item, session = await world.advised(), world.session
    await world.confirm(item, 1)
    publish(world.gateway, [TAG] * 3, 5)
    await _all_has_come(world)
    async with session.subscribe([OTHER], options()):
        publish(world.gateway, [TAG] * 5, 9)
        await _all_has_come(world)
    publish(world.gateway, [TAG] * 3, 6)
    await _all_has_come(world)
    seen: list[int] = []
    async with asyncio.timeout(8), session.stream_events(after_worker_sequence=3) as events:
        while not seen or seen[-1] < world.there.events.last_sequence:
            seen.append((await anext(events)).worker_sequence)
    assert seen == list(range(4, world.there.events.last_sequence + 1))


async def test_an_iterator_that_goes_on_behind_an_unreadable_message_yields_messages_only(world: Site) -> None:
    await world.advised()
    seen: list[proto.MxEvent] = []
    async with asyncio.timeout(8), world.session.stream_events(resume=True) as events:
        await anext(events)
        world.faults.spoil_next()
        publish(world.gateway, [TAG] * 4, 7)
        while not seen or seen[-1].worker_sequence < world.there.events.last_sequence:
            seen.append(await anext(events))
            assert isinstance(seen[-1], proto.MxEvent)
    assert [event.worker_sequence for event in seen] == [0, 3, 4, 5]


async def test_a_second_reader_of_an_iterator_goes_on_when_the_first_is_cancelled_while_it_attaches(
    world: Site,
) -> None:
    world.lose_connections()
    await asyncio.sleep(0.05)  # the client has noticed: attaching begins with a connection
    events = world.session.stream_events()
    first, second = asyncio.create_task(anext(events)), asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    await world.advised()
    async with asyncio.timeout(8):
        assert (await second).worker_sequence == 1
    await events.aclose()


async def test_a_state_without_a_registration_is_not_exported(world: Site) -> None:
    updates = world.client.subscribe([TAG], options())
    reading = asyncio.create_task(anext(updates))
    state = None
    while state is None:
        await asyncio.sleep(0)
        with contextlib.suppress(MxGatewayError):
            state = updates.export_state()
    reading.cancel()
    await asyncio.wait([reading])
    await updates.aclose()
    assert state["serverHandle"] > 0
