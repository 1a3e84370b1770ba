"""Drives live tags on a grid of the wall clock."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Protocol

from mxgateway.simulator.clock import NANOSECONDS, Clock, Timer

CATCH_UP: Final = 100
"""Most missed ticks that a late ticker delivers: not hours of them."""
# Tags per turn of a tick. After as many, the loop runs and sends the events: a plant of any size changes without
# overflowing an event queue that is read.
_SLICE: Final = 500


class _Tag(Protocol):
    def advance(self, tick: int, /) -> None: ...


class _LivePlant(Protocol):
    @property
    def clock(self) -> Clock: ...

    def tick(self, interval: float) -> int: ...

    def tick_time(self, interval: float, tick: int) -> int: ...


class Ticker:
    """Advances the observed tags of one interval, on a fixed grid of the wall clock, without drift."""

    def __init__(self, plant: _LivePlant, interval: float) -> None:
        self._plant = plant
        self._interval = interval
        self._tags: dict[_Tag, None] = {}
        self._due: Iterator[_Tag] = iter(())
        self._last = 0
        self._timer: Timer | None = None

    def add(self, tag: _Tag) -> None:
        """Advance a tag at each tick from the next one on."""
        self._tags[tag] = None
        if self._timer is None:
            self._last = self._plant.tick(self._interval)
            self._schedule()

    def remove(self, tag: _Tag) -> None:
        """Leave a tag as it is."""
        self._tags.pop(tag, None)
        if not self._tags:
            self.stop()

    def stop(self) -> None:
        """Advance no tag until another one is added."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        due_ns = self._plant.tick_time(self._interval, self._last + 1)
        self._timer = self._plant.clock.call_later((due_ns - self._plant.clock.now_ns()) / NANOSECONDS, self._run)

    def _run(self) -> None:
        # One tick per call: after a busy loop, events are sent before the next tick runs.
        now = self._plant.tick(self._interval)
        tick = max(self._last + 1, now - CATCH_UP + 1)
        if tick <= now:
            self._last = tick
            self._due = iter(list(self._tags))
            self._continue()
        else:
            self._schedule()

    def _continue(self) -> None:
        timer = self._timer
        reached = list(islice(self._due, _SLICE))
        for tag in reached:
            tag.advance(self._last)
        if self._timer is not timer:
            # A listener may have removed the last tag.
            return
        if len(reached) == _SLICE:
            self._timer = self._plant.clock.call_later(0.0, self._continue)
        else:
            self._schedule()
