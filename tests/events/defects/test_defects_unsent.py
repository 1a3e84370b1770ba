"""A confirmed write whose time ends before it is sent says that nothing was sent, and why."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway import MxGatewaySessionError, MxGatewayTimeoutError
from mxgateway.events.upkeep import PumpState
from tests.client.confirming import confirm
from tests.client.support import in_words, until
from tests.events.support import Site


@pytest.mark.parametrize("timeout", [0.1, 0.9])
async def test_an_item_in_doubt_is_told_as_one_however_short_the_timeout(world: Site, timeout: float) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.proxy.to_server.freeze()
    lost = confirm(world.session, item, 2, timeout=10)
    await until(lambda: world.session._writes.waiting)
    await asyncio.sleep(0.05)
    world.lose_connections()
    await asyncio.wait([lost])
    sent = world.writes_received()
    with pytest.raises(MxGatewaySessionError) as doubt:
        await world.session.write_confirmed(*item.pair, 3, timeout=timeout)
    assert in_words(doubt.value, "in doubt")
    assert world.writes_received() == sent


async def test_a_write_that_waits_for_its_turn_too_long_was_not_sent_and_says_so(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold("Invoke.Write")
    first = asyncio.create_task(world.session.write(*item.pair, 7, timeout=20))
    await until(lambda: world.writes_received() == 2)
    with pytest.raises(MxGatewayTimeoutError) as unsent:
        await world.session.write_confirmed(*item.pair, 8, timeout=0.1)
    assert in_words(unsent.value, "was not sent within 0.1 s: it was waiting for the answer to an earlier write")
    assert in_words(unsent.value, "nothing was carried out")
    assert world.writes_received() == 2
    world.gateway.release("Invoke.Write")
    await first
    await world.confirm(item, 9)
    assert world.native() == 9


async def test_a_write_that_waits_for_the_event_stream_too_long_was_not_sent_and_says_so(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.proxy.to_client.freeze()
    world.proxy.reset_all()
    await until(lambda: world.session.pump.state is not PumpState.LIVE)
    with pytest.raises(MxGatewayTimeoutError) as unsent:
        await world.session.write_confirmed(*item.pair, 8, timeout=0.1)
    assert in_words(unsent.value, "it was waiting for the event stream")
    assert world.writes_received() == 1
    world.lose_connections()
    await world.confirm(item, 9)


async def test_a_write_that_was_sent_and_not_answered_may_still_be_carried_out(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold("Invoke.Write")
    with pytest.raises(MxGatewayTimeoutError) as unanswered:
        await world.session.write_confirmed(*item.pair, 8, timeout=0.2)
    assert in_words(unanswered.value, "may still be carried out")
    world.gateway.release("Invoke.Write")
    await world.confirm_again(item, 9)
