from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import grpc
import pytest

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator import ManualClock, SimulatedGateway, SimulatorOptions
from mxgateway.wire import decode, encode
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, PATIENCE, Peer, PeerSession, cancelled, ending, integer, ok, take

DATA_CHANGE = CONTRACT.number("MX_EVENT_FAMILY_ON_DATA_CHANGE")


async def test_advise_tells_the_current_value_with_everything_that_belongs_to_it(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    stream = await session.attach()
    item = await session.advise("TestChildObject.TestInt")
    [event] = await take(stream, 1)
    assert event.family == DATA_CHANGE
    assert event.WhichOneof("body") == "on_data_change"
    assert event.session_id == session.session_id
    assert (event.server_handle, event.item_handle) == (session.server, item)
    assert event.value.int32_value == 17
    assert event.value.data_type == CONTRACT.number("MX_DATA_TYPE_INTEGER")
    assert event.value.variant_type == "VT_I4"
    assert event.quality == 192
    assert event.source_timestamp.ToNanoseconds() == gateway.clock.now_ns()
    assert event.worker_timestamp == event.gateway_receive_timestamp == event.source_timestamp
    [status] = event.statuses
    assert status.success == -1
    assert status.category == CONTRACT.number("MX_STATUS_CATEGORY_OK")
    assert event.worker_sequence == 1
    assert not event.HasField("hresult")
    assert not event.HasField("replay_gap")


@pytest.mark.parametrize(
    "moment",
    [datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2106, 2, 7, 6, 28, 17, 1, UTC)],
)  # fmt: skip
async def test_the_times_of_an_event_are_exact_whatever_the_clock_shows(moment: datetime) -> None:
    async with (
        SimulatedGateway(clock=ManualClock(moment)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = await peer.open()
        await session.advise("TestChildObject.TestInt")
        [event] = await session.drain()
        for stamp in (event.worker_timestamp, event.gateway_receive_timestamp, event.source_timestamp):
            assert stamp.ToNanoseconds() == gateway.clock.now_ns()


async def test_events_come_in_order_and_are_numbered_from_1_without_a_hole(
    clock: ManualClock, session: PeerSession
) -> None:
    stream = await session.attach()
    await session.advise("TestMachine_001.TestChangingInt")
    await session.advise("TestMachine_002.Vibration")
    for _ in range(20):
        clock.advance(0.25)
    events = await take(stream, 17)
    assert [event.worker_sequence for event in events] == list(range(1, 18))
    values = [event.value.int32_value for event in events if event.value.WhichOneof("kind") == "int32_value"]
    assert values == [1, 2, 3, 4, 5, 6]
    times = [event.worker_timestamp.ToNanoseconds() for event in events]
    assert times == sorted(times)


async def test_each_session_counts_its_own_events(peer: Peer, session: PeerSession) -> None:
    await session.advise("TestChildObject.TestInt")
    other = await peer.open()
    await other.advise("TestChildObject.TestInt")
    assert [event.worker_sequence for event in await other.drain()] == [1]


async def test_a_second_advise_tells_nothing_again(session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    for arm in ("advise", "advise_supervisory"):
        ok(await session.on_server(arm, item_handle=item))
    assert len(await session.drain()) == 1


@pytest.mark.parametrize("arm", ["un_advise", "remove_item"])
async def test_an_item_that_is_not_advised_any_more_tells_nothing(
    gateway: SimulatedGateway, session: PeerSession, arm: str
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    ok(await session.on_server(arm, item_handle=item))
    gateway.set_tag("TestChildObject.TestInt", 99)
    assert [event.value.int32_value for event in await session.drain()] == [17]


async def test_every_item_of_a_tag_is_told(gateway: SimulatedGateway, session: PeerSession) -> None:
    first, second = [await session.advise("TestChildObject.TestInt") for _ in range(2)]
    await session.drain()
    gateway.set_tag("TestChildObject.TestInt", 99)
    assert [(event.item_handle, event.value.int32_value) for event in await session.drain()] == [
        (first, 99),
        (second, 99),
    ]


async def test_the_first_attach_delivers_the_backlog_as_one_burst(clock: ManualClock, session: PeerSession) -> None:
    await session.advise("TestMachine_001.TestChangingInt")
    clock.advance(500)
    stream = await session.attach()
    assert [event.worker_sequence for event in await take(stream, 501)] == list(range(1, 502))


async def test_a_second_subscriber_is_refused_and_the_first_one_goes_on(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    stream = await session.attach()
    second = session.events()
    assert await second.code() is grpc.StatusCode.ALREADY_EXISTS
    await session.advise("TestChildObject.TestInt")
    assert len(await take(stream, 1)) == 1


async def test_cancelling_a_stream_leaves_the_session_alive_and_free_for_the_next_one(
    gateway: SimulatedGateway, session: PeerSession, until: Until
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    stream = await session.attach()
    await take(stream, 1)
    await cancelled(stream)
    events = gateway.sessions[session.session_id].events
    await until(lambda: not events.is_attached)
    ok(await session.on_server("write", item_handle=item, value=integer(5)))
    again = await session.attach()
    assert [event.worker_sequence for event in await take(again, 2)] == [2, 3]


async def test_streams_that_are_cancelled_while_they_start_leave_no_subscriber_behind(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    await session.advise("TestChildObject.TestInt")
    for _ in range(50):
        stream = session.events()
        await asyncio.sleep(0)
        stream.cancel()
    async with asyncio.timeout(PATIENCE):
        while True:
            stream = session.events()
            gateway.set_tag("TestChildObject.TestInt", 1)
            with suppress(grpc.aio.AioRpcError):
                await take(stream, 1)
                break
            assert await stream.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_closing_the_session_ends_the_stream_with_ok(peer: Peer, session: PeerSession) -> None:
    stream = await session.attach()
    await peer.call("CloseSession", session_id=session.session_id)
    assert await ending(stream) == (grpc.StatusCode.OK, "")


async def test_drain_takes_queued_events_up_to_a_limit(clock: ManualClock, session: PeerSession) -> None:
    await session.advise("TestMachine_001.TestChangingInt")
    clock.advance(9)
    assert [event.worker_sequence for event in await session.drain(3)] == [1, 2, 3]
    assert [event.worker_sequence for event in await session.drain()] == list(range(4, 11))
    assert await session.drain() == []


class TestOverflow:
    async def test_a_queue_that_nobody_reads_faults_the_session_when_it_overflows(self) -> None:
        clock = ManualClock()
        async with (
            SimulatedGateway(clock=clock, options=SimulatorOptions(event_queue_limit=10)) as gateway,
            Peer(gateway.endpoint, gateway.api_key) as peer,
        ):
            session = await peer.open()
            await session.advise("TestMachine_001.TestChangingInt")
            clock.advance(9)
            ok(await session.invoke("ping"))
            clock.advance(1)
            assert (await peer.invoke_fails(session.session_id, "ping")).code() is grpc.StatusCode.FAILED_PRECONDITION
            state = (await session.invoke("get_session_state")).session_state
            assert state.state == CONTRACT.number("SESSION_STATE_FAULTED")
            assert "overflow" in state.fault_message

    async def test_a_slow_readers_stream_ends_with_resource_exhausted(self) -> None:
        clock = ManualClock()
        small_window = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
        async with (
            SimulatedGateway(clock=clock, options=SimulatorOptions(event_queue_limit=100)) as gateway,
            Peer(gateway.endpoint, gateway.api_key, options=small_window) as peer,
        ):
            session = await peer.open()
            stream = await session.attach()
            await session.advise("TestChildObject.TestBigString")
            for number in range(1000):
                gateway.set_tag("TestChildObject.TestBigString", f"{number}" * 2000)
                await asyncio.sleep(0)
            code, details = await ending(stream)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "overflow" in details

    async def test_ten_thousand_events_fit(self, gateway: SimulatedGateway, session: PeerSession) -> None:
        await session.advise("TestChildObject.TestInt")
        for number in range(1, 10_000):
            gateway.set_tag("TestChildObject.TestInt", number)
        stream = await session.attach()
        events = await take(stream, 10_000)
        assert [event.worker_sequence for event in events] == list(range(1, 10_001))
        assert [event.value.int32_value for event in events] == [17, *range(1, 10_000)]


async def test_the_gateway_counts_the_events_that_it_sent(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
) -> None:
    stream = await session.attach()
    await session.advise("TestMachine_001.TestChangingInt")
    clock.advance(4)
    await take(stream, 5)
    assert gateway.events_sent == 5
    await gateway.restart()
    assert gateway.events_sent == 5


async def test_every_family_of_events_is_encoded_as_one_message_would_be(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    refusing = await session.advise("TestChildObject.RefusedInt")
    ok(await session.on_server("add_buffered_item", item_definition="TestMachine_001.TestChangingInt"))
    ok(await session.invoke("subscribe_alarms"))
    for each in (item, refusing):
        ok(await session.on_server("write", item_handle=each, value=integer(5)))
    ok(await session.on_server("suspend", item_handle=item))
    gateway.set_tag("Tank01.Level", 95.0)
    gateway.alarms.fail_over(degraded=True, reason="gone")
    gateway.set_tag("TestChildObject.RefusedInt", 5, quality=0)
    clock.advance(2)
    [queued] = [list(each.events._queue) for each in gateway.sessions.values()]
    events = [decode(mx.MxEvent, each.data) for each in queued]
    assert {event.family.value for event in events} == set(range(1, 7))
    assert [encode(event) for event in events] == [each.data for each in queued]
    assert [event.worker_sequence for event in events] == list(range(1, len(events) + 1))
