"""Python values to MxValue: each becomes exactly one kind of MxValue, or is refused before anything is sent."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, Final, SupportsIndex

from mxgateway import proto
from mxgateway.values.kinds import ELAPSED, INT64, KINDS, Kind, Plain, is_array, is_plain, shown_int
from mxgateway.values.type_rules import DATA_TYPES, INFERRED, Rule, fit_value, fit_values, refusal
from mxgateway.values.types import MAX_RANK, MxArrayInput, MxScalarInput, MxValueInput
from mxgateway.wire import WireError, encode, which_one_of

_READY_MADE: Final = (proto.MxValue, proto.MxArray, proto.MxSparseArray)
_OWN_TYPES: Final = {kind.data_type: proto.MxDataType[kind.data_type] for kind in (*KINDS, ELAPSED)}


def to_mx_value(
    value: MxValueInput, *, data_type: proto.MxDataType | None = None, name: str = "value"
) -> proto.MxValue:
    """Return the MxValue for a Python value.

    Args:
        value: The value; see the table in `mxgateway.values`.
        data_type: The MXAccess data type to send it as; None or UNSPECIFIED lets the value's Python type decide.
        name: The value's name in error texts.

    Returns:
        A new message, or `value` itself if it is a ``proto.MxValue``.

    Raises:
        MxGatewayInvalidRequestError: The value, or one element of it, does not fit.
    """
    if data_type is None and is_plain(value):  # the common case: none of the checks below applies to it
        return scalar_value(*fit_value(value, INFERRED, name))
    _check_data_type(data_type)
    if value is None:
        return proto.MxValue(data_type=proto.MxDataType.NO_DATA, variant_type="VT_EMPTY", is_null=True)
    if isinstance(value, _READY_MADE):
        return _ready_made(value, data_type, name)
    return mx_value_by_rule(value, _rule(data_type, name), data_type=data_type, name=name)


def to_mx_array(
    values: MxArrayInput,
    *,
    data_type: proto.MxDataType | None = None,
    dimensions: Sequence[int] | None = None,
    name: str = "value",
) -> proto.MxArray:
    """Return the MxArray for a list.

    Args:
        values: The elements as a flat list (row-major if there are several dimensions).
        data_type: The MXAccess data type of the elements; required if there are none.
        dimensions: The length of each dimension; None for one dimension.
        name: The list's name in error texts.

    Raises:
        MxGatewayInvalidRequestError: An element does not fit, the elements are of several types, or `dimensions` is
            wrong.
    """
    _check_data_type(data_type)
    array = _array(values, _rule(data_type, name), data_type, name)
    if dimensions is not None:
        _check_dimensions(dimensions, len(values), name)
        array.dimensions = list(dimensions)
    return array


def to_mx_sparse_array(
    element_data_type: proto.MxDataType,
    total_length: int,
    elements: Mapping[int, MxScalarInput],
    *,
    name: str = "value",
) -> proto.MxSparseArray:
    """Return an array write that sets some elements; the gateway resets the others to the type's default.

    Args:
        element_data_type: The MXAccess data type of every element.
        total_length: The number of elements of the whole array.
        elements: The new values by index, counted from 0.
        name: The array's name in error texts.

    Raises:
        MxGatewayInvalidRequestError: An index is outside the array, or a value does not fit the type.
    """
    _check_data_type(element_data_type, "element_data_type")
    rule = _element_rule(element_data_type, name)
    if not isinstance(elements, Mapping):
        raise refusal(name, f"is of type {type(elements).__name__}", "pass a mapping, such as {index: value}")
    indexes = list(elements)
    length = _check_indexes(indexes, total_length, name)
    sparse = proto.MxSparseArray(element_data_type=element_data_type, total_length=length)
    if indexes:
        kind, fitted = fit_values(list(elements.values()), rule, lambda i: f"{name}[{indexes[i]}]")
        sparse.elements = [
            proto.MxSparseElement(index=operator.index(index), value=scalar_value(kind, plain, element_data_type))
            for index, plain in zip(indexes, fitted, strict=True)
        ]
    return sparse


def mx_value_by_rule(
    value: object, rule: Rule, *, data_type: proto.MxDataType | None = None, name: str = "value"
) -> proto.MxValue:
    """Return the MxValue for a scalar or a list by a given rule, such as one that always uses 64 bits.

    Args:
        value: A scalar, or a sequence of them.
        rule: Which Python types are accepted, and the kind for each.
        data_type: The data type to put into the message; None uses the kind's own.
        name: The value's name in error texts.

    Raises:
        MxGatewayInvalidRequestError: The value does not fit the rule.
    """
    if is_array(value):
        return _array_value(_array(value, rule, data_type, name))
    kind, fitted = fit_value(value, rule, name)
    return scalar_value(kind, fitted, data_type)


def _rule(data_type: proto.MxDataType | None, name: str) -> Rule:
    if data_type is None or data_type == proto.MxDataType.UNSPECIFIED:
        return INFERRED
    asked = _type_name(data_type)
    rule = DATA_TYPES.get(asked)
    if rule is None:
        what = f"cannot be sent as data type {asked}"
        raise refusal(name, what, "request another data type, or pass a proto.MxValue that you built")
    return rule


def _check_data_type(data_type: proto.MxDataType | None, name: str = "data_type") -> None:
    if data_type is not None and (not isinstance(data_type, int) or isinstance(data_type, bool)):
        raise refusal(name, f"is of type {type(data_type).__name__}", "pass a proto.MxDataType, such as INTEGER")


def _type_name(data_type: proto.MxDataType) -> str:
    """Return the enum name, or the number of a type without a name in this contract."""
    return getattr(data_type, "name", None) or f"number {int(data_type)}"


def _element_rule(data_type: proto.MxDataType, name: str) -> Rule:
    rule = _rule(data_type, name)
    if rule is INFERRED:
        raise refusal(name, "has no data type", "give the data type of its elements, such as INTEGER")
    return rule


def scalar_value(kind: Kind, plain: Plain, data_type: proto.MxDataType | None = None) -> proto.MxValue:
    """Return the message for a scalar that was fitted to a kind; `data_type` None uses the kind's own."""
    arm: dict[str, Any] = {kind.arm: plain}
    return proto.MxValue(data_type=data_type or _OWN_TYPES[kind.data_type], variant_type=kind.variant, **arm)


def _array(values: Sequence[object], rule: Rule, data_type: proto.MxDataType | None, name: str) -> proto.MxArray:
    if len(values):
        kind, fitted = fit_values(values, rule, lambda i: f"{name}[{i}]")
    elif rule is INFERRED:
        raise refusal(name, "is an empty list, which has no data type", "give the data type of its elements")
    else:
        kind, fitted = next(iter(rule.kinds.values())), []
    arm: dict[str, Any] = {kind.array_arm: getattr(proto, kind.array_message)(values=fitted)}
    return proto.MxArray(
        element_data_type=data_type or _OWN_TYPES[kind.data_type],
        variant_type=f"VT_ARRAY|{kind.variant}",
        dimensions=[len(fitted)],
        **arm,
    )


def _array_value(array: proto.MxArray) -> proto.MxValue:
    return proto.MxValue(data_type=array.element_data_type, variant_type=array.variant_type, array_value=array)


def _ready_made(
    value: proto.MxValue | proto.MxArray | proto.MxSparseArray, data_type: proto.MxDataType | None, name: str
) -> proto.MxValue:
    if isinstance(value, proto.MxArray):
        value = _array_value(value)
    elif isinstance(value, proto.MxSparseArray):
        value = _sparse_value(value, name)
    if data_type and value.data_type != data_type:
        what = f"is a message of data type {_type_name(value.data_type)}, but {_type_name(data_type)} was requested"
        raise refusal(name, what, "request no data type, or pass a Python value")
    try:
        encode(value)
    except WireError as error:
        refused = refusal(name, f"cannot be sent: {error}", "give each field a value of its type in the contract")
    else:
        return value
    raise refused  # without a context, whose frames hold the value


def _sparse_value(sparse: proto.MxSparseArray, name: str) -> proto.MxValue:
    rule = _element_rule(sparse.element_data_type, name)
    _check_indexes([element.index for element in sparse.elements], sparse.total_length, name)
    arms = {kind.arm for kind in rule.kinds.values()} | ({INT64.arm} if rule.widens else set())
    for element in sparse.elements:
        arm = which_one_of(element.value, "kind")
        if arm not in arms:
            what = f"has {arm or 'no value'}, which is not a scalar of {rule.asked}"
            raise refusal(f"{name}[{element.index}]", what, "give every element one value of the array's data type")
    variants = {f"VT_ARRAY|{element.value.variant_type}" for element in sparse.elements}
    if len(variants) > 1:
        raise refusal(name, "has elements of several VARIANT types", "give every element a value of one type")
    variant_type = variants.pop() if variants else ""
    return proto.MxValue(data_type=sparse.element_data_type, variant_type=variant_type, sparse_array_value=sparse)


def _check_indexes(indexes: Sequence[int], total_length: int, name: str) -> int:
    """Return the total length if it is valid and all indexes are within it."""
    length = _whole(total_length)
    if length is None or not 0 <= length <= _UINT32_MAX:
        shown = shown_int(total_length) if isinstance(total_length, int) else f"{total_length!r:.100}"
        raise refusal(name, f"has total length {shown}", "pass a length from 0 to 4294967295")
    seen: set[int] = set()
    for given in indexes:
        index = _whole(given)
        if index is None:
            raise refusal(f"{name}[{given!r:.100}]", "has no valid index", "give whole numbers from 0 as indexes")
        if not 0 <= index < length:
            hint = f"indexes are counted from 0; the array has {length} elements"
            raise refusal(f"{name}[{shown_int(index)}]", "is outside the array", hint)
        if index in seen:
            raise refusal(f"{name}[{index}]", "is given twice", "give each index one value")
        seen.add(index)
    return length


def _whole(value: SupportsIndex) -> int | None:
    """Return a whole number as an int, None for anything else; a bool is not a number."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _check_dimensions(dimensions: Sequence[int], count: int, name: str) -> None:
    if not 1 <= len(dimensions) <= MAX_RANK or any(not 0 <= length <= _UINT32_MAX for length in dimensions):
        raise refusal(name, f"has dimensions {list(dimensions)[:MAX_RANK]}", f"pass 1 to {MAX_RANK} lengths from 0")
    if math.prod(dimensions) != count:
        what = f"has {count} elements, but dimensions {list(dimensions)} hold {math.prod(dimensions)}"
        raise refusal(name, what, "make both match")


_UINT32_MAX: Final = 2**32 - 1
