"""The end of a board: however its consumer leaves it, nothing is left; and nobody who waits on it is forgotten."""

from __future__ import annotations

import asyncio
import gc
import threading
import traceback
import weakref
from collections.abc import Awaitable, Callable

import pytest
from grpclib.const import Status

from mxgateway import AlarmBoard, GatewayClient, MxGatewayError, MxGatewayTransportError, RecoveryOptions
from mxgateway.simulator import SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy
from mxgateway.transport.calls.backoff import Backoff
from tests.alarms.rig import CONNECTED, HI, HIHI, QUICK, RECOVERING, feeds
from tests.client.support import connect, until


def nothing_left(gateway: SimulatedGateway, client: GatewayClient) -> bool:
    """Tell whether no feed is read, no call is open, and no task of a board goes on."""
    tasks = [task for task in asyncio.all_tasks() if "BoardSupervisor" in repr(task)]
    return not (gateway.alarms._feeds or client.stats().calls_open or tasks)


async def first(board: AlarmBoard) -> None:
    """Read one thing, and leave the loop in its middle."""
    async for _ in board:
        break


# -- whatever ends it


async def by_break(client: GatewayClient) -> None:
    await first(client.alarm_board())


async def by_leaving_the_block(client: GatewayClient) -> None:
    async with client.alarm_board() as board:
        await anext(board)


async def by_leaving_the_block_at_once(client: GatewayClient) -> None:
    async with client.alarm_board():
        pass


async def by_aclose(client: GatewayClient) -> None:
    board = client.alarm_board()
    await anext(board)
    await board.aclose()
    await board.aclose()


async def by_cancellation(client: GatewayClient) -> None:
    started = asyncio.Event()

    async def consume() -> None:
        async for _ in client.alarm_board():
            started.set()

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_cancellation_before_anything_has_come(client: GatewayClient) -> None:
    task = asyncio.ensure_future(anext(client.alarm_board()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])  # where tasks are eager it has been told that the board begins


async def by_an_exception(client: GatewayClient) -> None:
    async def fail() -> None:
        async for _ in client.alarm_board():
            raise LookupError

    with pytest.raises(LookupError):
        await fail()


async def by_garbage_collection_in_another_thread(client: GatewayClient) -> None:
    cycle: list[object] = [client.alarm_board()]
    cycle.append(cycle)
    await anext(cycle[0])  # type: ignore[call-overload]
    del cycle
    thread = threading.Thread(target=gc.collect)
    thread.start()
    await asyncio.to_thread(thread.join)


ENDINGS: list[Callable[[GatewayClient], Awaitable[None]]] = [
    by_break,
    by_leaving_the_block,
    by_leaving_the_block_at_once,
    by_aclose,
    by_cancellation,
    by_cancellation_before_anything_has_come,
    by_an_exception,
    by_garbage_collection_in_another_thread,
]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
async def test_a_board_that_has_ended_leaves_nothing_behind_without_the_collector(
    gateway: SimulatedGateway, client: GatewayClient, end: Callable[[GatewayClient], Awaitable[None]]
) -> None:
    gateway.alarms.raise_alarm(HIHI)
    gc.disable()
    try:
        for _ in range(3):
            await end(client)
        await until(lambda: nothing_left(gateway, client))
    finally:
        gc.enable()


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
async def test_a_board_that_is_closed_in_the_moment_in_which_its_pause_ends_is_closed(
    proxy: FaultProxy, proxied: GatewayClient, *, again: bool
) -> None:
    async with proxied.alarm_board(recovery=QUICK) as board:
        await proxy.refuse()
        proxy.reset_all()
        await until(lambda: board.state is RECOVERING)
        task = board._supervisor._task
        assert task is not None
        async with asyncio.timeout(10):
            while not task.cancelling():  # by the timeout of the pause
                await asyncio.sleep(0)
            if again:
                board._supervisor.end()
            await board.aclose()
        assert task.done()


async def test_a_board_that_was_dropped_in_an_interruption_makes_no_further_attempt(
    gateway: SimulatedGateway, proxy: FaultProxy, proxied: GatewayClient
) -> None:
    async def lose() -> None:
        board = proxied.alarm_board(recovery=QUICK)
        await anext(board)
        await until(lambda: board.state is CONNECTED)
        await proxy.refuse()
        proxy.reset_all()
        await until(lambda: board.state is RECOVERING)

    gc.disable()
    try:
        await lose()
        await until(lambda: nothing_left(gateway, proxied))
    finally:
        gc.enable()


async def test_a_board_that_is_dropped_when_its_loop_is_over_is_simply_gone(gateway: SimulatedGateway) -> None:
    def elsewhere() -> AlarmBoard:
        async def begin() -> AlarmBoard:
            async with connect(gateway) as client:
                board = client.alarm_board()
                await anext(board)
                return board

        return asyncio.run(begin())

    board = await asyncio.to_thread(elsewhere)
    del board


# -- whoever waits


async def test_a_reader_that_nobody_holds_is_not_collected_while_it_waits(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    seen: list[object] = []

    async def consume() -> None:
        async with client.alarm_board() as board:
            seen.append(None)
            async for change in board:
                seen.append(change)

    task = weakref.ref(asyncio.create_task(consume()))
    await until(lambda: seen)
    await asyncio.sleep(0.01)  # the reader waits by now
    before = len(seen)
    gc.collect()
    gateway.alarms.raise_alarm(HIHI)
    await until(lambda: len(seen) > before)
    gc.collect()
    gateway.alarms.raise_alarm(HI)
    await until(lambda: len(seen) > before + 1)
    assert task() is not None


async def test_a_reader_that_nobody_holds_lives_through_an_interruption(
    gateway: SimulatedGateway, proxy: FaultProxy, proxied: GatewayClient
) -> None:
    seen: list[object] = []

    async def consume() -> None:
        async for change in proxied.alarm_board(recovery=QUICK):
            seen.append(change)

    asyncio.create_task(consume())  # noqa: RUF006 - that nobody holds it is the point
    await until(lambda: len(gateway.alarms._feeds) == 1)
    await proxy.refuse()
    proxy.reset_all()
    for _ in range(20):
        gc.collect()
        await asyncio.sleep(0.002)
    await proxy.accept()
    await until(lambda: feeds(gateway) > 1)
    gateway.alarms.raise_alarm(HIHI)
    await until(lambda: any(getattr(getattr(each, "alarm", None), "reference", "") == HIHI for each in seen))


async def test_every_reader_that_waits_is_told_what_has_ended_the_board_with_an_exception_of_its_own(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    board = client.alarm_board(recovery=RecoveryOptions(give_up_after=0.001, initial_backoff=0.01, max_backoff=0.01))

    async def read() -> BaseException | None:
        try:
            async for _ in board:
                pass
        except MxGatewayError as error:
            return error
        return None

    readers = [asyncio.create_task(read()) for _ in range(3)]
    await until(lambda: gateway.alarms._feeds)
    await asyncio.sleep(0.01)  # all of them wait by now
    await gateway.stop()
    errors = [await reader for reader in readers]
    assert all(isinstance(error, MxGatewayTransportError) for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert all(len(traceback.extract_tb(error.__traceback__)) < 6 for error in errors if error is not None)
    with pytest.raises(StopAsyncIteration):
        await anext(board)


async def test_everybody_who_closes_a_board_waits_for_its_end_and_a_cancelled_one_leaves_it_to_go_on(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    board = client.alarm_board()
    await anext(board)
    closing = [asyncio.create_task(board.aclose()) for _ in range(3)]
    await asyncio.sleep(0)
    closing[0].cancel()
    await asyncio.gather(*closing[1:])
    await until(lambda: nothing_left(gateway, client))
    with pytest.raises(StopAsyncIteration):
        while True:
            await anext(board)


# -- the client's end


async def test_the_board_of_a_client_that_is_closed_answers_at_once(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    await client.close()

    async def read(board: AlarmBoard) -> None:
        async for _ in board:
            pass

    async def enter(board: AlarmBoard) -> None:
        async with board:
            pass

    for use in (read, enter):
        board = client.alarm_board()
        with pytest.raises(MxGatewayTransportError, match="closed"):
            await asyncio.wait_for(use(board), 5)
        await asyncio.wait_for(read(board), 5)
        await asyncio.wait_for(board.aclose(), 5)
    unused = client.alarm_board()
    await asyncio.wait_for(unused.aclose(), 5)
    with pytest.raises(StopAsyncIteration):
        await anext(unused)


async def test_closing_the_client_frees_the_reader_of_a_board_that_waits_for_its_next_attempt(
    gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "next", lambda self: 600.0)
    async with connect(gateway) as client:
        board = client.alarm_board(recovery=RecoveryOptions(initial_backoff=600.0, max_backoff=600.0))
        async with board:
            gateway.fail_next("StreamAlarms", Status.UNAVAILABLE)
            gateway.drop_connections()
            await until(lambda: board.state is RECOVERING)

            async def read() -> None:
                async for _ in board:
                    pass

            reading = asyncio.create_task(read())
            await asyncio.sleep(0.01)
            await client.close()
            with pytest.raises(MxGatewayError, match="closed"):
                await asyncio.wait_for(reading, 10)
