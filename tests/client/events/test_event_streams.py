"""Event streams: shared by their session, attached early, and gone when nobody needs them; the session lives on."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable

import pytest

from mxgateway import EventStream, GatewayClient, Session
from mxgateway.errors import CallSite, map_fault
from mxgateway.errors.faults import ConnectionFault
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import TAG, Item, advised, change, is_streaming, opened, requests, until


async def read(session: Session, count: int = 1, after: int = 0) -> list[int]:
    """Read some events in a stream of one's own."""
    async with session.stream_events(after) as events:
        return [(await anext(events)).worker_sequence for _ in range(count)]


# -- the end of a stream


async def by_break(session: Session) -> None:
    async for _ in session.stream_events():
        break


async def by_leaving_the_block(session: Session) -> None:
    async with session.stream_events() as events:
        await anext(events)


async def by_leaving_the_block_at_once(session: Session) -> None:
    async with session.stream_events():
        pass


async def by_aclose(session: Session) -> None:
    events = session.stream_events()
    await anext(events)
    await events.aclose()
    await events.aclose()


async def by_cancellation(session: Session) -> None:
    started = asyncio.Event()

    async def consume() -> None:
        async with session.stream_events() as events:
            async for _ in events:
                started.set()

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_an_exception(session: Session) -> None:
    async def fail() -> None:
        async for _ in session.stream_events():
            raise LookupError

    with pytest.raises(LookupError):
        await fail()


async def by_garbage_collection_in_another_thread(session: Session) -> None:
    cycle: list[object] = [session.stream_events()]
    cycle.append(cycle)
    await anext(cycle[0])  # type: ignore[call-overload]
    gc.disable()
    try:
        del cycle
        thread = threading.Thread(target=gc.collect)
        thread.start()
        await asyncio.to_thread(thread.join)
    finally:
        gc.enable()


ENDINGS: list[Callable[[Session], Awaitable[None]]] = [
    by_break,
    by_leaving_the_block,
    by_leaving_the_block_at_once,
    by_aclose,
    by_cancellation,
    by_an_exception,
    by_garbage_collection_in_another_thread,
]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
async def test_a_stream_that_has_ended_is_cancelled_at_the_gateway_and_the_session_lives_on(
    gateway: SimulatedGateway, session: Session, item: Item, end: Callable[[Session], Awaitable[None]]
) -> None:
    await end(session)
    await until(lambda: not is_streaming(gateway, session))

    await session.ping()
    change(gateway, range(3))
    assert await read(session, 3, after=1) == [2, 3, 4]
    await until(lambda: not is_streaming(gateway, session))


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
async def test_the_next_stream_can_be_opened_at_once(
    gateway: SimulatedGateway, session: Session, item: Item, end: Callable[[Session], Awaitable[None]]
) -> None:
    for _ in range(3):
        change(gateway, [1])
        await end(session)
        async with session.stream_events() as events:
            await (
                session.ping()
            )  # answered behind the reset of the stream before: what is published now is for this one
            change(gateway, [2])
            await anext(events)


async def test_leaving_the_block_has_sent_the_reset_when_it_returns(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as events:
        await anext(events)
    await session.ping()  # arrives behind the reset

    assert not is_streaming(gateway, session)


async def test_a_stream_that_was_closed_ends(session: Session, item: Item) -> None:
    events = session.stream_events()
    await events.aclose()

    assert [event async for event in events] == []
    async with events as again:
        assert [event async for event in again] == []


async def test_closing_a_stream_ends_whoever_waits_on_it(gateway: SimulatedGateway, session: Session) -> None:
    events = session.stream_events()
    waiting = asyncio.create_task(collect(events))
    await until(lambda: is_streaming(gateway, session))
    await events.aclose()

    assert await waiting == []


async def collect(events: EventStream) -> list[int]:
    return [event.worker_sequence async for event in events]


async def test_a_stream_ends_when_the_session_is_closed_behind_what_has_arrived(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    await advised(session)
    change(gateway, range(9))
    async with session.stream_events() as events:
        other = asyncio.create_task(collect(session.stream_events()))
        first = (await anext(events)).worker_sequence
        await session.close()
        assert [first, *await collect(events)] == list(range(1, 11))
    await other


async def test_a_stream_ends_when_somebody_else_closes_the_session(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    events = session.stream_events()
    waiting = asyncio.create_task(collect(events))
    await until(lambda: is_streaming(gateway, session))
    await client.close_session_raw(session.session_id)

    assert await waiting == []


# -- reading


async def test_entering_the_block_attaches_before_anything_is_advised(
    gateway: SimulatedGateway, session: Session
) -> None:
    async with session.stream_events() as events:
        await until(lambda: is_streaming(gateway, session))
        await advised(session)
        assert (await anext(events)).worker_sequence == 1


async def test_a_read_that_was_cancelled_loses_nothing(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    async with session.stream_events() as events:
        assert (await anext(events)).worker_sequence == 1
        for number in range(2, 20):
            waiting = asyncio.create_task(anext(events))
            await asyncio.sleep(0)
            if number % 2:
                change(gateway, [number])
                await session.ping()
            waiting.cancel()
            await asyncio.wait([waiting])
            if waiting.cancelled():
                change(gateway, [number] * (1 - number % 2))
                waiting = asyncio.create_task(anext(events))
            assert (await waiting).worker_sequence == number


async def test_readers_of_one_stream_share_its_events(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    events = session.stream_events()
    readers = [asyncio.create_task(collect(events)) for _ in range(5)]
    await until(lambda: is_streaming(gateway, session))
    for _ in range(20):
        change(gateway, range(5))
        await session.ping()
    await until(lambda: not len(gateway.sessions[session.session_id].events))
    await session.close()

    received = [await reader for reader in readers]
    assert sorted(sequence for each in received for sequence in each) == list(range(1, 102))


async def test_a_reader_that_nobody_holds_is_not_collected_while_it_waits(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    received: list[int] = []

    async def consume() -> None:
        async for event in session.stream_events():
            received.append(event.worker_sequence)

    asyncio.create_task(consume())  # noqa: RUF006 - that nobody holds it is the point
    await until(lambda: received == [1])
    gc.collect()
    change(gateway, [1])
    await until(lambda: received == [1, 2])


# -- sharing


async def test_two_streams_of_a_session_share_one_call_and_see_the_same_events(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as one, session.stream_events() as two:
        change(gateway, range(99))
        first = [(await anext(one)).worker_sequence for _ in range(100)]
        second = [(await anext(two)).worker_sequence for _ in range(100)]

    assert first == second == list(range(1, 101))
    assert len(requests(gateway, "StreamEvents")) == 1


async def test_a_stream_that_is_closed_leaves_the_others_alone(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as one:
        async with session.stream_events() as two:
            assert (await anext(two)).worker_sequence == 1
        change(gateway, [1])
        assert [(await anext(one)).worker_sequence for _ in range(2)] == [1, 2]
        assert is_streaming(gateway, session)

    assert len(requests(gateway, "StreamEvents")) == 1


async def test_a_stream_that_joins_later_sees_what_comes_from_then_on(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as one:
        assert (await anext(one)).worker_sequence == 1
        async with session.stream_events() as two:
            change(gateway, [1])
            assert (await anext(two)).worker_sequence == 2
            assert (await anext(one)).worker_sequence == 2


async def test_a_stream_that_resumes_earlier_repeats_nothing_for_the_others(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    change(gateway, range(49))
    async with session.stream_events() as one:
        received = [(await anext(one)).worker_sequence for _ in range(50)]
        async with session.stream_events(20) as two:
            change(gateway, range(50))
            replayed = [(await anext(two)).worker_sequence for _ in range(80)]
            received += [(await anext(one)).worker_sequence for _ in range(50)]

    assert replayed == list(range(21, 101))
    assert received == list(range(1, 101))
    assert [request.after_worker_sequence for request in requests(gateway, "StreamEvents")] == [0, 20]


async def test_the_gap_of_a_stream_that_resumes_earlier_is_no_gap_for_the_others() -> None:
    options = SimulatorOptions(replay_limit=10)
    async with opened(options) as (gateway, session):
        await advised(session)
        change(gateway, range(49))
        async with session.stream_events() as one:
            received = [(await anext(one)).worker_sequence for _ in range(50)]
            async with session.stream_events(20) as two:
                change(gateway, range(10))
                sentinel = await anext(two)
                replayed = [(await anext(two)).worker_sequence for _ in range(20)]
            received += [(await anext(one)).worker_sequence for _ in range(10)]

    assert sentinel.replay_gap is not None
    assert replayed == list(range(41, 61))
    assert received == list(range(1, 61))


async def test_a_stream_that_resumes_later_than_the_others_sees_no_earlier_event(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as one, session.stream_events(3) as two:
        change(gateway, range(9))
        assert [(await anext(one)).worker_sequence for _ in range(10)] == list(range(1, 11))
        assert [(await anext(two)).worker_sequence for _ in range(7)] == list(range(4, 11))


async def test_sessions_do_not_see_each_others_events(gateway: SimulatedGateway, client: GatewayClient) -> None:
    async with client.open_session() as one, client.open_session() as two:
        await advised(one)
        await advised(two)
        async with one.stream_events() as first, two.stream_events() as second:
            gateway.set_tag(TAG, 5)
            for events, session in ((first, one), (second, two)):
                received = [await anext(events) for _ in range(2)]
                assert [event.worker_sequence for event in received] == [1, 2]
                assert {event.session_id for event in received} == {session.session_id}


@pytest.mark.parametrize("resume", [False, True])
async def test_a_reader_that_comes_in_the_moment_of_a_loss_waits_for_the_next_stream(
    gateway: SimulatedGateway, session: Session, item: Item, resume: bool
) -> None:
    async with session.stream_events(resume=True) as first:
        session.pump.ended(map_fault(ConnectionFault("the network is gone"), CallSite()))
        async with session.stream_events(resume=resume) as second:  # the loss was not dealt with yet
            change(gateway, [7])
            for events in (first, second):
                while (await anext(events)).value.int32_value != 7:
                    pass
