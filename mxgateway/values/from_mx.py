"""MxValue to Python values. Reading never fails: a value without a Python form becomes an `UnconvertedValue`."""

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
    """Return the Python value in a message; never raises.

    Args:
        message: The value as it was received.

    Returns:
        None for null and for an empty message; a sparse array, which exists for writes only, counts as empty.
        Times as `Timestamp`, a datetime in UTC that keeps its 100 ns digit. Arrays of several dimensions as nested
        lists, row by row. What cannot be converted as an `UnconvertedValue`.
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
    return None if _is_empty(message, arm) else _unconverted(message, None)


def from_mx_array(array: proto.MxArray) -> MxArrayOutput | UnconvertedValue:
    """Return the list in an array message; never raises.

    Args:
        array: The array as it was received.

    Returns:
        A new list, nested if the array has several dimensions; an `UnconvertedValue` if the gateway could not convert
        the elements, or if their number does not match the dimensions.
    """
    return _from_array(array, None)


def _from_array(array: proto.MxArray, value: proto.MxValue | None) -> MxArrayOutput | UnconvertedValue:
    arm = which_one_of(array, "values")
    is_raw = bool(array.raw_diagnostic or array.raw_element_data_type)
    if not arm:
        elements_missing = is_raw or (array.dimensions and 0 not in array.dimensions)
        return _unconverted(value, array) if elements_missing else []
    if arm not in _ARRAY_ARMS or (arm == RAW.array_arm and is_raw):
        return _unconverted(value, array)
    elements: list[object] = list(getattr(array, arm).values)
    if len(array.dimensions) > 1:
        if len(array.dimensions) > MAX_RANK or math.prod(array.dimensions) != len(elements):
            return _unconverted(value, array)
        elements = _in_rows(elements, array.dimensions)
    return cast("MxArrayOutput", elements)


def _in_rows(elements: list[object], dimensions: Sequence[int]) -> list[object]:
    """Return the flat elements as nested lists; the last dimension varies fastest."""
    for length in reversed(dimensions[1:]):
        elements = [elements[start : start + length] for start in range(0, len(elements), length)] if elements else []
    return elements


def _is_empty(message: proto.MxValue, arm: str) -> bool:
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
