"""The worker's clock as far as it can be known here: which events are older than the stream that brought them, and how late one is."""

from __future__ import annotations

import math
import time

from mxgateway import proto


class WorkerClock:
    """How far the worker's clock and the way from there are off.

    The smallest difference between an event's time at the worker and its arrival is the two clocks' difference plus the shortest way. What is beyond it
    is delay.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._difference = 0.0
        self._replay_before = 0.0
        """Worker time before which events have happened while the stream was interrupted."""
        self.is_replaying = False
        """True until the first event that has happened since the stream was opened."""

    def note(self, event: proto.MxEvent) -> None:
        """Take note of an event that has arrived now."""
        difference = time.time() - event.worker_timestamp.timestamp()
        self._difference = difference
        if self._offset is None or difference < self._offset:
            self._offset = difference

    @property
    def lag(self) -> float:
        """Seconds that the newest event was late."""
        return self._difference - (self._difference if self._offset is None else self._offset)

    def now(self) -> float:
        """Return the worker's time, in seconds since 1970: no event that has happened before its present reply was sent is later. Infinite while nothing is known."""
        return math.inf if self._offset is None else time.time() - self._offset

    def stream_opened(self) -> None:
        """Take note that the stream was opened again: what has happened before is replayed."""
        if self._offset is not None:
            self._replay_before, self.is_replaying = time.time() - self._offset, True

    def is_replayed(self, event: proto.MxEvent) -> bool:
        """Tell whether an event has happened before the stream was opened."""
        self.is_replaying = self.is_replaying and event.worker_timestamp.timestamp() < self._replay_before
        return self.is_replaying
