"""Readers that join a stream which lives, which others have read before, or which is held for somebody else."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mxgateway import GrpcStatus, MxGatewayError, MxGatewaySessionError, Session, TagUpdate, proto
from mxgateway.events.backlog import Backlog
from mxgateway.events.cursor import Cursor, Loss, LossCause
from mxgateway.events.upkeep import PumpState
from mxgateway.simulator import SimulatorOptions
from mxgateway.transport.stats import Counters
from tests.client.confirming import WRONG, confirm
from tests.client.support import WRITE_COMPLETE, until
from tests.events.support import OTHER, TAG, Site, never_confirmed, sequences, site
from tests.subscription.rig import options, publish


async def _all_has_come(world: Site) -> None:
    await until(lambda: world.session.pump.newest == world.there.events.last_sequence)


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
        await until(world.session.pump._readers.hold)
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


@pytest.mark.parametrize("is_quiet", [False, True])
async def test_an_iterator_that_joins_a_stream_without_replay_gets_what_another_process_has_read(
    world: Site, *, is_quiet: bool
) -> None:
    await world.advised()
    with world.there.another_reader():
        publish(world.gateway, [TAG] * 5, 7)
    async with asyncio.timeout(8), world.session.stream_events() as first, world.session.stream_events(3) as second:
        await until(lambda: world.streams_asked == [0])
        if not is_quiet:
            publish(world.gateway, [TAG], 8)
        last = world.there.events.last_sequence
        assert [(await anext(second)).worker_sequence for _ in range(4, last + 1)] == list(range(4, last + 1))
        assert [(await anext(first)).worker_sequence for _ in range(2, last + 1)] == list(range(2, last + 1))


async def test_an_iterator_gets_what_another_process_has_read_before_the_first_write_was_confirmed(world: Site) -> None:
    item = await world.advised()
    with world.there.another_reader():
        publish(world.gateway, [TAG] * 5, 7)
    await world.confirm(item, 1)
    await _all_has_come(world)
    last = world.there.events.last_sequence
    async with asyncio.timeout(8), world.session.stream_events(3) as events:
        assert [(await anext(events)).worker_sequence for _ in range(4, last + 1)] == list(range(4, last + 1))


async def test_what_is_replayed_for_an_iterator_that_joins_is_not_news_to_one_that_began_later(world: Site) -> None:
    await world.advised()
    with world.there.another_reader():
        publish(world.gateway, [TAG] * 5, 7)
    async with asyncio.timeout(8), world.session.stream_events() as first:
        publish(world.gateway, [TAG], 8)
        seen = [(await anext(first)).worker_sequence]
        async with world.session.stream_events(3) as second:
            assert [(await anext(second)).worker_sequence for _ in range(4)] == [4, 5, 6, 7]
            publish(world.gateway, [TAG], 9)
            seen.append((await anext(first)).worker_sequence)
    assert seen == [7, 8]


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


async def test_a_reader_that_cares_and_joins_a_stream_while_it_is_being_opened_again_waits_for_recovery(
    world: Site,
) -> None:
    await world.advised()
    session = world.session
    async with session.stream_events(resume=True) as first:
        await anext(first)
        world.proxy.to_client.freeze()
        world.proxy.reset_all()
        await until(lambda: session.pump.state is PumpState.OPENING)
        joining = asyncio.create_task(_first_event(session))
        await asyncio.sleep(0.1)
        assert session.pump.state is PumpState.OPENING
        world.lose_connections()  # the attempt fails
        await until(lambda: world.there.events.is_attached)
        async with asyncio.timeout(8):
            while not joining.done():
                publish(world.gateway, [TAG, OTHER], 5)
                await asyncio.sleep(0.05)
        await joining


async def _first_event(session: Session) -> None:
    async with session.stream_events(resume=True) as second:
        await anext(second)


async def test_a_write_whose_stream_is_refused_for_too_long_is_told_what_the_gateway_says(
    world: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mxgateway.events.writes.completions.TAKEN_BOUND", 0.3)
    item, session = await world.advised(), world.session
    async with session.stream_events() as events:
        await anext(events)
    await until(lambda: not world.there.events.is_attached)
    with world.there.another_reader():
        with pytest.raises(MxGatewaySessionError) as refusal:
            await session.write_confirmed(*item.pair, 1, timeout=20)
        assert refusal.value.grpc_status is GrpcStatus.ALREADY_EXISTS
        with pytest.raises(MxGatewaySessionError) as refusal:
            await session.write_tags({TAG: 1}, confirm=True, timeout=20)
        assert refusal.value.grpc_status is GrpcStatus.ALREADY_EXISTS
    item = await world.confirm_again(item, 2)
    await world.confirm(item, 3)


async def test_an_iterator_that_begins_behind_all_that_was_kept_gets_nothing_from_before(world: Site) -> None:
    item, session = await world.advised(), world.session
    await world.confirm(item, 1)
    publish(world.gateway, [TAG] * 3, 5)
    await _all_has_come(world)
    after = world.there.events.last_sequence + 2
    async with session.stream_events(after) as events, asyncio.timeout(8):
        publish(world.gateway, [TAG] * 5, 6)
        assert [(await anext(events)).worker_sequence for _ in range(3)] == [after + 1, after + 2, after + 3]


async def test_what_a_false_number_had_hidden_reaches_also_an_iterator_that_begins_with_kept_events(
    world: Site,
) -> None:
    item, session = await world.advised(), world.session
    await world.confirm(item, 1)
    await _all_has_come(world)
    last = world.there.events.last_sequence
    world.faults.inject(proto.MxEvent(worker_sequence=last + 2))
    await until(lambda: session.pump.newest == last + 2)
    async with session.subscribe([OTHER], options()):
        publish(world.gateway, [TAG] * 5, 6)
        await _all_has_come(world)
    async with session.stream_events() as events, asyncio.timeout(8):
        seen = [(await anext(events)).worker_sequence for _ in range(world.there.events.last_sequence + 1)]
    assert seen == [*range(1, last + 1), last + 2, *range(last + 1, world.there.events.last_sequence + 1)]


async def test_an_iterator_that_begins_with_kept_events_goes_on_where_the_worker_has_restarted_its_numbers(
    world: Site,
) -> None:
    item, session = await world.advised(), world.session
    publish(world.gateway, [TAG] * 50, 5)
    await world.confirm(item, 1)
    await _all_has_come(world)
    async with session.subscribe([OTHER], options()):
        world.faults.renumber_next(-50, 1_000)
        publish(world.gateway, [TAG] * 20, 6)
        await until(lambda: session.pump.newest == world.there.events.last_sequence - 50)
    async with session.stream_events() as events, asyncio.timeout(8):
        while (await anext(events)).replay_gap is None:
            pass


def test_events_that_are_kept_from_an_unknown_place_on_are_preceded_by_no_loss() -> None:
    backlog = Backlog(Cursor(None), Counters())
    events = [proto.MxEvent(worker_sequence=number) for number in range(57, 60)]
    backlog.take(events)
    assert list(backlog.behind(0)) == events
    assert not backlog.covers(50)
    assert list(backlog.behind(57)) == events[1:]


def test_what_has_made_room_is_told_also_of_events_that_are_kept_from_an_unknown_place_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mxgateway.events.backlog.KEPT_LIMIT", 2)
    backlog = Backlog(Cursor(None), Counters())
    events = [proto.MxEvent(worker_sequence=number) for number in (0, 57, 58, 59)]
    backlog.take(events)
    assert list(backlog.behind(0)) == [Loss(57, 57, LossCause.REPLAY), *events[2:]]


async def test_a_reader_that_joins_behind_what_is_kept_tells_no_other_one_that_its_events_are_lost() -> None:
    async with site(options=SimulatorOptions(replay_limit=3)) as world:
        await world.advised()
        async with world.session.stream_events(resume=True) as events:
            publish(world.gateway, [TAG] * 9, 7)
            assert await sequences(events, 10) == list(range(1, 11))
            late = world.session.stream_events(4, resume=True)
            reading: list[asyncio.Task[list[int]]] = []

            def publish_more() -> None:
                publish(world.gateway, [TAG] * 3, 8)
                reading.append(asyncio.create_task(sequences(late, 13)))

            await world.lose_events(publish_more, 3)
            assert await sequences(events, 13) == [11, 12, 13]
            assert await reading[0] == [-11, 11, 12, 13]
            await late.aclose()
