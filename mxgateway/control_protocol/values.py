"""Python values ↔ the values of the control."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from mxgateway.control_protocol.generated.simulator_control.v1 import Value, ValueList, ValueTable
from mxgateway.wire import Timestamp, which_one_of

_INT64: Final = 2**63
_UINT64: Final = 2**64


def to_value(native: Any) -> Value:
    """Return the message for a bool, int, float, str, bytes, datetime, list or mapping.

    Raises:
        ValueError: An integer has more than 64 bits, or a datetime has no time zone.
        TypeError: It is of another type.
    """
    if isinstance(native, bool):
        return Value(bool_value=native)
    if isinstance(native, int):
        return _integer(native)
    if isinstance(native, float):
        return Value(double_value=native)
    if isinstance(native, str):
        return Value(string_value=native)
    if isinstance(native, bytes):
        return Value(bytes_value=native)
    if isinstance(native, datetime):
        return Value(timestamp_value=Timestamp.from_datetime(native))
    if isinstance(native, list | tuple):
        return Value(list_value=ValueList(values=[to_value(each) for each in native]))
    if isinstance(native, Mapping):
        return Value(table_value=ValueTable(values={str(name): to_value(each) for name, each in native.items()}))
    raise TypeError(f"a value is a bool, int, float, str, bytes, datetime, list or dict, not {type(native).__name__}")


def from_value(value: Value) -> Any:
    """Return what a message holds; None for an empty one. A time is a `Timestamp`."""
    kind = which_one_of(value, "kind")
    if kind == "list_value":
        return [from_value(each) for each in value.list_value.values]
    if kind == "table_value":
        return {name: from_value(each) for name, each in value.table_value.values.items()}
    return getattr(value, kind) if kind else None


def _integer(native: int) -> Value:
    if -_INT64 <= native < _INT64:
        return Value(int64_value=native)
    if 0 < native < _UINT64:
        return Value(uint64_value=native)
    raise ValueError("an integer has at most 64 bits")
