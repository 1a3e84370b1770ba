"""The order of what one stream of the gateway brings: numbers rise by one, and what says otherwise is nonsense, or a loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from mxgateway.events.cursor import Event
from mxgateway.events.reader import Reader

MAX_JUMP: Final = 2**40
"""Events that can be missing at once: what a gateway numbers in a year at 30,000 a second. A number beyond that is nonsense."""
HOLES: Final = 16
"""Jumps that are remembered, in case they prove to be false."""


class StreamOrder:
    """The order of what one stream of the gateway brings.

    Args:
        after: The sequence behind which the stream is read.
        is_known: False when nobody knows where it begins.
    """

    def __init__(self, after: int, *, is_known: bool = True) -> None:
        self.last = after
        """Up to where the stream has come."""
        self._is_known = is_known
        self._holes: deque[tuple[int, int]] = deque(maxlen=HOLES)
        """The last event before each of the last jumps, and the first behind it: an event from between shows that the jump was false."""
        self.nonsense = ""
        """What was wrong with the last delivery, in words; empty when nothing was."""
        self.hides_events = False
        """True when what was wrong may have hidden events."""
        self.rewound: int | None = None
        """Where the stream stands again after a jump that was false."""
        self.lost = 0
        """How many events the gateway has reported as lost with the last delivery."""

    def deliver(self, events: Sequence[Event], readers: Sequence[Reader]) -> bool:
        """Hand events to readers, each what is news to it; False when they do not simply follow one another: they are to be checked then."""
        before = expected = self.last
        for event in events:
            expected += 1
            if event.worker_sequence != expected:
                return False
        self.last, self._is_known = expected, True
        for reader in readers:
            cursor = reader.cursor
            if cursor.position == before or cursor.position is None:
                cursor.position = expected
                reader.take(events)
            elif news := cursor.take(events):
                reader.take(news)
        return True

    def check(self, events: Iterable[Event]) -> list[Event]:
        """Return what can be believed of events."""
        self.nonsense, self.hides_events, self.rewound, self.lost = "", False, None, 0
        believed: list[Event] = []
        for event in events:
            before = self.last
            if self._believes(event):
                if self.last < before:  # what came behind the false jump is no news
                    believed = [each for each in believed if _number(each) < event.worker_sequence]
                believed.append(event)
        return believed

    def _believes(self, event: Event) -> bool:
        gap = event.replay_gap
        if gap is not None:
            return self._believes_gap(gap.requested_after_sequence, gap.oldest_available_sequence)
        sequence, last = event.worker_sequence, self.last
        if not sequence:
            self.nonsense = "an event without a number"
            return True
        if sequence - last > MAX_JUMP:
            return self._refuse(f"event {sequence} after event {last}", hides=True)
        if sequence <= last:
            hole = next((hole for hole in self._holes if hole[0] < sequence < hole[1]), None)
            if hole is None:
                return self._refuse(f"event {sequence} after event {last}", hides=False)
            self._refuse(f"event {sequence} after a jump to {hole[1]}", hides=True)
            self.rewound = sequence - 1 if self.rewound is None else min(self.rewound, sequence - 1)
            while self._holes and self._holes[-1][1] > sequence:
                self._holes.pop()
        elif sequence > last + 1 and self._is_known:
            self._holes.append((last, sequence))
        self.last, self._is_known = sequence, True
        return True

    def _believes_gap(self, begin: int, oldest: int) -> bool:
        if oldest <= begin or oldest - 1 - self.last > MAX_JUMP:
            return self._refuse(f"a replay gap from {begin} to {oldest}", hides=True)
        if oldest - 1 > self.last:
            self.lost += oldest - 1 - self.last
            self._holes.append((self.last, oldest))
            self.last = oldest - 1
        return True

    def _refuse(self, what: str, *, hides: bool) -> bool:
        self.nonsense, self.hides_events = what, self.hides_events or hides
        return False


def _number(event: Event) -> int:
    gap = event.replay_gap
    return event.worker_sequence if gap is None else gap.oldest_available_sequence - 1
