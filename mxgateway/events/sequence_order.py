"""Checks the order of the events of one stream: their numbers rise by one; anything else is a loss or nonsense."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from mxgateway.events.cursor import MAX_JUMP, Event, Loss, LossCause
from mxgateway.events.reader import Reader

KEPT_JUMPS: Final = 16
"""Jumps that are remembered, in case they prove to be false."""
RESTART: Final = 8
"""Events in a row, numbered one after another, that prove a place in the numbers: refused ones that the worker has
restarted its numbers, for no gateway sends as many twice; those after a jump that it was none of the gateway's lies."""


class StreamOrder:
    """Checks the order of the events of one stream.

    Args:
        after: The sequence after which the stream begins.
        before: The order of the previous stream.
    """

    def __init__(self, after: int, before: StreamOrder | None = None) -> None:
        self.last = after
        """The sequence up to which the stream has come."""
        self._jumps: deque[tuple[int, int, int]] = deque(maxlen=KEPT_JUMPS)
        """The last jumps. Of each: the last event before it, the first event after it, and the readers' position after
        it, -1 where that position is certain. An event from within a jump proves that the jump was false, unless as many
        have followed as prove a restart."""
        self._refused: list[Event] = []
        """The last refused events, as long as their numbers follow one another."""
        self._refused_at = after
        """The value of `last` when they arrived."""
        self.is_restarted = False
        """True once the worker has restarted its numbers: earlier numbers mean nothing any more."""
        self.nonsense = ""
        """What was wrong with the last delivery, in words; empty when nothing was."""
        self.hides_events = False
        """True when what was wrong may have hidden events."""
        self.rewound: int | None = None
        """The position to which a false jump has set the stream back."""
        self.lost = 0
        """How many events the gateway has reported as lost with the last delivery."""
        if before is not None and (jumps := before._open_jumps()):
            # An event from within a jump is no proof if it is replayed and other events have followed the jump, or if
            # somebody else may have read it before the first event. The event after a passed one is no jump's landing.
            self._jumps += (
                jump
                for jump in jumps
                if jump[1] <= after + 1 or (jump[0] and before.last <= jumps[-1][1] - (jump[2] < 0))
            )

    def _open_jumps(self) -> deque[tuple[int, int, int]]:
        """Return the jumps that may be false; forget them when enough events have followed."""
        if self._jumps and self._jumps[-1][1] + RESTART <= self.last:
            self._jumps.clear()
        return self._jumps

    def sure(self, position: int) -> int:
        """Return the sequence after which to open a stream for the events after `position`.

        It lies before a jump that no event has followed, for that may be false. A jump from the very beginning does not
        count: somebody else has read what is before it, and its replay would come after newer events.
        """
        for begin, _, landing in reversed(self._jumps):
            position = begin if begin and position == landing else position
        return position

    def deliver(self, events: Sequence[Event], readers: Sequence[Reader]) -> bool:
        """Hand each reader the events that are new to it.

        Returns:
            False when the events do not simply follow one another; then nothing was delivered, and `check` is needed.
        """
        before = expected = self.last
        if self._jumps and self._jumps[-1][1] > before + 1:
            return False
        for event in events:
            expected += 1
            if event.worker_sequence != expected:
                return False
        self.last = expected
        for reader in readers:
            cursor = reader.cursor
            if cursor.position == before or cursor.position is None:
                cursor.position = expected
                reader.take(events)
            elif news := cursor.take(events):
                reader.take(news)
        return True

    def check(self, events: Iterable[Event]) -> list[Event | Loss]:
        """Return those events that can be believed, and the losses among them."""
        self.nonsense, self.hides_events, self.rewound, self.lost = "", False, None, 0
        self._open_jumps()
        believed: list[Event | Loss] = []
        for event in events:
            before = self.last
            if self._accepts(event):
                if event.worker_sequence and self.last <= before:  # what came after the false jump is dropped
                    believed = [each for each in believed if _number(each) < event.worker_sequence]
                believed.append(event)
            elif self._restarts(event):
                first = self._refused[0].worker_sequence
                believed += [Loss(before + 1, first - 1, LossCause.RESTARTED), *self._refused]
                self._refused = []
        return believed

    def _accepts(self, event: Event) -> bool:
        gap = event.replay_gap
        if gap is not None:
            return self._accepts_gap(gap.requested_after_sequence, gap.oldest_available_sequence)
        sequence, last = event.worker_sequence, self.last
        if not sequence:
            self.nonsense = "an event without a number"
            return True
        if sequence - last > MAX_JUMP:
            return self._refuse(f"event {sequence} after event {last}", hides=True)
        # Where a jump's first event comes again, that may have been invented, and events been lost since that it skipped.
        self.hides_events = self.hides_events or any(landing == sequence for *_, landing in self._jumps)
        jump = self._disproves(sequence)
        if jump is None and sequence <= last:
            return self._refuse(f"event {sequence} after event {last}", hides=False)
        if jump is not None and last + 1 != sequence > jump[0] + 1:  # still a jump, which may be false as well
            self._jumps.append((jump[0], sequence, sequence))
        if sequence > last + 1:
            self._remember_jump(sequence, sequence)
        self.last = sequence
        return True

    def _accepts_gap(self, begin: int, oldest: int) -> bool:
        if oldest <= begin or oldest - 1 - self.last > MAX_JUMP:
            return self._refuse(f"a replay gap from {begin} to {oldest}", hides=True)
        if oldest - 1 > self.last:
            self._disproves(oldest)
            missing = oldest - 1 - self._reported_up_to()
            self.lost += max(0, missing)
            self._remember_jump(oldest, oldest - 1)
            self.last = oldest - 1
            # Without new losses an earlier stream has reported them, but the events after its jump may have been false.
            self.hides_events = self.hides_events or missing <= 0
            return missing > 0
        return True

    def tells_loss(self, event: Event) -> bool:
        """Return whether the next event is a replay gap with losses that were not reported yet."""
        return event.replay_gap is not None and event.replay_gap.oldest_available_sequence - 1 > self._reported_up_to()

    def _reported_up_to(self) -> int:
        """Return the sequence up to which an earlier stream has reported the events after `last` as lost."""
        return max([self.last, *(landing for begin, _, landing in self._jumps if begin == self.last)])

    def _disproves(self, number: int) -> tuple[int, int, int] | None:
        """If `number` lies within a remembered jump, that jump was false: go back before it, and return it."""
        jump = next((jump for jump in self._jumps if jump[0] < number < jump[1]), None)
        if jump is not None:
            self._refuse(f"event {number} after a jump to {jump[1]}", hides=True)
            self.rewound = number - 1 if self.rewound is None else min(self.rewound, number - 1)
            while self._jumps and self._jumps[-1][1] > number:
                self._jumps.pop()
        return jump

    def _restarts(self, event: Event) -> bool:
        """Take a refused event; return whether so many prove that the worker has restarted its numbers."""
        sequence, refused = event.worker_sequence, self._refused
        if not sequence:
            return False
        if self._refused_at != self.last or (refused and sequence != refused[-1].worker_sequence + 1):
            refused.clear()
        self._refused_at = self.last
        refused.append(event)
        self.hides_events = self.hides_events or len(refused) > 1
        if len(refused) < RESTART:
            return False
        self._refuse(f"events that begin again at {refused[0].worker_sequence} after event {self.last}", hides=True)
        self._jumps.clear()
        self.last, self.is_restarted = sequence, True
        return True

    def pass_over(self) -> None:
        """Skip the next event. If it arrives after all, readers go back to it."""
        last, jumps = self.last, self._jumps
        # What a jump has skipped was reported as lost when it came; what is expected since then may be in it after all.
        self.hides_events = any(before <= last < first - 1 for before, first, _ in jumps)
        begin = jumps.pop()[0] if jumps and jumps[-1][1] == last + 1 else last
        ahead = [
            (last + 1, first, landing) for _, first, landing in jumps if first > last + 2
        ]  # jumps that may still be false
        behind = [(*jump[:2], -1) for jump in jumps if jump[1] <= last + 2]  # the next stream begins after these
        self._jumps = deque([*behind, (begin, last + 2, -1), *ahead], maxlen=KEPT_JUMPS)
        self.last = last + 1

    def _remember_jump(self, first: int, landing: int) -> None:
        """Remember a jump; it replaces those within it."""
        behind = [jump for jump in self._jumps if jump[1] <= self.last + 1]
        ahead = [jump for jump in self._jumps if jump[0] >= first - 1]
        self._jumps = deque([*behind, (self.last, first, landing), *ahead], maxlen=KEPT_JUMPS)

    def _refuse(self, what: str, *, hides: bool) -> bool:
        self.nonsense, self.hides_events = what, self.hides_events or hides
        return False


def _number(event: Event | Loss) -> int:
    if isinstance(event, Loss):
        return event.last
    gap = event.replay_gap
    return event.worker_sequence if gap is None else gap.oldest_available_sequence - 1
