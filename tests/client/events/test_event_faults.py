"""What goes wrong with an event stream reaches every reader, once, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from grpclib.const import Status

from mxgateway import (
    EventStream,
    GatewayClient,
    GrpcStatus,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
    Session,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import Item, advised, change, connect, is_streaming, opened, requests, until


async def outcome(events: EventStream) -> tuple[list[int], MxGatewayError | None]:
    """Read to the end, and twice beyond it."""
    received: list[int] = []
    fault: MxGatewayError | None = None
    try:
        async for event in events:
            received.append(event.worker_sequence)
    except MxGatewayError as error:
        fault = error
    assert [event async for event in events] == []
    assert [event async for event in events] == []
    return received, fault


async def test_a_lost_connection_reaches_every_reader_once_behind_what_had_arrived(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    change(gateway, range(9))
    async with session.stream_events() as one, session.stream_events() as two:
        assert (await anext(one)).worker_sequence == 1
        gateway.drop_connections()
        (first, fault), (second, other_fault) = await asyncio.gather(outcome(one), outcome(two))

    assert (first, second) == (list(range(2, 11)), list(range(1, 11)))
    for error in (fault, other_fault):
        assert isinstance(error, MxGatewayTransportError)
        assert error.retryable
        assert error.session_id == session.session_id


async def test_after_a_lost_connection_a_new_stream_resumes_where_the_old_one_ended(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    change(gateway, range(9))
    async with session.stream_events() as events:
        received = [(await anext(events)).worker_sequence for _ in range(5)]
        gateway.drop_connections()
        change(gateway, range(10))
    await session.ping()  # over another connection: the loss is known here
    async with session.stream_events(received[-1]) as events:
        received += [(await anext(events)).worker_sequence for _ in range(15)]

    assert received == list(range(1, 21))


async def test_a_crashed_worker_is_a_worker_error(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    async with session.stream_events() as events:
        await anext(events)
        gateway.crash_worker(session.session_id, "it ran out of memory")
        received, fault = await outcome(events)

    assert received == []
    assert isinstance(fault, MxGatewayWorkerError)
    assert "it ran out of memory" in str(fault)


async def test_an_overflow_at_the_gateway_is_a_session_error() -> None:
    options = SimulatorOptions(event_queue_limit=10)
    async with opened(options) as (gateway, session):
        await advised(session)
        async with session.stream_events() as events:
            await anext(events)
            change(gateway, range(50))
            _, fault = await outcome(events)

    assert isinstance(fault, MxGatewaySessionError)
    assert fault.grpc_status is GrpcStatus.RESOURCE_EXHAUSTED


async def test_a_second_subscriber_elsewhere_is_a_session_error(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as events, connect(gateway) as other:
        await anext(events)
        received, fault = await outcome(other.attach_session(session.session_id).stream_events())
        assert received == []
        assert isinstance(fault, MxGatewaySessionError)
        assert fault.grpc_status is GrpcStatus.ALREADY_EXISTS
        change(gateway, [1])
        assert (await anext(events)).worker_sequence == 2


async def test_a_refused_stream_ends_with_the_refusal(gateway: SimulatedGateway, session: Session) -> None:
    gateway.fail_next("StreamEvents", Status.PERMISSION_DENIED, "API key is missing required scope 'events:read'.")
    received, fault = await outcome(session.stream_events())

    assert received == []
    assert isinstance(fault, MxGatewayAuthorizationError)


async def test_a_stream_that_was_closed_by_its_reader_tells_no_fault(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    events = session.stream_events()
    await anext(events)
    gateway.crash_worker(session.session_id)
    with contextlib.suppress(MxGatewayError):
        await session.ping()
    await until(lambda: not is_streaming(gateway, session))
    await events.aclose()

    assert await outcome(events) == ([], None)


# -- a stream that does not come about


async def test_a_stream_that_cannot_be_opened_raises_where_it_is_entered_and_then_ends(
    gateway: SimulatedGateway,
) -> None:
    client = await connect(gateway)
    session = await client.open_session()
    await gateway.stop()
    for attempt in range(2):
        events = session.stream_events()
        with pytest.raises(MxGatewayTransportError, match="connection refused"):
            await (events.__aenter__() if attempt else anext(events))
        assert await outcome(events) == ([], None)
    await client.close()


@contextlib.asynccontextmanager
async def crowded() -> AsyncIterator[tuple[SimulatedGateway, GatewayClient, Session]]:
    """A connection whose only stream is taken by a command that waits, so that a stream cannot be opened before it ends."""
    options = SimulatorOptions(streams_per_connection=1)
    async with SimulatedGateway(options=options) as gateway, connect(gateway) as client:
        session = await client.open_session()
        await advised(session)
        gateway.hold_commands()
        ping = asyncio.create_task(session.ping())
        await until(lambda: len(gateway.sessions[session.session_id].worker.apartment))
        yield gateway, client, session
        gateway.release_commands()
        await asyncio.gather(ping, return_exceptions=True)


async def test_a_read_that_was_cancelled_while_the_stream_opens_can_be_repeated() -> None:
    async with crowded() as (gateway, _, session):
        events = session.stream_events()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(events)
        gateway.release_commands()
        assert (await anext(events)).worker_sequence == 1
        assert len(requests(gateway, "StreamEvents")) == 1
        await events.aclose()


async def test_a_stream_that_is_closed_while_it_opens_ends() -> None:
    async with crowded() as (gateway, _, session):
        events = session.stream_events()
        readers = [asyncio.create_task(outcome(events)) for _ in range(2)]
        await asyncio.sleep(0)
        await events.aclose()
        assert [await reader for reader in readers] == [([], None)] * 2
        assert not requests(gateway, "StreamEvents")


async def test_closing_the_session_ends_a_stream_that_opens_and_does_not_wait_for_it() -> None:
    async with crowded() as (gateway, _, session):
        reader = asyncio.create_task(outcome(session.stream_events()))
        await asyncio.sleep(0)
        closing = asyncio.create_task(session.close())
        received, fault = await reader
        assert received == []
        assert isinstance(fault, MxGatewaySessionError)
        gateway.release_commands()
        await closing


async def test_a_stream_that_cannot_be_resumed_for_one_reader_ends_the_others(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    change(gateway, range(9))
    async with session.stream_events() as one:
        assert [(await anext(one)).worker_sequence for _ in range(10)] == list(range(1, 11))
        reader = asyncio.create_task(outcome(one))
        gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now")
        received, fault = await outcome(session.stream_events(3))
        assert received == []
        assert isinstance(fault, MxGatewayWorkerError)
        received, fault = await reader
        assert received == []
        assert isinstance(fault, MxGatewayWorkerError)


async def test_a_reader_that_gives_up_resuming_leaves_the_others_with_their_events() -> None:
    options = SimulatorOptions(streams_per_connection=2)
    async with opened(options) as (gateway, session):
        await advised(session)
        change(gateway, range(9))
        async with session.stream_events() as one:
            assert [(await anext(one)).worker_sequence for _ in range(10)] == list(range(1, 11))
            gateway.hold_commands()
            pings = [asyncio.create_task(session.ping()) for _ in range(2)]
            await until(lambda: len(gateway.sessions[session.session_id].worker.apartment))
            two = asyncio.create_task(outcome(session.stream_events(3)))
            await until(lambda: not is_streaming(gateway, session))
            two.cancel()
            await asyncio.wait([two])
            change(gateway, [1])
            gateway.release_commands()
            await asyncio.gather(*pings)
            assert (await anext(one)).worker_sequence == 11
