"""Collects latencies and summarizes them as percentiles."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Final

_PERCENTILES: Final = (("p50", 50), ("p95", 95), ("p99", 99))
_DIGITS: Final = 3


class Latencies:
    """Latencies in milliseconds, eight bytes each."""

    def __init__(self) -> None:
        self._milliseconds = array("d")

    def add(self, milliseconds: float) -> None:
        """Add one latency."""
        self._milliseconds.append(milliseconds)

    def summary(self) -> dict[str, float]:
        """Return percentiles, maximum and mean; zeros if there are no latencies."""
        if not self._milliseconds:
            return {**{name: 0.0 for name, _ in _PERCENTILES}, "max": 0.0, "mean": 0.0}
        ordered = sorted(self._milliseconds)
        found = {name: percentile(ordered, percent) for name, percent in _PERCENTILES}
        found |= {"max": ordered[-1], "mean": math.fsum(ordered) / len(ordered)}
        return {name: round(milliseconds, _DIGITS) for name, milliseconds in found.items()}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile, interpolated linearly between the two nearest ranks.

    Args:
        ordered: At least one number, in ascending order.
        percent: From 0, the lowest number, to 100, the highest.
    """
    rank = (len(ordered) - 1) * percent / 100
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)
