from __future__ import annotations

import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.simulator.peer import CONTRACT, PeerSession, ok, refused

BUFFERED = CONTRACT.number("MX_EVENT_FAMILY_ON_BUFFERED_DATA_CHANGE")


async def add_buffered(session: PeerSession, definition: str, context: str = "") -> int:
    reply = await session.on_server("add_buffered_item", item_definition=definition, item_context=context)
    handle: int = ok(reply).add_buffered_item.item_handle
    return handle


async def test_a_buffered_item_subscribes_by_itself_and_tells_its_samples_in_batches(
    clock: ManualClock, session: PeerSession
) -> None:
    item = await add_buffered(session, "TestMachine_001.Vibration")
    assert await session.drain() == []
    clock.advance(1.0)
    [event] = await session.drain()
    assert event.family == BUFFERED
    assert event.item_handle == item
    body = event.on_buffered_data_change
    assert body.data_type == body.values.element_data_type == CONTRACT.number("MX_DATA_TYPE_FLOAT")
    assert len(body.values.float_values.values) == 2
    assert list(body.qualities) == [192, 192]
    times = [time.ToNanoseconds() for time in body.timestamps]
    assert times[1] - times[0] == 500_000_000


async def test_a_context_completes_the_definition(clock: ManualClock, session: PeerSession) -> None:
    await add_buffered(session, "TestInt", "TestChildObject")
    clock.advance(1.0)
    [event] = await session.drain()
    assert list(event.on_buffered_data_change.values.int32_values.values) == [17]


@pytest.mark.parametrize(("asked", "seconds"), [(0, 0.1), (1, 0.1), (100, 0.1), (101, 0.2), (2000, 2.0)])
async def test_the_update_interval_rounds_up_to_100_ms(
    clock: ManualClock, session: PeerSession, asked: int, seconds: float
) -> None:
    ok(await session.on_server("set_buffered_update_interval", update_interval_milliseconds=asked))
    await add_buffered(session, "TestChildObject.TestInt")
    clock.advance(seconds - 0.01)
    assert await session.drain() == []
    clock.advance(0.01)
    assert len(await session.drain()) == 1


async def test_a_negative_interval_is_refused(session: PeerSession) -> None:
    refused(await session.on_server("set_buffered_update_interval", update_interval_milliseconds=-1))


async def test_nothing_new_is_no_event(clock: ManualClock, gateway: SimulatedGateway, session: PeerSession) -> None:
    await add_buffered(session, "TestChildObject.TestInt")
    clock.advance(10)
    assert len(await session.drain()) == 1
    gateway.set_tag("TestChildObject.TestInt", 1)
    gateway.set_tag("TestChildObject.TestInt", None, quality=0)
    clock.advance(10)
    [event] = await session.drain()
    assert list(event.on_buffered_data_change.qualities) == [192, 0]
    assert len(event.on_buffered_data_change.values.int32_values.values) == 2


async def test_a_removed_item_tells_nothing_more(clock: ManualClock, session: PeerSession) -> None:
    item = await add_buffered(session, "TestChildObject.TestInt")
    ok(await session.on_server("remove_item", item_handle=item))
    clock.advance(10)
    assert await session.drain() == []


async def test_an_unknown_reference_is_told_in_a_batch_of_its_own(clock: ManualClock, session: PeerSession) -> None:
    item = await add_buffered(session, "Nowhere.Nothing")
    clock.advance(1.0)
    [event] = await session.drain()
    assert (event.family, event.item_handle, event.quality) == (BUFFERED, item, 0)
    assert list(event.on_buffered_data_change.qualities) == [0]
    assert event.statuses[0].category == CONTRACT.number("MX_STATUS_CATEGORY_CONFIGURATION_ERROR")
    assert event.statuses[0].detail == 1003


async def test_the_interval_is_that_of_the_items_registration(clock: ManualClock, session: PeerSession) -> None:
    await add_buffered(session, "TestChildObject.TestInt")
    other = ok(await session.invoke("register", client_name="other")).register.server_handle
    interval = {"server_handle": other, "update_interval_milliseconds": 100}
    ok(await session.invoke("set_buffered_update_interval", **interval))
    clock.advance(0.5)
    assert await session.drain() == []
    clock.advance(0.5)
    assert len(await session.drain()) == 1


async def test_a_whole_array_cannot_be_buffered(session: PeerSession) -> None:
    refused(await session.on_server("add_buffered_item", item_definition="TestChildObject.TestIntArray"))
