"""Every event comes once or is told as lost, whoever else reads the session's stream and wherever it breaks."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from typing import Any, cast

import pytest
from grpclib.const import Status

from mxgateway import (
    ConnectionChange,
    EventStream,
    MxGatewaySessionError,
    Outcome,
    RecoveryOptions,
    Subscription,
    SubscriptionState,
    TagUpdate,
    proto,
)
from mxgateway.simulator import Attribute, DataType, Plant, PlantObject, Template
from tests.client.confirming import accepted
from tests.client.support import connect, is_streaming, until
from tests.events.support import OTHER, TAG, Site, sequences, site
from tests.subscription.rig import consumed, is_connected, options, publish, tags_of

SLOW = RecoveryOptions(initial_backoff=10_000, max_backoff=10_000, stable_after=10_000)
"""Pauses that nobody waits for."""
BIGGEST = 2**64 - 1
PIECE = 500
"""Events that the tests publish in one turn of the loop."""


# -- where a stream goes on


async def test_a_stream_that_breaks_before_its_first_event_is_opened_again_where_it_was_asked_for(world: Site) -> None:
    await world.advised()
    async with world.session.stream_events() as events:
        publish(world.gateway, [TAG] * 2, 7)
        assert await sequences(events, 3) == [1, 2, 3]
    await until(lambda: not is_streaming(world.gateway, world.session))
    publish(world.gateway, [TAG] * 4, 8)
    async with connect(world.gateway, endpoint=world.proxy.endpoint) as other:
        mine = other.attach_session(world.session.session_id)
        events = mine.stream_events(after_worker_sequence=3, resume=True)
        world.proxy.to_client.freeze()
        reading = asyncio.create_task(sequences(events, 7))
        await until(lambda: is_streaming(world.gateway, world.session))
        world.lose_connections()
        assert await reading == [4, 5, 6, 7]
        await events.aclose()


async def test_a_stream_that_breaks_behind_its_first_event_brings_nothing_of_before_that_another_process_has_read(
    world: Site,
) -> None:
    await world.advised()
    with world.there.another_reader():
        publish(world.gateway, [TAG] * 5, 7)
    async with asyncio.timeout(8), world.session.stream_events(resume=True) as events:
        publish(world.gateway, [TAG], 8)
        assert await sequences(events, 7) == [7]
        await world.blip()
        publish(world.gateway, [TAG] * 2, 9)
        assert await sequences(events, 9) == [8, 9]


async def test_a_loss_that_nothing_has_followed_is_told_once_however_often_the_stream_breaks(world: Site) -> None:
    outcomes: list[Outcome | None] = []

    async def watch(updates: Subscription) -> None:
        async for update in updates:
            if isinstance(update, ConnectionChange) and update.state is SubscriptionState.CONNECTED:
                outcomes.append(update.outcome)

    await world.advised()
    async with (
        world.session.stream_events(resume=True) as events,
        world.session.subscribe([OTHER], options()) as updates,
    ):
        watching = asyncio.create_task(watch(updates))
        assert await sequences(events, 2) == [1, 2]
        await world.lose_events(lambda: publish(world.gateway, [TAG] * 3, 7), 3)
        world.clock.step(3600)  # nothing is kept
        assert (await anext(events)).replay_gap == proto.ReplayGap(2, 6)
        for _ in range(2):
            await world.blip()
            await until(lambda: world.there.events.is_attached and is_connected(updates))
        publish(world.gateway, [TAG], 8)
        assert await sequences(events, 6) == [6]
        watching.cancel()
        await asyncio.wait([watching])
    assert outcomes[1:] == [Outcome.GAP, Outcome.CONTINUOUS, Outcome.CONTINUOUS]


async def test_a_hand_over_whose_first_stream_breaks_loses_nothing(world: Site) -> None:
    tags = tags_of(3)
    async with connect(world.gateway) as old:
        updates = old.subscribe(tags, options())
        async with updates:
            async for update in updates:
                if isinstance(update, TagUpdate) and update.worker_sequence == 3:
                    break
            state = json.loads(json.dumps(updates.export_state()))
            await updates.aclose(keep_session=True)
    (there,) = [each for key, each in world.gateway.sessions.items() if key != world.session.session_id]
    await until(lambda: not there.events.is_attached)
    publish(world.gateway, tags, 7)
    async with connect(world.gateway, endpoint=world.proxy.endpoint) as new:
        subscription = new.subscribe(resume_from=state, options=options())
        world.proxy.to_client.freeze()
        beginning = asyncio.create_task(subscription.__aenter__())
        await until(lambda: there.events.is_attached)
        world.lose_connections()
        await beginning
        async with consumed(subscription) as consumer:
            await until(lambda: consumer.values == dict.fromkeys(tags, 7))
            assert [update.worker_sequence for update in consumer.updates] == [4, 5, 6]
            assert consumer.gaps == []


async def test_two_iterators_that_resume_at_different_points_both_get_everything(world: Site) -> None:
    await world.advised()
    async with world.session.stream_events() as events:
        publish(world.gateway, [TAG] * 9, 7)
        await sequences(events, 10)
    await until(lambda: not is_streaming(world.gateway, world.session))
    async with (
        world.session.stream_events(after_worker_sequence=8, resume=True) as late,
        world.session.stream_events(after_worker_sequence=3, resume=True) as early,
        world.session.stream_events(after_worker_sequence=5) as middle,
    ):
        publish(world.gateway, [TAG] * 2, 8)
        assert await sequences(late, 12) == list(range(9, 13))
        assert await sequences(early, 12) == list(range(4, 13))
        assert await sequences(middle, 12) == list(range(6, 13))


# -- whose options a recovery has


async def test_an_iterator_does_not_give_up_because_a_subscription_that_has_closed_would(world: Site) -> None:
    impatient = RecoveryOptions(initial_backoff=0.02, max_backoff=0.02, give_up_after=0.05)
    item = await world.advised()
    async with world.session.subscribe([OTHER], recovery=impatient, stale_after=None) as updates:
        await anext(updates)
    async with world.session.stream_events(resume=True) as events:
        publish(world.gateway, [TAG], 1)
        while (event := await anext(events)).item_handle != item.handle:
            pass
        accepted_before = world.proxy.accepted
        await world.proxy.refuse()
        world.proxy.reset_all()
        reading = asyncio.create_task(anext(events))
        await asyncio.wait([reading], timeout=0.4)  # longer than what the closed subscription would have waited
        await world.proxy.accept()
        publish(world.gateway, [TAG], 2)
        assert (await reading).worker_sequence > event.worker_sequence
        assert world.proxy.accepted > accepted_before


async def test_a_recovery_takes_the_options_of_those_present(world: Site) -> None:
    await world.confirm(await world.advised(TAG), 1)
    async with world.session.subscribe([OTHER], recovery=SLOW, stale_after=None) as first:
        world.gateway.fail_next("StreamEvents", Status.UNAVAILABLE, times=1)
        await world.blip()
        await until(lambda: first.state is SubscriptionState.RECOVERING or first.stats().reconnects)
        await woken(first)
    async with world.session.subscribe([OTHER], options()) as second:
        world.gateway.fail_next("StreamEvents", Status.UNAVAILABLE, times=3)
        await world.blip()
        await until(lambda: second.stats().reconnects and is_connected(second), patience=5)


async def test_waking_a_subscription_ends_its_pause_also_when_another_one_had_recovered_before(world: Site) -> None:
    await world.confirm(await world.advised(TAG), 1)
    async with world.session.subscribe([OTHER], options()) as first:
        await world.blip()
        await until(lambda: first.stats().reconnects and is_connected(first))
    async with world.session.subscribe([OTHER], recovery=SLOW, stale_after=None) as second:
        world.gateway.fail_next("StreamEvents", Status.UNAVAILABLE, times=2)
        await world.blip()
        await woken(second)


async def test_a_polite_end_of_the_connection_is_no_failure(world: Site) -> None:
    patient = RecoveryOptions(initial_backoff=10_000, max_backoff=10_000, stable_after=10_000)
    async with world.session.subscribe([TAG], recovery=patient, stale_after=None) as updates:
        for time in range(1, 4):
            await world.blip(lambda: world.gateway.drop_connections(politely=True))
            await until(lambda: updates.stats().reconnects == time and is_connected(updates), patience=5)  # noqa: B023 - called within the iteration


async def test_a_polite_end_of_the_connection_before_any_event_is_no_failure_either(
    world: Site, caplog: pytest.LogCaptureFixture
) -> None:
    patient = RecoveryOptions(initial_backoff=10_000, max_backoff=10_000, stable_after=10_000)
    async with world.session.stream_events(resume=patient) as events:
        for _ in range(3):
            await world.blip(lambda: world.gateway.drop_connections(politely=True))
            await until(lambda: world.session.pump._serves, patience=5)
        await world.advised(TAG)
        assert (await anext(events)).worker_sequence == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def woken(subscription: Any) -> None:
    """Wake a subscription until it is back."""

    def is_back() -> bool:
        subscription.wake()
        return subscription.stats().reconnects > 0 and is_connected(subscription)

    await until(is_back, patience=5)


# -- readers that do not read


async def test_an_iterator_that_nobody_reads_ends_by_itself_beside_a_confirmation_that_waits(world: Site) -> None:
    item = await world.advised()
    handle = await world.session.add_item(item.server, OTHER)
    await world.session.advise(item.server, handle)
    async with world.session.stream_events() as unread:
        world.gateway.hold_write_completions()
        writing = asyncio.create_task(world.session.write_confirmed(item.server, handle, 1, timeout=60))
        await accepted(world.gateway, world.session, 1)
        await flood(world, 25_000)
        world.gateway.release_write_completions()
        assert world.write_of(await writing).value.int32_value == 1
        await ends_by_itself(unread)


async def test_an_iterator_that_nobody_reads_does_not_starve_a_subscription_of_its_session(world: Site) -> None:
    await world.advised()
    async with (
        world.session.stream_events() as unread,
        consumed(world.session.subscribe([OTHER], options())) as consumer,
    ):
        await flood(world, 25_000)
        publish(world.gateway, [OTHER], 5)
        await until(lambda: consumer.values == {OTHER: 5})
        assert consumer.gaps == []
        await ends_by_itself(unread)


async def flood(world: Site, count: int) -> None:
    """Let a tag change so often, no faster than the gateway can be read from."""
    for number in range(count):
        if number % PIECE == 0:
            await until(lambda: len(world.there.events) < 5_000)
        world.gateway.set_tag(TAG, number)
    await until(lambda: not len(world.there.events))


async def ends_by_itself(events: EventStream) -> None:
    """Read an iterator that was given up: what it has queued, in order, and then what it has missed."""
    seen = []
    with pytest.raises(MxGatewaySessionError) as caught:
        async for event in events:
            seen.append(event.worker_sequence)
    assert seen == list(range(1, len(seen) + 1))
    assert 10_000 <= len(seen) < 24_000
    assert str(len(seen) + 1) in str(caught.value).replace(",", "")


# -- silence, handles


@pytest.mark.parametrize("iterator_first", [False, True])
async def test_silence_is_looked_for_whoever_has_opened_the_stream(iterator_first: bool) -> None:
    silent = Attribute(name="Slow", data_type=DataType.INTEGER, response_time=math.inf)
    plant = Plant([PlantObject(1, "Unit", Template("$Unit", attributes=(silent,)))])
    async with site(plant=plant) as world:
        events = world.session.stream_events()
        if iterator_first:
            await events.__aenter__()
        async with world.session.subscribe(["Unit.Slow"], options(stale_after=0.05, stale_timeout=0.05)) as updates:
            world.gateway.hold_commands()
            await until(lambda: updates.state is SubscriptionState.RECOVERING, patience=5)
            world.gateway.release_commands()
        await events.aclose()


async def test_a_handle_that_is_given_out_again_tells_no_values_of_the_tag_before(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG], options())) as consumer:
        await until(lambda: TAG in consumer.values)
        handle = world.history.events[world.session.session_id][0].item_handle
        for number in range(5_000):
            world.gateway.set_tag(TAG, 1_000 + number)
        await consumer.subscription.remove([TAG])
        world.there.worker.give_again(handle)
        await consumer.subscription.add([OTHER])
        publish(world.gateway, [OTHER], 5)
        await until(lambda: consumer.values.get(OTHER) == 5)
        assert [
            update.value for update in consumer.updates if update.tag == OTHER and cast("int", update.value) >= 1_000
        ] == []


# -- many at once


async def test_batches_give_all_that_has_come(world: Site) -> None:
    await world.advised()
    async with world.session.stream_events() as events, world.session.subscribe([OTHER], options()) as updates:
        publish(world.gateway, [TAG, OTHER] * 50, 3)
        seen: list[int] = []
        async for batch in events.batches():
            assert batch
            seen += [event.worker_sequence for event in batch]
            if len(seen) >= 100:
                break
        assert seen[:100] == list(range(1, 101))
        values: list[Any] = []
        async for items in updates.batches():
            assert items
            values += [item for item in items if isinstance(item, TagUpdate)]
            if len(values) >= 51:
                break
        assert [update.worker_sequence for update in values] == sorted({update.worker_sequence for update in values})
