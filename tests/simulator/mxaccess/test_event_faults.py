"""What a test can let go wrong with a session's events, seen by a client that is not ours."""

from __future__ import annotations

import grpc
import pytest

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator import SimulatedGateway, SimulatorOptions, SystemClock
from mxgateway.simulator.mxaccess.event_faults import UNREADABLE, EventFaults
from mxgateway.wire import WireError, decode, encode
from tests.simulator.conftest import Until
from tests.simulator.peer import Peer, PeerSession, cancelled, ending, integer, ok, refused, take

TAG = "TestChildObject.TestInt"
DATA_CHANGE = mx.MxEventFamily.ON_DATA_CHANGE


def faults(gateway: SimulatedGateway, session: PeerSession) -> EventFaults:
    return gateway.sessions[session.session_id].events.faults


def change(gateway: SimulatedGateway, *values: int) -> None:
    for value in values:
        gateway.set_tag(TAG, value)


async def test_a_skipped_number_is_a_jump(gateway: SimulatedGateway, session: PeerSession) -> None:
    stream = await session.attach()
    await session.advise(TAG)
    faults(gateway, session).skip(3)
    change(gateway, 1)
    assert [event.worker_sequence for event in await take(stream, 2)] == [1, 5]
    assert faults(gateway, session).missing == {2, 3, 4}


async def test_a_lost_event_has_its_number_and_is_not_replayed(gateway: SimulatedGateway, session: PeerSession) -> None:
    stream = await session.attach()
    await session.advise(TAG)
    faults(gateway, session).lose_next(family=DATA_CHANGE)
    change(gateway, 1, 2)
    assert [event.worker_sequence for event in await take(stream, 2)] == [1, 3]
    assert faults(gateway, session).missing == {2}
    await cancelled(stream)
    events = gateway.sessions[session.session_id].events
    while events.is_attached:
        await session.invoke("ping")
    assert [event.worker_sequence for event in await take(await session.attach(1), 1)] == [3]


async def test_an_event_comes_twice_and_is_replayed_once(gateway: SimulatedGateway, session: PeerSession) -> None:
    stream = await session.attach()
    faults(gateway, session).repeat_next()
    await session.advise(TAG)
    change(gateway, 1)
    assert [event.worker_sequence for event in await take(stream, 3)] == [1, 1, 2]
    assert not faults(gateway, session).missing
    await cancelled(stream)
    events = gateway.sessions[session.session_id].events
    while events.is_attached:
        await session.invoke("ping")
    change(gateway, 2)
    assert [event.worker_sequence for event in await take(await session.attach(1), 2)] == [2, 3]


async def test_a_fault_waits_for_an_event_of_its_family(gateway: SimulatedGateway, session: PeerSession) -> None:
    stream = await session.attach()
    faults(gateway, session).lose_next(family=mx.MxEventFamily.ON_WRITE_COMPLETE)
    item = await session.advise(TAG)
    assert faults(gateway, session).are_due
    ok(await session.on_server("write", item_handle=item, value=integer(5)))
    assert [event.worker_sequence for event in await take(stream, 2)] == [1, 3]
    assert not faults(gateway, session).are_due


async def test_an_injected_event_comes_as_it_is_and_is_not_replayed(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    stream = await session.attach()
    await session.advise(TAG)
    faults(gateway, session).inject(mx.MxEvent(family=DATA_CHANGE, worker_sequence=2**64 - 1))
    change(gateway, 1)
    assert [event.worker_sequence for event in await take(stream, 3)] == [1, 2**64 - 1, 2]
    await cancelled(stream)
    events = gateway.sessions[session.session_id].events
    while events.is_attached:
        await session.invoke("ping")
    assert [event.worker_sequence for event in await take(await session.attach(1), 1)] == [2]


async def test_an_event_that_is_spoiled_is_spoiled_also_for_a_reader_that_resumes(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    events = gateway.sessions[session.session_id].events
    stream = await session.attach()
    await session.advise(TAG)
    faults(gateway, session).spoil_next(becomes=encode(mx.MxEvent(worker_sequence=77)))
    change(gateway, 1, 2)
    assert [event.worker_sequence for event in await take(stream, 3)] == [1, 77, 3]
    assert faults(gateway, session).missing == {2}
    await cancelled(stream)
    while events.is_attached:
        await session.invoke("ping")
    assert [event.worker_sequence for event in await take(await session.attach(1), 2)] == [77, 3]


def test_the_bytes_that_spoil_an_event_cannot_be_decoded() -> None:
    with pytest.raises(WireError):
        decode(mx.MxEvent, UNREADABLE)


async def test_what_was_ordered_can_be_forgotten(gateway: SimulatedGateway, session: PeerSession) -> None:
    stream = await session.attach()
    faults(gateway, session).lose_next(5)
    faults(gateway, session).clear()
    await session.advise(TAG)
    assert [event.worker_sequence for event in await take(stream, 1)] == [1]


async def test_what_stands_before_an_event_that_is_too_large_still_comes() -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(message_limit=4096)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = await peer.open()
        await session.advise(TAG)
        await session.advise("TestChildObject.TestString")
        gateway.set_tag("TestChildObject.TestString", "x" * 5000)
        stream = session.events()
        assert [event.worker_sequence for event in await take(stream, 2)] == [1, 2]
        assert (await ending(stream))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_another_reader_ends_the_stream_takes_the_events_and_leaves(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    stream = await session.attach()
    await session.advise(TAG)
    await take(stream, 1)
    with gateway.sessions[session.session_id].another_reader():
        assert (await ending(stream))[0] is grpc.StatusCode.UNAVAILABLE
        change(gateway, 1, 2)
        assert (await ending(session.events()))[0] is grpc.StatusCode.ALREADY_EXISTS
    assert await session.drain() == []
    assert [event.worker_sequence for event in await take(await session.attach(1), 2)] == [2, 3]


async def test_a_session_without_a_reader_ends_when_the_other_reader_has_been_away_for_the_grace_period(
    until: Until,
) -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(detach_grace=0.01)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = gateway.sessions[(await peer.open()).session_id]
        with session.another_reader():
            assert not session.is_closed
        await until(lambda: session.is_closed)


async def test_a_call_beyond_a_goaway_is_sent_again_by_a_client_that_knows_that_it_was_not_processed(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    item = await session.advise(TAG)
    gateway.refuse_next("Invoke.Write", goaway=True)
    ok(await session.on_server("write", item_handle=item, value=integer(5)))
    assert len([call for call in gateway.received if call.method == "Invoke"]) == 5


async def test_a_refused_call_ends_with_refused_stream(gateway: SimulatedGateway, session: PeerSession) -> None:
    gateway.refuse_next("Invoke.Ping")
    failure = await session.peer.invoke_fails(session.session_id, "ping")
    assert failure.code() is grpc.StatusCode.UNAVAILABLE
    assert "error code 7" in (failure.details() or "")
    ok(await session.invoke("ping"))


async def test_a_goaway_lets_older_calls_go_on(gateway: SimulatedGateway, session: PeerSession) -> None:
    stream = await session.attach()
    gateway.refuse_next("Invoke.Ping", goaway=True)
    ok(await session.invoke("ping"))
    await session.advise(TAG)
    assert [event.worker_sequence for event in await take(stream, 1)] == [1]


async def test_the_history_tells_which_write_has_caused_which_completion(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    history = gateway.keep_history()
    item = await session.advise(TAG)
    stream = await session.attach()
    ok(await session.on_server("write", item_handle=item, value=integer(5)))
    text = {"data_type": "MX_DATA_TYPE_STRING", "variant_type": "VT_BSTR", "string_value": "no number"}
    ok(await session.on_server("write", item_handle=item, value=text))
    refused(await session.on_server("write", item_handle=item + 1, value=integer(6)))
    await take(stream, 4)

    good, bad = history.writes
    assert (good.reference, good.value.int32_value, good.succeeded, good.worker_sequence) == (TAG, 5, True, 2)
    assert (bad.item_handle, bad.value.string_value, bad.succeeded, bad.worker_sequence) == (
        item,
        "no number",
        False,
        4,
    )
    assert [event.worker_sequence for event in history.events[session.session_id]] == [1, 2, 3, 4]
    assert gateway.keep_history() is history
    history.clear()
    assert not history.writes
    assert not history.events


def test_the_clock_can_be_set_ahead_and_back() -> None:
    clock, reference = SystemClock(), SystemClock()
    clock.step(3600)
    assert clock.now_ns() - reference.now_ns() > 3599 * 10**9
    clock.step(-7200)
    assert clock.now_ns() < reference.now_ns()
