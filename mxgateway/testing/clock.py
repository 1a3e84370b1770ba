"""`TestClock`: one time for a test's event loop and the simulated gateway, which moves only by `advance`."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mxgateway.simulator import ManualClock, SimulatedGateway
from mxgateway.simulator.clock import FILETIME_STEP, NANOSECONDS
from mxgateway.testing.gateway import ThreadedGateway

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_UNITS: Final = NANOSECONDS // FILETIME_STEP
"""Units of the gateway's clock in a second."""
_QUIET_ROUNDS: Final = 3
"""Rounds without a sign of life at the gateway until nothing more is expected before time moves on."""
_MOST_ROUNDS: Final = 1000
"""Rounds after which time moves on although the gateway never rests."""
_PAUSE: Final = 0.5
"""Real seconds between two looks at whether somebody has moved the time."""
_ROUND: Final = 0.0005
"""Real seconds of a round, in which both threads run what is ready."""


class TestClock:
    """The time of a test. It stands still until `advance`, for the gateway and for the loop of an async test.

    On that loop `asyncio.sleep` and `asyncio.timeout`, and so each pause, back-off and timeout of the client, wait for
    `advance`. A bound on the test itself needs real time: pytest-timeout has it.
    """

    __test__ = False  # pytest takes it for a test otherwise

    def __init__(self) -> None:
        self.gateway_clock = ManualClock()
        """The clock of the gateway."""
        self._gateway: ThreadedGateway | None = None
        self._loop: _StandingLoop | None = None
        self.patience = 60.0
        """Real seconds without `advance` after which the test fails: time stands still, so it would wait forever."""
        self._moved_at = 0.0
        self._is_stuck = False
        self._watch: Future[None] | None = None
        self._seen: object = None

    @property
    def now(self) -> datetime:
        """The time at the gateway, with a time zone."""
        return EPOCH + timedelta(microseconds=self.gateway_clock.now_ns() // 1000)

    async def advance(self, seconds: float) -> None:
        """Let time pass, at the gateway and on this loop: each timer runs at its own time, and what it causes happens.

        Raises:
            RuntimeError: The loop's time does not stand still: this is no async test with the fixture `mx_clock`.
        """
        if self._loop is None:
            raise RuntimeError("the time of this loop runs by itself: use mx_clock in the async test function itself")
        self._moved_at = time.monotonic()
        await self._settle()
        left, moved = seconds, 0
        while True:
            next_due = min(self._loop.next_due, self._next_due_at_the_gateway())
            if left <= 0 < next_due:
                return
            step = max(0.0, min(left, next_due))
            self._loop.pass_time(step)
            left -= step
            has_run = self._loop.run_due()
            # In whole units of the gateway's clock: its roundings of each step would add up.
            passed = round((seconds - left) * _UNITS)
            self._move_the_gateway((passed - moved) / _UNITS)
            moved = passed
            await self._settle(quiet=0 if has_run else _QUIET_ROUNDS - 1)

    def attach(self, gateway: ThreadedGateway) -> None:
        """Move the time of a gateway whose clock is `gateway_clock`."""
        self._gateway = gateway

    def stop_time(self) -> None:
        """Let the time of the running loop stand still, and cancel this task if nobody moves it."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._loop = _StandingLoop(loop)
        self._moved_at = time.monotonic()
        if self._gateway is not None and task is not None:
            self._watch = self._gateway.thread.submit(lambda: self._cancel_when_stuck(loop, task))

    def let_run(self) -> None:
        """Let the time of the loop run on by itself from where it stands."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.let_run()
        if self._watch is not None:
            self._watch.cancel()

    def check(self) -> None:
        """Say so if the test was cancelled because nobody moved the time.

        Raises:
            TimeoutError: It was.
        """
        if self._is_stuck:
            raise TimeoutError(
                f"nothing has moved the time for {self.patience:g} s: the test waits for what `advance` brings"
            )

    async def _cancel_when_stuck(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        while True:
            left = self._moved_at + self.patience - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(left, _PAUSE))
        self._is_stuck = True
        loop.call_soon_threadsafe(task.cancel)

    def _next_due_at_the_gateway(self) -> float:
        if self._gateway is None:
            return math.inf
        return self._gateway.thread.call(lambda: self.gateway_clock.next_due)

    def _move_the_gateway(self, seconds: float) -> None:
        if self._gateway is not None:
            self._gateway.advance(seconds)

    async def _settle(self, *, quiet: int = 0) -> None:
        """Wait until this loop and the gateway have nothing more to do at this moment."""
        for _ in range(_MOST_ROUNDS):
            now = await self._round()
            quiet = quiet + 1 if now == self._seen else 0
            self._seen = now
            if quiet >= _QUIET_ROUNDS:
                return

    async def _round(self) -> object:
        """Let both threads run for a moment; return what the gateway has seen by then."""
        if self._gateway is None:
            await asyncio.sleep(0)
            return None
        thread, gateway = self._gateway.thread, self._gateway.simulated
        await asyncio.wrap_future(thread.submit(lambda: asyncio.sleep(_ROUND)))
        return thread.call(lambda: _signs_of_life(gateway))


def _signs_of_life(gateway: SimulatedGateway) -> object:
    if gateway._run is None:
        return None
    last = gateway.received[-1] if gateway.received else None
    return id(last), gateway.events_sent, gateway.connections, list(gateway.sessions)


class _Timer(asyncio.TimerHandle):
    """A timer of a loop whose time stands still."""

    __slots__ = ("order",)

    def __init__(
        self,
        order: int,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.order = order

    def cancel(self) -> None:
        # Not TimerHandle's, which tells the loop: it does not know this timer.
        asyncio.Handle.cancel(self)

    def run(self) -> None:
        if not self.cancelled():
            self._run()


class _StandingLoop:
    """Replaces the time of a running loop, of asyncio or uvloop, through the methods that everybody uses."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop  # its methods are replaced
        self._own_call_later = loop.call_later
        self._now = loop.time()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = 0
        self._loop.time = lambda: self._now
        self._loop.call_at = self._call_at
        self._loop.call_later = self._call_later

    @property
    def next_due(self) -> float:
        """Seconds until the next timer; infinity if there is none."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._now if self._timers else math.inf

    def pass_time(self, seconds: float) -> None:
        """Move the time, at most to the next timer."""
        due = self._timers[0][0] if self._timers else math.inf
        # Exactly to the timer: a sum of differences would miss it by a rounding.
        self._now = due if math.isclose(self._now + seconds, due, rel_tol=1e-12) else self._now + seconds

    def run_due(self) -> bool:
        """Run the timers that are due; return whether there were any."""
        found = False
        while self.next_due <= 0:
            self._loop.call_soon(heapq.heappop(self._timers)[2].run)
            found = True
        return found

    def let_run(self) -> None:
        """Let time run from where it stands: what is pending waits for what is left of its time."""
        began = time.monotonic()
        stood_at = self._now
        self._loop.time = lambda: stood_at + time.monotonic() - began
        del self._loop.call_at, self._loop.call_later
        for when, _, timer in self._timers:
            if not timer.cancelled():
                self._own_call_later(max(0.0, when - stood_at), timer.run)
        self._timers.clear()

    def _call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        self._count += 1
        timer = _Timer(self._count, when, callback, args, self._loop, context)
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def _call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self._call_at(self._now + delay, callback, *args, context=context)
