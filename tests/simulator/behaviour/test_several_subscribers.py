"""A gateway that allows several event subscribers of a session: each gets every event, and the slow one is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway, SimulatorOptions
from tests.simulator.conftest import Until
from tests.simulator.peer import Peer, PeerSession, cancelled, ending, ok, take

TAG = "TestMachine_001.TestChangingInt"
TEXT = "TestChildObject.TestBigString"
SMALL_WINDOW = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]


@pytest.fixture
async def gateway(clock: ManualClock) -> AsyncIterator[SimulatedGateway]:
    options = SimulatorOptions(event_subscribers=8, event_queue_limit=100, replay_limit=10)
    async with SimulatedGateway(clock=clock, options=options) as gateway:
        yield gateway


async def sequences(stream: Any, count: int) -> list[int]:
    return [event.worker_sequence for event in await take(stream, count)]


async def test_each_of_eight_subscribers_gets_every_event_and_a_ninth_is_refused(
    clock: ManualClock, session: PeerSession
) -> None:
    await session.advise(TAG)
    clock.advance(1)
    streams = [await session.attach() for _ in range(8)]
    assert await session.events().code() is grpc.StatusCode.ALREADY_EXISTS
    clock.advance(3)
    assert await sequences(streams[0], 5) == [1, 2, 3, 4, 5], "the backlog is of the one that attached first"
    for stream in streams[1:]:
        assert await sequences(stream, 3) == [3, 4, 5]


async def test_a_subscriber_that_resumes_beside_others_gets_all_that_it_lacks(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession, until: Until
) -> None:
    first, second = await session.attach(), await session.attach()
    await session.advise(TAG)
    clock.advance(9)
    assert await sequences(first, 10) == await sequences(second, 10)
    await cancelled(second)
    events = gateway.sessions[session.session_id].events
    await until(lambda: len(events._streams) == 1)
    clock.advance(2)
    assert await sequences(await session.attach(7), 5) == [8, 9, 10, 11, 12]
    sentinel, *rest = await take(await session.attach(1), 11)
    assert sentinel.replay_gap.oldest_available_sequence == rest[0].worker_sequence == 3


@pytest.mark.parametrize("slow_is_first", [True, False])
async def test_what_is_kept_for_one_that_resumes_does_not_depend_on_who_read_it_first(
    gateway: SimulatedGateway, session: PeerSession, until: Until, slow_is_first: bool
) -> None:
    events = gateway.sessions[session.session_id].events
    async with Peer(gateway.endpoint, gateway.api_key, options=SMALL_WINDOW) as peer:
        elsewhere = PeerSession(peer, session.session_id)
        slow = await elsewhere.attach() if slow_is_first else None
        quick = await session.attach()
        slow = slow or await elsewhere.attach()
        await session.advise(TEXT)
        for number in range(59):
            gateway.set_tag(TEXT, f"{number:02}" * 20_000)
            await asyncio.sleep(0)
        assert await sequences(quick, 60) == list(range(1, 61))
        behind = 60 - max(len(stream.queue) for stream in events._streams)
        assert behind < 45, "the slow one has much to read"
        assert await sequences(await session.attach(52), 8) == list(range(53, 61))
        await cancelled(slow if slow_is_first else quick)
        await until(lambda: len(events._streams) == 2)
        for count in (0, 4, 56):
            if not slow_is_first:
                await take(slow, count)
            assert await sequences(await session.attach(52), 8) == list(range(53, 61))
        gateway.set_tag(TEXT, "x")
        assert await sequences(await session.attach(59), 2) == [60, 61]


async def test_the_next_stream_gets_nothing_that_another_one_has_delivered(
    gateway: SimulatedGateway, session: PeerSession, until: Until
) -> None:
    events = gateway.sessions[session.session_id].events
    async with Peer(gateway.endpoint, gateway.api_key, options=SMALL_WINDOW) as peer:
        quick = await session.attach()
        slow = await PeerSession(peer, session.session_id).attach()
        await session.advise(TEXT)
        for number in range(59):
            gateway.set_tag(TEXT, f"{number:02}" * 20_000)
            await asyncio.sleep(0)
        await take(quick, 60)
        for stream in (quick, slow):
            await cancelled(stream)
        await until(lambda: not events.is_attached)
        gateway.set_tag(TEXT, "x")
        assert await sequences(await session.attach(), 1) == [61]


async def test_when_the_first_leaves_the_others_go_on_and_the_last_one_starts_the_grace_period(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession, until: Until
) -> None:
    first, second = await session.attach(), await session.attach()
    await session.advise(TAG)
    clock.advance(1)
    await take(first, 2)
    events = gateway.sessions[session.session_id].events
    await cancelled(first)
    await until(lambda: len(events._streams) == 1)
    clock.advance(40)
    assert await sequences(second, 42) == list(range(1, 43))
    assert await sequences(await session.attach(40), 2) == [41, 42]
    await cancelled(second)
    await until(lambda: len(events._streams) == 1)
    clock.advance(40)
    assert session.session_id in gateway.sessions, "the one that resumed is still there"


@pytest.mark.parametrize("slow_is_first", [True, False])
async def test_only_the_slow_one_is_cut_off_and_not_the_session(
    gateway: SimulatedGateway, session: PeerSession, slow_is_first: bool
) -> None:
    async with Peer(gateway.endpoint, gateway.api_key, options=SMALL_WINDOW) as peer:
        elsewhere = PeerSession(peer, session.session_id)
        slow = await elsewhere.attach() if slow_is_first else None
        quick = await session.attach()
        slow = slow or await elsewhere.attach()
        await session.advise(TEXT)
        reading = asyncio.create_task(take(quick, 600))
        for number in range(599):
            gateway.set_tag(TEXT, f"{number}" * 2000)
            if number % 20 == 0:
                await asyncio.sleep(0.005)  # the quick one reads
        assert [event.worker_sequence for event in await reading] == list(range(1, 601))
        assert (await ending(slow))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        ok(await session.invoke("ping"))
        # What the slow one has not got is a gap for it.
        sentinel = (await take(await elsewhere.attach(50), 1))[0]
        assert sentinel.replay_gap.oldest_available_sequence == 591


async def test_a_slow_subscriber_that_is_alone_is_cut_off_as_well_and_the_session_goes_on(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    async with Peer(gateway.endpoint, gateway.api_key, options=SMALL_WINDOW) as peer:
        slow = await PeerSession(peer, session.session_id).attach()
        await session.advise(TEXT)
        for number in range(400):
            gateway.set_tag(TEXT, f"{number}" * 2000)
            await asyncio.sleep(0)
            if not gateway.subscribers:
                break
        assert (await ending(slow))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        ok(await session.invoke("ping"))


async def test_a_queue_that_nobody_reads_faults_the_session_all_the_same(
    clock: ManualClock, peer: Peer, session: PeerSession
) -> None:
    await session.advise(TAG)
    clock.advance(100)
    assert (await peer.invoke_fails(session.session_id, "ping")).code() is grpc.StatusCode.FAILED_PRECONDITION
