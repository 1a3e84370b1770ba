from __future__ import annotations

from typing import Any

from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.simulator.peer import CONTRACT, PeerSession, ok

COMPLETE = CONTRACT.number("MX_EVENT_FAMILY_OPERATION_COMPLETE")
PENDING = (-1, CONTRACT.number("MX_STATUS_CATEGORY_PENDING"), CONTRACT.number("MX_STATUS_SOURCE_REQUESTING_LMX"), 0)


def parts(status: Any) -> tuple[int, ...]:
    return status.success, status.category, status.detected_by, status.detail


async def test_suspend_is_pending_at_once_and_complete_0_2_seconds_later(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    await session.drain()
    reply = ok(await session.on_server("suspend", item_handle=item))
    assert parts(reply.suspend.status) == PENDING
    clock.advance(0.19)
    assert await session.drain() == []
    clock.advance(0.01)
    [event] = await session.drain()
    assert (event.family, event.item_handle) == (COMPLETE, item)
    assert event.WhichOneof("body") == "operation_complete"
    gateway.set_tag("TestChildObject.TestInt", 5)
    assert await session.drain() == []


async def test_activate_tells_the_current_value_and_completes(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    await session.on_server("suspend", item_handle=item)
    clock.advance(1)
    await session.drain()
    gateway.set_tag("TestChildObject.TestInt", 5)
    reply = ok(await session.on_server("activate", item_handle=item))
    assert parts(reply.activate.status) == PENDING
    clock.advance(0.2)
    change, complete = await session.drain()
    assert change.value.int32_value == 5
    assert complete.family == COMPLETE


async def test_activating_what_is_not_suspended_succeeds_with_no_event(
    clock: ManualClock, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    await session.drain()
    reply = ok(await session.on_server("activate", item_handle=item))
    assert reply.activate.status.category == CONTRACT.number("MX_STATUS_CATEGORY_OK")
    clock.advance(1)
    assert await session.drain() == []


async def test_an_item_that_is_advised_while_it_is_suspended_tells_nothing_until_it_is_activated(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
) -> None:
    item = await session.add("TestChildObject.TestInt")
    ok(await session.on_server("suspend", item_handle=item))
    ok(await session.on_server("advise", item_handle=item))
    clock.advance(0.2)
    gateway.set_tag("TestChildObject.TestInt", 5)
    assert [event.family for event in await session.drain()] == [COMPLETE]
    ok(await session.on_server("activate", item_handle=item))
    assert [event.value.int32_value for event in await session.drain()] == [5]


async def test_a_value_that_was_due_while_the_item_was_suspended_comes_after_it_is_activated(
    clock: ManualClock, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.SlowInt")
    ok(await session.on_server("suspend", item_handle=item))
    clock.advance(10)
    assert [event.family for event in await session.drain()] == [COMPLETE]
    ok(await session.on_server("activate", item_handle=item))
    clock.advance(5)
    assert [event.value.int32_value for event in await session.drain() if event.family != COMPLETE] == [7]


async def test_unadvise_ends_the_suspension(clock: ManualClock, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    for arm in ("suspend", "un_advise", "advise"):
        ok(await session.on_server(arm, item_handle=item))
    assert [event.value.int32_value for event in await session.drain()] == [17, 17]
