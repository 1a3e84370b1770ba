"""Time that stands still while anything is to be done and jumps to the next timer otherwise: ten minutes of pauses pass in a second.

Client and simulated gateway live in one process and talk over loopback, so bytes that were sent can be read at once: when nothing can be read
and nothing is due, nothing will happen before the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

from mxgateway.simulator.clock import FILETIME_STEP, NANOSECONDS, Clock, Timer

T = TypeVar("T")

GRACE: Final = 0.0005
"""Real seconds in which a thread of this process, or the system, may still deliver what was begun before time jumps."""

HANG: Final = 20.0
"""Real seconds after which a program that waits for nothing that has a time fails."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only by jumps to the next timer."""

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += seconds


class _JumpingSelector(selectors.BaseSelector):
    """Looks at what is ready; where it would wait for it, time jumps instead."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._selector = selectors.DefaultSelector()
        self._jump = jump

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._selector.get_map()

    def close(self) -> None:
        self._selector.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            ready = self._selector.select(HANG)
            assert ready, "nothing happens any more, and no timer is set"
            return ready
        ready = self._selector.select(0)
        if not ready and timeout > 0:
            ready = self._selector.select(GRACE)
            if not ready:
                self._jump(timeout)
        return ready


class LoopClock(Clock):
    """The simulated gateway's clock, which shows the time of the loop."""

    def now_ns(self) -> int:
        seconds = 1_700_000_000 + asyncio.get_running_loop().time()
        return int(seconds * NANOSECONDS) // FILETIME_STEP * FILETIME_STEP

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(delay, callback)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
