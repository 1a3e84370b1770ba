"""What an MxValue can hold, and which Python values fit into which kind.

A *kind* is one arm of the value's oneof: the typed field that carries it on the wire, with the name of its VARIANT
type. A *data type* is MXAccess's name for the attribute's type; several data types share a kind (STRING and BIG_STRING
are both text). `mxgateway.values.type_rules` says which Python types a data type accepts and which kind carries them; the
functions here check whether one value fits, and raise `Unfit` if it does not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeGuard, TypeVar

from mxgateway.wire import Timestamp
from mxgateway.wire.float32 import as_float32
from mxgateway.wire.times.timestamp import datetime_parts

Family: TypeAlias = Literal["bool", "int", "float", "str", "datetime", "timedelta", "bytes"]
"""The Python types that values are distinguished by, with the names used in error texts."""

T = TypeVar("T")

Plain: TypeAlias = bool | int | float | str | Timestamp | bytes
"""A value after the check of its kind."""

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

# A FILETIME counts steps of 100 ns from the year 1601; neither a protobuf Timestamp nor VT_DATE goes beyond the year
# 9999.
_FILETIME_STEP_NS: Final = 100
_FILETIME_BEGIN: Final = -11_644_473_600
_YEAR_10000: Final = 253_402_300_800


class Unfit(Exception):
    """A value that does not fit.

    `what` completes a sentence that begins with the value's name; `hint` says what to do.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Kind(NamedTuple):
    """One typed field of MxValue, and the field of MxArray for a list of the same type."""

    arm: str
    """The arm of MxValue's oneof."""
    array_arm: str
    """The arm of MxArray's oneof."""
    array_message: str
    """The message type of `array_arm`."""
    variant: str
    """The VARIANT type by name."""
    data_type: str
    """The default data type of this kind, by enum name."""
    fit: Callable[[Any], Plain]
    """Returns the value as this kind holds it, or raises `Unfit`. The value is of a family that the kind accepts."""


def family_of(value: object) -> Family:
    """Return the family of a scalar; bool comes before int, because a Python bool is an int.

    Raises:
        Unfit: It has no family; a number type that could lose digits (Decimal, Fraction) is refused with a hint.
    """
    family = _EXACT_FAMILIES.get(type(value))
    if family is not None:
        return family
    for python_type, name in _EXACT_FAMILIES.items():
        if isinstance(value, python_type):
            return name
    if _has_index(value):
        return "int"
    raise _no_family(value)


_EXACT_FAMILIES: Final[dict[type, Family]] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    datetime: "datetime",
    timedelta: "timedelta",
    bytes: "bytes",
    bytearray: "bytes",
    memoryview: "bytes",
}


def is_plain(value: object) -> bool:
    """Return whether a value is a scalar of exactly one of Python's own types: its type needs no further checks."""
    return type(value) in _EXACT_FAMILIES


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Return whether a value is a sequence of values, and not a single text or bytes object."""
    if is_plain(value):
        return False
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def _has_index(value: object) -> bool:
    """Return whether `value` is a whole number by `__index__`, as numpy's integers are."""
    try:
        operator.index(value)  # type: ignore[arg-type]  # the purpose is to ask
    except Exception:  # noqa: BLE001 - a foreign type may raise anything
        return False
    return True


def _no_family(value: object) -> Unfit:
    if value is None:
        return Unfit("is None, but an array has no empty slots", "leave the element out, or write a real value")
    if is_array(value):
        hint = "pass a flat list; for several dimensions to_mx_array(flat, dimensions=...)"
        return Unfit("is a list inside a list, but an attribute's array has one dimension", hint)
    name = _type_name(value)
    if isinstance(value, date | time):
        return Unfit(f"is of type {name}, which is not a point in time", "pass a datetime with a time zone")
    hint = "pass a bool, int, float, str, datetime with time zone, timedelta, bytes, or a list of one of them"
    if hasattr(value, "tolist"):
        dtype = getattr(value, "dtype", None)
        hint = _NUMPY_HINTS.get(
            getattr(dtype, "char", ""), _NUMPY_HINTS.get(getattr(dtype, "kind", ""), "pass value.tolist()")
        )
    elif hasattr(value, "__float__"):
        hint = "pass float(value), int(value) or str(value)"
    return Unfit(f"is of type {name}, which MXAccess does not know", hint)


def _type_name(value: object) -> str:
    """Return the type's name with its module, as other libraries have a `bool` and a `Timestamp` as well."""
    of = type(value)
    return of.__qualname__ if of.__module__ == "builtins" else f"{of.__module__}.{of.__qualname__}"


# By numpy's letter for the type. `tolist()` of a time in nanoseconds returns plain numbers, that of a wider float and of
# a complex number another number of numpy or a complex one.
_NUMPY_HINTS: Final = {
    "g": "pass value.astype(float).tolist()",
    "c": "pass its real part or its absolute value",
    "m": "pass a timedelta, such as value.astype('timedelta64[us]').tolist()",
    "M": "pass a datetime with a time zone; value.tolist() gives numbers, or datetimes without one",
}


# --------------------------------------------------------------------------------------------------------------------
# One function per kind: returns the value as the kind holds it, or raises Unfit


def _fit_int32(value: Any) -> int:
    number = operator.index(value)
    if not INT32_MIN <= number <= INT32_MAX:
        raise Unfit(f"is {shown_int(number)}, beyond 32 bits", "use 64 bits (INTEGER, int64), or a smaller number")
    return number


def _fit_int64(value: Any) -> int:
    number = operator.index(value)
    if not INT64_MIN <= number <= INT64_MAX:
        raise Unfit(f"is {shown_int(number)}, beyond 64 bits", "send it as a float or a str")
    return number


def _fit_double(value: Any) -> float:
    number = _as_float(value)
    if not math.isfinite(number):
        raise Unfit(f"is {number}, which no attribute can hold", "write a finite number")
    return number


def _fit_float(value: Any) -> float:
    number = _fit_double(value)
    try:
        return as_float32(number)
    except OverflowError:
        raise Unfit(f"is {number!r}, beyond the range of a 32-bit float", "use 64 bits (DOUBLE)") from None


def _as_float(value: Any) -> float:
    if isinstance(value, float):
        return float(value)
    number = operator.index(value)
    try:
        converted = float(number)
    except OverflowError:
        raise Unfit(f"is {shown_int(number)}, beyond the range of a float", "send a smaller number") from None
    if int(converted) != number:
        raise Unfit(
            f"is {shown_int(number)}, which a float cannot hold exactly", "pass float(value) to have it rounded"
        )
    return converted


def _fit_str(value: str) -> str:
    text = str.__str__(value)
    if (position := text.find("\0")) >= 0:
        raise Unfit(f"has a NUL character at position {position}, which ends a COM string", "remove it")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            what = f"has half a surrogate pair at position {error.start}, which is not a character"
            raise Unfit(what, "decode the text properly, or replace the character") from None
    return text


def _fit_time(value: datetime) -> Timestamp:
    """Return the same time in UTC."""
    try:
        parts = None if value.utcoffset() is None else datetime_parts(value)
    except Exception:  # noqa: BLE001 - a foreign subclass, such as pandas' NaT, may raise anything
        what = f"is of type {_type_name(value)} and not a point in time"
        raise Unfit(what, "leave it out, or pass a datetime with a time zone") from None
    if parts is None:
        raise Unfit("is a datetime without a time zone", "give it one, such as tzinfo=timezone.utc")
    seconds, nanos = parts
    return fit_moment(seconds + nanos // 1_000_000_000, nanos % 1_000_000_000)


def fit_moment(seconds: int, nanos: int) -> Timestamp:
    """Return a point in time as MXAccess holds it.

    Args:
        seconds: Whole seconds since 1970-01-01T00:00:00Z, rounded down.
        nanos: The rest, in nanoseconds, 0 to 999,999,999.

    Raises:
        Unfit: It is finer than 100 ns, before the start of FILETIME or after the year 9999.
    """
    if nanos % _FILETIME_STEP_NS:
        what = f"ends in {nanos % _FILETIME_STEP_NS} ns, but MXAccess time counts steps of 100 ns"
        raise Unfit(what, "round the time to 100 ns")
    if seconds < _FILETIME_BEGIN:
        raise Unfit("is before 1601-01-01T00:00:00Z, where MXAccess time (FILETIME) begins", "send a later time")
    if seconds >= _YEAR_10000:
        raise Unfit("is after the year 9999 in UTC, where MXAccess time ends", "send an earlier time")
    return Timestamp.from_parts(seconds, nanos)


def _fit_elapsed(value: Any) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else _fit_double(value)


def shown_int(number: int) -> str:
    """Return the number's digits, or its size if it is too long for an error text."""
    return str(number) if number.bit_length() <= 128 else f"an integer of {number.bit_length()} bits"


BOOL: Final = Kind("bool_value", "bool_values", "BoolArray", "VT_BOOL", "BOOLEAN", bool)
INT32: Final = Kind("int32_value", "int32_values", "Int32Array", "VT_I4", "INTEGER", _fit_int32)
INT64: Final = Kind("int64_value", "int64_values", "Int64Array", "VT_I8", "INTEGER", _fit_int64)
FLOAT: Final = Kind("float_value", "float_values", "FloatArray", "VT_R4", "FLOAT", _fit_float)
DOUBLE: Final = Kind("double_value", "double_values", "DoubleArray", "VT_R8", "DOUBLE", _fit_double)
STRING: Final = Kind("string_value", "string_values", "StringArray", "VT_BSTR", "STRING", _fit_str)
TIME: Final = Kind("timestamp_value", "timestamp_values", "TimestampArray", "VT_DATE", "TIME", _fit_time)
RAW: Final = Kind("raw_value", "raw_values", "RawArray", "VT_RECORD", "UNKNOWN", bytes)
# A VARIANT has no duration type: an elapsed time is sent as a number of seconds.
ELAPSED: Final = Kind("double_value", "double_values", "DoubleArray", "VT_R8", "ELAPSED_TIME", _fit_elapsed)

KINDS: Final = (BOOL, INT32, INT64, FLOAT, DOUBLE, STRING, TIME, RAW)
"""Every kind once, in the contract's order."""
