"""Converts values of the simulated plant to and from the contract's MxValue.

A tag holds a native value: bool, int, float, str or bytes; nanoseconds since 1970 for a time; a list of these for an
array; None for no value. The attribute's `DataType` determines its meaning. This module writes it as an MxValue and
reads written values, converting between numeric types and text as MXAccess does.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import FILETIME_STEP, nanoseconds, timestamp
from mxgateway.wire import Timestamp, which_one_of


@dataclass(frozen=True, slots=True)
class _Traits:
    code: int
    """The galaxy repository's code for the type."""
    title: str
    """The galaxy repository's name for the type."""
    mx_type: mx.MxDataType
    variant: str
    arm: str
    """The field of MxValue; the field of MxArray is named after it."""
    default: Any


class DataType(Enum):
    """The type of an attribute."""

    BOOLEAN = _Traits(1, "Boolean", mx.MxDataType.BOOLEAN, "VT_BOOL", "bool_value", False)
    INTEGER = _Traits(2, "Integer", mx.MxDataType.INTEGER, "VT_I4", "int32_value", 0)
    WIDE_INTEGER = _Traits(2, "Integer", mx.MxDataType.INTEGER, "VT_I8", "int64_value", 0)
    FLOAT = _Traits(3, "Float", mx.MxDataType.FLOAT, "VT_R4", "float_value", 0.0)
    DOUBLE = _Traits(4, "Double", mx.MxDataType.DOUBLE, "VT_R8", "double_value", 0.0)
    STRING = _Traits(5, "String", mx.MxDataType.STRING, "VT_BSTR", "string_value", "")
    TIME = _Traits(6, "Time", mx.MxDataType.TIME, "VT_DATE", "timestamp_value", 0)
    ELAPSED_TIME = _Traits(7, "ElapsedTime", mx.MxDataType.ELAPSED_TIME, "VT_R8", "double_value", 0.0)
    REFERENCE = _Traits(8, "Reference", mx.MxDataType.REFERENCE_TYPE, "VT_BSTR", "string_value", "")
    ENUMERATION = _Traits(13, "Enumeration", mx.MxDataType.ENUM, "VT_I4", "int32_value", 0)
    CUSTOM = _Traits(14, "Custom", mx.MxDataType.UNKNOWN, "VT_RECORD", "raw_value", b"")
    INTERNATIONALIZED_STRING = _Traits(
        15, "InternationalizedString", mx.MxDataType.INTERNATIONALIZED_STRING, "VT_BSTR", "string_value", ""
    )
    BIG_STRING = _Traits(16, "BigString", mx.MxDataType.BIG_STRING, "VT_BSTR", "string_value", "")

    @property
    def traits(self) -> _Traits:
        """How the repository and the contract denote the type."""
        # Not `value`, whose descriptor costs more than the lookup.
        return self._value_


NUMERIC: Final = frozenset(
    (
        DataType.INTEGER,
        DataType.WIDE_INTEGER,
        DataType.FLOAT,
        DataType.DOUBLE,
        DataType.ELAPSED_TIME,
        DataType.ENUMERATION,
    )
)
"""The types whose values are numbers."""
BOUND: Final = {DataType.INTEGER: 2**31, DataType.ENUMERATION: 2**31, DataType.WIDE_INTEGER: 2**63}
"""The values of whole numbers are below this, and not below its negative."""


_ARRAYS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "bool_value": mx.BoolArray,
    "int32_value": mx.Int32Array,
    "int64_value": mx.Int64Array,
    "float_value": mx.FloatArray,
    "double_value": mx.DoubleArray,
    "string_value": mx.StringArray,
    "timestamp_value": mx.TimestampArray,
    "raw_value": mx.RawArray,
}

_FIRST_FILETIME: Final = datetime(1601, 1, 1, tzinfo=UTC)
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}
_LARGEST_FLOAT: Final = 3.4028235e38
_INTEGER_BITS: Final = {"int32_value": 32, "int64_value": 64}


# The range of a protobuf Timestamp, the years 1 to 9999, in nanoseconds since 1970.
_FIRST_TIME: Final = -62_135_596_800 * 10**9
_LAST_TIME: Final = 253_402_300_800 * 10**9 - 1


def fits(data_type: DataType, native: Any) -> bool:
    """Return whether a native scalar is one of a type; an integer fits where a float does."""
    traits = data_type.traits
    if isinstance(native, bool) or traits.arm == "bool_value":
        return isinstance(native, bool) and traits.arm == "bool_value"
    if bits := _INTEGER_BITS.get(traits.arm):
        return isinstance(native, int) and -(2 ** (bits - 1)) <= native < 2 ** (bits - 1)
    if data_type is DataType.TIME:
        return isinstance(native, int) and _FIRST_TIME <= native <= _LAST_TIME
    if data_type is DataType.FLOAT and isinstance(native, int | float) and _LARGEST_FLOAT < abs(native) < math.inf:
        return False
    if isinstance(native, str) and not native.isascii() and native.encode(errors="replace").decode() != native:
        return False  # half a surrogate pair, which no message carries
    expected = (int, float) if isinstance(traits.default, float) else type(traits.default)
    return isinstance(native, expected)


def to_message(data_type: DataType, native: Any) -> mx.MxValue:
    """Convert a native value to the contract's message.

    Args:
        data_type: The attribute's type.
        native: A scalar, a list for an array, or None for no value.
    """
    traits = data_type.traits
    if native is None:
        return no_value()
    if isinstance(native, list):
        variant = f"VT_ARRAY|{traits.variant}"
        return mx.MxValue(data_type=traits.mx_type, variant_type=variant, array_value=to_array(data_type, native))
    return mx.MxValue(
        data_type=traits.mx_type, variant_type=traits.variant, **{traits.arm: _outward(traits, native)}, **_raw(traits)
    )


def to_array(data_type: DataType, natives: Sequence[Any]) -> mx.MxArray:
    """Convert native values to the contract's array."""
    traits = data_type.traits
    elements = _ARRAYS[traits.arm]([_outward(traits, native) for native in natives])
    raw = {
        f"raw_element_{name[4:]}" if name == "raw_data_type" else name: value for name, value in _raw(traits).items()
    }
    return mx.MxArray(
        element_data_type=traits.mx_type,
        variant_type=f"VT_ARRAY|{traits.variant}",
        dimensions=[len(natives)],
        **{f"{traits.arm}s": elements},
        **raw,
    )


def no_value() -> mx.MxValue:
    """Return the value of a tag without one."""
    return mx.MxValue(data_type=mx.MxDataType.NO_DATA, variant_type="VT_EMPTY", is_null=True)


def _outward(traits: _Traits, native: Any) -> Any:
    return timestamp(native) if traits.arm == "timestamp_value" else native


def _raw(traits: _Traits) -> dict[str, Any]:
    """Return the fields that an unconvertible type has in addition to its bytes."""
    if traits.arm != "raw_value":
        return {}
    return {"raw_data_type": traits.code, "raw_diagnostic": f"{traits.title} values are passed through as bytes."}


class UnfitValue(Exception):
    """A written value that the attribute cannot take."""


def from_message(message: mx.MxValue, data_type: DataType, *, is_array: bool) -> Any:
    """Convert a written value to the attribute's native value.

    Args:
        message: The written value; a sparse array is already expanded.
        data_type: The attribute's type.
        is_array: Whether the attribute holds an array.

    Raises:
        UnfitValue: The attribute cannot take the value.
    """
    arm = which_one_of(message, "kind")
    if message.is_null or not arm:
        raise UnfitValue("The attribute cannot be set to no value.")
    if (arm == "array_value") != is_array:
        raise UnfitValue(f"The attribute is {'an array' if is_array else 'no array'}, the value is not.")
    if not is_array:
        return _inward(data_type, getattr(message, arm))
    array = message.array_value
    array_arm = which_one_of(array, "values")
    elements = getattr(array, array_arm).values if array_arm else []
    return [_inward(data_type, element) for element in elements]


def _inward(data_type: DataType, value: Any) -> Any:
    traits = data_type.traits
    try:
        return _CONVERSIONS[traits.arm](traits, value)
    except (ValueError, TypeError, KeyError, OverflowError, struct.error):
        raise UnfitValue(f"A value of type {type(value).__name__} cannot be converted to {traits.title}.") from None


def _to_bool(_traits: _Traits, value: Any) -> bool:
    return _TRUTH[value.strip().lower()] if isinstance(value, str) else bool(_number(value))


def _to_int(traits: _Traits, value: Any) -> int:
    number = int(value.strip()) if isinstance(value, str) else round(_number(value))
    if not -(2 ** (_INTEGER_BITS[traits.arm] - 1)) <= number < 2 ** (_INTEGER_BITS[traits.arm] - 1):
        raise OverflowError(number)
    return number


def _to_float(traits: _Traits, value: Any) -> float:
    number = float(value if isinstance(value, str) else _number(value))
    if traits.arm == "float_value":
        number = float(struct.unpack("<f", struct.pack("<f", number))[0])
    return number


def _to_text(_traits: _Traits, value: Any) -> str:
    if isinstance(value, bytes):
        raise TypeError(value)
    return str(value)


def _to_time(_traits: _Traits, value: Any) -> int:
    moment = Timestamp.from_datetime(value) if isinstance(value, datetime) else None
    if moment is None or not moment.is_exact or moment < _FIRST_FILETIME:
        raise OverflowError(value)
    return nanoseconds(moment) // FILETIME_STEP * FILETIME_STEP


def _to_bytes(_traits: _Traits, value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(value)
    return value


def _number(value: Any) -> int | float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return value


_CONVERSIONS: Final[dict[str, Callable[[_Traits, Any], Any]]] = {
    "bool_value": _to_bool,
    "int32_value": _to_int,
    "int64_value": _to_int,
    "float_value": _to_float,
    "double_value": _to_float,
    "string_value": _to_text,
    "timestamp_value": _to_time,
    "raw_value": _to_bytes,
}
