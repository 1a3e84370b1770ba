"""Values from text, as command lines and files write them.

================  ==================================================================================================
type              text
================  ==================================================================================================
bool              ``true``, ``false``, ``1`` or ``0``
int32, int64      decimal, or hexadecimal after ``0x``
float, double     decimal, with or without an exponent; float has 32 bits
string            the text as it is
time              RFC 3339 with a zone and up to seven decimals: ``2026-03-01T08:30:00.1234567Z``, ``…+01:00``
elapsed           seconds, ``1.5``, or ``[days.]hh:mm:ss[.ffffff]``
bytes             pairs of hexadecimal digits, or ``base64:`` and base64
null              empty, or ``null``
``int32[]`` etc.  elements separated by commas, or a JSON array (if it begins with ``[``); empty is the empty array
================  ==================================================================================================
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from mxgateway.system.lazy_names import LazyModule

if TYPE_CHECKING:
    from mxgateway import proto
    from mxgateway.values import types
    from mxgateway.values.kinds import Unfit
    from mxgateway.values.type_rules import Rule
else:
    proto = LazyModule("mxgateway.proto")
    types = LazyModule("mxgateway.values.types")

# The message classes are imported lazily: a command line that only lists its types must not load them.

_SCALARS: Final = ("bool", "int32", "int64", "float", "double", "string", "time", "elapsed", "bytes")

VALUE_TYPES: Final = (*_SCALARS, "null", *(f"{scalar}[]" for scalar in _SCALARS))
"""Every type name that `parse_value` knows."""


def parse_value(type_name: str, text: str, *, name: str = "value") -> types.MxValueInput:
    """Return the Python value of a text.

    Args:
        type_name: One of `VALUE_TYPES`.
        text: The value; see the table above. Surrounding space is ignored, except in a string.
        name: The value's name in error texts.

    Raises:
        MxGatewayInvalidRequestError: The type is unknown, or the text is not a value of it or out of range.
    """
    return _parse(type_name, text, name)[0]


def parse_mx_value(type_name: str, text: str, *, name: str = "value") -> proto.MxValue:
    """Return the message for a text's value in exactly the named type: int64 uses 64 bits even for a small number.

    Args:
        type_name: One of `VALUE_TYPES`.
        text: The value; see the table above.
        name: The value's name in error texts.

    Raises:
        MxGatewayInvalidRequestError: The type is unknown, or the text is not a value of it or out of range.
    """
    return _parse(type_name, text, name)[1]


def data_type_of(type_name: str) -> proto.MxDataType:
    """Return the MXAccess data type for a type name; for an array, that of its elements.

    Raises:
        MxGatewayInvalidRequestError: The type is unknown.
    """
    _check_type(type_name)
    scalar = type_name.removesuffix("[]")
    if scalar == "null":
        return proto.MxDataType.NO_DATA
    return proto.MxDataType[next(iter(_rule(scalar).kinds.values())).data_type]


def _parse(type_name: str, text: str, name: str) -> tuple[types.MxValueInput, proto.MxValue]:
    from mxgateway.values.to_mx import mx_value_by_rule, to_mx_value

    _check_type(type_name)
    if type_name == "null":
        if text.strip() not in ("", "null"):
            raise _refused(name, f"is {_shown(text)}, but null has no value", "leave the text empty")
        return None, to_mx_value(None)
    scalar = type_name.removesuffix("[]")
    value = _parse_scalar(scalar, text, name) if scalar == type_name else _parse_array(scalar, text, name)
    message = mx_value_by_rule(value, _rule(scalar), name=name)
    if scalar in ("float", "double") and isinstance(value, list):
        value = [float(item) for item in value]
    return cast("types.MxValueInput", value), message


def _check_type(type_name: str) -> None:
    if type_name not in VALUE_TYPES:
        raise _refused("type", f"{_shown(type_name)} is unknown", f"use one of {', '.join(VALUE_TYPES)}")


def _rule(scalar: str) -> Rule:
    """Return which Python types, from JSON and the parsers below, a type name accepts."""
    from mxgateway.values import kinds
    from mxgateway.values.type_rules import Rule

    whole = "write a whole number"
    number = "write a number"
    rules = {
        "bool": Rule("bool", {"bool": kinds.BOOL}, "write true or false"),
        "int32": Rule("int32", {"int": kinds.INT32}, whole),
        "int64": Rule("int64", {"int": kinds.INT64}, whole),
        "float": Rule("float", {"float": kinds.FLOAT, "int": kinds.FLOAT}, number),
        "double": Rule("double", {"float": kinds.DOUBLE, "int": kinds.DOUBLE}, number),
        "string": Rule("string", {"str": kinds.STRING}, "write a string in quotes"),
        "time": Rule("time", {"datetime": kinds.TIME}, "write a time in quotes"),
        "elapsed": Rule("elapsed", {"timedelta": kinds.ELAPSED}, "write seconds"),
        "bytes": Rule("bytes", {"bytes": kinds.RAW}, "write hexadecimal digits in quotes"),
    }
    return rules[scalar]


# --------------------------------------------------------------------------------------------------------------------
# Arrays


def _parse_array(scalar: str, text: str, name: str) -> list[object]:
    if text.lstrip().startswith("["):
        return [_from_json(scalar, item, f"{name}[{i}]") for i, item in enumerate(_json_array(text, name))]
    if not text.strip():
        return []
    return [_parse_scalar(scalar, item, f"{name}[{i}]") for i, item in enumerate(text.split(","))]


def _json_array(text: str, name: str) -> list[object]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number or its nesting is too large"
        hint = "text that begins with [ is read as a JSON array; put strings in double quotes"
        raise _refused(name, f"is not a JSON array: {reason}", hint) from None
    return cast("list[object]", items)


def _from_json(scalar: str, item: object, place: str) -> object:
    """Return the element of a JSON array as the type's Python value; the rule refuses other types later."""
    if isinstance(item, str) and scalar in ("time", "elapsed", "bytes"):
        return _parse_scalar(scalar, item, place)
    if scalar == "elapsed" and isinstance(item, int | float) and not isinstance(item, bool):
        return _parse_scalar(scalar, repr(item), place)
    return item


# --------------------------------------------------------------------------------------------------------------------
# Scalars


def _parse_scalar(scalar: str, text: str, place: str) -> object:
    from mxgateway.values.kinds import Unfit

    try:
        return _PARSERS[scalar](text if scalar == "string" else text.strip())
    except Unfit as unfit:
        raise _refused(place, unfit.what, unfit.hint) from None


def _parse_bool(text: str) -> bool:
    truth = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if truth is None:
        raise _unfit(text, "not a bool", "write true or false")
    return truth


_INTEGER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")


def _parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _unfit(text, "not a whole number", "write decimal digits, or hexadecimal digits after 0x")
    try:
        return int(text, 16 if "x" in text.lower() else 10)
    except ValueError:
        # Python refuses to parse decimal numbers of several thousand digits.
        raise _unfit(text, "beyond 64 bits", "write a smaller number") from None


_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _parse_decimal(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise _unfit(text, "not a finite number", "write a number such as 12.5 or -3e8")
    return float(text)


_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?([Zz]|[+-](\d\d):(\d\d))?",
    re.ASCII,
)


def _parse_time(text: str) -> datetime:
    from mxgateway.values.kinds import fit_moment
    from mxgateway.wire.times.timestamp import datetime_parts

    match = _TIME.fullmatch(text)
    if match is None:
        raise _unfit(text, "not an RFC 3339 time", "write it as 2026-03-01T08:30:00Z")
    day, clock, decimals, zone, hours, minutes = match.groups()
    if not zone:
        raise _unfit(text, "without a time zone", "end it with Z, or with an offset such as +01:00")
    if int(hours or 0) > 23 or int(minutes or 0) > 59:
        raise _unfit(text, "with an invalid time zone", "offsets go from -23:59 to +23:59")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{zone.upper()}")
    except ValueError as error:
        raise _unfit(text, f"not a valid time ({error})", "correct the day or the hour") from None
    seconds, _ = datetime_parts(moment)
    return fit_moment(seconds, int((decimals or "").ljust(9, "0")))


_SECONDS: Final = re.compile(r"([+-])?(\d{1,12})(?:\.(\d{1,6}))?", re.ASCII)
_CLOCK: Final = re.compile(r"([+-])?(?:(\d{1,8})\.)?(\d\d):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?", re.ASCII)


def _parse_elapsed(text: str) -> timedelta:
    if match := _SECONDS.fullmatch(text):
        sign, seconds, decimals = match.groups()
        span = timedelta(seconds=int(seconds))
    elif match := _CLOCK.fullmatch(text):
        sign, days, hours, minutes, seconds, decimals = match.groups()
        span = timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    else:
        raise _unfit(text, "not an elapsed time", "write seconds, such as 1.5, or [days.]hh:mm:ss")
    span += timedelta(microseconds=int((decimals or "").ljust(6, "0")))
    return -span if sign == "-" else span


def _parse_bytes(text: str) -> bytes:
    try:
        if text.startswith("base64:"):
            return base64.b64decode(text.removeprefix("base64:"), validate=True)
        return bytes.fromhex(text)
    except (ValueError, binascii.Error):
        raise _unfit(text, "not bytes", "write pairs of hexadecimal digits, or base64 after base64:") from None


_PARSERS: Final[dict[str, Callable[[str], object]]] = {
    "bool": _parse_bool,
    "int32": _parse_integer,
    "int64": _parse_integer,
    "float": _parse_decimal,
    "double": _parse_decimal,
    "string": str,
    "time": _parse_time,
    "elapsed": _parse_elapsed,
    "bytes": _parse_bytes,
}


def _unfit(text: str, what: str, hint: str) -> Unfit:
    from mxgateway.values.kinds import Unfit

    return Unfit(f"is {_shown(text)}, {what}", hint)


def _refused(place: str, what: str, hint: str) -> Exception:
    from mxgateway.values.type_rules import refusal

    return refusal(place, what, hint)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
