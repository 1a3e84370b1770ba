"""Messages that nobody can read and that stand for no event: the gateway's nonsense costs nobody the next event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mxgateway import MxGatewaySessionError, proto
from mxgateway.events.upkeep import PASSED_AT_ONCE, PumpState
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.simulator.mxaccess.event_faults import UNREADABLE
from tests.client.confirming import WRONG, accepted, confirm
from tests.client.support import until
from tests.events.support import OTHER, TAG, Site, never_confirmed, sequences, site
from tests.subscription.rig import consumed, options, publish

Spoil = Callable[[Site, int], Awaitable[None]]
TOO_LARGE = bytes(20_000)
SELDOM = RecoveryOptions(initial_backoff=600, max_backoff=600)
"""Pauses that do not end by themselves during a test."""


async def _spoil(world: Site, times: int) -> None:
    """Let the gateway send nonsense so many times. For the first the stream is opened again, the others are passed over."""
    for number in range(times):
        streams, lost = len(world.streams_asked), world.client.stats().events_lost
        await until(lambda: world.there.events.is_attached)
        world.faults.inject(UNREADABLE)
        if number == 0:
            await until(lambda: len(world.streams_asked) > streams)  # noqa: B023 - called within the iteration
        else:
            await until(lambda: world.client.stats().events_lost > lost)  # noqa: B023 - called within the iteration


async def _spoil_by_size(world: Site, times: int) -> None:
    """Let the gateway send what is too large so many times, each on a stream of its own."""
    for _ in range(times):
        streams = len(world.streams_asked)
        await until(lambda: world.there.events.is_attached)
        world.faults.inject(TOO_LARGE)
        await until(lambda: len(world.streams_asked) > streams)  # noqa: B023 - called within the iteration


@pytest.mark.parametrize("spoil", [_spoil, _spoil_by_size])
@pytest.mark.parametrize("times", [2, 3, 4])
async def test_the_event_that_was_given_up_for_nonsense_is_told_when_it_comes(times: int, spoil: Spoil) -> None:
    async with (
        site(max_receive_bytes=10_000) as world,
        consumed(world.session.subscribe([TAG, OTHER], options())) as consumer,
    ):
        await until(lambda: len(consumer.values) == 2)
        await spoil(world, times)
        publish(world.gateway, [TAG], 7)
        await until(lambda: consumer.values[TAG] == 7)
        publish(world.gateway, [OTHER], 8)
        await until(lambda: consumer.values[OTHER] == 8)


@pytest.mark.parametrize("spoil", [_spoil, _spoil_by_size])
async def test_a_completion_that_was_given_up_for_nonsense_confirms_no_other_write(spoil: Spoil) -> None:
    async with site(max_receive_bytes=10_000) as world:
        item = await world.advised()
        await world.confirm(item, 1)
        await spoil(world, 2)
        world.gateway.hold_write_completions()
        writes = [confirm(world.session, item, value, timeout=3) for value in (WRONG, 8)]
        await accepted(world.gateway, world.session, 2)
        world.gateway.release_write_completions()
        never_confirmed((await asyncio.gather(*writes, return_exceptions=True))[0])
        await world.confirm_again(item, 9)


async def test_what_comes_while_the_stream_is_opened_again_for_nonsense_is_lost_to_nobody(world: Site) -> None:
    """The stream is opened for the event that was given up as well, so it is there also if it was published just then."""
    item = await world.advised()
    await world.confirm(item, 1)
    async with asyncio.timeout(8), world.session.stream_events(1, resume=True) as events:
        for value, times in enumerate((1, 2, 3), 2):
            streams = len(world.streams_asked)
            for _ in range(times):
                world.faults.inject(UNREADABLE)
            publish(world.gateway, [TAG], value)  # in the same turn: no stream is open for it yet
            await world.confirm(item, value)
            assert len(world.streams_asked) == streams + 1
        last = world.there.events.last_sequence
        assert [number for number in await sequences(events, last) if number > 0] == list(range(2, last + 1))


async def test_a_stream_that_was_opened_again_takes_later_nonsense_as_before(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG], options())) as consumer:
        await until(lambda: TAG in consumer.values)
        for value in (7, 8):
            await _spoil(world, 2)
            publish(world.gateway, [TAG], value)
            await until(lambda: consumer.values[TAG] == value)  # noqa: B023 - called within the iteration
        assert len(world.streams_asked) == 3


async def test_a_gateway_that_sends_nothing_but_what_is_too_large_is_asked_with_pauses() -> None:
    async with (
        site(max_receive_bytes=10_000) as world,
        consumed(world.session.subscribe([TAG], options(recovery=SELDOM))) as consumer,
    ):
        await until(lambda: TAG in consumer.values)
        await _spoil_by_size(world, 2 * PASSED_AT_ONCE + 1)
        world.faults.inject(TOO_LARGE)
        await until(lambda: world.session.pump.state is PumpState.PAUSED)
        streams = len(world.streams_asked)
        await asyncio.sleep(0.2)
        assert len(world.streams_asked) == streams
        world.session.pump.wake()
        publish(world.gateway, [TAG], 7)
        await until(lambda: consumer.values[TAG] == 7)


async def test_a_completion_that_is_unreadable_within_a_jump_that_was_false_leaves_its_write_in_doubt() -> None:
    async with site() as world:
        item = await world.advised()
        await world.confirm(item, 1)
        last = world.there.events.last_sequence
        invented = proto.MxEvent(worker_sequence=last + 2, family=proto.MxEventFamily.ON_DATA_CHANGE)
        invented.on_data_change = proto.OnDataChangeEvent()
        world.faults.inject(invented)
        await until(lambda: world.session.pump.newest == last + 2)
        world.faults.spoil_next(1)
        with pytest.raises(MxGatewaySessionError, match="may have been"):
            await world.session.write_confirmed(*item.pair, 2, timeout=20)
        await world.confirm_again(item, 3)
