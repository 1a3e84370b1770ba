"""Arbitrary messages: hypothesis strategies that fill google.protobuf's classes from their descriptors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

_LIMITS = {
    "INT32": (-(2**31), 2**31 - 1),
    "SINT32": (-(2**31), 2**31 - 1),
    "SFIXED32": (-(2**31), 2**31 - 1),
    "INT64": (-(2**63), 2**63 - 1),
    "SINT64": (-(2**63), 2**63 - 1),
    "SFIXED64": (-(2**63), 2**63 - 1),
    "UINT32": (0, 2**32 - 1),
    "FIXED32": (0, 2**32 - 1),
    "UINT64": (0, 2**64 - 1),
    "FIXED64": (0, 2**64 - 1),
}
_TYPES = {
    getattr(FieldDescriptor, f"TYPE_{name}"): name
    for name in (*_LIMITS, "BOOL", "STRING", "BYTES", "FLOAT", "DOUBLE", "ENUM", "MESSAGE")
}


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    """Numbers of every length, and the ones around which encodings change."""
    edges = {low, high, 0, 1, -1, 127, 128, 16383, 16384, 2**21, 2**28 - 1, 2**28, 2**31 - 1, -(2**31)}
    return st.sampled_from(sorted(edge for edge in edges if low <= edge <= high)) | st.integers(low, high)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "VT_R8", "é" * 70, "x" * 200]
)
_FLOATS = st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 0.1, 1e38, math.inf, -math.inf, math.nan])
_DOUBLES = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 0.1, math.inf, -math.inf, math.nan])
_STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    **{name: integers(*limits) for name, limits in _LIMITS.items()},
    "BOOL": st.booleans(),
    "STRING": _TEXTS,
    "BYTES": st.binary(max_size=12) | st.just(b"\xff" * 150),
    "FLOAT": _FLOATS,
    "DOUBLE": _DOUBLES,
}
_TIMESTAMPS = st.tuples(
    st.sampled_from([0, 1, -1, 1714972089, -62135596800, 253402300799]) | st.integers(-62135596800, 253402300799),
    st.sampled_from([0, 1, 100, 123456700, 999999999, 500000000]) | st.integers(0, 999999999),
)
_PATHS = st.sampled_from(["a", "level", "tank_level", "tank.high_level", "a_b_c.d", "x1.y2_z"])
_DURATIONS = st.integers(-(10**20), 10**20) | st.sampled_from([0, 1, -1, 10**9, -(10**9), -1500000000, -1000])


@st.composite
def google_messages(draw: st.DrawFn, message_class: Any, depth: int = 3) -> Any:
    """A message of google.protobuf's class, filled with anything that fits."""
    message = message_class()
    fill(draw, message, depth)
    return message


def fill(draw: st.DrawFn, message: Any, depth: int) -> None:
    descriptor: Descriptor = message.DESCRIPTOR
    name = descriptor.full_name
    if name == "google.protobuf.Timestamp":
        message.seconds, message.nanos = draw(_TIMESTAMPS)
    elif name == "google.protobuf.Duration":
        total = draw(_DURATIONS)
        seconds, nanos = divmod(abs(total), 10**9)
        message.seconds, message.nanos = (seconds, nanos) if total >= 0 else (-seconds, -nanos)
    elif name == "google.protobuf.FieldMask":
        message.paths.extend(draw(st.lists(_PATHS, max_size=3)))
    elif name == "google.protobuf.Value":
        _fill_value(draw, message, depth)
    else:
        for field in _chosen(draw, descriptor):
            _fill_field(draw, message, field, depth)


def _chosen(draw: st.DrawFn, descriptor: Descriptor) -> list[FieldDescriptor]:
    fields = list(descriptor.fields)
    if len(fields) <= 8:
        mask = draw(st.integers(0, 2 ** len(fields) - 1))
        return [field for place, field in enumerate(fields) if mask >> place & 1]
    return draw(st.lists(st.sampled_from(fields), max_size=8, unique_by=lambda field: field.name))


def _fill_field(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    target = getattr(message, field.name)
    nested = field.message_type
    if nested is not None and nested.GetOptions().map_entry:
        value_field = nested.fields_by_name["value"]
        # In which order google.protobuf writes several keys depends on its implementation and version.
        for key in draw(st.lists(_value(nested.fields_by_name["key"]), max_size=1)):
            if value_field.message_type is None:
                target[key] = draw(_value(value_field))
            elif depth > 0:
                fill(draw, target[key], depth - 1)
    elif nested is None:
        if field.is_repeated:
            target.extend(draw(st.lists(_value(field), max_size=4)))
        else:
            setattr(message, field.name, draw(_value(field)))
    elif depth > 0 and field.is_repeated:
        for _ in range(draw(st.integers(0, 3))):
            fill(draw, target.add(), depth - 1)
    elif depth > 0:
        target.SetInParent()
        fill(draw, target, depth - 1)


def _fill_value(draw: st.DrawFn, value: Any, depth: int) -> None:
    kind = draw(
        st.sampled_from(["null_value", "number_value", "string_value", "bool_value", "struct_value", "list_value"])
    )
    if kind == "number_value":
        value.number_value = draw(st.floats(allow_nan=False, allow_infinity=False))
    elif kind == "string_value":
        value.string_value = draw(_TEXTS)
    elif kind == "bool_value":
        value.bool_value = draw(st.booleans())
    elif kind == "null_value" or depth < 1:
        value.null_value = 0
    else:
        target = getattr(value, kind)
        target.SetInParent()
        fill(draw, target, depth - 1)


def _value(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_ENUM:
        assert field.enum_type is not None
        if field.enum_type.full_name == "google.protobuf.NullValue":
            return st.just(0)
        return st.sampled_from([*field.enum_type.values_by_number, 99, -5])
    return _STRATEGIES[_TYPES[field.type]]


def every_message(message: Any) -> Iterator[Any]:
    """The message and everything in it, in any depth."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for each in value.values():
                    yield from every_message(each)
        else:
            for each in value if field.is_repeated else [value]:
                yield from every_message(each)


def as_betterproto_can(message: Any) -> Any:
    """Take out what betterproto's own code reads wrong: parts of a microsecond, spans that point back, negative enums."""
    for each in every_message(message):
        name = each.DESCRIPTOR.full_name
        if name == "google.protobuf.Timestamp":
            each.nanos -= each.nanos % 1000
        elif name == "google.protobuf.Duration":
            each.seconds, each.nanos = abs(each.seconds) % 10**9, 0
        for field, value in each.ListFields():
            if field.enum_type is not None and field.is_repeated:
                value[:] = [abs(number) for number in value]
            elif field.enum_type is not None:
                setattr(each, field.name, abs(value))
    return message
