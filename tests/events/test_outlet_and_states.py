"""What a subscription has for its consumer, and for those who watch its state: bounded, told once, and held while somebody waits."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from mxgateway import (
    ConnectionChange,
    Gap,
    GapCause,
    MxGatewayError,
    MxGatewaySessionError,
    Origin,
    Outcome,
    Overflow,
    SubscriptionOptions,
    SubscriptionState,
    TagUpdate,
)
from mxgateway.subscription.states import STATES_LIMIT, StateBoard, StateChanges
from mxgateway.subscription.update_queue import UpdateQueue
from tests.client import virtual_time
from tests.rows import each_row

CONNECTING, CONNECTED, RECOVERING = (
    SubscriptionState.CONNECTING, SubscriptionState.CONNECTED, SubscriptionState.RECOVERING,
)  # fmt: skip
CLOSED, FAILED, NEW = SubscriptionState.CLOSED, SubscriptionState.FAILED, SubscriptionState.NEW

FOLLOWS = {
    (NEW, CONNECTING), (CONNECTING, CONNECTED), (CONNECTED, RECOVERING), (RECOVERING, CONNECTED), (CONNECTED, CLOSED),
}  # fmt: skip


def board(*states: SubscriptionState) -> StateBoard:
    """Return a board that has gone through some states."""
    found = StateBoard()
    for state in states:
        found.put(state)
    return found


def flap(target: StateBoard | UpdateQueue, times: int) -> None:
    """Lose the connection and have it back."""
    for _ in range(times):
        for state in (RECOVERING, CONNECTED):
            target.put(state) if isinstance(target, StateBoard) else target.change(state)


async def rest(states: StateChanges, count: int | None = None) -> list[SubscriptionState]:
    """Read states: so many, or all until the end."""
    found: list[SubscriptionState] = []
    while count is None or len(found) < count:
        try:
            found.append(await anext(states))
        except StopAsyncIteration:
            break
    return found


# -- states


async def test_who_watches_sees_the_present_state_and_every_later_one_until_the_end() -> None:
    found = board(CONNECTING)
    early = found.watch()
    found.put(CONNECTED)
    late = found.watch()
    found.put(CONNECTED)  # no change
    found.put(CLOSED)
    found.put(CONNECTED)  # what is over stays so
    assert await rest(early) == [CONNECTING, CONNECTED, CLOSED]
    assert await rest(late) == [CONNECTED, CLOSED]
    assert await rest(found.watch()) == [CLOSED]
    assert found.state is CLOSED


@pytest.mark.parametrize("read_before", [0, 1, 2])
async def test_of_states_that_nobody_reads_the_newest_hundred_are_kept(read_before: int) -> None:
    found = board(CONNECTING, CONNECTED)
    states = found.watch()
    flap(found, 2)
    seen = await rest(states, read_before)
    flap(found, 5_000)
    found.put(CLOSED)
    left = await rest(states)
    assert STATES_LIMIT - 2 <= len(left) <= STATES_LIMIT
    assert left[-2:] == [CONNECTED, CLOSED]
    assert all(pair in FOLLOWS for pair in pairwise([*seen, *left]))
    assert (seen or left)[0] is CONNECTED


async def test_what_is_left_out_of_many_states_are_interruptions_and_not_the_beginning() -> None:
    found = StateBoard()
    states = found.watch()
    found.put(CONNECTING)
    found.put(CONNECTED)
    flap(found, 5_000)
    found.put(CLOSED)
    left = await rest(states)
    assert len(left) <= STATES_LIMIT
    assert all(pair in FOLLOWS for pair in pairwise(left))


async def test_one_that_waits_for_a_state_is_not_collected_and_one_that_was_dropped_is() -> None:
    found, seen = board(CONNECTED), list[SubscriptionState]()

    async def follow() -> None:
        async for state in found.watch():
            seen.append(state)

    task = weakref.ref(asyncio.create_task(follow()))
    dropped = found.watch()
    watch = weakref.ref(dropped)
    del dropped
    await asyncio.sleep(0)
    gc.collect()
    assert watch() is None
    assert task() is not None
    for state in (RECOVERING, CLOSED):
        found.put(state)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
    assert seen == [CONNECTED, RECOVERING, CLOSED]
    assert task() is None


async def test_two_who_share_an_iterator_of_states_share_the_states() -> None:
    found = board(CONNECTED)
    states = found.watch()
    assert await rest(states, 1) == [CONNECTED]
    tasks = [asyncio.create_task(rest(states, 1)) for _ in range(2)]
    await asyncio.sleep(0)
    found.put(RECOVERING)
    await asyncio.sleep(0)
    found.put(CONNECTED)
    assert sorted(await asyncio.gather(*tasks), key=str) == sorted([[RECOVERING], [CONNECTED]], key=str)


async def test_one_who_is_cancelled_while_waiting_for_a_state_misses_none() -> None:
    found = board(CONNECTED)
    states = found.watch()
    await rest(states, 1)
    waiting = asyncio.create_task(rest(states, 1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    flap(found, 1)
    assert await rest(states, 2) == [RECOVERING, CONNECTED]


# -- what waits for the consumer


def outlet(policy: Overflow = Overflow.BLOCK, *over: Any, limit: int = 2) -> UpdateQueue:
    return UpdateQueue(SubscriptionOptions(overflow=policy, max_items=limit, block_timeout=30.0), *over)


def update(sequence: int = 1) -> TagUpdate:
    return TagUpdate("Tag", sequence, 192, None, sequence, Origin.LIVE, ())


def fill(target: UpdateQueue, count: int) -> None:
    for sequence in range(1, count + 1):
        target.put(update(sequence))


def drained(target: UpdateQueue) -> list[Any]:
    """Take all that waits."""
    found = []
    while (item := target.pop()) is not None:
        found.append(item)
    return found


async def test_the_consumer_is_told_of_changes_once_and_in_their_place() -> None:
    found = outlet()
    found.change(CONNECTED)
    fill(found, 1)
    fault = MxGatewayError("?")
    found.change(RECOVERING, cause=fault)
    found.change(RECOVERING, cause=MxGatewayError("another"))
    found.put_mark(Gap(2, 3, GapCause.REPLAY, 2))
    found.change(CONNECTED, outcome=Outcome.GAP)
    connected, value, lost, gap, back = drained(found)
    assert (connected.state, lost.state, lost.cause, back.outcome) == (CONNECTED, RECOVERING, fault, Outcome.GAP)
    assert (value, gap) == (update(), Gap(2, 3, GapCause.REPLAY, 2))
    assert isinstance(back, ConnectionChange)
    assert back.time <= datetime.now(UTC)
    assert found.counts.delivered == 1


async def test_what_waits_of_changes_is_bounded() -> None:
    found = outlet()
    found.change(CONNECTED)
    flap(found, 1_000)
    for sequence in range(1, 1_000):
        found.put_mark(Gap(sequence, sequence, GapCause.REPLAY, 1))
    assert len(drained(found)) < 6


async def test_a_failure_ends_it_behind_what_waits_and_is_raised_once() -> None:
    ended = list[str]()
    found = outlet(Overflow.BLOCK, lambda: ended.append("one"), lambda: ended.append("two"))
    fill(found, 1)
    fault = MxGatewayError("?")
    found.fail(fault)
    found.fail(MxGatewayError("later"))
    found.finish()
    found.change(CONNECTED)
    assert (found.state, found.is_over, ended) == (FAILED, True, ["one", "two"])
    assert drained(found) == [update()]
    assert found.take_fault() is fault
    assert found.take_fault() is None


async def test_its_end_is_no_failure() -> None:
    ended = list[str]()
    found = outlet(Overflow.FAIL, lambda: ended.append("?"))
    found.finish()
    fill(found, 5)  # nobody is told any more
    found.fail(MxGatewayError("late"))
    assert (found.state, found.take_fault(), ended) == (CLOSED, None, [])


async def test_a_consumer_that_waits_is_held_and_woken_by_whatever_comes() -> None:
    found, seen = outlet(), list[Any]()

    async def consume() -> None:
        while not found.is_over:
            await found.waiters.enter()
            seen.extend(drained(found))

    def receive() -> None:
        fill(found, 1)
        found.waiters.wake()

    task = weakref.ref(asyncio.create_task(consume()))
    await asyncio.sleep(0)
    happenings: list[Callable[[], None]] = [lambda: found.change(CONNECTED), receive, found.finish]
    for happen in happenings:
        gc.collect()
        assert task() is not None
        happen()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [type(each) for each in seen] == [ConnectionChange, TagUpdate]
    gc.collect()
    assert task() is None


# -- patience


@each_row("policy", Overflow)
async def test_the_gateway_waits_for_a_consumer_only_where_the_policy_says_so(policy: Overflow) -> None:
    found = outlet(policy)
    fill(found, 1)
    assert not found.is_blocked
    fill(found, 1)
    assert found.is_blocked is (policy is Overflow.BLOCK)
    found.finish()
    assert not found.is_blocked


def test_a_consumer_that_makes_room_in_time_lets_the_gateway_go_on() -> None:
    async def main() -> None:
        found, room = outlet(), list[float]()
        now = asyncio.get_running_loop().time
        found.on_room = lambda: room.append(now())
        for _ in range(3):
            fill(found, 2)
            assert found.is_blocked
            await asyncio.sleep(29)
            assert found.is_blocked  # to ask again begins nothing anew
            found.pop()
            assert not found.is_blocked
            drained(found)
        await asyncio.sleep(100)
        assert (len(room), found.is_over) == (3, False)

    virtual_time.run(main())


def test_a_consumer_that_makes_no_room_ends_the_subscription_and_the_gateway_goes_on() -> None:
    async def main() -> None:
        found, room = outlet(), list[float]()
        now = asyncio.get_running_loop().time
        began = now()
        found.on_room = lambda: room.append(now())
        fill(found, 2)
        await asyncio.sleep(100)
        assert not found.is_over  # nobody has had to wait so far
        assert found.is_blocked
        await found.waiters.enter()
        assert room == [pytest.approx(began + 130)]
        assert drained(found) == [update(1), update(2)]
        fault = found.take_fault()
        assert isinstance(fault, MxGatewaySessionError)
        assert "no room within 30 s" in str(fault)
        assert not found.is_blocked

    virtual_time.run(main())


def test_a_subscription_that_ends_leaves_no_patience_behind() -> None:
    async def main() -> None:
        found = outlet()
        fill(found, 2)
        assert found.is_blocked
        found.finish()
        await asyncio.sleep(100)
        assert (found.state, found.take_fault()) == (CLOSED, None)

    virtual_time.run(main())


async def test_too_many_updates_end_a_subscription_that_says_so() -> None:
    found = outlet(Overflow.FAIL)
    fill(found, 3)
    assert found.state is FAILED
    fault = found.take_fault()
    assert isinstance(fault, MxGatewaySessionError)
    assert "3 updates wait for the consumer" in str(fault)


async def test_one_that_is_over_is_freed_with_its_last_reference() -> None:
    found = outlet()
    fill(found, 2)
    assert found.is_blocked
    freed = weakref.ref(found)
    found.finish()
    gc.disable()
    try:
        del found
        assert freed() is None
    finally:
        gc.enable()
