"""The queue of a subscription keeps its books exactly, whatever is put into it and whenever something is taken out."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import (
    ConnectionChange,
    Gap,
    GapCause,
    Outcome,
    Overflow,
    SubscriptionState,
    TagUpdate,
    UnconvertedValue,
    proto,
)
from tests.rows import each_row
from tests.subscription.queue_bench import MAKING_ROOM, OTHERS, OUTCOMES, SMALL, Bench, change, steps, unhurried

policies = st.sampled_from(Overflow)


@unhurried
@given(policies, steps)
def test_every_update_is_taken_or_waits_or_was_dropped_or_conflated(
    overflow: Overflow, steps: list[tuple[Any, ...]]
) -> None:
    bench = Bench(overflow)
    bench.run(steps)
    assert sum(gap.count or 0 for gap in bench.overflows) == bench.counts.dropped
    assert sum(each.conflated for each in bench.updates) <= bench.counts.conflated
    if bench.counts.dropped == 0:
        assert sum(each.conflated for each in bench.updates) == bench.counts.conflated


@unhurried
@given(policies, steps)
def test_the_updates_of_a_tag_come_in_order_and_the_newest_one_is_never_lost(
    overflow: Overflow, steps: list[tuple[Any, ...]]
) -> None:
    bench = Bench(overflow)
    bench.run(steps)
    by_tag = defaultdict(list)
    for each in bench.updates:
        if each.worker_sequence:
            by_tag[each.tag].append(each.worker_sequence)
    for sequences in by_tag.values():
        assert sequences == sorted(set(sequences))
    newest = [each for each in steps if each[0] in ("put", "read")]
    if newest:
        assert any(each.tag == newest[-1][1] and each.value == newest[-1][2] for each in bench.updates)


@unhurried
@given(st.sampled_from([Overflow.DROP_OLDEST, *OTHERS]), steps)
def test_a_gap_stands_exactly_where_the_dropped_updates_stood(overflow: Overflow, steps: list[tuple[Any, ...]]) -> None:
    bench = Bench(overflow)
    bench.run(steps)
    last = 0
    for item in bench.taken:
        if isinstance(item, TagUpdate) and item.worker_sequence:
            assert item.worker_sequence == last + 1
            last = item.worker_sequence
        elif isinstance(item, Gap) and item.first_lost:
            assert item.first_lost == last + 1
            assert item.last_lost is not None
            last = item.last_lost
    assert last == bench.sequence


@unhurried
@given(policies, steps)
def test_gaps_are_never_dropped_and_those_with_no_update_between_them_become_one(
    overflow: Overflow, steps: list[tuple[Any, ...]]
) -> None:
    bench = Bench(overflow)
    bench.run(steps)
    own = [item for item in bench.taken if isinstance(item, Gap) and item not in bench.overflows]
    put = [mark for mark in bench.marks if isinstance(mark, Gap)]
    assert sum(gap.count or 0 for gap in own) == sum(gap.count or 0 for gap in put)
    assert [gap.first_lost for gap in own] == sorted(gap.first_lost for gap in own)
    for gap in put:
        assert any(each.first_lost <= gap.first_lost and (gap.last_lost or 0) <= (each.last_lost or 0) for each in own)
    for one, other in pairwise(bench.taken) if ("pop",) not in steps else ():
        assert not (isinstance(one, Gap) and isinstance(other, Gap) and one.cause is other.cause)


@unhurried
@given(policies, steps)
def test_interruptions_without_an_update_between_them_are_told_as_one_with_the_gravest_outcome(
    overflow: Overflow, steps: list[tuple[Any, ...]]
) -> None:
    bench = Bench(overflow)
    bench.run(steps)
    put = [mark for mark in bench.marks if isinstance(mark, ConnectionChange)]
    told = [item for item in bench.taken if isinstance(item, ConnectionChange)]
    assert [each.state for each in told] == [each.state for each in put][: len(told)]
    assert told[-1:] == put[-1:] or told[-1].state is put[-1].state is SubscriptionState.CONNECTED
    outcomes = [each.outcome for each in put if each.outcome is not None]
    gravest = max(outcomes, key=OUTCOMES.index, default=None)
    assert max((each.outcome for each in told if each.outcome), key=OUTCOMES.index, default=None) is gravest


@each_row("overflow", Overflow)
def test_a_link_that_flaps_while_nothing_is_taken_fills_no_memory(overflow: Overflow) -> None:
    bench = Bench(overflow)
    for number in range(1_000):
        bench.mark(change(None))
        bench.mark(change(Outcome.GAP if number == 500 else Outcome.CONTINUOUS))
    assert len(bench.queue._items) <= 3
    bench.run([])
    assert [each.state.value for each in bench.taken if isinstance(each, ConnectionChange)] == [
        "recovering",
        "connected",
    ]
    assert bench.taken[-1] == change(Outcome.GAP)


@pytest.mark.parametrize("overflow", MAKING_ROOM)
def test_a_link_that_flaps_while_updates_are_dropped_fills_no_memory(overflow: Overflow) -> None:
    bench = Bench(overflow)
    for number in range(1_000):
        bench.step("put", f"tag {number}")
        bench.mark(change(None))
        bench.mark(change(Outcome.CONTINUOUS))
    assert len(bench.queue._items) + len(bench.queue._first) <= 4 * bench.max_items + 4
    bench.run([])
    assert bench.overflows == [Gap(1, 996, GapCause.OVERFLOW, 996)]


@unhurried
@given(steps)
def test_no_update_stands_for_one_on_the_other_side_of_a_gap(steps: list[tuple[Any, ...]]) -> None:
    bench = Bench(Overflow.LATEST_PER_TAG, max_items=1000, max_bytes=10**9)
    bench.run(steps)
    behind = 0
    for item in bench.taken:
        if isinstance(item, Gap):
            assert item.last_lost is not None
            behind = item.last_lost
        elif isinstance(item, TagUpdate) and item.worker_sequence:
            assert item.worker_sequence > behind


@unhurried
@given(st.sampled_from(MAKING_ROOM), steps)
def test_what_waits_is_within_both_limits_but_for_one_update_that_is_too_large_by_itself(
    overflow: Overflow, steps: list[tuple[Any, ...]]
) -> None:
    bench = Bench(overflow)
    for each in steps:
        bench.step(*each)
        assert len(bench.queue) <= bench.max_items
        assert bench.queue._bytes <= bench.max_bytes or len(bench.queue) == 1
    while bench.queue.pop() is not None:
        pass
    assert bench.queue._bytes == len(bench.queue) == 0


@unhurried
@given(policies, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=12))
def test_a_slow_consumer_is_told_once_for_the_time_that_it_lasts(
    overflow: Overflow, rounds: list[tuple[int, int]]
) -> None:
    bench = Bench(overflow)
    episodes, slow = 0, False
    for puts, pops in rounds:
        for _ in range(puts):
            if len(bench.queue) >= bench.max_items:
                episodes, slow = episodes + (not slow), True
            bench.step("put", f"tag {bench.sequence}")
        for _ in range(pops):
            bench.step("pop")
            slow = slow and len(bench.queue) > bench.max_items // 2
    assert bench.counts.slow_episodes == episodes


@pytest.mark.parametrize("overflow", Overflow)
def test_an_episode_is_reported_and_ends_when_half_of_the_room_is_free(
    overflow: Overflow, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(overflow)
    for number in range(9):
        bench.step("put", f"tag {number}")
    assert bench.counts.slow_episodes == len(caplog.records) == 1
    while len(bench.queue) > 3:
        bench.step("pop")
    bench.step("put", "tag 10")
    bench.step("put", "tag 11")
    assert bench.counts.slow_episodes == len(caplog.records) == 1
    while len(bench.queue) > 2:
        bench.step("pop")
    for number in range(20, 23):
        bench.step("put", f"tag {number}")
    assert bench.counts.slow_episodes == len(caplog.records) == 2


def test_only_the_newest_update_of_each_tag_waits_and_says_how_many_it_stands_for() -> None:
    bench = Bench(Overflow.LATEST_PER_TAG)
    for tag in "ABABA":
        bench.step("put", tag)
    bench.run([])
    assert [(each.tag, each.worker_sequence, each.conflated) for each in bench.updates] == [("A", 5, 2), ("B", 4, 1)]
    assert bench.counts.slow_episodes == 0


def test_a_value_that_grows_in_its_place_makes_room_among_the_others() -> None:
    bench = Bench(Overflow.LATEST_PER_TAG)
    bench.step("put", "A")
    bench.step("put", "B")
    bench.step("put", "A", "x" * bench.max_bytes)
    bench.run([])
    assert [type(item) for item in bench.taken] == [Gap, TagUpdate]
    assert bench.updates[0].worker_sequence == 3
    assert bench.overflows == [Gap(2, 2, GapCause.OVERFLOW, 1)]


def test_a_gap_of_values_that_were_read_alone_has_no_numbers() -> None:
    bench = Bench(Overflow.DROP_OLDEST, max_items=2)
    for _ in range(3):
        bench.step("read")
    assert bench.queue.resume_point(7, {"A", "B"}) == (7, {"A"})
    for _ in range(3):
        bench.step("put")
    bench.run([])
    assert bench.overflows == [Gap(1, 1, GapCause.OVERFLOW, 4)]


@pytest.mark.parametrize("cause", [GapCause.SESSION_LOST, GapCause.RESTARTED])
def test_who_goes_on_elsewhere_knows_no_numbers_from_before_they_began_anew(cause: GapCause) -> None:
    bench = Bench(Overflow.DROP_OLDEST)
    bench.sequence = 50
    bench.step("put")
    bench.queue.put_mark(Gap(52, None, cause, None))
    bench.queue.put_mark(Gap(8, None, cause, None))
    bench.sequence = 6
    bench.step("put")
    assert bench.queue.resume_point(9, {"A", "B"}) == (6, set())
    bench.run([])
    assert [item for item in bench.taken if isinstance(item, Gap)] == [
        Gap(52, None, cause, None),
        Gap(8, None, cause, None),
    ]


def test_who_goes_on_elsewhere_begins_before_what_waits_of_the_present_session() -> None:
    bench = Bench(Overflow.DROP_OLDEST)
    assert bench.queue.resume_point(0, {"A", "B"}) == (0, set())
    for _ in range(6):
        bench.step("put")
    assert bench.queue.resume_point(6, {"A", "B"}) == (
        1,
        {"A", "B"},
    )  # 1 is in the gap that waits, and behind 0 nothing is replayed
    bench.step("pop")
    assert bench.queue.resume_point(6, {"A", "B"}) == (2, set())
    bench.queue.put_mark(Gap(7, None, GapCause.SESSION_LOST, None))
    assert bench.queue.resume_point(7, {"A", "B"}) == (7, set())
    bench.sequence = 10
    bench.step("put")
    assert bench.queue.resume_point(11, {"A", "B"}) == (10, set())


def test_where_only_the_newest_updates_wait_their_tags_are_read_elsewhere() -> None:
    bench = Bench(Overflow.LATEST_PER_TAG)
    for tag in "ABA":
        bench.step("put", tag)
    assert bench.queue.resume_point(3, {"A", "B", "C"}) == (3, {"A", "B"})
    bench.mark(Gap(4, 6, GapCause.REPLAY, 3))
    bench.sequence = 6
    bench.step("put", "C")
    assert bench.queue.resume_point(7, {"A", "B", "C"}) == (3, {"A", "B"})  # nobody has taken anything from the gap on
    bench.mark(Gap(8, None, GapCause.RESTARTED, None))
    assert bench.queue.resume_point(0, {"A", "B", "C"}) == (0, {"A", "B"})


@each_row(
    ("value", "size"),
    [(1, SMALL), (None, SMALL), (1.5, SMALL), ("x" * 100, SMALL + 100), (b"x" * 100, SMALL + 100),
     ([1, 2], SMALL + 128), (["x" * 10], SMALL + 74), ([[1, 2], ["x"]], SMALL + 321),
     (UnconvertedValue(1, "", "", b"x" * 9, proto.MxValue()), SMALL + 9)],
)  # fmt: skip
def test_long_values_count_for_more(value: object, size: int) -> None:
    bench = Bench(Overflow.BLOCK)
    bench.step("put", "A", value)
    assert bench.queue._bytes == size


def test_it_is_full_when_either_limit_is_reached() -> None:
    by_items, by_bytes = Bench(Overflow.BLOCK, max_items=2), Bench(Overflow.BLOCK, max_items=100, max_bytes=2 * SMALL)
    for bench in (by_items, by_bytes):
        bench.step("put")
        assert not bench.queue.is_full
        bench.step("put")
        assert bench.queue.is_full
        bench.step("pop")
        assert not bench.queue.is_full
