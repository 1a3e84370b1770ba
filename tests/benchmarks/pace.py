"""A schedule for messages: one in each interval, as a plant's values come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator


class Pace:
    """Holds messages back until each is due. The schedule is absolute: a late message does not shift the next ones.

    Args:
        interval: Seconds from one message to the next.
        clock: Seconds that only go on.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        interval: float,
        *,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.late = 0
        """Messages that went when the next one was due already."""
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
