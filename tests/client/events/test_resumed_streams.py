"""`stream_events(resume=True)` goes on through every fault of the stream while its session lives, and its events stay raw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from grpclib.const import Status

import mxgateway.session
from mxgateway import (
    EventStream,
    GatewayClient,
    GrpcStatus,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTransportError,
    Session,
    proto,
)
from mxgateway.events.upkeep import PumpState
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.confirming import accepted, confirm
from tests.client.support import WRITE_COMPLETE, Item, advised, change, connect, is_streaming, opened, requests, until
from tests.subscription.rig import QUICK


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mxgateway.session, "RecoveryOptions", lambda: QUICK)


class Reader:
    """Reads a stream to its end, in a task of its own."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self.received: list[proto.MxEvent] = []
        self.error: MxGatewayError | None = None
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            async for event in self._events:
                self.received.append(event)
        except MxGatewayError as error:
            self.error = error

    @property
    def sequences(self) -> list[int]:
        """The sequences of what was read; 0 stands for a gap."""
        return [event.worker_sequence for event in self.received]

    async def has(self, count: int) -> None:
        """Wait until so many events were read."""
        await until(lambda: len(self.received) >= count or self.task.done())


async def lost(session: Session) -> None:
    """Wait until the client knows that the stream is lost."""
    await until(lambda: session.pump._interruption is not None)


# -- what it goes on through


async def drop(gateway: SimulatedGateway, session: Session) -> None:
    gateway.drop_connections()


async def go_away(gateway: SimulatedGateway, session: Session) -> None:
    gateway.drop_connections(politely=True)


def refuse_stream(status: Status) -> Callable[[SimulatedGateway, Session], Any]:
    """Let the stream be lost, and the gateway refuse it for some attempts."""

    async def refuse(gateway: SimulatedGateway, session: Session) -> None:
        gateway.fail_next("StreamEvents", status, "not now", times=3)
        gateway.drop_connections()

    return refuse


FAULTS = {
    "a cut connection": drop,
    "GOAWAY": go_away,
    **{
        status.name: refuse_stream(status)
        for status in (
            Status.UNAVAILABLE, Status.ALREADY_EXISTS, Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.INTERNAL,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_goes_on_where_it_had_stopped(
    gateway: SimulatedGateway, session: Session, item: Item, fault: str
) -> None:
    async with session.stream_events(resume=True) as events:
        reader = Reader(events)
        change(gateway, range(4))
        await reader.has(5)
        for round_ in range(1, 4):
            await FAULTS[fault](gateway, session)
            change(gateway, range(5))
            await reader.has(5 + 5 * round_)
        assert reader.sequences == list(range(1, 21))
        assert not reader.task.done()
    assert len(requests(gateway, "StreamEvents")) > 1
    await until(lambda: not is_streaming(gateway, session))


async def test_it_goes_on_when_connections_were_refused_for_a_while(gateway: SimulatedGateway) -> None:
    async with FaultProxy(gateway.port) as proxy, connect(gateway) as owner, owner.open_session() as session:
        await advised(session)
        async with GatewayClient.connect(proxy.endpoint, api_key=gateway.api_key, plaintext=True) as client:
            other = client.attach_session(session.session_id)
            async with other.stream_events(resume=True) as events:
                reader = Reader(events)
                await reader.has(1)
                await proxy.refuse()
                proxy.reset_all()
                change(gateway, range(9))
                await until(lambda: client.stats().calls_failed >= 3)
                await proxy.accept()
                await reader.has(10)
                assert reader.sequences == list(range(1, 11))


async def test_a_stream_that_the_gateway_ends_politely_ends(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events(resume=True) as events:
        reader = Reader(events)
        await reader.has(1)
        await session.close()
        await reader.task
    assert (reader.sequences, reader.error) == ([1], None)


async def test_the_gateways_own_mark_of_lost_events_comes_as_it_is() -> None:
    async with opened(SimulatorOptions(replay_limit=4)) as (gateway, session):
        await advised(session)
        async with session.stream_events(resume=True) as events:
            reader = Reader(events)
            await reader.has(1)
            # What another subscriber takes meanwhile is out of the gateway's queue, and the ring keeps four of it.
            gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now", times=1)
            gateway.drop_connections()
            await until(lambda: not is_streaming(gateway, session))
            queue = gateway.sessions[session.session_id].events
            change(gateway, range(20))
            queue.drain(1000)
            await reader.has(6)
            sentinel = reader.received[1]
            assert sentinel.replay_gap is not None
            assert (sentinel.family, sentinel.replay_gap.requested_after_sequence) == (0, 1)
            assert sentinel.replay_gap.oldest_available_sequence == 18
            assert reader.sequences == [1, 0, 18, 19, 20, 21]


# -- where it ends


async def test_a_session_that_is_gone_is_the_end(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    async with session.stream_events(resume=True) as events:
        reader = Reader(events)
        await reader.has(1)
        await gateway.restart()
        await reader.task
    assert reader.sequences == [1]
    assert isinstance(reader.error, MxGatewaySessionError)
    assert reader.error.grpc_status is GrpcStatus.NOT_FOUND


async def test_a_crashed_worker_is_the_end(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    async with session.stream_events(resume=True) as events:
        reader = Reader(events)
        await reader.has(1)
        gateway.crash_worker(session.session_id, "it ran out of memory")
        await reader.task
    assert isinstance(reader.error, MxGatewaySessionError)
    assert reader.error.grpc_status is GrpcStatus.FAILED_PRECONDITION


async def test_a_gateway_that_cannot_be_reached_at_first_is_an_error_at_once(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    session = await client.open_session()
    await gateway.stop()
    for attempt in range(2):
        events = session.stream_events(resume=True)
        with pytest.raises(MxGatewayTransportError, match="connection refused"):
            await (events.__aenter__() if attempt else anext(events))
    await client.close()


async def test_a_refusal_of_the_first_attempt_is_a_fault_like_any_other(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now")
    async with session.stream_events(resume=True) as events:
        assert (await anext(events)).worker_sequence == 1


async def test_closing_it_ends_the_attempts(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    events = session.stream_events(resume=True)
    reader = Reader(events)
    await reader.has(1)
    gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now", times=10**6)
    gateway.drop_connections()
    await lost(session)
    await events.aclose()
    await reader.task
    assert (reader.sequences, reader.error) == ([1], None)
    assert session.pump.state is PumpState.IDLE
    attempts = len(requests(gateway, "StreamEvents"))
    await asyncio.sleep(0.1)
    assert len(requests(gateway, "StreamEvents")) == attempts


# -- beside others


async def test_without_resume_a_stream_ends_at_the_first_fault(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as events:
        reader = Reader(events)
        await reader.has(1)
        gateway.drop_connections()
        await reader.task
    assert reader.sequences == [1]
    assert isinstance(reader.error, MxGatewayTransportError)
    await asyncio.sleep(0.1)
    assert not is_streaming(gateway, session)


@pytest.mark.parametrize("resuming_first", [True, False])
async def test_beside_one_that_resumes_another_ends_at_the_fault(
    gateway: SimulatedGateway, session: Session, item: Item, resuming_first: bool
) -> None:
    streams = [session.stream_events(resume=resume) for resume in (resuming_first, not resuming_first)]
    readers = []
    for events in streams:
        await events.__aenter__()
        readers.append(Reader(events))
    resuming, ending = readers if resuming_first else reversed(readers)
    change(gateway, range(4))
    await until(lambda: resuming.sequences[-1:] == ending.sequences[-1:] == [5])
    gateway.drop_connections()
    await ending.task
    change(gateway, range(5))
    await until(lambda: resuming.sequences[-1:] == [10])

    assert isinstance(ending.error, MxGatewayTransportError)
    assert resuming.sequences == list(range(resuming.sequences[0], 11))
    for events in streams:
        await events.aclose()


async def test_two_that_resume_have_the_same_events_each_once(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events(resume=True) as one, session.stream_events(resume=True) as two:
        readers = [Reader(one), Reader(two)]
        for round_ in range(3):
            change(gateway, range(5))
            await asyncio.gather(*(reader.has(6 + 5 * round_) for reader in readers))
            gateway.drop_connections()
            await lost(session)
        change(gateway, [1])
        await asyncio.gather(*(reader.has(17) for reader in readers))
        assert [reader.sequences for reader in readers] == [list(range(1, 18))] * 2


# -- write confirmations


async def test_a_write_in_flight_is_confirmed_by_the_replayed_completion(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events(resume=True) as events:
        reader = Reader(events)
        await reader.has(1)
        gateway.hold_write_completions()
        writes = [confirm(session, item, value, timeout=20) for value in (1, 2)]
        await accepted(gateway, session, 2)
        gateway.drop_connections()
        await lost(session)
        gateway.release_write_completions()
        completions = await asyncio.gather(*writes)
        assert [event.family for event in completions] == [WRITE_COMPLETE] * 2
        last = max(event.worker_sequence for event in completions)
        await until(lambda: reader.sequences[-1] >= last)
        assert reader.sequences == list(range(1, len(reader.sequences) + 1))
        assert not session._writes.pending


async def test_a_write_in_flight_fails_when_its_completion_may_be_lost() -> None:
    async with opened(SimulatorOptions(replay_limit=2)) as (gateway, session):
        item = await advised(session)
        async with session.stream_events(resume=True) as events:
            reader = Reader(events)
            await reader.has(1)
            gateway.hold_write_completions()
            write = confirm(session, item, 1, timeout=20)
            await accepted(gateway, session, 1)
            gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now", times=1)
            gateway.drop_connections()
            await until(lambda: not is_streaming(gateway, session))
            change(gateway, range(20))
            gateway.sessions[session.session_id].events.drain(1000)
            with pytest.raises(MxGatewaySessionError, match="were lost, the write's completion perhaps among them"):
                await write
            gateway.release_write_completions()
            assert (await session.write_confirmed(*item.pair, 2, timeout=10)).family == WRITE_COMPLETE


async def test_a_write_in_flight_survives_the_fault_that_ends_an_iterator(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events() as events:
        await anext(events)
        gateway.hold_write_completions()
        write = confirm(session, item, 1)
        await accepted(gateway, session, 1)
        gateway.drop_connections()
        with pytest.raises(MxGatewayTransportError):
            await anext(events)
        gateway.release_write_completions()
        assert (await write).family == WRITE_COMPLETE


async def test_a_write_that_begins_while_the_stream_is_away_is_confirmed_as_well(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    async with session.stream_events(resume=True) as events:
        reader = Reader(events)
        await reader.has(1)
        gateway.fail_next("StreamEvents", Status.UNAVAILABLE, "not now", times=2)
        gateway.drop_connections()
        await lost(session)
        event = await session.write_confirmed(*item.pair, 7, timeout=20)
        assert event.family == WRITE_COMPLETE
        await until(lambda: reader.sequences[-1] >= event.worker_sequence)
        assert reader.sequences == list(range(1, len(reader.sequences) + 1))
