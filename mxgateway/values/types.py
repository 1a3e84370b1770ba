"""The types of values that can be written, and of values that were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, SupportsIndex, TypeAlias

from mxgateway import proto
from mxgateway.errors.redaction import OPEN_GATE
from mxgateway.wire import Timestamp

PYDANTIC: Final = {"ser_json_bytes": "base64"}
"""How pydantic writes a record as JSON: by default it refuses bytes that are no text."""

MAX_RANK: Final = 32
""".NET's limit on the rank of an array, which applies to the gateway's arrays."""


@dataclass(frozen=True, slots=True)
class UnconvertedValue:
    """A value without a Python form, with everything that the gateway sent about it."""

    __pydantic_config__: ClassVar = PYDANTIC

    raw_data_type: int
    """MXAccess's own number of the data type or element type."""
    variant_type: str
    """The VARIANT type by name."""
    raw_diagnostic: str
    """Why the gateway could not convert the value; may be empty."""
    raw_value: bytes
    """The bytes of a scalar that the gateway could not convert; those of an array are in `message`."""
    message: proto.MxValue | proto.MxArray = field(hash=False)
    """The message as it was received."""

    def __str__(self) -> str:
        reason = OPEN_GATE.line(self.raw_diagnostic) or f"{len(self.raw_value)} bytes"
        return f"unconverted {OPEN_GATE.line(self.variant_type) or 'value'} of MXAccess type {self.raw_data_type}: {reason}"


MxScalarInput: TypeAlias = (
    bool | int | SupportsIndex | float | str | datetime | timedelta | bytes | bytearray | memoryview
)
"""A single value."""

MxArrayInput: TypeAlias = (
    Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str]
    | Sequence[datetime] | Sequence[timedelta] | Sequence[bytes]
)  # fmt: skip
"""A sequence of values of one type."""

MxValueInput: TypeAlias = MxScalarInput | MxArrayInput | proto.MxValue | proto.MxArray | proto.MxSparseArray | None
"""What can be written."""

if TYPE_CHECKING:
    MxArrayOutput: TypeAlias = (
        list[bool] | list[int] | list[float] | list[str] | list[datetime] | list[bytes] | list["MxArrayOutput"]
    )
else:  # libraries that read type hints cannot resolve a name that refers to itself
    MxArrayOutput = (
        list[bool]
        | list[int]
        | list[float]
        | list[str]
        | list[Timestamp]
        | list[datetime]
        | list[bytes]
        | list[list[Any]]
    )
"""An array that was read: a flat list, or nested lists if it has several dimensions."""

MxValueOutput: TypeAlias = (
    bool | int | float | str | Timestamp | datetime | bytes | MxArrayOutput | UnconvertedValue | None
)
"""The Python form of a value that was read."""
