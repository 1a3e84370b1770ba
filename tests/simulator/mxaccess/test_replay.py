"""Resuming a stream: StreamEvents with the last sequence that the client has seen."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway, SimulatorOptions, SystemClock
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, Peer, PeerSession, cancelled, take


@pytest.fixture
async def gateway(clock: ManualClock) -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(clock=clock, options=SimulatorOptions(replay_limit=10)) as gateway:
        yield gateway


@pytest.fixture
async def streamed(gateway: SimulatedGateway, clock: ManualClock, session: PeerSession, until: Until) -> PeerSession:
    """A session whose events 1 to 20 were delivered to a stream that has gone."""
    stream = await session.attach()
    await session.advise("TestMachine_001.TestChangingInt")
    clock.advance(19)
    await take(stream, 20)
    await cancelled(stream)
    events = gateway.sessions[session.session_id].events
    await until(lambda: not events.is_attached)
    return session


async def resumed(session: PeerSession, after: int, count: int) -> list[int]:
    stream = await session.attach(after)
    events = await take(stream, count)
    assert not any(event.HasField("replay_gap") for event in events)
    return [event.worker_sequence for event in events]


async def test_a_resumed_stream_begins_after_the_last_seen_event(streamed: PeerSession) -> None:
    assert await resumed(streamed, 15, 5) == [16, 17, 18, 19, 20]


async def test_the_oldest_gap_free_point_is_one_before_the_oldest_kept_event(streamed: PeerSession) -> None:
    assert await resumed(streamed, 10, 10) == list(range(11, 21))


async def test_replayed_and_queued_events_follow_each_other(clock: ManualClock, streamed: PeerSession) -> None:
    clock.advance(5)
    assert await resumed(streamed, 18, 7) == list(range(19, 26))


async def test_queued_events_that_the_client_knows_are_not_delivered(clock: ManualClock, streamed: PeerSession) -> None:
    clock.advance(5)
    assert await resumed(streamed, 23, 2) == [24, 25]


async def test_what_is_too_old_is_told_by_one_sentinel_and_the_rest_follows(streamed: PeerSession) -> None:
    stream = await streamed.attach(4)
    sentinel, *events = await take(stream, 11)
    assert sentinel.replay_gap.requested_after_sequence == 4
    assert sentinel.replay_gap.oldest_available_sequence == 11
    assert sentinel.family == CONTRACT.number("MX_EVENT_FAMILY_UNSPECIFIED")
    assert sentinel.WhichOneof("body") is None
    assert sentinel.worker_sequence == 0
    assert [event.worker_sequence for event in events] == list(range(11, 21))
    assert not any(event.HasField("replay_gap") for event in events)


async def test_a_fresh_stream_replays_nothing(clock: ManualClock, streamed: PeerSession) -> None:
    clock.advance(1)
    assert await resumed(streamed, 0, 1) == [21]


async def test_the_ring_forgets_by_age(
    gateway: SimulatedGateway, clock: ManualClock, streamed: PeerSession, until: Until
) -> None:
    events = gateway.sessions[streamed.session_id].events
    item = next(iter(gateway.sessions[streamed.session_id].worker.servers[streamed.server].items))
    await streamed.on_server("un_advise", item_handle=item)
    stream = await streamed.attach()
    clock.advance(295)
    await cancelled(stream)
    await until(lambda: not events.is_attached)
    stream = await streamed.attach(12)
    sentinel, *replayed = await take(stream, 6)
    assert sentinel.replay_gap.oldest_available_sequence == 16
    assert [event.worker_sequence for event in replayed] == [16, 17, 18, 19, 20]
    clock.advance(300)
    await cancelled(stream)
    await until(lambda: not events.is_attached)
    stream = await streamed.attach(12)
    [sentinel] = await take(stream, 1)
    assert sentinel.replay_gap.oldest_available_sequence == 21


async def test_drain_never_carries_the_sentinel_and_drained_events_can_be_replayed(
    clock: ManualClock, streamed: PeerSession
) -> None:
    clock.advance(3)
    assert [event.worker_sequence for event in await streamed.drain()] == [21, 22, 23]
    assert await resumed(streamed, 19, 4) == [20, 21, 22, 23]


async def test_replayed_events_are_the_same_bytes(
    clock: ManualClock, peer: Peer, gateway: SimulatedGateway, until: Until
) -> None:
    session = await peer.open()
    stream = await session.attach()
    await session.advise("TestMachine_001.TestChangingInt")
    clock.advance(4)
    first = [event.SerializeToString(deterministic=True) for event in await take(stream, 5)]
    await cancelled(stream)
    events = gateway.sessions[session.session_id].events
    await until(lambda: not events.is_attached)
    again = await session.attach(1)
    assert [event.SerializeToString(deterministic=True) for event in await take(again, 4)] == first[1:]


async def test_a_clock_that_is_set_back_makes_no_hole_in_the_ring(until: Until) -> None:
    clock = SystemClock()
    async with SimulatedGateway(clock=clock) as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
        session = await peer.open()
        stream = await session.attach()
        await session.advise("TestChildObject.TestInt")
        for value, seconds in enumerate((-3600, 3600, 0)):
            gateway.set_tag("TestChildObject.TestInt", 100 + value)
            clock.step(seconds)
        await take(stream, 4)
        await cancelled(stream)
        await until(lambda: not gateway.sessions[session.session_id].events.is_attached)
        assert await resumed(session, 1, 3) == [2, 3, 4]
