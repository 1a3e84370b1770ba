"""Sends messages on a fixed schedule, as values arrive from a plant."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator


class Pace:
    """Delays messages until they are due. The schedule is absolute: a late message does not delay later ones.

    Args:
        interval: Seconds from one message to the next.
        clock: A monotonic clock in seconds.
        sleep: Sleeps for some seconds.
    """

    def __init__(
        self,
        interval: float,
        *,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.late = 0
        """Messages sent when the next one was already due."""
        self.sent = 0
        self._interval, self._clock, self._sleep = interval, clock, sleep

    def of(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        """Yield each message when it is due, the first one at once."""
        start = self._clock()
        for number, message in enumerate(messages):
            due = start + number * self._interval
            if (left := due - self._clock()) > 0:
                self._sleep(left)
            self.late += self._clock() - due >= self._interval
            self.sent += 1
            yield message
