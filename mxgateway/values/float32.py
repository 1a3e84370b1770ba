"""Values of 32 bits, as they are shown and compared."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from mxgateway.wire.float32 import as_float32, shortest_float32

V = TypeVar("V")


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
