"""Converts objects read by the json module to messages, following protobuf's JSON mapping.

In addition to the writer's output, the mapping accepts the field names of the .proto file, null for "not set", numbers
as strings, integers with an exponent, enum values as numbers, and base64 in its URL-safe alphabet or without padding.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

from mxgateway.wire.errors import JsonFaultError
from mxgateway.wire.float32 import as_float32
from mxgateway.wire.messages.betterproto_seam import google
from mxgateway.wire.messages.names import enum_names, message_names
from mxgateway.wire.schema import DEPTH_LIMIT, MAP, MESSAGE, PACKABLE_KINDS, WRAPPER, FieldSchema, built, schema_of
from mxgateway.wire.times.duration import MAX_DURATION, NANOSECONDS, Duration
from mxgateway.wire.times.timestamp import Timestamp
from mxgateway.wire.varint import check_range

from . import field_masks

# The largest number that rounds to a finite 32-bit float.
_FLOAT_LIMIT: Final = math.ldexp(2 - 2**-24, 127)

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,9})?", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}", re.ASCII)
_DURATION: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_NONFINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_SHOWN: Final = 60
"""Characters of the document shown in an error."""


def read(message_type: type[Any], value: Any) -> Any:
    """Convert a JSON object to a message.

    Raises:
        JsonError: The object does not represent this type.
    """
    try:
        return _message(message_type, value, DEPTH_LIMIT)
    except JsonFaultError as fault:
        raise fault.public(message_type.__name__) from None


def _message(message_type: type[Any], value: Any, depth: int) -> Any:
    if depth < 0:
        raise JsonFaultError("messages are nested more than 100 levels deep")
    special = _SPECIAL.get(message_type)
    if special is not None:
        return special(message_type, value, depth)
    if not isinstance(value, dict):
        raise JsonFaultError(f"expected an object, not {_shown(value)}")
    by_name = schema_of(message_type).by_name
    names = message_names(message_type)
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = names.fields.get(key)
        if name is None:
            raise JsonFaultError(f"{names.full_name} has no such field").under(str(key)[:_SHOWN])
        try:
            _take(found, by_name[name], item, depth)
        except JsonFaultError as fault:
            raise fault.under(key) from None
    return built(message_type, found)


def _take(found: dict[str, Any], field: FieldSchema, item: Any, depth: int) -> None:
    if item is None and (field.repeated or not _takes_null(field)):
        return
    if field.name in found:
        raise JsonFaultError("the field is given twice")
    if field.group:
        for other in schema_of(field.owner).groups[field.group]:
            if other in found:
                raise JsonFaultError(f"the oneof {field.group!r} already has {other!r}")
    found[field.name] = _field(field, item, depth)


def _takes_null(field: FieldSchema) -> bool:
    return field.kind in (MESSAGE, "enum") and field.python_type in (google.Value, google.NullValue)


def _field(field: FieldSchema, item: Any, depth: int) -> Any:
    if field.kind == MAP:
        if not isinstance(item, dict):
            raise JsonFaultError(f"expected an object, not {_shown(item)}")
        return {
            _placed(f"[{key!r}]", _key, field.key, key): _placed(f"[{key!r}]", _element, field.value, each, depth)
            for key, each in item.items()
        }
    if not field.repeated:
        return _value(field, item, depth)
    if not isinstance(item, (list, tuple)):
        raise JsonFaultError(f"expected an array, not {_shown(item)}")
    return [_placed(f"[{place}]", _element, field, each, depth) for place, each in enumerate(item)]


def _placed(step: str, convert: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return convert(*arguments)
    except JsonFaultError as fault:
        raise fault.under(step) from None


def _element(field: FieldSchema, item: Any, depth: int) -> Any:
    if item is None and not _takes_null(field):
        raise JsonFaultError("null is not allowed as an element")
    return _value(field, item, depth)


def _value(field: FieldSchema, item: Any, depth: int) -> Any:
    if field.kind == MESSAGE:
        return _message(field.python_type, item, depth - 1)
    if field.kind == WRAPPER:
        return _value(field.value, item, depth)
    return _enum(field, item) if field.kind == "enum" else _FORMS[field.kind](field.kind, item)


def _key(field: FieldSchema, key: str) -> Any:
    if field.kind != "bool":
        return _FORMS[field.kind](field.kind, key)
    if key not in ("true", "false"):
        raise JsonFaultError('expected "true" or "false"')
    return key == "true"


def _integer(kind: str, item: Any) -> int:
    exact = Decimal(item) if _is_number(item) else item
    if isinstance(exact, Decimal):
        # A short text such as 1e999999999 must not become a number that fills the memory.
        is_whole = exact.adjusted() < 20 and exact == exact.to_integral_value()
    else:
        is_whole = (
            exact.is_integer() if isinstance(exact, float) else isinstance(exact, int) and not isinstance(exact, bool)
        )
    if not is_whole:
        raise JsonFaultError(f"expected an integer, not {_shown(item)}")
    number = int(exact)
    try:
        check_range(kind, number)
    except ValueError:
        raise JsonFaultError(f"{_shown(number)} is out of the range of {kind}") from None
    return number


def _double(kind: str, item: Any) -> float:
    if isinstance(item, str) and item in _NONFINITE:
        return _NONFINITE[item]
    if isinstance(item, bool) or not (isinstance(item, (int, float)) or _is_number(item)):
        raise JsonFaultError(f"expected a number, not {_shown(item)}")
    try:
        number = float(item)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or (kind == "float" and abs(number) >= _FLOAT_LIMIT):
        raise JsonFaultError(f"the number is out of the range of {kind}")
    return as_float32(number) if kind == "float" else number


def _is_number(item: Any) -> bool:
    return isinstance(item, str) and _NUMBER.fullmatch(item) is not None


def _bool(kind: str, item: Any) -> bool:
    if not isinstance(item, bool):
        raise JsonFaultError(f"expected true or false, not {_shown(item)}")
    return item


def _string(kind: str, item: Any) -> str:
    if not isinstance(item, str):
        raise JsonFaultError(f"expected a string, not {_shown(item)}")
    if not item.isascii():
        try:
            item.encode()
        except UnicodeEncodeError:
            raise JsonFaultError("the text contains a lone surrogate") from None
    return item


def _bytes(kind: str, item: Any) -> bytes:
    if not isinstance(item, str) or not _BASE64.fullmatch(item):
        raise JsonFaultError(f"expected base64, not {_shown(item)}")
    digits = item.rstrip("=").replace("-", "+").replace("_", "/")
    if len(digits) % 4 == 1:
        raise JsonFaultError("the base64 text is truncated")
    return b64decode(digits + "=" * (-len(digits) % 4))


def _enum(field: FieldSchema, item: Any) -> Any:
    if item in (None, "NULL_VALUE") and field.python_type is google.NullValue:  # betterproto does not keep this name
        return field.python_type.try_value(0)
    names = enum_names(field.python_type)
    number = names.by_name.get(item) if isinstance(item, str) else None
    if number is None:
        if isinstance(item, str) and not _NUMBER.fullmatch(item):
            raise JsonFaultError(f"{names.full_name} has no value {_shown(item)}")
        number = _integer("enum", item)
    return field.python_type.try_value(number)


def _timestamp(kind: str, item: Any) -> Timestamp:
    if not isinstance(item, str):
        raise JsonFaultError(f"expected an RFC 3339 time, not {_shown(item)}")
    try:
        return Timestamp.parse(item)
    except ValueError as error:
        raise JsonFaultError(str(error)) from None


def _duration(kind: str, item: Any) -> Duration:
    found = _DURATION.fullmatch(item) if isinstance(item, str) else None
    if found is None:
        raise JsonFaultError(f'expected seconds such as "1.5s", not {_shown(item)}')
    sign, seconds, fraction = found.groups()
    if int(seconds) > MAX_DURATION:
        raise JsonFaultError(f"{item!r} is longer than 10,000 years")
    nanoseconds = int(seconds) * NANOSECONDS + int((fraction or "").ljust(9, "0"))
    return Duration.from_nanoseconds(-nanoseconds if sign else nanoseconds)


def _shown(item: Any) -> str:
    names = {dict: "an object", list: "an array", type(None): "null", bool: str(item).lower()}
    text = names.get(type(item)) or repr(item)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}…"


_FORMS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(PACKABLE_KINDS, _integer),
    "bool": _bool,
    "bytes": _bytes,
    "double": _double,
    "duration": _duration,
    "float": _double,
    "string": _string,
    "timestamp": _timestamp,
}


def _only_field(name: str, message_type: type[Any], value: Any, depth: int) -> Any:
    """Read a Struct or a ListValue, whose form is that of its only field."""
    found = _field(schema_of(message_type).by_name[name], value, depth)
    return built(message_type, {name: found} if found else {})


_struct: Final = partial(_only_field, "fields")
_list_value: Final = partial(_only_field, "values")


def _any_value(message_type: type[Any], value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return built(message_type, {"struct_value": _struct(google.Struct, value, depth - 1)})
    if isinstance(value, list):
        return built(message_type, {"list_value": _list_value(google.ListValue, value, depth - 1)})
    if value is None:
        return built(message_type, {"null_value": google.NullValue.try_value(0)})
    name = "bool_value" if isinstance(value, bool) else "string_value" if isinstance(value, str) else "number_value"
    field = schema_of(message_type).by_name[name]
    return built(message_type, {name: _FORMS[field.kind](field.kind, value)})


def _field_mask(message_type: type[Any], value: Any, depth: int) -> Any:
    try:
        paths = field_masks.paths_of(_string("string", value))
    except ValueError as error:
        raise JsonFaultError(str(error)) from None
    return built(message_type, {"paths": paths} if paths else {})


def _unsupported(message_type: type[Any], value: Any, depth: int) -> Any:
    raise JsonFaultError(f"the JSON form of google.protobuf.{message_type.__name__} is not supported")


_SPECIAL: Final[Mapping[type[Any], Callable[[type[Any], Any, int], Any]]] = {
    google.Struct: _struct,
    google.ListValue: _list_value,
    google.Value: _any_value,
    google.Any: _unsupported,
    google.FieldMask: _field_mask,
}
