"""What an MxValue can hold, and which Python values fit into which kind.

A *kind* is one arm of the value's oneof: the typed slot that carries it on the wire, with the name of its VARIANT type. A
*data type* is what MXAccess calls the attribute's type; several data types share a kind (STRING and BIG_STRING are both
text). The tables here say which Python types a data type accepts and which kind carries them; the functions decide whether
one value fits, and raise `Unfit` when it does not.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeGuard, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.wire import Timestamp

Family: TypeAlias = Literal["bool", "int", "float", "str", "datetime", "timedelta", "bytes"]
"""The Python types that values are told apart by; the name is what messages call them."""

T = TypeVar("T")

Plain: TypeAlias = bool | int | float | str | Timestamp | bytes
"""What a kind holds after its check."""

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A FILETIME counts steps of 100 ns from the year 1601; neither a protobuf Timestamp nor VT_DATE goes beyond the year 9999.
_FILETIME_STEP_NS: Final = 100
_FILETIME_BEGIN: Final = -11_644_473_600
_YEAR_10000: Final = 253_402_300_800


class Unfit(Exception):
    """A value that does not fit. `what` completes the sentence that begins with the value's place; `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Kind(NamedTuple):
    """One typed slot of MxValue, and the slot of MxArray that carries a list of the same."""

    arm: str
    """The arm of MxValue's oneof."""
    array_arm: str
    """The arm of MxArray's oneof."""
    array_message: str
    """The message behind `array_arm`."""
    variant: str
    """The VARIANT type by name."""
    data_type: str
    """The data type, by enum name, that this kind has when no other was asked for."""
    fit: Callable[[Any], Plain]
    """Return the value as this kind holds it, or raise `Unfit`. The value is of a family that the kind accepts."""


def family_of(value: object) -> Family:
    """Return the family of a scalar; bool is looked for before int, because a Python bool is an int.

    Raises:
        Unfit: It is of no family; a number type that could lose digits (Decimal, Fraction) is refused with a hint.
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
    """Tell whether a value is a scalar of one of Python's own types, which answers at once what is asked of others by and by."""
    return type(value) in _EXACT_FAMILIES


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether a value is a sequence of values, and not one text or one run of bytes."""
    if is_plain(value):
        return False
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def _has_index(value: object) -> bool:
    """Tell whether `value` says of itself that it is a whole number, as numpy's integers do."""
    try:
        operator.index(value)  # type: ignore[arg-type]  # asking is the purpose
    except TypeError:
        return False
    return True


def _no_family(value: object) -> Unfit:
    if value is None:
        return Unfit("is None, but an array has no empty slots", "leave the element out, or write a real value")
    if is_array(value):
        hint = "pass a flat list; for several dimensions to_mx_array(flat, dimensions=...)"
        return Unfit("is a list inside a list, but an attribute's array has one dimension", hint)
    name = type(value).__name__
    if isinstance(value, date | time):
        return Unfit(f"is of type {name}, which is no moment in time", "pass a datetime with a time zone")
    if hasattr(value, "tolist"):
        return Unfit(f"is of type {name}, which MXAccess does not know", "pass value.tolist()")
    if hasattr(value, "__float__"):
        return Unfit(f"is of type {name}, which MXAccess does not know", "pass float(value), int(value) or str(value)")
    hint = "pass a bool, int, float, str, datetime with time zone, timedelta, bytes, or a list of one of them"
    return Unfit(f"is of type {name}, which MXAccess does not know", hint)


# --------------------------------------------------------------------------------------------------------------------
# One function per kind: the value as the kind holds it, or Unfit


def _fit_bool(value: bool) -> bool:
    return value


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
        (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        raise Unfit(f"is {number!r}, beyond the range of a 32-bit float", "use 64 bits (DOUBLE)") from None
    return float(rounded)


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
            what = f"has half a surrogate pair at position {error.start}, which is no character"
            raise Unfit(what, "decode the text properly, or replace the character") from None
    return text


def _fit_bytes(value: bytes | bytearray | memoryview) -> bytes:
    return bytes(value)


def _fit_time(value: datetime) -> Timestamp:
    """Return the same moment in UTC."""
    if value.utcoffset() is None:
        raise Unfit("is a datetime without a time zone", "give it one, such as tzinfo=timezone.utc")
    if isinstance(value, Timestamp):
        seconds, nanos = value.parts()
    else:
        since_epoch = value - _UNIX_EPOCH
        seconds = since_epoch.days * 86_400 + since_epoch.seconds
        # pandas has the digits below the microsecond under this name, too.
        nanos = since_epoch.microseconds * 1000 + int(getattr(value, "nanosecond", 0))
    return fit_moment(seconds + nanos // 1_000_000_000, nanos % 1_000_000_000)


def fit_moment(seconds: int, nanos: int) -> Timestamp:
    """Return a moment as MXAccess time holds it.

    Args:
        seconds: Whole seconds since 1970-01-01T00:00:00Z, rounded down.
        nanos: The rest, in nanoseconds, 0 to 999,999,999.

    Raises:
        Unfit: It is finer than 100 ns, before FILETIME begins or after the year 9999.
    """
    if nanos % _FILETIME_STEP_NS:
        what = f"ends in {nanos % _FILETIME_STEP_NS} ns, but MXAccess time counts steps of 100 ns"
        raise Unfit(what, "round the time to 100 ns")
    if seconds < _FILETIME_BEGIN:
        raise Unfit("lies before 1601-01-01T00:00:00Z, where MXAccess time (FILETIME) begins", "send a later time")
    if seconds >= _YEAR_10000:
        raise Unfit("lies after the year 9999 in UTC, where MXAccess time ends", "send an earlier time")
    return Timestamp.from_parts(seconds, nanos)


def _fit_elapsed(value: Any) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else _fit_double(value)


def shown_int(number: int) -> str:
    """Return the number's digits, or its size when it is too long for a message."""
    return str(number) if number.bit_length() <= 128 else f"an integer of {number.bit_length()} bits"


BOOL: Final = Kind("bool_value", "bool_values", "BoolArray", "VT_BOOL", "BOOLEAN", _fit_bool)
INT32: Final = Kind("int32_value", "int32_values", "Int32Array", "VT_I4", "INTEGER", _fit_int32)
INT64: Final = Kind("int64_value", "int64_values", "Int64Array", "VT_I8", "INTEGER", _fit_int64)
FLOAT: Final = Kind("float_value", "float_values", "FloatArray", "VT_R4", "FLOAT", _fit_float)
DOUBLE: Final = Kind("double_value", "double_values", "DoubleArray", "VT_R8", "DOUBLE", _fit_double)
STRING: Final = Kind("string_value", "string_values", "StringArray", "VT_BSTR", "STRING", _fit_str)
TIME: Final = Kind("timestamp_value", "timestamp_values", "TimestampArray", "VT_DATE", "TIME", _fit_time)
RAW: Final = Kind("raw_value", "raw_values", "RawArray", "VT_RECORD", "UNKNOWN", _fit_bytes)
# MXAccess has no duration of its own in a VARIANT: an elapsed time travels as a number of seconds.
ELAPSED: Final = Kind("double_value", "double_values", "DoubleArray", "VT_R8", "ELAPSED_TIME", _fit_elapsed)

KINDS: Final = (BOOL, INT32, INT64, FLOAT, DOUBLE, STRING, TIME, RAW)
"""Every kind once, in the contract's order."""

# --------------------------------------------------------------------------------------------------------------------
# Data types


class Rule(NamedTuple):
    """Which values are accepted, and which kind carries them."""

    asked: str
    """The data type by enum name, as messages call it; empty when the value's own type decides."""
    kinds: Mapping[Family, Kind]
    """The kind per family of Python types."""
    hint: str
    """What to pass instead of a value of another family."""
    widens: bool = False
    """Whole numbers beyond 32 bits move to INT64."""


INFERRED: Final = Rule(
    "",
    {
        "bool": BOOL,
        "int": INT32,
        "float": DOUBLE,
        "str": STRING,
        "datetime": TIME,
        "timedelta": ELAPSED,
        "bytes": RAW,
    },
    "pass values of one type",
    widens=True,
)
"""The rule when no data type is asked for: the value's own Python type decides."""

_TEXT: Final[Mapping[Family, Kind]] = {"str": STRING}
_OPAQUE: Final[Mapping[Family, Kind]] = {"bytes": RAW}
_ORDINAL: Final[Mapping[Family, Kind]] = {"int": INT32}
_ENUM: Final[Mapping[Family, Kind]] = {"int": INT32, "str": STRING}
_OPAQUE_HINT: Final = "pass bytes, or a proto.MxValue that you built"
_ENUM_HINT: Final = "pass the ordinal as an int, or the name as a str"
_ELAPSED: Final[Mapping[Family, Kind]] = {"timedelta": ELAPSED, "float": ELAPSED, "int": ELAPSED}

DATA_TYPES: Final[Mapping[str, Rule]] = {
    rule.asked: rule
    for rule in (
        Rule("UNKNOWN", _OPAQUE, _OPAQUE_HINT),
        Rule("BOOLEAN", {"bool": BOOL}, "pass True or False"),
        Rule("INTEGER", {"int": INT32}, "pass an int", widens=True),
        Rule("FLOAT", {"float": FLOAT, "int": FLOAT}, "pass a float or an int"),
        Rule("DOUBLE", {"float": DOUBLE, "int": DOUBLE}, "pass a float or an int"),
        Rule("STRING", _TEXT, "pass a str"),
        Rule("TIME", {"datetime": TIME}, "pass a datetime with a time zone"),
        Rule("ELAPSED_TIME", _ELAPSED, "pass a timedelta, or a number of seconds"),
        Rule("REFERENCE_TYPE", _TEXT, "pass the reference as a str"),
        Rule("STATUS_TYPE", _OPAQUE, _OPAQUE_HINT),
        Rule("ENUM", _ENUM, _ENUM_HINT),
        Rule("SECURITY_CLASSIFICATION_ENUM", _ORDINAL, "pass the ordinal as an int"),
        Rule("DATA_QUALITY_TYPE", _ORDINAL, "pass the quality as an int"),
        Rule("QUALIFIED_ENUM", _ENUM, _ENUM_HINT),
        Rule("QUALIFIED_STRUCT", _OPAQUE, _OPAQUE_HINT),
        Rule("INTERNATIONALIZED_STRING", _TEXT, "pass a str"),
        Rule("BIG_STRING", _TEXT, "pass a str"),
    )
}
"""The rule per data type, by enum name. NO_DATA is not here: only None is of that type."""


# --------------------------------------------------------------------------------------------------------------------
# Fitting


def fit_value(value: object, rule: Rule, place: str) -> tuple[Kind, Plain]:
    """Return the kind that carries one scalar, and the scalar as it holds it; `place` is what messages call it.

    Raises:
        MxGatewayInvalidRequestError: The value is of no accepted type, or out of range.
    """
    try:
        kind = _kind_of(value, rule)
        if kind is INT32 and rule.widens and not _fits_int32(value):
            kind = INT64
        return kind, kind.fit(value)
    except Unfit as unfit:
        raise refusal(place, unfit.what, unfit.hint) from None


def fit_values(values: Sequence[object], rule: Rule, place: Callable[[int], str]) -> tuple[Kind, list[Plain]]:
    """Return the one kind that carries all values, and the values as it holds them.

    Args:
        values: One value or more.
        rule: What is accepted.
        place: What messages call the value at an index.

    Raises:
        MxGatewayInvalidRequestError: A value is of no accepted type, of another type than the first, or out of range.
    """
    kinds = _each(values, lambda value: _kind_of(value, rule), place)
    kind = kinds[0]
    for index, other in enumerate(kinds):
        if other is not kind:
            raise _mixed(family_of(values[index]), place(index), family_of(values[0]), place(0))
    if kind is INT32 and rule.widens and not all(map(_fits_int32, values)):
        kind = INT64
    return kind, _each(values, kind.fit, place)


def _each(values: Sequence[object], check: Callable[[Any], T], place: Callable[[int], str]) -> list[T]:
    """Return `check` of every value; the refusal of one names its place."""
    checked: list[T] = []
    try:
        for value in values:
            checked.append(check(value))
    except Unfit as unfit:
        raise refusal(place(len(checked)), unfit.what, unfit.hint) from None
    return checked


def _fits_int32(value: Any) -> bool:
    return INT32_MIN <= operator.index(value) <= INT32_MAX


def _kind_of(value: object, rule: Rule) -> Kind:
    family = family_of(value)
    kind = rule.kinds.get(family)
    if kind is None:
        raise Unfit(f"is of type {family}, but {rule.asked} was asked for", rule.hint)
    return kind


def _mixed(family: Family, place: str, first: Family, first_place: str) -> MxGatewayInvalidRequestError:
    numbers = {family, first} == {"int", "float"}
    hint = "pass floats only, or ask for DOUBLE" if numbers else "pass values of one type"
    return refusal(
        place, f"is of type {family}, but {first_place} is of type {first} and an array holds one type", hint
    )


def refusal(place: str, what: str, hint: str) -> MxGatewayInvalidRequestError:
    """Return the error for something at `place` that is refused before anything was sent."""
    return MxGatewayInvalidRequestError(f"{place} {what}", hint=hint, phase="request")
