"""MxValue to Python values. Reading never fails: what has no Python form comes back whole, as an `UnconvertedValue`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, cast

from mxgateway import proto
from mxgateway.values.kinds import KINDS, RAW
from mxgateway.values.types import MAX_RANK, MxArrayOutput, MxValueOutput, UnconvertedValue
from mxgateway.wire import which_one_of

_PLAIN_ARMS: Final = frozenset(kind.arm for kind in KINDS if kind is not RAW)
_ARRAY_ARMS: Final = frozenset(kind.array_arm for kind in KINDS)
_NO_VALUE_VARIANTS: Final = ("", "VT_EMPTY", "VT_NULL")
_NO_VALUE_TYPES: Final = (proto.MxDataType.UNSPECIFIED, proto.MxDataType.NO_DATA)


def from_mx_value(message: proto.MxValue) -> MxValueOutput:
    """Return the Python value that a message carries; never raises.

    Args:
        message: The value as it was received.

    Returns:
        None for null and for a message that holds nothing; a sparse array, which exists for writes only, counts as nothing.
        Times as `Timestamp`, a datetime in UTC that keeps its 100 ns digit. Arrays of several dimensions as lists
        inside lists, row by row. What cannot be converted as an `UnconvertedValue`.
    """
    if message.is_null:
        return None
    arm = which_one_of(message, "kind")
    if arm in _PLAIN_ARMS:
        return cast("MxValueOutput", getattr(message, arm))
    if arm == "array_value":
        return _from_array(message.array_value, message)
    if arm == RAW.arm and not message.raw_diagnostic and not message.raw_data_type:
        return message.raw_value
    return None if _holds_nothing(message, arm) else _unconverted(message, None)


def from_mx_array(array: proto.MxArray) -> MxArrayOutput | UnconvertedValue:
    """Return the list that an array message carries; never raises.

    Args:
        array: The array as it was received.

    Returns:
        A new list, with lists inside when the array has several dimensions; an `UnconvertedValue` when the gateway could
        not convert the elements, or when their number does not fill the dimensions.
    """
    return _from_array(array, None)


def _from_array(array: proto.MxArray, value: proto.MxValue | None) -> MxArrayOutput | UnconvertedValue:
    arm = which_one_of(array, "values")
    told = bool(array.raw_diagnostic or array.raw_element_data_type)
    if not arm:
        elements_missing = told or (array.dimensions and 0 not in array.dimensions)
        return _unconverted(value, array) if elements_missing else []
    if arm not in _ARRAY_ARMS or (arm == RAW.array_arm and told):
        return _unconverted(value, array)
    elements: list[object] = list(getattr(array, arm).values)
    if len(array.dimensions) > 1:
        if len(array.dimensions) > MAX_RANK or math.prod(array.dimensions) != len(elements):
            return _unconverted(value, array)
        elements = _in_rows(elements, array.dimensions)
    return cast("MxArrayOutput", elements)


def _in_rows(elements: list[object], dimensions: Sequence[int]) -> list[object]:
    """Return the row of elements as lists inside lists; the last dimension varies fastest."""
    for length in reversed(dimensions[1:]):
        elements = [elements[start : start + length] for start in range(0, len(elements), length)] if elements else []
    return elements


def _holds_nothing(message: proto.MxValue, arm: str) -> bool:
    if message.raw_diagnostic or message.raw_data_type:
        return False
    if arm:
        return arm == "sparse_array_value"
    return message.data_type in _NO_VALUE_TYPES and message.variant_type in _NO_VALUE_VARIANTS


def _unconverted(value: proto.MxValue | None, array: proto.MxArray | None) -> UnconvertedValue:
    outer = proto.MxValue() if value is None else value
    inner = proto.MxArray() if array is None else array
    raw = outer.raw_value if which_one_of(outer, "kind") == RAW.arm else b""
    return UnconvertedValue(
        raw_data_type=outer.raw_data_type or inner.raw_element_data_type,
        variant_type=outer.variant_type or inner.variant_type,
        raw_diagnostic=outer.raw_diagnostic or inner.raw_diagnostic,
        raw_value=raw,
        message=inner if value is None else value,
    )
