"""Events that arrive while no iterator is attached, and what is known of those that were lost."""

from __future__ import annotations

from collections import deque
from typing import Final

from mxgateway import proto

KEPT_LIMIT: Final = 10_000
"""Events that are kept: the length of the gateway's own queue."""


class KeptEvents:
    """Events that arrived while only confirmations were attached, for the next iterator."""

    def __init__(self) -> None:
        self._events: deque[proto.MxEvent] = deque()
        self._after = 0
        self._lost = False

    def add(self, batch: list[proto.MxEvent], last: int) -> int:
        """Keep a batch that follows sequence `last`; the oldest events make room. Return how many did."""
        if not self._events:
            self._after = last
        self._events.extend(batch)
        dropped = 0
        while len(self._events) > KEPT_LIMIT or (self._lost and self._events[0].replay_gap is not None):
            dropped += self._events.popleft().replay_gap is None
            self._lost = True
        return dropped

    def take(self) -> KeptEvents:
        """Return what is kept, and keep nothing."""
        taken = KeptEvents()
        taken._events, self._events = self._events, deque()
        taken._after, taken._lost, self._lost = self._after, self._lost, False
        return taken

    def covers(self, after: int) -> bool:
        """Tell whether these are all events after a sequence; 0 asks for whatever there is."""
        return bool(self._events) and (after == 0 or (self._after <= after and not self._lost))

    def events(self) -> list[proto.MxEvent]:
        """Return the events, behind a mark of those that were dropped."""
        events = list(self._events)
        if self._lost:
            gap = proto.ReplayGap(
                requested_after_sequence=self._after, oldest_available_sequence=events[0].worker_sequence
            )
            events.insert(0, proto.MxEvent(session_id=events[0].session_id, replay_gap=gap))
        return events


def is_after(event: proto.MxEvent, sequence: int) -> bool:
    """Tell whether an event, or the mark of lost ones, is news for somebody who knows everything up to a sequence."""
    if event.replay_gap is not None:
        return event.replay_gap.oldest_available_sequence > sequence + 1
    return event.worker_sequence > sequence


def lost_in(gap: proto.ReplayGap) -> int:
    """Return how many events a gap stands for: those strictly between the two sequences."""
    return max(0, gap.oldest_available_sequence - gap.requested_after_sequence - 1)
