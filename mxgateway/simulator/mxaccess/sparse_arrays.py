"""Expands MxSparseArray: the gateway turns it into the whole array before the worker sees it."""

from __future__ import annotations

from typing import Any, Final

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import nanoseconds
from mxgateway.simulator.mxaccess.values import DataType, to_message
from mxgateway.wire import which_one_of

# Longer than any array of a galaxy: a bare length must not be able to exhaust the memory.
_LONGEST: Final = 1_000_000

_BY_ARM: Final = {
    (data_type.traits.mx_type, data_type.traits.arm): data_type
    for data_type in DataType
    if data_type is not DataType.CUSTOM
}


def expand(value: mx.MxValue) -> mx.MxValue:
    """Return `value` with a sparse array expanded to the whole array; other values unchanged.

    Slots that are not listed get the default of the element type.

    Raises:
        GRPCError: INVALID_ARGUMENT for an index that is too large or repeated, for an element that is not a scalar or
            has another type, and for an element type that no array can have.
    """
    if not value.is_set("sparse_array_value"):
        return value
    sparse = value.sparse_array_value
    if sparse.total_length > _LONGEST:
        raise _rejected(f"total_length {sparse.total_length} is above the limit of {_LONGEST}")
    data_type = _element_type(sparse)
    slots: list[Any] = [data_type.traits.default] * sparse.total_length
    seen: set[int] = set()
    for element in sparse.elements:
        if element.index >= sparse.total_length:
            raise _rejected(f"index {element.index} is outside of the total_length {sparse.total_length}")
        if element.index in seen:
            raise _rejected(f"index {element.index} is repeated")
        seen.add(element.index)
        slots[element.index] = _native(element)
    return to_message(data_type, slots)


def _element_type(sparse: mx.MxSparseArray) -> DataType:
    """Return the plant's type of the elements, after checking that all have it."""
    candidates = {arm: dt for (mx_type, arm), dt in _BY_ARM.items() if mx_type == sparse.element_data_type}
    if not candidates:
        raise _rejected(f"element_data_type {sparse.element_data_type} has no array")
    chosen = next(iter(candidates.values()))
    for element in sparse.elements:
        arm = which_one_of(element.value, "kind")
        if arm in ("array_value", "sparse_array_value") or not arm:
            raise _rejected(f"the element at index {element.index} is not a scalar")
        if arm not in candidates:
            raise _rejected(f"the element at index {element.index} is a {arm}, not of the element_data_type")
        # One wide integer makes the whole array wide.
        if arm == "int64_value":
            chosen = candidates[arm]
    return chosen


def _native(element: mx.MxSparseElement) -> Any:
    arm = which_one_of(element.value, "kind")
    native = getattr(element.value, arm)
    return nanoseconds(native) if arm == "timestamp_value" else native


def _rejected(why: str) -> GRPCError:
    return GRPCError(Status.INVALID_ARGUMENT, f"Sparse array refused: {why}.")
