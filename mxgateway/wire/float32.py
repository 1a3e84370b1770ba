"""Numbers of 32 bits, as they are shown: 69.8, and not 69.80000305175781, the same number in 64 bits."""

from __future__ import annotations

import math
from struct import Struct
from typing import Any, Final, TypeVar, cast

V = TypeVar("V")

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


def shortest_floats(value: V) -> V:
    """Return a value of a FLOAT as it is shown and compared: 69.8, where a read returns 69.80000305175781.

    MXAccess holds a FLOAT in 32 bits. A read returns exactly that number, which has more digits in Python's 64 bits.
    This returns the number with the shortest text that is the same FLOAT: what an operator has entered.

    Args:
        value: A number or a list that was read, nested or not; what is no 32-bit float is returned as it is.
    """
    return cast("V", _shortest(value))


def _shortest(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortest(each) for each in value]
    if not isinstance(value, float):
        return value
    try:
        return shortest_float32(value) if as_float32(value) == value else value
    except OverflowError:
        return value
