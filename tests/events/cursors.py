"""What the tests of cursors share: events, streams of them, and readers that check the order of what they are given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mxgateway import proto
from mxgateway.events.cursor import Cursor, Event, Loss, LossCause
from mxgateway.events.reader import Reader
from mxgateway.events.sequence_order import StreamOrder

LARGEST = 2**64 - 1


def event(sequence: int) -> proto.MxEvent:
    return proto.MxEvent(worker_sequence=sequence)


def mark(after: int, oldest: int) -> proto.MxEvent:
    """Return the gateway's mark of lost events."""
    gap = proto.ReplayGap(requested_after_sequence=after, oldest_available_sequence=oldest)
    return proto.MxEvent(replay_gap=gap)


def events_of(*numbers: int | tuple[int, int]) -> list[proto.MxEvent]:
    """Return events; a pair is a mark."""
    return [mark(*number) if isinstance(number, tuple) else event(number) for number in numbers]


@dataclass
class Taken(Reader):
    """One who reads, and what he was given."""

    cursor: Cursor
    start: int | None = None
    events: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    marks: list[LossCause] = field(default_factory=list)
    _expected: int | None = None

    def __post_init__(self) -> None:
        self.start = self.cursor.position
        self._expected = None if self.start is None else self.start + 1

    def take(self, news: Iterable[Event | Loss]) -> None:
        """Take what is news: it goes on where it had stopped, without a hole."""
        for each in news:
            first = each.first if isinstance(each, Loss) else each.worker_sequence
            assert self._expected in (None, first)
            if isinstance(each, Loss):
                assert each.size > 0
                self._expected = each.last + 1
                self.marks.append(each.cause)
                if each.size < 1_000:
                    self.lost += range(each.first, each.last + 1)
            else:
                self._expected = each.worker_sequence + 1
                self.events.append(each.worker_sequence)
        assert self._expected is None or self.cursor.position == self._expected - 1

    def rewind(self, position: int) -> None:
        """Go back behind a jump that was false, as a reader of a pump does."""
        self.cursor.rewind(position)
        self._expected = None if self.cursor.position is None else self.cursor.position + 1


class Stream:
    """One stream after another, and those who read."""

    def __init__(self, *positions: int | None) -> None:
        self.readers = [Taken(Cursor(position)) for position in positions]
        self.order = StreamOrder(0)
        self.confused = 0

    def open(self, after: int) -> None:
        """Open a stream."""
        self.order = StreamOrder(after)

    def break_off(self) -> None:
        """Lose the stream, and open it where the readers need it."""
        begin = min(self.order.sure(reader.cursor.position or 0) for reader in self.readers)
        self.order = StreamOrder(begin, before=self.order)

    def deliver(self, *numbers: int | tuple[int, int]) -> None:
        """Let events come at once."""
        events = events_of(*numbers)
        if self.order.deliver(events, self.readers):
            return
        believed = self.order.check(events)
        if self.order.rewound is not None:
            for reader in self.readers:
                reader.rewind(self.order.rewound)
        self.confused += self.order.hides_events
        for reader in self.readers:
            reader.take(reader.cursor.take(believed))
