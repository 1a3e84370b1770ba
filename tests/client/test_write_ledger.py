"""The ledger gives each OnWriteComplete to the write that it belongs to."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import MxGatewayError, MxGatewaySessionError, proto
from mxgateway.events.writes import Confirmation, Item, WriteLedger, written_items
from mxgateway.transport.method import Progress

ITEM, OTHER = Item(1, 2), Item(1, 3)


def completion(item: Item, number: int = 0) -> proto.MxEvent:
    return proto.MxEvent(server_handle=item.server_handle, item_handle=item.item_handle, worker_sequence=number)


async def enter(ledger: WriteLedger, item: Item = ITEM) -> Confirmation:
    async with ledger.sending([item], Progress(sent=True)) as (confirmation,):
        return confirmation


async def count(ledger: WriteLedger, *, accepted: bool) -> None:
    async with ledger.counting([ITEM], Progress(sent=True)):
        if not accepted:
            ledger.discount([ITEM])


STEPS = st.lists(
    st.sampled_from(["confirm", "plain", "refused", "counted", "counted and refused", "give up", "complete"]),
    max_size=40,
)
ENTERING = pytest.mark.parametrize("enters", [WriteLedger.sending, WriteLedger.counting])


@given(STEPS)
def test_each_completion_goes_to_the_oldest_write_that_was_accepted(steps: list[str]) -> None:
    async def play() -> None:
        ledger, expected, waiting, number = WriteLedger(), [], {}, 0
        for step in steps:
            if step == "complete":
                if expected:
                    number += 1
                    ledger.complete(completion(ITEM, number))
                    confirmation = expected.pop(0)
                    if confirmation in waiting:
                        waiting[confirmation] = number
                continue
            if step == "give up":
                if (confirmation := next((each for each in waiting if waiting[each] is None), None)) is not None:
                    del waiting[confirmation]
                    ledger.abandon(ITEM, confirmation)
                continue
            if step.startswith("counted"):
                await count(ledger, accepted=step == "counted")
                if step == "counted":
                    expected.append(None)
                continue
            confirmation = await enter(ledger)
            if step == "refused":
                ledger.withdraw(ITEM, confirmation)
                continue
            expected.append(confirmation)
            if step == "plain":
                ledger.abandon(ITEM, confirmation)
            else:
                waiting[confirmation] = None
        for confirmation, own in waiting.items():
            assert (confirmation.result().worker_sequence if confirmation.done() else None) == own
        assert ledger.pending == bool(expected)
        assert ledger.waiting == any(own is None for own in waiting.values())

    asyncio.run(play())


async def test_a_completion_that_nobody_expects_is_ignored() -> None:
    ledger = WriteLedger()
    ledger.complete(completion(ITEM))
    waiting = await enter(ledger)
    ledger.complete(completion(OTHER))

    assert not waiting.done()
    assert ledger.waiting


async def test_the_writes_of_one_item_take_turns_and_those_of_another_do_not_wait() -> None:
    ledger, log = WriteLedger(), list[str]()
    first_may_go_on = asyncio.Event()

    async def write(item: Item, name: str, until: asyncio.Event | None = None) -> None:
        async with ledger.sending([item], Progress(sent=True)):
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


@ENTERING
@pytest.mark.parametrize("fault", [asyncio.CancelledError(), RuntimeError(), MxGatewayError("?", phase="stream")])
async def test_a_write_of_which_nothing_is_known_is_expected(fault: BaseException, enters: Any) -> None:
    ledger = WriteLedger()
    with contextlib.suppress(type(fault)):
        async with enters(ledger, [ITEM], Progress(sent=True)):
            raise fault
    assert ledger.pending
    assert not ledger.waiting


@pytest.mark.parametrize("fault", [asyncio.CancelledError(), RuntimeError(), MxGatewayError("?", phase="stream")])
@ENTERING
async def test_a_write_that_was_not_sent_is_not_expected(fault: BaseException, enters: Any) -> None:
    ledger = WriteLedger()
    with contextlib.suppress(type(fault)):
        async with enters(ledger, [ITEM], Progress()):
            raise fault
    assert not ledger.pending


@ENTERING
async def test_a_write_that_was_refused_is_not_expected(enters: Any) -> None:
    ledger = WriteLedger()
    with pytest.raises(MxGatewaySessionError):
        async with enters(ledger, [ITEM], Progress(sent=True)):
            raise MxGatewaySessionError("?")
    assert not ledger.pending


async def test_a_fault_reaches_those_who_wait_and_the_completions_stay_expected() -> None:
    ledger = WriteLedger()
    one, two = await enter(ledger), await enter(ledger)
    ledger.abandon(ITEM, one)
    ledger.fail(MxGatewayError("the stream has ended"))
    with pytest.raises(MxGatewayError):
        await two
    ledger.abandon(ITEM, two)
    later = await enter(ledger)
    for number in (1, 2, 3):
        assert not later.done()
        ledger.complete(completion(ITEM, number))
    assert later.result().worker_sequence == 3


async def test_lost_completions_are_not_expected_any_more() -> None:
    ledger = WriteLedger()
    one = await enter(ledger)
    ledger.lose(MxGatewayError("a gap"))
    with pytest.raises(MxGatewayError):
        await one
    ledger.abandon(ITEM, one)
    later = await enter(ledger)
    ledger.complete(completion(ITEM, 1))
    assert later.result().worker_sequence == 1


async def test_forgetting_a_server_keeps_the_items_of_others() -> None:
    ledger, elsewhere = WriteLedger(), Item(9, 2)
    one, two = await enter(ledger), await enter(ledger, elsewhere)
    ledger.forget_server(1)
    with pytest.raises(MxGatewaySessionError, match="removed"):
        await one
    ledger.abandon(ITEM, one)
    assert ledger.waiting
    ledger.complete(completion(elsewhere, 1))
    assert two.result().worker_sequence == 1
    assert not ledger.pending


@pytest.mark.parametrize("arm", ["write", "write2", "write_secured", "write_secured2"])
def test_every_kind_of_single_write_names_its_item(arm: str) -> None:
    body = {
        "write": proto.WriteCommand,
        "write2": proto.Write2Command,
        "write_secured": proto.WriteSecuredCommand,
        "write_secured2": proto.WriteSecured2Command,
    }[arm](server_handle=1, item_handle=2)
    kind = proto.MxCommandKind.from_string(arm.upper())

    assert written_items(proto.MxCommand(kind=kind, **{arm: body})) == [ITEM]


def test_other_commands_write_no_item() -> None:
    advise = proto.AdviseCommand(server_handle=1, item_handle=2)
    assert written_items(proto.MxCommand(kind=proto.MxCommandKind.ADVISE, advise=advise)) == []
    assert written_items(proto.MxCommand()) == []
