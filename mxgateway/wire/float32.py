"""Numbers of 32 bits, as they are shown: 69.8, and not 69.80000305175781, the same number in 64 bits."""

from __future__ import annotations

import math
from struct import Struct
from typing import Final

_float32: Final = Struct("<f")
_SMALLEST_NORMAL: Final = math.ldexp(1, -126)
"""Smaller numbers have fewer digits."""


def as_float32(value: float) -> float:
    """Return the nearest 32-bit float; OverflowError if there is none."""
    rounded: float = _float32.unpack(_float32.pack(value))[0]
    return rounded


def shortest_float32(value: float) -> float:
    """Return the number with the shortest text of those that are the same 32-bit float as `value`."""
    if not math.isfinite(value) or not value:
        return value
    for precision in range(6 if abs(value) >= _SMALLEST_NORMAL else 1, 9):
        shortest = float(f"{value:.{precision}g}")
        if as_float32(shortest) == value:
            return shortest
    return float(f"{value:.9g}")
