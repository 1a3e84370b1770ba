"""Converts messages to objects for the json module, following protobuf's JSON mapping.

Field names are lowerCamelCase, enum values are the names of the .proto file, or numbers if nameless, 64-bit integers
are strings, times are RFC 3339 with every digit, bytes are base64. Unset fields are left out; the others are in the
order of their numbers.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from operator import index
from typing import Any, Final

from mxgateway.wire.encode.reference_writer import checked, set_fields
from mxgateway.wire.errors import JsonFaultError
from mxgateway.wire.float32 import as_float32, shortest_float32
from mxgateway.wire.messages.betterproto_seam import google
from mxgateway.wire.messages.names import enum_names, message_names
from mxgateway.wire.schema import DEPTH_LIMIT, MAP, MESSAGE, WRAPPER, FieldSchema, UnknownFields, instance_dict
from mxgateway.wire.times.duration import MAX_DURATION, NANOSECONDS, fraction_text, timedelta_parts
from mxgateway.wire.times.timestamp import Timestamp

from . import field_masks

_FAULTS: Final = (AttributeError, OverflowError, TypeError, ValueError)


def write(message: Any) -> Any:
    """Return the JSON form of a message.

    Raises:
        JsonError: A value does not fit its field, or has no JSON form.
    """
    try:
        return _message(message, DEPTH_LIMIT)
    except JsonFaultError as fault:
        raise fault.public(type(message).__name__) from fault.__cause__


def _message(message: Any, depth: int) -> Any:
    if depth < 0:
        raise JsonFaultError("messages are nested more than 100 levels deep")
    special = _SPECIAL.get(type(message))
    if special is not None:
        return special(message, depth)
    names = message_names(type(message)).json_names
    found: dict[str, Any] = {}
    for field, value in set_fields(message):
        name = names[field.name]
        try:
            found[name] = _field(field, value, depth)
        except JsonFaultError as fault:
            raise fault.under(name) from fault.__cause__
        except _FAULTS as error:
            raise JsonFaultError(str(error)).under(name) from error
    unknown = instance_dict(message).get("_unknown_fields")
    if type(unknown) is UnknownFields:
        found.update((name, value) for name, value in unknown.in_json().items() if name not in found)
    return found


def value_in_json(kind: str, value: Any) -> Any:
    """Return the JSON form of a value of a scalar kind, a timestamp or a duration."""
    return _FORMS[kind](value)


def _field(field: FieldSchema, value: Any, depth: int) -> Any:
    if field.kind == MAP:
        return {_key(key): _placed(f"[{key!r}]", field.value, value[key], depth) for key in sorted(value)}
    if field.repeated:
        return [_placed(f"[{place}]", field, each, depth) for place, each in enumerate(value)]
    return _value(field, value, depth)


def _placed(step: str, field: FieldSchema, value: Any, depth: int) -> Any:
    try:
        return _value(field, value, depth)
    except JsonFaultError as fault:
        raise fault.under(step) from fault.__cause__
    except _FAULTS as error:
        raise JsonFaultError(str(error)).under(step) from error


def _value(field: FieldSchema, value: Any, depth: int) -> Any:
    if field.kind == MESSAGE:
        return _message(checked(value, field.python_type), depth - 1)
    if field.kind == WRAPPER:
        return _value(field.value, field.value.zero_value() if value is None else value, depth)
    return _enum(field, value) if field.kind == "enum" else _FORMS[field.kind](value)


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(index(key))


def _enum(field: FieldSchema, value: Any) -> str | int | None:
    if field.python_type is google.NullValue:
        return None
    number = getattr(value, "wire_number", None)
    if number is not None:  # of a bound contract, and not one of our members
        return value.name or int(number)
    return enum_in_json(value, field.python_type)


def enum_in_json(value: Any, enum_class: type[Any] | None = None) -> str | int:
    """Return the JSON form of an enum's member, or of a number of the enum."""
    number = index(value)
    return enum_names(enum_class or type(value)).by_number.get(number, number)


def _double(value: Any) -> float | str:
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _float(value: Any) -> float | str:
    return _double(shortest_float32(as_float32(float(value))))


def _timestamp(value: Any) -> str:
    return Timestamp.from_datetime(checked(value, datetime)).rfc3339()


def _duration(value: Any) -> str:
    seconds, nanos = timedelta_parts(checked(value, timedelta))
    if abs(seconds) > MAX_DURATION or abs(nanos) >= NANOSECONDS or seconds * nanos < 0:
        raise JsonFaultError(f"a duration of {seconds} s and {nanos} ns has no JSON form")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{fraction_text(abs(nanos))}s"


_FORMS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "bool": lambda value: bool(index(value)),
    **dict.fromkeys(("int32", "uint32", "sint32", "fixed32", "sfixed32"), index),
    **dict.fromkeys(("int64", "uint64", "sint64", "fixed64", "sfixed64"), lambda value: str(index(value))),
    "double": _double,
    "float": _float,
    "string": lambda value: checked(value, str),
    "bytes": lambda value: b64encode(value).decode(),
    "timestamp": _timestamp,
    "duration": _duration,
}


def _struct(message: Any, depth: int) -> Any:
    return next((_field(field, value, depth) for field, value in set_fields(message)), {})


def _list_value(message: Any, depth: int) -> Any:
    return next((_field(field, value, depth) for field, value in set_fields(message)), [])


def _any_value(message: Any, depth: int) -> Any:
    for field, value in set_fields(message):
        if field.name == "number_value" and not math.isfinite(value):
            raise JsonFaultError(f"JSON cannot represent {value!r}")
        return _value(field, value, depth)
    raise JsonFaultError("a google.protobuf.Value must have a value")


def _field_mask(message: Any, depth: int) -> str:
    paths = instance_dict(message).get("paths")
    try:
        return field_masks.text_of(paths) if isinstance(paths, list) else ""
    except _FAULTS as error:
        raise JsonFaultError(str(error)) from error


def _unsupported(message: Any, depth: int) -> Any:
    raise JsonFaultError(f"the JSON form of google.protobuf.{type(message).__name__} is not supported")


_SPECIAL: Final[Mapping[type[Any], Callable[[Any, int], Any]]] = {
    google.Struct: _struct,
    google.ListValue: _list_value,
    google.Value: _any_value,
    google.Any: _unsupported,
    google.FieldMask: _field_mask,
}
