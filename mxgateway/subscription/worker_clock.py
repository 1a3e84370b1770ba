"""The worker's clock as far as it can be known here: which events are older than the stream that brought them, and how late one is."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from mxgateway.events.cursor import Loss
from mxgateway.events.data_change import DataChange

BACK: Final = 1.0
"""Seconds by which the worker's times may go back without its clock having been set back: MXAccess hands over events of several sources."""
NOTED_EVERY: Final = 0.1
"""Seconds: how often an event's time is looked at while nothing depends on it."""


class WorkerClock:
    """How far the worker's clock and the way from there are off this process's monotonic clock.

    The smallest difference between an event's time at the worker and its arrival is the two clocks' difference plus the shortest way. What is beyond it
    is delay. The wall clock of this machine plays no part. When the worker's clock is set back, nothing is known any more.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._difference = 0.0
        self._newest = -math.inf
        self._next = -math.inf
        self._unnoted: tuple[Any, float] | None = None
        """The newest event that was not looked at, and when it came."""
        self._replay_before = 0.0
        """Worker time before which events have happened while the stream was interrupted."""
        self.is_replaying = False
        """True until the first event that has happened since the stream was opened."""

    def note(self, event: Any, *, at_once: bool = False) -> bool:
        """Take note of an event that has arrived now; return False when the worker's clock is seen to be set back."""
        now = time.monotonic()
        self._unnoted = event, now
        if now < self._next and not (at_once or self.is_replaying):
            return True
        self._next = now + NOTED_EVERY
        return self._catch_up()

    def _catch_up(self) -> bool:
        if self._unnoted is None:
            return True
        (event, now), self._unnoted = self._unnoted, None
        if (worker_time := _worker_time(event)) is None:
            return True
        self._difference = difference = now - worker_time
        steady = worker_time >= self._newest - BACK
        if not steady:
            self._offset, self.is_replaying = None, False
        if not steady or worker_time > self._newest:
            self._newest = worker_time
        if self._offset is None or difference < self._offset:
            self._offset = difference
        return steady

    @property
    def lag(self) -> float:
        """Seconds that the newest event was late."""
        self._catch_up()
        return 0.0 if self._offset is None else self._difference - self._offset

    def now(self) -> float:
        """Return the worker's time, in seconds since 1970: no event that has happened before its present reply was sent is later. Infinite while nothing is known."""
        self._catch_up()
        return math.inf if self._offset is None else time.monotonic() - self._offset

    def stream_opened(self) -> None:
        """Take note that the stream was opened again: what has happened before is replayed."""
        self._catch_up()
        if self._offset is not None:
            self._replay_before, self.is_replaying = time.monotonic() - self._offset, True

    def is_replayed(self, worker_time: float) -> bool:
        """Tell whether an event has happened before the stream was opened."""
        self.is_replaying = self.is_replaying and worker_time < self._replay_before
        return self.is_replaying


def _worker_time(event: Any) -> float | None:
    """Return when the worker took an event, in seconds since 1970; None when it does not say."""
    if isinstance(event, DataChange):
        return event.worker_time or None
    return None if isinstance(event, Loss) else event.worker_timestamp.timestamp() or None
