"""Numbers that jump and then turn out to be false: the readers go back, nobody is blind, and nothing else comes twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mxgateway.events.cursor import MAX_JUMP, Cursor, LossCause
from mxgateway.events.sequence_order import RESTART
from tests.events.cursors import LARGEST, Stream, Taken
from tests.rows import each_row
from tests.wire.profiles import bounded

HONEST = ("next", "next", "next", "hole", "mark")
NONSENSE = ("again", "older", "far", "largest", "ends before it begins", "mark too far", "false jump", "false mark")


class Confused:
    """A gateway that numbers its events, and sends nonsense between."""

    def __init__(self) -> None:
        self.newest = 0
        self.sent: list[int] = []
        self.lies_about_the_future = False

    def send(self, what: str, size: int) -> list[int | tuple[int, int]]:
        """Return what it sends; nothing of nonsense that needs an event of before, or a second leap into the future before the truth about the first is out."""
        if what in HONEST:
            self.lies_about_the_future = False
            begin = self.newest
            self.newest += 1 if what == "next" else 1 + size
            self.sent.append(self.newest)
            return [(begin, self.newest), self.newest] if what == "mark" else [self.newest]
        if what in ("again", "older"):
            return [self.sent[-min(size, len(self.sent)) if what == "older" else -1]] if self.sent else []
        if what.startswith("false"):
            if self.lies_about_the_future:
                return []
            self.lies_about_the_future = True
            number = self.newest + size + 2
            return [number] if what == "false jump" else [(self.newest, number + 1)]
        nonsense: dict[str, int | tuple[int, int]] = {
            "far": self.newest + MAX_JUMP + size,
            "largest": LARGEST,
            "ends before it begins": (self.newest + size, self.newest),
            "mark too far": (self.newest, self.newest + MAX_JUMP + size + 2),
        }
        return [nonsense[what]]


DELIVERIES = st.lists(
    st.lists(st.tuples(st.sampled_from(HONEST * 2 + NONSENSE), st.integers(1, 6)), min_size=1, max_size=4), max_size=12
)


@bounded(1_000)
@given(DELIVERIES)
@example([[("next", 1), ("hole", 2), ("next", 1)], [("again", 1)]])
@example([[("false mark", 1), ("hole", 2)]])
def test_nonsense_hides_no_event_and_doubles_none_but_behind_a_jump_that_was_false(deliveries: list[Any]) -> None:
    gateway, stream = Confused(), Stream(0)
    (reader,) = stream.readers
    for delivery in deliveries:
        numbers = [number for what, size in delivery for number in gateway.send(what, size)]
        if numbers:
            stream.deliver(*numbers)
    for _ in range(3):
        stream.deliver(*gateway.send("next", 1))
    # What a false jump has brought may bear the number of an event that comes later: the last one of a number counts.
    truth = dict.fromkeys(number for number in reversed(reader.events) if number in set(gateway.sent))
    assert list(reversed(truth)) == gateway.sent
    if not any(what.startswith("false") for delivery in deliveries for what, _ in delivery):
        assert reader.events == gateway.sent
        assert reader.lost == sorted(set(range(1, gateway.newest + 1)) - set(gateway.sent))


@each_row("false", [100, (3, 101)])
@each_row("go_on", [4, 50])
def test_an_event_from_inside_a_jump_shows_that_it_was_false_and_readers_go_back(false: Any, go_on: int) -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(false)
    stream.deliver(go_on, go_on + 1)
    assert stream.order.rewound == go_on - 1
    assert stream.confused
    (reader,) = stream.readers
    assert reader.events[-2:] == [go_on, go_on + 1]
    stream.deliver(go_on + 2)
    assert reader.events[-1] == go_on + 2


def test_a_jump_that_was_true_is_no_excuse_for_an_event_that_has_come_before() -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(10, 11, 12)
    stream.deliver(11)
    stream.deliver(13, 14)
    (reader,) = stream.readers
    assert reader.events == [1, 2, 3, 10, 11, 12, 13, 14]
    assert reader.lost == list(range(4, 10))


def test_an_event_from_inside_a_jump_that_enough_have_followed_is_ignored_and_nothing_is_told_again() -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(10)
    stream.deliver(*range(11, 11 + RESTART))
    stream.deliver(5)
    stream.break_off()
    assert stream.order.last == 10 + RESTART
    stream.deliver(11 + RESTART)
    (reader,) = stream.readers
    assert (reader.events, reader.lost) == ([1, 2, 3, *range(10, 12 + RESTART)], list(range(4, 10)))


def test_events_may_come_twice_where_a_stream_begins_somewhere_in_the_middle() -> None:
    stream = Stream(None)
    stream.deliver(500, 501)
    stream.deliver(500)
    stream.deliver(502)
    (reader,) = stream.readers
    assert (reader.events, reader.lost) == ([500, 501, 502], [])


def test_a_reader_that_stands_ahead_of_a_false_jump_is_given_nothing_from_before_its_place() -> None:
    stream = Stream(0, 60)
    stream.deliver(1, 2, 3)
    stream.deliver(100)
    stream.deliver(4, 5)
    stream.deliver(*range(6, 63))
    assert stream.readers[1].events[-2:] == [61, 62]
    assert min(stream.readers[1].events) > 60


def test_a_false_jump_and_what_shows_it_may_come_at_once() -> None:
    stream = Stream(0)
    stream.deliver(1)
    stream.deliver(100, 2, 3)
    stream.deliver(4)
    (reader,) = stream.readers
    assert reader.events[-3:] == [2, 3, 4]


def test_two_false_jumps_leave_nobody_blind() -> None:
    stream = Stream(0)
    stream.deliver(1)
    stream.deliver(100)
    stream.deliver(200)
    stream.deliver(2, 3)
    (reader,) = stream.readers
    assert reader.events[-2:] == [2, 3]


def test_a_false_jump_within_a_false_jump_leaves_nobody_blind() -> None:
    stream = Stream(0)
    stream.deliver(1)
    stream.deliver(100)
    stream.deliver(3)
    stream.deliver(100)
    stream.deliver(2, 3, 4)
    (reader,) = stream.readers
    assert reader.events[-3:] == [2, 3, 4]


def test_a_false_jump_right_behind_a_true_one_leaves_nobody_blind_when_the_stream_breaks() -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(5, 35)
    stream.break_off()
    assert stream.order.last == 3
    stream.deliver(5)
    stream.deliver(6, 7)
    (reader,) = stream.readers
    assert reader.events == [1, 2, 3, 5, 35, 6, 7]


def test_a_mark_from_inside_a_jump_shows_that_it_was_false() -> None:
    """The stream has broken behind the jump, and the gateway has kept events from within it alone."""
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(100)
    stream.break_off()
    assert stream.order.last == 3
    stream.deliver((3, 50), 50, 51)
    (reader,) = stream.readers
    assert stream.order.rewound == 49
    assert reader.events[-2:] == [50, 51]


@pytest.mark.parametrize("shown_by", [6, 50, 98])
def test_a_jump_may_still_be_false_when_what_follows_the_event_before_it_cannot_be_read(shown_by: int) -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(100)
    stream.break_off()
    stream.order.pass_over()
    stream.break_off()
    assert stream.order.last == 4
    stream.deliver(shown_by, shown_by + 1)
    (reader,) = stream.readers
    assert reader.events[-2:] == [shown_by, shown_by + 1]
    assert reader.lost == list(range(4, 100))


def test_a_mark_over_an_event_that_may_be_invented_may_hide_what_has_its_number() -> None:
    """The event behind the jump came from nowhere, and the true one of its number is lost: what is expected is in doubt."""
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(5)
    stream.break_off()
    assert stream.order.last == 3
    assert not stream.confused
    stream.deliver((3, 6), 6, 7)
    (reader,) = stream.readers
    assert (reader.events, reader.lost) == ([1, 2, 3, 5, 6, 7], [4])
    assert stream.confused


@each_row("breaks_off", [False, True])
def test_the_landing_of_a_jump_that_comes_again_may_have_been_invented_and_what_is_expected_is_in_doubt(
    breaks_off: bool,
) -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(6)
    if breaks_off:
        stream.break_off()
    assert not stream.confused
    stream.deliver(6)
    assert stream.confused
    stream.deliver(7, 8)
    stream.deliver(8)
    (reader,) = stream.readers
    assert (reader.events, reader.lost, stream.confused) == ([1, 2, 3, 6, 7, 8], [4, 5], 1)


def test_an_event_that_was_passed_over_brings_nothing_twice_when_a_later_reader_has_it_replayed() -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3, 4)
    stream.order.pass_over()
    (reader,) = stream.readers
    reader.take(reader.cursor.miss(5, LossCause.UNREADABLE))
    stream.break_off()
    assert stream.order.last == 5
    stream.deliver(6)
    stream.readers.append(Taken(Cursor(3)))
    stream.break_off()
    assert stream.order.last == 3
    stream.deliver(4, 5, 6)
    stream.deliver(7)
    assert (reader.events, reader.lost) == ([1, 2, 3, 4, 6, 7], [5])
    assert stream.readers[1].events == [4, 5, 6, 7]


def test_a_reader_whose_stream_began_within_a_false_jump_is_given_nothing_twice() -> None:
    stream = Stream(0)
    stream.deliver(*range(1, 9))
    stream.deliver(38)
    later, last = Taken(Cursor(10)), Taken(Cursor(8))
    stream.readers = [later]
    stream.break_off()
    assert stream.order.last == 10
    stream.deliver(11, 11)
    stream.readers = [later, last]
    stream.break_off()
    assert stream.order.last == 8
    stream.deliver(9, 10, 11)
    stream.deliver(12)
    assert (later.events, last.events) == ([11, 12], [9, 10, 11, 12])
