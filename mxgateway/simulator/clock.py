"""Time in the simulated gateway: the system's, or a test's own.

Everything that depends on time (changing tags, leases, grace periods, delayed events) uses a `Clock` for the time and
for callbacks, so that a test can advance a day in a microsecond. Wall time is in nanoseconds since 1970 and moves in
FILETIME steps of 100 ns.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

from mxgateway.wire import Timestamp

NANOSECONDS: Final = 1_000_000_000
FILETIME_STEP: Final = 100


class Timer(Protocol):
    """A scheduled call that has not run yet."""

    def cancel(self) -> None:
        """Cancel the call; no effect if it has run."""


class Clock(ABC):
    """A source of time and of delayed calls."""

    ahead_ns = 0
    """How far `step` has set the wall time ahead, in nanoseconds."""

    @abstractmethod
    def now_ns(self) -> int:
        """Return the wall time in nanoseconds since 1970, a multiple of 100."""

    def monotonic_ns(self) -> int:
        """Return a time in nanoseconds that `step` does not change."""
        return self.now_ns()

    @abstractmethod
    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once after `delay` seconds."""

    def step(self, seconds: float) -> None:
        """Move the wall clock, back for a negative number, as a time correction does; pending delays stay."""
        self.ahead_ns += round(seconds * NANOSECONDS / FILETIME_STEP) * FILETIME_STEP

    def now(self) -> Timestamp:
        """Return the wall time as the contract's messages carry it."""
        return timestamp(self.now_ns())

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        done = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()


class SystemClock(Clock):
    """The machine's clock, with an offset set by `step`."""

    def now_ns(self) -> int:
        """Return the wall time in nanoseconds since 1970, a multiple of 100."""
        return (time.time_ns() + self.ahead_ns) // FILETIME_STEP * FILETIME_STEP

    def monotonic_ns(self) -> int:
        """Return a time in nanoseconds that `step` does not change."""
        return time.monotonic_ns()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once after `delay` seconds."""
        return asyncio.get_running_loop().call_later(delay, callback)


class ManualClock(Clock):
    """A clock that moves only by `advance`.

    Args:
        start: The initial wall time, with a time zone.
    """

    def __init__(self, start: datetime = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)) -> None:
        self._now_ns = nanoseconds(start)
        self._timers: list[_ManualTimer] = []
        self._count = 0

    def now_ns(self) -> int:
        """Return the wall time in nanoseconds since 1970, a multiple of 100."""
        return self._now_ns + self.ahead_ns

    def monotonic_ns(self) -> int:
        """Return a time in nanoseconds that `step` does not change."""
        return self._now_ns

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, in the `advance` that passes `delay` seconds."""
        self._count += 1
        timer = _ManualTimer(self._now_ns + _steps(delay), self._count, callback)
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def pending(self) -> int:
        """How many calls are pending."""
        return sum(timer.is_pending for timer in self._timers)

    @property
    def next_due(self) -> float:
        """Seconds until the next pending call; infinity if there is none."""
        due = min((timer.due_ns for timer in self._timers if timer.is_pending), default=math.inf)
        return max(0.0, (due - self._now_ns) / NANOSECONDS)

    def advance(self, seconds: float) -> None:
        """Move time forward and run every call that falls due, in order and each at its own time.

        Args:
            seconds: How far to move; 0 runs the calls that are due now.
        """
        end = self._now_ns + _steps(seconds)
        while self._timers and self._timers[0].due_ns <= end:
            timer = heapq.heappop(self._timers)
            self._now_ns = max(self._now_ns, timer.due_ns)
            timer.run()
        self._now_ns = end


class _ManualTimer:
    __slots__ = ("_callback", "due_ns", "order")

    def __init__(self, due_ns: int, order: int, callback: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.order = order
        self._callback: Callable[[], None] | None = callback

    def __lt__(self, other: _ManualTimer) -> bool:
        return (self.due_ns, self.order) < (other.due_ns, other.order)

    @property
    def is_pending(self) -> bool:
        return self._callback is not None

    def cancel(self) -> None:
        self._callback = None

    def run(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


@lru_cache(maxsize=1024)
def timestamp(ns: int) -> Timestamp:
    """Return the time `ns` nanoseconds after 1970."""
    return Timestamp.from_parts(*divmod(ns, NANOSECONDS))


def nanoseconds(moment: datetime) -> int:
    """Return `moment` in nanoseconds since 1970; a `Timestamp` keeps its 100 ns digit."""
    return Timestamp.from_datetime(moment).epoch_nanoseconds


def _steps(seconds: float) -> int:
    return round(max(seconds, 0.0) * NANOSECONDS / FILETIME_STEP) * FILETIME_STEP
