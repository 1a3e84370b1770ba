"""NaN is no change: one rule says when two values are the same."""

from __future__ import annotations

import math
from typing import Any

from mxgateway import proto
from mxgateway.values import UnconvertedValue, same_value
from tests.rows import each_row


def nan() -> float:
    """Return another NaN each time: one object would be found equal to itself."""
    return math.inf - math.inf


def unconverted(number: float) -> UnconvertedValue:
    array = proto.MxArray(double_values=proto.DoubleArray(values=[number]))
    return UnconvertedValue(5, "VT_ARRAY", "", b"", proto.MxValue(array_value=array))


@each_row(
    ("one", "other", "same"),
    [
        (nan(), nan(), True), ([1.5, nan()], [1.5, nan()], True), ([[nan()], [2.0]], [[nan()], [2.0]], True),
        ({"a": nan()}, {"a": nan()}, True), (unconverted(nan()), unconverted(nan()), True), (0.0, -0.0, True),
        (nan(), 1.0, False), (nan(), None, False), ([nan()], [1.0], False), ([nan()], [nan(), nan()], False),
        ([nan()], nan(), False), ({"a": nan()}, {"b": nan()}, False), (unconverted(nan()), unconverted(1.0), False),
        (None, None, True), ("NaN", nan(), False), (5, 5.0, True), ([1, 2], [1, 3], False), (b"a", b"a", True),
    ],
)  # fmt: skip
def test_nan_is_the_same_as_nan(one: Any, other: Any, same: bool) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same
