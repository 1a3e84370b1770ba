"""What becomes of a call whose caller is cancelled, and of everybody else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from grpclib.const import Status

from mxgateway import GatewayClient, MxGatewayTimeoutError, Session, proto
from mxgateway.events.upkeep import PumpState
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import (
    DENIED_TAG,
    WRITE_COMPLETE,
    Item,
    advised,
    change,
    connect,
    is_streaming,
    kinds,
    opened,
    requests,
    until,
)


class Boom(Exception):
    """What a sibling in a task group raises."""


# -- the ways in which asyncio cancels


@dataclass(frozen=True)
class Waiting:
    """A call that does not end by itself."""

    hold: Callable[[SimulatedGateway], None]
    """Makes the gateway keep it waiting."""
    call: Callable[[Session, Item], Awaitable[object]]
    arrived: Callable[[SimulatedGateway, Session], bool]
    """Tells whether the gateway has it."""


async def read(session: Session, item: Item) -> None:
    async with session.stream_events() as events:
        async for _ in events:
            pass


async def read_raw(session: Session, item: Item) -> None:
    request = proto.StreamEventsRequest(session_id=session.session_id)
    async with GatewayClient(session._channel).stream_events_raw(request) as events:
        async for _ in events:
            pass


def is_accepted(gateway: SimulatedGateway, session: Session) -> bool:
    return gateway.sessions[session.session_id].worker._writes_due > 0


WAITING = {
    "ping": Waiting(
        SimulatedGateway.hold_commands, lambda session, item: session.ping(), lambda gateway, session: "PING" in kinds(gateway)
    ),
    "write_confirmed": Waiting(
        SimulatedGateway.hold_write_completions, lambda session, item: session.write_confirmed(*item.pair, 1), is_accepted
    ),
    "stream_events": Waiting(lambda gateway: None, read, is_streaming),
    "stream_events_raw": Waiting(lambda gateway: None, read_raw, is_streaming),
}  # fmt: skip


async def go_on(gateway: SimulatedGateway, session: Session, item: Item) -> None:
    """Prove that session and item can be used once the gateway answers again."""
    gateway.release_commands()
    gateway.release_write_completions()
    assert (await session.write_confirmed(*item.pair, 3, timeout=10)).family == WRITE_COMPLETE
    assert not session._writes.pending


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
async def test_a_bound_of_the_callers_own_comes_out_as_it_is(
    gateway: SimulatedGateway, session: Session, item: Item, waiting: Waiting
) -> None:
    waiting.hold(gateway)
    task = asyncio.current_task()
    assert task is not None
    for _ in range(2):
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.03):
                await waiting.call(session, item)
        assert type(caught.value) is TimeoutError
        assert task.cancelling() == 0
    await go_on(gateway, session, item)


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
async def test_a_sibling_that_fails_ends_the_call_and_is_the_only_failure(
    gateway: SimulatedGateway, session: Session, item: Item, waiting: Waiting
) -> None:
    waiting.hold(gateway)

    async def call() -> None:
        await waiting.call(session, item)

    async def fail() -> None:
        await until(lambda: waiting.arrived(gateway, session))
        raise Boom

    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(call())
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [Boom]
    await go_on(gateway, session, item)


# -- sessions


async def cancelled_opening(gateway: SimulatedGateway, client: GatewayClient) -> None:
    """Open a session and give up once the gateway starts its worker."""
    before = len(gateway.sessions)
    opening = asyncio.create_task(client.open_session().__aenter__())
    await until(lambda: len(gateway.sessions) > before)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


async def test_a_session_whose_opening_was_cancelled_is_closed_as_soon_as_it_is_open() -> None:
    options = SimulatorOptions(worker_start_time=0.05)
    async with SimulatedGateway(options=options) as gateway, connect(gateway) as client:
        await cancelled_opening(gateway, client)
        assert gateway.sessions
        await until(lambda: not gateway.sessions)
        assert len(requests(gateway, "CloseSession")) == 1


async def test_a_client_that_closes_waits_for_a_session_whose_opening_was_cancelled() -> None:
    options = SimulatorOptions(worker_start_time=0.05)
    async with SimulatedGateway(options=options) as gateway:
        async with connect(gateway) as client:
            await cancelled_opening(gateway, client)
        assert not gateway.sessions


async def test_a_client_does_not_wait_for_ever_for_a_session_whose_opening_was_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mxgateway.client.CLOSE_TIMEOUT", 0.05)
    async with SimulatedGateway(options=SimulatorOptions(worker_start_time=30)) as gateway:
        async with connect(gateway) as client:
            await cancelled_opening(gateway, client)


async def test_a_session_that_cannot_be_closed_after_its_opening_was_cancelled_is_told_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = SimulatorOptions(worker_start_time=0.05)
    async with SimulatedGateway(options=options) as gateway, connect(gateway) as client:
        gateway.fail_next("CloseSession", Status.INTERNAL, "no close today")
        await cancelled_opening(gateway, client)
        (session_id,) = gateway.sessions
        await until(lambda: f"{session_id} is unused and could not be closed; it is left to its lease" in caplog.text)


async def test_what_was_cancelled_while_it_closed_can_be_closed_again(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    session = await client.open_session()
    for close in (session.close, client.close):
        before = asyncio.all_tasks()
        closing = asyncio.create_task(close())
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - before:
            task.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        await close()
    assert not gateway.sessions
    await until(lambda: not gateway.connections)


async def test_readers_of_an_attached_session_end_although_leaving_its_block_was_cancelled(
    gateway: SimulatedGateway, client: GatewayClient, session: Session
) -> None:
    attached = client.attach_session(session.session_id)
    reader = asyncio.create_task(anext(attached.stream_events()))
    await until(lambda: is_streaming(gateway, session))
    leaving = asyncio.create_task(attached.__aexit__(None, None, None))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert leaving.cancelled()
    with pytest.raises(StopAsyncIteration):
        await reader
    await until(lambda: not is_streaming(gateway, session))


# -- writes


async def test_a_write_that_was_sent_goes_on_and_the_next_one_of_its_item_follows_it(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_commands()
    write = asyncio.create_task(session.write(*item.pair, 1))
    await until(lambda: "WRITE" in kinds(gateway))
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    following = asyncio.create_task(session.write_confirmed(*item.pair, 2))
    await asyncio.sleep(0.01)
    assert kinds(gateway).count("WRITE") == 1
    gateway.release_commands()

    assert (await following).worker_sequence == 4  # data, and completion and data of the first write
    assert not session._writes.pending


async def test_a_write_that_was_not_sent_yet_is_never_sent() -> None:
    options = SimulatorOptions(streams_per_connection=1)
    async with opened(options) as (gateway, session):
        item = await advised(session)
        gateway.hold_commands()
        ping = asyncio.create_task(session.ping())
        await until(lambda: "PING" in kinds(gateway))
        write = asyncio.create_task(session.write(*item.pair, 1))
        await asyncio.sleep(0.01)
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        assert not session._writes.pending
        gateway.release_commands()
        await ping
        await session.ping()
        assert "WRITE" not in kinds(gateway)


async def test_a_write_that_found_no_free_stream_in_time_is_not_waited_for_by_the_next_one() -> None:
    options = SimulatorOptions(streams_per_connection=1)
    async with opened(options) as (gateway, session):
        item = await advised(session)
        gateway.hold_commands()
        ping = asyncio.create_task(session.ping())
        await until(lambda: "PING" in kinds(gateway))
        with pytest.raises(MxGatewayTimeoutError, match="no free stream"):
            await session.write(*item.pair, 1, timeout=0.02)
        assert not session._writes.pending
        gateway.release_commands()
        await ping


async def test_a_cancelled_write_that_is_refused_leaves_nothing_to_be_waited_for(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    denied = await session.add_item(item.server, DENIED_TAG)
    await session.advise(item.server, denied)
    gateway.hold_commands()
    for write in (session.write, session.write_confirmed):
        task = asyncio.create_task(write(item.server, denied, 1))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert session._writes.pending
    gateway.release_commands()
    await until(lambda: not session._writes.pending)


async def test_nobody_waits_for_the_completion_of_a_cancelled_write(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_commands()
    gateway.hold_write_completions()
    write = asyncio.create_task(session.write_confirmed(*item.pair, 1))
    await until(lambda: "WRITE" in kinds(gateway))
    write.cancel()
    await asyncio.wait([write])
    gateway.release_commands()
    await until(lambda: is_accepted(gateway, session))
    await session.ping()

    assert session._writes.pending
    assert not session._writes.waiting


async def test_closing_the_client_ends_a_write_that_goes_on_without_its_caller(gateway: SimulatedGateway) -> None:
    gateway.hold_commands()
    async with connect(gateway) as owner:
        session_id = (await owner.open_session()).session_id
        before = asyncio.all_tasks()
        async with connect(gateway) as client:
            write = asyncio.create_task(client.attach_session(session_id).write(1, 2, 3))
            await until(lambda: "WRITE" in kinds(gateway))
            write.cancel()
            await asyncio.wait([write])
        assert {task for task in asyncio.all_tasks() - before if "call from" not in task.get_name()} == set()
        gateway.release_commands()


# -- event streams


async def lose_the_stream(gateway: SimulatedGateway, session: Session) -> None:
    """Return during the pause after a loss. Pauses are random: one may be over before anybody has seen it."""
    while session.pump.state is not PumpState.PAUSED:
        gateway.drop_connections()
        with contextlib.suppress(TimeoutError):
            await until(lambda: session.pump.state is PumpState.PAUSED, patience=1)


async def test_events_that_were_kept_survive_a_reader_that_was_cancelled_while_it_attached(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    await session.write_confirmed(*item.pair, 1)
    await lose_the_stream(gateway, session)
    change(gateway, range(3))
    first = asyncio.create_task(session.stream_events().__aenter__())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    async with session.stream_events() as events:
        assert [(await anext(events)).worker_sequence for _ in range(6)] == list(range(1, 7))


async def test_a_reader_that_was_cancelled_while_it_attached_reads_on_without_a_gap_or_a_repetition(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    await session.write_confirmed(*item.pair, 1)
    await lose_the_stream(gateway, session)
    change(gateway, range(3))
    events = session.stream_events()
    first = asyncio.create_task(events.__aenter__())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert [(await anext(events)).worker_sequence for _ in range(6)] == list(range(1, 7))
    await events.aclose()
