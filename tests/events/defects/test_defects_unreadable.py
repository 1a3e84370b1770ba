"""Messages that nobody can read and that stand for no event: the gateway's nonsense costs nobody the next event."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway.events.upkeep import PASSED_AT_ONCE, PumpState
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.simulator.mxaccess.event_faults import UNREADABLE
from tests.client.confirming import WRONG, accepted, confirm
from tests.client.support import until
from tests.events.support import OTHER, TAG, Site, never_confirmed
from tests.subscription.rig import consumed, options, publish

SELDOM = RecoveryOptions(initial_backoff=600, max_backoff=600)
"""Pauses that do not end by themselves during a test."""


async def _spoil(world: Site, times: int) -> None:
    """Let the gateway send nonsense so many times, each on a stream of its own."""
    for _ in range(times):
        streams = len(world.streams_asked)
        await until(lambda: world.there.events.is_attached)
        world.faults.inject(UNREADABLE)
        await until(lambda before=streams: len(world.streams_asked) > before)


@pytest.mark.parametrize("times", [2, 3, 4])
async def test_the_event_that_was_given_up_for_nonsense_is_told_when_it_comes(world: Site, times: int) -> None:
    async with consumed(world.session.subscribe([TAG, OTHER], options())) as consumer:
        await until(lambda: len(consumer.values) == 2)
        await _spoil(world, times)
        publish(world.gateway, [TAG], 7)
        await until(lambda: consumer.values[TAG] == 7)
        publish(world.gateway, [OTHER], 8)
        await until(lambda: consumer.values[OTHER] == 8)


async def test_a_completion_that_was_given_up_for_nonsense_confirms_no_other_write(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    await _spoil(world, 2)
    world.gateway.hold_write_completions()
    writes = [confirm(world.session, item, value, timeout=3) for value in (WRONG, 8)]
    await accepted(world.gateway, world.session, 2)
    world.gateway.release_write_completions()
    never_confirmed((await asyncio.gather(*writes, return_exceptions=True))[0])
    await world.confirm_again(item, 9)


async def test_a_gateway_that_sends_nothing_but_nonsense_is_asked_with_pauses(world: Site) -> None:
    async with consumed(world.session.subscribe([TAG], options(recovery=SELDOM))) as consumer:
        await until(lambda: TAG in consumer.values)
        await _spoil(world, 2 * PASSED_AT_ONCE + 1)
        world.faults.inject(UNREADABLE)
        await until(lambda: world.session.pump.state is PumpState.PAUSED)
        streams = len(world.streams_asked)
        await asyncio.sleep(0.2)
        assert len(world.streams_asked) == streams
        world.session.pump.wake()
        publish(world.gateway, [TAG], 7)
        await until(lambda: consumer.values[TAG] == 7)
