"""The book gives each OnWriteComplete to the write that it belongs to, and to nobody where that is not certain."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from mxgateway import MxAccessError, MxGatewayAuthenticationError, MxGatewayError, MxGatewaySessionError, proto
from mxgateway.events import write_book
from mxgateway.events.item_writes import Item, PendingWrite, WriteState
from mxgateway.events.write_book import WriteBook
from mxgateway.faults import ConnectionFault
from mxgateway.transport.method import Progress
from tests.client import virtual_time

ITEM, OTHER = Item(1, 2), Item(1, 3)
SENT = Progress(sent=True)


def completion(item: Item = ITEM, number: int = 0) -> proto.MxEvent:
    return proto.MxEvent(server_handle=item.server_handle, item_handle=item.item_handle, worker_sequence=number)


def lost() -> MxGatewayError:
    return MxGatewayError("events were lost")


def enter(book: WriteBook, item: Item = ITEM) -> PendingWrite:
    """Send a write that MXAccess accepts."""
    with book.sending([item], SENT) as (write,):
        pass
    book.judge([item], [write], [True])
    return write


async def count(book: WriteBook, item: Item = ITEM) -> None:
    """Send a write that MXAccess accepts, and for which nobody waits."""
    async with book.counting([item], SENT):
        pass


async def test_a_completion_that_nobody_expects_is_ignored() -> None:
    book = WriteBook()
    book.complete(completion(ITEM))
    write = enter(book)
    book.complete(completion(OTHER))

    assert write.is_waited_for
    assert book.waiting
    assert not book.is_in_doubt(ITEM)


async def test_a_completion_may_be_ahead_of_the_reply() -> None:
    book = WriteBook()
    with book.sending([ITEM], SENT) as (write,):
        book.complete(completion(ITEM, 1))
    book.judge([ITEM], [write], [True])

    assert write.completion.result().worker_sequence == 1
    assert not book.pending


async def test_the_writes_of_one_item_take_turns_and_those_of_another_do_not_wait() -> None:
    book, log = WriteBook(), list[str]()
    first_may_go_on = asyncio.Event()

    async def write(item: Item, name: str, until: asyncio.Event | None = None) -> None:
        async with book.counting([item], SENT):
            log.append(name)
            if until is not None:
                await until.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(write(ITEM, "first", first_may_go_on))
        group.create_task(write(ITEM, "second"))
        await asyncio.sleep(0)
        group.create_task(write(OTHER, "other"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert log == ["first", "other"]
        first_may_go_on.set()
    assert log == ["first", "other", "second"]


def unprocessed() -> MxGatewayError:
    """Return the error of a call that the gateway has surely not looked at."""
    fault = ConnectionFault("the stream was refused", processed=False)
    error = MxGatewayError("?", phase="stream")
    error.__cause__ = fault
    return error


UNKNOWN_ENDS = (asyncio.CancelledError(), RuntimeError(), MxGatewayError("?", phase="stream"))
REFUSALS = (
    MxGatewaySessionError("?"),
    MxGatewayAuthenticationError("?"),
    MxAccessError("?", reply=proto.MxCommandReply()),
    unprocessed(),
)


@contextlib.asynccontextmanager
async def confirming(book: WriteBook, items: list[Item], progress: Progress) -> Any:
    """Do as `counting` does, for writes that somebody waits for."""
    with book.sending(items, progress) as writes:
        yield writes


ENTERING = pytest.mark.parametrize("enters", [confirming, WriteBook.counting])


@ENTERING
@pytest.mark.parametrize("fault", UNKNOWN_ENDS)
async def test_a_write_of_which_nothing_is_known_leaves_its_item_in_doubt(fault: BaseException, enters: Any) -> None:
    book = WriteBook()
    with contextlib.suppress(type(fault)):
        async with enters(book, [ITEM], Progress(sent=True)):
            raise fault
    assert book.pending
    assert book.is_in_doubt(ITEM)
    assert not book.waiting


@ENTERING
@pytest.mark.parametrize("fault", UNKNOWN_ENDS)
async def test_a_write_that_was_not_sent_is_not_expected(fault: BaseException, enters: Any) -> None:
    book = WriteBook()
    with contextlib.suppress(type(fault)):
        async with enters(book, [ITEM], Progress()):
            raise fault
    assert not book.pending


@ENTERING
@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_write_that_was_surely_refused_is_not_expected(fault: MxGatewayError, enters: Any) -> None:
    book = WriteBook()
    with pytest.raises(type(fault)):
        async with enters(book, [ITEM], Progress(sent=True)):
            raise fault
    assert not book.pending


async def test_a_write_behind_one_in_doubt_is_told_so_at_once_and_the_next_one_behind_both_completions_is_confirmed() -> (
    None
):
    book = WriteBook()
    with contextlib.suppress(RuntimeError), book.sending([ITEM], SENT):
        raise RuntimeError
    behind = enter(book)
    with pytest.raises(MxGatewaySessionError, match="an earlier write of the item is in doubt"):
        await behind.completion
    assert behind.state is WriteState.IN_DOUBT
    book.release(ITEM, behind)
    book.complete(completion(ITEM, 1))
    assert book.is_in_doubt(ITEM)
    book.complete(completion(ITEM, 2))
    assert not book.is_in_doubt(ITEM)
    assert not book.pending
    later = enter(book)
    book.complete(completion(ITEM, 3))
    assert later.completion.result().worker_sequence == 3


async def test_a_caller_who_is_cancelled_leaves_a_completion_that_is_nobodys() -> None:
    book = WriteBook()
    first, second = enter(book), enter(book)

    async def wait() -> None:
        try:
            await first.completion
        finally:
            book.release(ITEM, first)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    book.complete(completion(ITEM, 1))
    assert second.is_waited_for
    book.complete(completion(ITEM, 2))
    assert second.completion.result().worker_sequence == 2


async def test_a_fault_reaches_each_who_waits_as_an_exception_of_his_own_and_the_completions_stay_expected() -> None:
    book = WriteBook()
    writes = [enter(book), enter(book)]
    book.fail(lambda: MxGatewayError("the stream has ended"))
    faults = [write.completion.exception() for write in writes]
    assert faults[0] is not faults[1]
    for write in writes:
        book.release(ITEM, write)
    later = enter(book)
    for number in (1, 2, 3):
        assert later.is_waited_for
        book.complete(completion(ITEM, number))
    assert later.completion.result().worker_sequence == 3


async def test_after_a_loss_every_item_that_expected_something_is_in_doubt_and_no_other() -> None:
    book = WriteBook()
    writes = [enter(book), enter(book, OTHER)]
    await count(book, idle := Item(1, 4))
    book.complete(completion(idle))
    book.lose(lost)
    faults = [write.completion.exception() for write in writes]
    assert faults[0] is not faults[1]
    assert [write.state for write in writes] == [WriteState.IN_DOUBT] * 2
    assert [book.is_in_doubt(item) for item in (ITEM, OTHER, idle)] == [True, True, False]
    assert not book.waiting
    book.complete(completion(OTHER))
    assert [book.is_in_doubt(item) for item in (ITEM, OTHER)] == [True, False]


async def test_of_a_command_that_writes_an_item_several_times_each_write_counts() -> None:
    book = WriteBook()
    async with book.counting([ITEM, OTHER, ITEM, ITEM], SENT):
        book.complete(completion(ITEM))  # of the one that was accepted, ahead of the reply
        book.discount([ITEM, OTHER])
    write = enter(book)
    book.complete(completion(ITEM, 1))
    assert write.is_waited_for
    book.complete(completion(ITEM, 2))
    assert write.completion.result().worker_sequence == 2
    assert not book.pending


async def test_a_bulk_of_unknown_fate_leaves_each_of_its_items_in_doubt_as_often_as_it_writes_it() -> None:
    book = WriteBook()
    with contextlib.suppress(asyncio.CancelledError), book.sending([ITEM, OTHER, ITEM], SENT):
        raise asyncio.CancelledError
    book.complete(completion(OTHER))
    book.complete(completion(ITEM))
    assert [book.is_in_doubt(item) for item in (ITEM, OTHER)] == [True, False]
    book.complete(completion(ITEM))
    assert not book.pending


# -- items that are removed


async def test_the_stale_completions_of_a_removed_item_confirm_nothing_that_is_written_under_its_handle() -> None:
    book = WriteBook()
    old = enter(book)
    book.forget([ITEM])
    with pytest.raises(MxGatewaySessionError, match="removed"):
        await old.completion
    book.release(ITEM, old)
    assert book.is_stale(ITEM)
    assert not book.pending
    new = enter(book)
    assert book.is_in_doubt(ITEM)
    book.complete(completion(ITEM, 1))
    book.complete(completion(ITEM, 2))
    assert isinstance(new.completion.exception(), MxGatewaySessionError)
    assert not book.pending


async def test_a_removed_item_stays_stale_until_as_much_has_come_as_can_or_it_is_proved_that_nothing_is_on_its_way() -> (
    None
):
    book = WriteBook()
    for _ in range(2):
        await count(book)
        await count(book, OTHER)
    book.forget([ITEM, OTHER])
    book.complete(completion(ITEM))
    assert book.is_stale(ITEM)
    book.complete(completion(ITEM))
    assert [book.is_stale(item) for item in (ITEM, OTHER)] == [False, True]
    book.prove_stale()
    assert not book.is_stale(OTHER)
    write = enter(book, OTHER)
    book.complete(completion(OTHER, 7))
    assert write.completion.result().worker_sequence == 7


async def test_forgetting_a_server_keeps_the_items_of_others() -> None:
    book, elsewhere = WriteBook(), Item(9, 2)
    one, two = enter(book), enter(book, elsewhere)
    book.forget_server(1)
    with pytest.raises(MxGatewaySessionError, match="removed"):
        await one.completion
    book.release(ITEM, one)
    assert book.waiting
    book.complete(completion(elsewhere, 1))
    assert two.completion.result().worker_sequence == 1
    assert not book.pending


async def test_removed_items_are_remembered_up_to_a_bound_the_newest_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_book, "STALE_LIMIT", 3)
    book = WriteBook()
    items = [Item(1, number) for number in range(5)]
    for item in items:
        await count(book, item)
        book.forget([item])
    assert [book.is_stale(item) for item in items] == [False, False, True, True, True]


# -- waiting for the end of doubt


async def doubted(book: WriteBook) -> None:
    """Leave the item in doubt."""
    await count(book)
    book.lose(lost)


def test_who_waits_for_the_end_of_doubt_goes_on_with_the_last_completion_that_can_come() -> None:
    async def main() -> None:
        book = WriteBook()
        await doubted(book)
        await count(book)
        waiting = [asyncio.create_task(book.until_clear(ITEM)) for _ in range(2)]
        await asyncio.sleep(0.1)
        book.complete(completion())
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in waiting)
        book.complete(completion())
        await asyncio.gather(*waiting)
        await book.until_clear(ITEM)

    virtual_time.run(main())


def test_who_waits_for_the_end_of_doubt_in_vain_is_told_what_to_do() -> None:
    async def main() -> None:
        book = WriteBook()
        await doubted(book)
        began = asyncio.get_running_loop().time()
        with pytest.raises(MxGatewaySessionError, match="an earlier write of item 2 is in doubt") as refusal:
            await book.until_clear(ITEM)
        assert asyncio.get_running_loop().time() - began == pytest.approx(write_book.DOUBT_PATIENCE)
        assert refusal.value.hint is not None
        assert "add it again" in refusal.value.hint

    virtual_time.run(main())


async def test_an_item_that_expects_something_for_certain_is_not_waited_for() -> None:
    book = WriteBook()
    await book.until_clear(ITEM)
    await count(book)
    await asyncio.wait_for(book.until_clear(ITEM), 0.1)
