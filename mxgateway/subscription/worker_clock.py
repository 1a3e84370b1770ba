"""An estimate of the worker's clock: which events are older than their stream, and how late an event is."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from mxgateway.events.cursor import Loss
from mxgateway.events.data_change import DataChange

BACK: Final = 1.0
"""Seconds by which event times may go back although the clock was not set back: MXAccess merges several sources."""
NOTED_EVERY: Final = 0.1
"""Seconds between two looks at an event's time while nothing depends on it."""


class WorkerClock:
    """The offset between the worker's clock and this process's monotonic clock.

    The smallest difference between an event's time at the worker and its arrival is the clocks' offset plus the
    shortest transit. Anything beyond that is delay. This machine's wall clock is not used. When the worker's clock is
    set back, the estimate starts anew.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._difference = 0.0
        self._newest = -math.inf
        self._next = -math.inf
        self._unnoted: tuple[Any, float] | None = None
        """The newest event that was not looked at, and its time of arrival."""
        self._replay_before = 0.0
        """Events with an earlier worker time happened while the stream was interrupted."""
        self.is_replaying = False
        """True until the first event that happened after the stream was reopened."""

    def note(self, event: Any, *, at_once: bool = False) -> bool:
        """Note an event that has just arrived; return False if it shows that the worker's clock was set back."""
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
        """The delay of the newest event, in seconds."""
        self._catch_up()
        return 0.0 if self._offset is None else self._difference - self._offset

    def now(self) -> float:
        """Return an upper bound of the worker's time, in seconds since 1970; infinite while nothing is known.

        No event that happened before the worker sent its latest reply has a later time.
        """
        self._catch_up()
        return math.inf if self._offset is None else time.monotonic() - self._offset

    def stream_opened(self) -> None:
        """Note that the stream was reopened: earlier events are replayed."""
        self._catch_up()
        if self._offset is not None:
            self._replay_before, self.is_replaying = time.monotonic() - self._offset, True

    def is_replayed(self, worker_time: float) -> bool:
        """Return whether an event happened before the stream was reopened."""
        self.is_replaying = self.is_replaying and worker_time < self._replay_before
        return self.is_replaying


def _worker_time(event: Any) -> float | None:
    """Return when the worker took an event, in seconds since 1970; None when it does not say."""
    if isinstance(event, DataChange):
        return event.worker_time or None
    return None if isinstance(event, Loss) else event.worker_timestamp.timestamp() or None
