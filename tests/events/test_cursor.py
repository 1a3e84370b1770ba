"""Where a reader stands: whatever numbers a gateway sends, every event is taken once and in order, or is known to be lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mxgateway import proto
from mxgateway.events.cursor import MAX_JUMP, Cursor, Loss, LossCause
from mxgateway.events.sequence_order import StreamOrder
from tests.events.cursors import LARGEST, Stream, Taken, event, events_of
from tests.rows import each_row
from tests.wire.profiles import bounded

# -- an honest gateway


@dataclass
class Honest:
    """A gateway that numbers its events, loses some for good, and sends the others again after whatever number it is asked."""

    lost: set[int]
    newest: int = 0
    arrived: set[int] = field(default_factory=set)

    def stream(self, after: int, count: int, marks: bool) -> list[int | tuple[int, int]]:
        """Return what a stream brings until it ends; a hole at its beginning may be marked."""
        self.newest = max(self.newest, after + count)
        found: list[int | tuple[int, int]] = [n for n in range(after + 1, self.newest + 1) if n not in self.lost]
        self.arrived.update(n for n in found if isinstance(n, int))
        if marks and found and isinstance(first := found[0], int) and first > after + 1:
            found.insert(0, (after, first))
        return found


def parts(numbers: Sequence[Any], sizes: Iterator[int]) -> Iterator[Sequence[Any]]:
    """Yield a stream in deliveries."""
    while numbers:
        size = next(sizes)
        yield numbers[:size]
        numbers = numbers[size:]


@bounded(500)
@given(
    lost=st.sets(st.integers(1, 40), max_size=12),
    streams=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), min_size=1, max_size=6),
    starts=st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=5),
)
def test_every_reader_takes_every_event_behind_its_start_once_and_knows_of_every_lost_one(
    lost: set[int], streams: list[tuple[int, int, bool]], starts: list[int | None], sizes: list[int]
) -> None:
    gateway, stream, first = Honest(lost), Stream(*starts), None
    endless = (sizes[n % len(sizes)] for n in range(10**6))
    for back, count, marks in streams:
        after = max(0, min(gateway.newest, *(r.cursor.position or 0 for r in stream.readers)) - back)
        stream.open(after)
        numbers = gateway.stream(after, count, marks)
        for part in parts(numbers, endless):
            first = first or (part[0] if isinstance(part[0], int) else part[0][1])
            stream.deliver(*part)
    assert not stream.confused
    for reader in stream.readers:
        start = (first or 1) - 1 if reader.start is None else reader.start
        assert reader.events == [number for number in sorted(gateway.arrived) if number > start]
        last = max(reader.events, default=start)
        assert reader.lost == [number for number in range(start + 1, last + 1) if number in lost]


def test_events_that_come_in_a_row_are_handed_on_as_they_are() -> None:
    class Handed(Taken):
        def take(self, news: Any) -> None:
            assert news is events
            super().take(news)

    order, reader = StreamOrder(4), Handed(Cursor(4))
    events = events_of(5, 6, 7)
    assert order.deliver(events, [reader])
    assert (order.last, reader.events) == (7, [5, 6, 7])


def test_a_reader_that_does_not_know_where_it_stands_begins_with_the_first_event() -> None:
    stream = Stream(None)
    stream.deliver(50, 51, 53)
    (reader,) = stream.readers
    assert (reader.events, reader.lost) == ([50, 51, 53], [52])


def test_what_is_lost_has_its_cause() -> None:
    stream = Stream(0)
    stream.deliver(1, 3)
    stream.deliver((3, 6), 6, 8)
    (reader,) = stream.readers
    assert (reader.events, reader.lost) == ([1, 3, 6, 8], [2, 4, 5, 7])
    assert reader.marks == [LossCause.SEQUENCE, LossCause.REPLAY, LossCause.SEQUENCE]
    assert stream.order.lost == 2
    assert reader.cursor.miss(9, LossCause.UNREADABLE) == (Loss(9, 9, LossCause.UNREADABLE),)
    assert reader.cursor.miss(9, LossCause.UNREADABLE) == ()


# -- a gateway that sends nonsense

ANYTHING = st.one_of(
    st.integers(0, 30),
    st.sampled_from([LARGEST, 2**63, MAX_JUMP, MAX_JUMP + 1, MAX_JUMP + 31]),
    st.tuples(st.integers(0, 30), st.integers(0, 30)),
    st.tuples(st.integers(0, 30), st.sampled_from([LARGEST, 2**63, MAX_JUMP + 1])),
    st.tuples(st.just(LARGEST), st.integers(0, 30)),
)


@bounded(1_000)
@given(
    st.lists(st.lists(ANYTHING, min_size=1, max_size=5), max_size=10),
    st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=1, max_size=3),
)
def test_no_numbers_at_all_break_the_order_or_make_a_loss_of_less_than_one(
    deliveries: list[Any], starts: list[Any]
) -> None:
    stream = Stream(*starts)
    for delivery in deliveries:
        stream.deliver(*delivery)
    assert stream.order.last <= MAX_JUMP * 60


@each_row(
    "nonsense",
    [LARGEST, MAX_JUMP + 4, 2, 3, 0, (51, 19), (3, 3), (3, LARGEST)],
)
def test_nonsense_is_told_and_survived(nonsense: Any) -> None:
    stream = Stream(0)
    stream.deliver(1, 2, 3)
    stream.deliver(nonsense)
    assert any(words in stream.order.nonsense for words in ("after event 3", "replay gap", "without a number"))
    assert stream.order.rewound is None
    stream.deliver(4, 5)
    (reader,) = stream.readers
    assert (reader.events, reader.lost) == ([1, 2, 3, 4, 5], [])


def test_only_what_may_have_hidden_events_is_said_to_hide_some() -> None:
    hiding = {}
    cases: dict[str, int | tuple[int, int]] = {"again": 3, "older": 1, "far": LARGEST, "backwards": (51, 19)}
    for name, nonsense in cases.items():
        stream = Stream(0)
        stream.deliver(1, 2, 3)
        stream.deliver(nonsense)
        hiding[name] = bool(stream.confused)
    assert hiding == {"again": False, "older": False, "far": True, "backwards": True}


def test_what_was_wrong_with_one_delivery_is_not_said_of_the_next() -> None:
    order = StreamOrder(0)
    order.check(events_of(1, LARGEST))
    assert order.nonsense
    assert order.hides_events
    order.check(events_of(2, 4))
    assert not order.nonsense
    assert not order.hides_events


# -- what else a cursor knows


def test_a_cursor_tells_what_is_news_and_what_is_still_to_come() -> None:
    cursor = Cursor(5)
    assert [cursor.is_news(event(number)) for number in (5, 6)] == [False, True]
    assert [cursor.needs(number) for number in (5, 6)] == [False, True]
    unknown = Cursor()
    assert unknown.is_news(event(1))
    assert not unknown.needs(1)


def test_events_that_have_come_another_way_are_behind_the_cursor() -> None:
    cursor = Cursor(5)
    cursor.take_all([event(7), event(9), event(8)])
    assert cursor.position == 9
    cursor.take_all([])
    assert cursor.position == 9


@each_row(
    ("position", "expected"),
    [
        (None, [1, Loss(2, 5, LossCause.REPLAY), 6, 7]),
        (1, [Loss(2, 5, LossCause.REPLAY), 6, 7]),
        (3, [Loss(4, 5, LossCause.REPLAY), 6, 7]),
        (5, [6, 7]),
        (7, []),
    ],
)
def test_of_events_that_were_kept_the_rest_is_told_from_any_position(position: int | None, expected: list[Any]) -> None:
    kept: list[proto.MxEvent | Loss] = [event(1), Loss(2, 5, LossCause.REPLAY), event(6), event(7)]
    rest = Cursor(position).take(kept)
    assert [each if isinstance(each, Loss) else each.worker_sequence for each in rest] == expected


def test_going_back_is_for_those_who_stand_ahead() -> None:
    positions = []
    for reached in ([], [3], [9]):
        cursor = Cursor(0 if reached else None)
        cursor.take_all(map(event, reached))
        cursor.rewind(5)
        positions.append(cursor.position)
    assert positions == [None, 3, 5]
