"""How a provider-driven value depends on time: a pure function of the tick, hence repeatable."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Pattern = Callable[[int, int, int], Any]
"""Takes the tick since the plant's start, the tag's seed and the wall time in nanoseconds; returns the value, or a `Reading`."""


class Reading(NamedTuple):
    """A value of a pattern with a quality of its own."""

    native: Any
    quality: int


def counter(tick: int, seed: int, time_ns: int) -> int:
    """Count the ticks, from 1 to the largest 32-bit integer, then again."""
    return tick % 0x7FFFFFFF + 1


def toggle(tick: int, seed: int, time_ns: int) -> bool:
    """Alternate between true and false."""
    return (tick + seed) % 2 == 0


def wall_time(tick: int, seed: int, time_ns: int) -> int:
    """Return the time of the tick."""
    return time_ns


def noise(low: float, high: float) -> Pattern:
    """Return independent random numbers between two limits."""

    def value(tick: int, seed: int, time_ns: int) -> float:
        return random.Random(seed * 1_000_003 + tick).uniform(low, high)

    return value


def sine(low: float, high: float, ticks: int) -> Pattern:
    """Oscillate between two limits once in `ticks`, with the tag's own phase."""

    def value(tick: int, seed: int, time_ns: int) -> float:
        angle = 2 * math.pi * ((tick + seed % ticks) % ticks) / ticks
        return (low + high) / 2 + (high - low) / 2 * math.sin(angle)

    return value


def cycle(values: Sequence[Any]) -> Pattern:
    """Repeat `values` in a cycle."""

    def value(tick: int, seed: int, time_ns: int) -> Any:
        return values[(tick + seed) % len(values)]

    return value


def shift(length: int) -> Pattern:
    """Return an array of counts that shifts by one with every tick."""

    def value(tick: int, seed: int, time_ns: int) -> list[int]:
        return [(tick + index) % 0x7FFFFFFF for index in range(length)]

    return value
