"""The records gives each OnWriteComplete to the write that it belongs to, and to nobody where that is not certain."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mxgateway import MxAccessError, MxGatewayAuthenticationError, MxGatewayError, MxGatewaySessionError, proto
from mxgateway.errors.faults import ConnectionFault
from mxgateway.events.writes import write_records
from mxgateway.events.writes.item_writes import Completion, Item, forget
from mxgateway.events.writes.write_records import WriteRecords
from mxgateway.transport.calls.method import Progress
from tests.client import virtual_time
from tests.rows import each_row

ITEM, OTHER = Item(1, 2), Item(1, 3)
SENT = Progress(sent=True)


def completion(item: Item = ITEM, number: int = 0) -> proto.MxEvent:
    return proto.MxEvent(server_handle=item.server_handle, item_handle=item.item_handle, worker_sequence=number)


def lost() -> MxGatewayError:
    return MxGatewayError("events were lost")


def completions(count: int) -> list[Completion]:
    """Return what writes are waited for with."""
    return [asyncio.get_running_loop().create_future() for _ in range(count)]


def enter(records: WriteRecords, item: Item = ITEM) -> Completion:
    """Send a write that MXAccess accepts."""
    (write,) = completions(1)
    with records.sending([item], SENT, [write]):
        pass
    assert records.judge([item], [True], [write]) == [write]
    return write


def count(records: WriteRecords, item: Item = ITEM) -> None:
    """Send a write that MXAccess accepts, and for which nobody waits."""
    with records.sending([item], SENT):
        pass
    records.judge([item], [True])


async def test_a_completion_that_nobody_expects_is_ignored() -> None:
    records = WriteRecords()
    records.complete(completion(ITEM))
    write = enter(records)
    records.complete(completion(OTHER))

    assert not write.done()
    assert records.waiting
    assert not records.is_in_doubt(ITEM)


async def test_a_completion_may_be_ahead_of_the_reply() -> None:
    records = WriteRecords()
    (write,) = completions(1)
    with records.sending([ITEM], SENT, [write]):
        records.complete(completion(ITEM, 1))
    records.judge([ITEM], [True], [write])

    assert write.result().worker_sequence == 1
    assert not records.pending


async def test_the_writes_of_one_item_take_turns_and_those_of_another_do_not_wait() -> None:
    records, log = WriteRecords(), list[str]()
    first_may_go_on = asyncio.Event()

    async def write(item: Item, name: str, until: asyncio.Event | None = None) -> None:
        async with records.locks.held([item]):
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


ENTERING = pytest.mark.parametrize("waits", [True, False])


@ENTERING
@pytest.mark.parametrize("fault", UNKNOWN_ENDS)
async def test_a_write_of_which_nothing_is_known_leaves_its_item_in_doubt(fault: BaseException, waits: bool) -> None:
    records = WriteRecords()
    with contextlib.suppress(type(fault)), records.sending([ITEM], Progress(sent=True), completions(waits)):
        raise fault
    assert records.pending
    assert records.is_in_doubt(ITEM)
    assert not records.waiting


@ENTERING
@pytest.mark.parametrize("fault", UNKNOWN_ENDS)
async def test_a_write_that_was_not_sent_is_not_expected(fault: BaseException, waits: bool) -> None:
    records = WriteRecords()
    with contextlib.suppress(type(fault)), records.sending([ITEM], Progress(), completions(waits)):
        raise fault
    assert not records.pending


@ENTERING
@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_write_that_was_surely_refused_is_not_expected(fault: MxGatewayError, waits: bool) -> None:
    records = WriteRecords()
    with pytest.raises(type(fault)), records.sending([ITEM], Progress(sent=True), completions(waits)):
        raise fault
    assert not records.pending


async def test_a_write_behind_one_in_doubt_is_told_so_at_once_and_the_next_one_behind_both_completions_is_confirmed() -> (
    None
):
    records = WriteRecords()
    with contextlib.suppress(RuntimeError), records.sending([ITEM], SENT, completions(1)):
        raise RuntimeError
    behind = enter(records)
    with pytest.raises(MxGatewaySessionError, match="an earlier write of the item is in doubt"):
        await behind
    forget([behind])
    records.complete(completion(ITEM, 1))
    assert records.is_in_doubt(ITEM)
    records.complete(completion(ITEM, 2))
    assert not records.is_in_doubt(ITEM)
    assert not records.pending
    later = enter(records)
    records.complete(completion(ITEM, 3))
    assert later.result().worker_sequence == 3


async def test_a_caller_who_is_cancelled_leaves_a_completion_that_is_nobodys() -> None:
    records = WriteRecords()
    first, second = enter(records), enter(records)

    async def wait() -> None:
        try:
            await first
        finally:
            forget([first])

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    records.complete(completion(ITEM, 1))
    assert not second.done()
    records.complete(completion(ITEM, 2))
    assert second.result().worker_sequence == 2


async def test_a_fault_reaches_each_who_waits_as_an_exception_of_his_own_and_the_completions_stay_expected() -> None:
    records = WriteRecords()
    writes = [enter(records), enter(records)]
    records.fail(lambda: MxGatewayError("the stream has ended"))
    faults = [write.exception() for write in writes]
    assert faults[0] is not faults[1]
    for write in writes:
        forget([write])
    later = enter(records)
    for number in (1, 2, 3):
        assert not later.done()
        records.complete(completion(ITEM, number))
    assert later.result().worker_sequence == 3


async def test_after_a_loss_every_item_that_expected_something_is_in_doubt_and_no_other() -> None:
    records = WriteRecords()
    writes = [enter(records), enter(records, OTHER)]
    count(records, idle := Item(1, 4))
    records.complete(completion(idle))
    records.lose(lost)
    faults = [write.exception() for write in writes]
    assert faults[0] is not faults[1]
    assert [records.is_in_doubt(item) for item in (ITEM, OTHER, idle)] == [True, True, False]
    assert not records.waiting
    records.complete(completion(OTHER))
    assert [records.is_in_doubt(item) for item in (ITEM, OTHER)] == [True, False]


async def test_of_a_command_that_writes_an_item_several_times_each_write_counts() -> None:
    records = WriteRecords()
    with records.sending([ITEM, OTHER, ITEM, ITEM], SENT):
        records.complete(completion(ITEM))  # of the one that was accepted, ahead of the reply
    records.judge([ITEM, OTHER, ITEM, ITEM], [True, False, True, False])
    write = enter(records)
    records.complete(completion(ITEM, 1))
    assert not write.done()
    records.complete(completion(ITEM, 2))
    assert write.result().worker_sequence == 2
    assert not records.pending


@each_row("early", [0, 1, 2])
@each_row("accepted", [[False, True, True], [True, False, True], [True, True, False]])
async def test_the_completions_of_an_item_that_one_command_writes_several_times_are_those_of_the_accepted_writes(
    accepted: list[bool], early: int
) -> None:
    records, items, writes = WriteRecords(), [ITEM] * 3, completions(3)
    with records.sending(items, SENT, writes):
        for number in range(early):
            records.complete(completion(ITEM, number))  # ahead of the reply
    found = records.judge(items, accepted, writes)
    assert [each is not None for each in found] == accepted
    for number in range(early, 2):
        records.complete(completion(ITEM, number))
    assert [each.result().worker_sequence for each in found if each is not None] == [0, 1]
    assert not records.pending


async def test_the_writes_of_one_item_in_a_command_whose_completions_may_be_lost_are_judged_by_what_came_before() -> (
    None
):
    records, items, writes = WriteRecords(), [ITEM] * 2, completions(2)
    with records.sending(items, SENT, writes):
        records.complete(completion(ITEM, 1))
        records.lose(lost)
    found = records.judge(items, [False, True], writes)
    assert found[0] is None
    assert found[1] is not None
    assert found[1].result().worker_sequence == 1
    assert not records.pending


async def test_a_bulk_of_unknown_fate_leaves_each_of_its_items_in_doubt_as_often_as_it_writes_it() -> None:
    records = WriteRecords()
    with contextlib.suppress(asyncio.CancelledError), records.sending([ITEM, OTHER, ITEM], SENT, completions(3)):
        raise asyncio.CancelledError
    records.complete(completion(OTHER))
    records.complete(completion(ITEM))
    assert [records.is_in_doubt(item) for item in (ITEM, OTHER)] == [True, False]
    records.complete(completion(ITEM))
    assert not records.pending


# -- items that are removed


async def test_the_stale_completions_of_a_removed_item_confirm_nothing_that_is_written_under_its_handle() -> None:
    records = WriteRecords()
    old = enter(records)
    records.forget([ITEM])
    with pytest.raises(MxGatewaySessionError, match="removed"):
        await old
    forget([old])
    assert records.is_in_doubt(ITEM)
    assert not records.pending
    new = enter(records)
    assert records.is_in_doubt(ITEM)
    records.complete(completion(ITEM, 1))
    records.complete(completion(ITEM, 2))
    assert isinstance(new.exception(), MxGatewaySessionError)
    assert not records.pending


async def test_a_removed_item_stays_in_doubt_until_as_much_has_come_as_can() -> None:
    records = WriteRecords()
    for _ in range(2):
        count(records)
        count(records, OTHER)
    records.forget([ITEM, OTHER])
    records.complete(completion(ITEM))
    assert records.is_in_doubt(ITEM)
    clear = asyncio.create_task(records.until_clear(ITEM))
    await asyncio.sleep(0)
    records.complete(completion(ITEM))
    await clear
    assert [records.is_in_doubt(item) for item in (ITEM, OTHER)] == [False, True]
    write = enter(records)
    records.complete(completion(ITEM, 7))
    assert write.result().worker_sequence == 7


async def test_forgetting_a_server_keeps_the_items_of_others() -> None:
    records, elsewhere = WriteRecords(), Item(9, 2)
    one, two = enter(records), enter(records, elsewhere)
    records.forget_server(1)
    with pytest.raises(MxGatewaySessionError, match="removed"):
        await one
    forget([one])
    assert records.waiting
    records.complete(completion(elsewhere, 1))
    assert two.result().worker_sequence == 1
    assert not records.pending


async def test_removed_items_are_remembered_up_to_a_bound_the_newest_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_records, "STALE_LIMIT", 3)
    records = WriteRecords()
    items = [Item(1, number) for number in range(5)]
    for item in items:
        count(records, item)
        records.forget([item])
    assert [records.is_in_doubt(item) for item in items] == [False, False, True, True, True]


# -- waiting for the end of doubt


async def doubted(records: WriteRecords) -> None:
    """Leave the item in doubt."""
    count(records)
    records.lose(lost)


def test_who_waits_for_the_end_of_doubt_goes_on_with_the_last_completion_that_can_come() -> None:
    async def main() -> None:
        records = WriteRecords()
        await doubted(records)
        count(records)
        waiting = [asyncio.create_task(records.until_clear(ITEM)) for _ in range(2)]
        await asyncio.sleep(0.1)
        records.complete(completion())
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in waiting)
        records.complete(completion())
        await asyncio.gather(*waiting)
        await records.until_clear(ITEM)

    virtual_time.run(main())


def test_who_waits_for_the_end_of_doubt_in_vain_is_told_what_to_do() -> None:
    async def main() -> None:
        records = WriteRecords()
        await doubted(records)
        began = asyncio.get_running_loop().time()
        with pytest.raises(MxGatewaySessionError, match="an earlier write of item 2 is in doubt") as refusal:
            await records.until_clear(ITEM)
        assert asyncio.get_running_loop().time() - began == pytest.approx(write_records.DOUBT_PATIENCE)
        assert refusal.value.hint is not None
        assert "add the tag again" in refusal.value.hint

    virtual_time.run(main())


async def test_an_item_that_expects_something_for_certain_is_not_waited_for() -> None:
    records = WriteRecords()
    await records.until_clear(ITEM)
    count(records)
    await asyncio.wait_for(records.until_clear(ITEM), 0.1)
