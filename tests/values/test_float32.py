"""A 32-bit float is shown as the shortest number that is the same float."""

from __future__ import annotations

import math
import struct
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from mxgateway import from_mx_value, proto, to_mx_value
from mxgateway.values import shortest_floats
from tests.rows import each_row

SMALLEST = 2.0**-149


def in_32_bits(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


@each_row(
    ("read", "shown"),
    [
        (in_32_bits(69.8), 69.8), (in_32_bits(0.1), 0.1), (in_32_bits(-49.3), -49.3), (in_32_bits(16777216), 16777216.0),
        (in_32_bits(3.4028235e38), 3.4028235e38), (SMALLEST, 1e-45), (0.0, 0.0), (math.inf, math.inf), (1e300, 1e300),
        ([in_32_bits(0.1), [in_32_bits(0.2)]], [0.1, [0.2]]), (0.1, 0.1), (5, 5), (True, True), ("x", "x"), (None, None),
    ],
)  # fmt: skip
def test_a_float_is_shown_as_it_was_entered(read: Any, shown: Any) -> None:
    found = shortest_floats(read)
    assert found == shown
    assert type(found) is type(shown)


@example(3.4028234663852886e38)
@example(-(2.0**-126))
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_it_is_the_same_float_and_no_shorter_one_is(number: float) -> None:
    found = shortest_floats(number)
    assert in_32_bits(found) == number
    digits = len(repr(found).partition("e")[0].strip("-0").replace(".", "").strip("0"))
    shorter = [float(f"{number:.{precision}g}") for precision in range(1, digits)]
    assert not [each for each in shorter if abs(each) < 3.4028235e38 and in_32_bits(each) == number]
    again = to_mx_value(found, data_type=proto.MxDataType.FLOAT)
    assert from_mx_value(again) == number


def test_what_has_no_sign_or_no_number_stays() -> None:
    assert math.isnan(shortest_floats(math.nan))
    assert math.copysign(1, shortest_floats(-0.0)) == -1
