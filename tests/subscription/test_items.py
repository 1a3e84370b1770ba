"""Which event belongs to which tag: also when it is ahead of the reply that says so, or older than a value that was read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import Origin, TagUpdate, Timestamp, proto
from mxgateway.events.data_change import DataChange, data_change
from mxgateway.subscription.items import SessionItems
from tests.rows import each_row
from tests.wire.profiles import bounded


def event(
    handle: int, sequence: int = 1, *, value: float = 0.0, seconds: int | None = 0, quality: int = 192, worker: int = 0
) -> DataChange:
    """Return a data change; `seconds` is the time of its value, `worker` that of the event."""
    message = proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE,
        item_handle=handle,
        worker_sequence=sequence,
        value=proto.MxValue(data_type=proto.MxDataType.DOUBLE, double_value=value),
        quality=quality,
        worker_timestamp=Timestamp.from_parts(worker, 0),
    )
    if seconds is not None:
        message.source_timestamp = Timestamp.from_parts(seconds, 0)
    return data_change(message)


def items_of(**handles: int) -> SessionItems:
    """Return items that are there already."""
    items = SessionItems(10)
    for tag, handle in handles.items():
        items.attach(tag, handle)
    return items


def sequences(changes: list[DataChange]) -> list[int]:
    return [change.worker_sequence for change in changes]


# -- events that are ahead of the reply


def test_events_that_come_ahead_of_the_reply_are_kept_for_it_in_order() -> None:
    items = SessionItems(10)
    early = event(7)
    assert items.hold(early) is early
    items.begin()
    assert items.hold(event(7, 1)) is None
    assert items.hold(event(8, 2)) is None
    assert items.hold(event(7, 3)) is None
    assert sequences(items.map("A", 7)) == [1, 3]
    assert items.map("B", 9) == []
    assert items.map("C", 7) == []
    assert items.finish() == 1  # nobody's
    late = event(7)
    assert items.hold(late) is late
    assert items.unread == {7: True, 9: True}


def test_beyond_the_bound_the_oldest_event_makes_room_and_the_first_values_have_to_be_read() -> None:
    items = SessionItems(3)
    items.begin()
    assert [items.hold(event(7, sequence)) for sequence in (1, 2, 3)] == [None] * 3
    assert not items.lost_meanwhile
    assert [sequences([dropped]) for sequence in (4, 5) if (dropped := items.hold(event(7, sequence)))] == [[1], [2]]
    assert items.lost_meanwhile
    assert sequences(items.map("A", 7)) == [3, 4, 5]


def test_a_mapping_that_begins_anew_has_lost_nothing_yet() -> None:
    items = SessionItems(1)
    items.begin()
    items.hold(event(7))
    items.hold(event(8))
    assert items.lost_meanwhile
    items.finish()
    items.begin()
    assert not items.lost_meanwhile


def test_held_events_of_some_handles_can_be_let_go_and_the_others_stay() -> None:
    items = SessionItems(10)
    items.begin()
    for sequence, handle in enumerate([7, 8, 7, 9], start=1):
        items.hold(event(handle, sequence))
    assert sequences(items.take_held([7, 9])) == [1, 3, 4]
    assert sequences(items.map("B", 8)) == [2]
    items.hold(event(5))
    assert items.finish() == 1
    assert items.take_held([5]) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["event", "event", "event", "map", "forget"]), st.integers(1, 4)),
        st.tuples(st.sampled_from(["begin", "finish"]), st.just(0)),
    ),
    max_size=60,
)


class HeldByHand:
    """What `SessionItems` should do with events of unknown items: kept for each handle, and counted."""

    def __init__(self, limit: int) -> None:
        self.kept: dict[int, list[int]] = defaultdict(list)
        self.limit = limit
        self.begun = False

    def hold(self, handle: int, number: int) -> int | None:
        """Keep an event; return the number of the one that is nobody's."""
        if not self.begun:
            return number
        self.kept[handle].append(number)
        if sum(map(len, self.kept.values())) <= self.limit:
            return None
        oldest = min(numbers[0] for numbers in self.kept.values() if numbers)
        next(numbers for numbers in self.kept.values() if oldest in numbers).remove(oldest)
        return oldest

    def let_go(self, handles: list[int] | None = None) -> list[int]:
        """Keep them no more, and return them."""
        gone = list(self.kept) if handles is None else handles
        return [number for handle in gone for number in self.kept.pop(handle, [])]


@bounded(300)
@given(STEPS)
def test_every_held_event_is_somebodys_or_counted_as_nobodys_once(steps: list[Any]) -> None:
    items, model = SessionItems(5), HeldByHand(5)
    for number, (what, handle) in enumerate(steps, start=1):
        if what == "event":
            gone = items.hold(event(handle, number))
            assert (gone.worker_sequence if gone else None) == model.hold(handle, number)
        elif what == "map":
            assert sequences(items.map(f"Tag{handle}", handle)) == model.let_go([handle])
        elif what == "forget":
            assert sequences(items.take_held([handle])) == model.let_go([handle])
        elif (what == "begin") is not model.begun:
            model.begun = not model.begun
            if model.begun:
                items.begin()
            else:
                assert items.finish() == len(model.let_go())


# -- items that come and go


def test_an_item_that_is_mapped_is_fresh_and_one_that_is_attached_is_known() -> None:
    items = SessionItems(10)
    items.attach("A", 7)
    items.map("B", 8)
    assert items.handles == {"A": 7, "B": 8}
    assert items.tags == {7: "A", 8: "B"}
    assert items.unread == {8: True}


def test_the_first_event_of_a_fresh_item_is_told_from_the_later_ones_and_from_one_after_a_loss() -> None:
    items = items_of(A=7)
    items.map("B", 8)
    items.events_lost()
    assert items.unread == {7: False, 8: True}
    del items.unread[8]
    items.events_lost()
    assert items.unread == {7: False, 8: False}


def test_a_dropped_tag_leaves_nothing_but_its_handle_which_is_retired() -> None:
    items = SessionItems(10)
    items.map("A", 7)
    items.map("B", 8)
    items.read[7] = READ, math.inf
    items.swallowed = {7}
    assert items.drop("A") == 7
    assert items.drop("A") is None
    assert items.drop("Never") is None
    assert (items.handles, items.tags, items.unread, items.read) == ({"B": 8}, {8: "B"}, {8: True}, {})
    assert (items.retired, items.swallowed) == ({7}, set())


@pytest.mark.parametrize("lost", [None, iter([7, 8])], ids=["all", "those told"])
def test_after_a_loss_every_item_has_to_be_read(lost: Iterable[int] | None) -> None:
    items = items_of(A=7, B=8)
    items.read[7] = READ, math.inf
    items.swallowed = {7}
    items.events_lost(lost)
    assert items.unread == {7: False, 8: False}
    assert (items.read, items.swallowed) == ({}, set())
    assert not items.lost_meanwhile


def test_a_loss_during_a_mapping_is_noted_for_the_items_that_are_being_subscribed_to() -> None:
    items = SessionItems(10)
    items.begin()
    items.events_lost()
    items.map("A", 7)
    assert items.lost_meanwhile


# -- values that were read


READ = TagUpdate("A", 1.0, 192, Timestamp.from_parts(10, 0), 0, Origin.SNAPSHOT, ())


def read(value: TagUpdate = READ) -> SessionItems:
    """Return an item whose value was read; what the worker takes after 100 s is newer."""
    items = items_of(A=7)
    items.read[7] = value, 100.0
    return items


def test_events_up_to_the_value_that_was_read_are_stale_and_the_first_newer_one_ends_the_question() -> None:
    items = read()
    assert items.is_stale(event(7, seconds=9, value=5.0))
    assert items.is_stale(event(7, seconds=10, value=1.0))
    assert items.read
    assert not items.is_stale(event(7, seconds=11, value=1.0))
    assert items.read == {}


@each_row(
    "newer",
    [
        event(7, seconds=10, value=2.0),
        event(7, seconds=10, value=1.0, quality=0),
        event(7, seconds=None, value=1.0),
        event(7, seconds=9, value=1.0, worker=101),
    ],
)
def test_what_may_be_newer_than_the_value_that_was_read_is_delivered(newer: DataChange) -> None:
    items = read()
    assert not items.is_stale(newer)
    assert items.read == {}


def test_what_was_swallowed_is_to_be_read_once_more_unless_a_newer_event_has_come() -> None:
    items = read()
    assert items.is_stale(event(7, seconds=9))
    items.doubt_swallowed()
    assert (items.unread, items.swallowed) == ({7: False}, set())
    assert items.is_stale(event(7, seconds=9))
    assert not items.is_stale(event(7, seconds=11))
    assert items.swallowed == set()


@each_row(("seconds", "told"), [(9, True), (None, True), (10, False), (11, False)])
def test_of_a_value_that_is_read_once_more_only_one_is_told_that_no_event_brings(
    seconds: int | None, told: bool
) -> None:
    items = read()
    items.unread[7] = False
    time = None if seconds is None else Timestamp.from_parts(seconds, 0)
    assert items.take_read(7, replace(READ, source_time=time), 200.0) is told
    assert items.unread == {}
    assert items.read == ({} if told else {7: (READ, 100.0)})


def test_a_value_that_is_no_number_is_the_same_as_itself() -> None:
    items = read(replace(READ, value=math.nan))
    assert items.is_stale(event(7, seconds=10, value=math.nan))


def test_a_value_that_was_read_without_a_time_makes_no_event_stale() -> None:
    items = read(replace(READ, source_time=None))
    assert not items.is_stale(event(7, value=1.0))
    assert items.read == {}
