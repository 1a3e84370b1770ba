"""What can be written, and what a value that was read becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, SupportsIndex, TypeAlias

from mxgateway import proto
from mxgateway.errors.redaction import OPEN_GATE

MAX_RANK: Final = 32
"""The limit of .NET on the rank of an array, which the gateway's arrays pass through."""


@dataclass(frozen=True, slots=True)
class UnconvertedValue:
    """A value that has no Python form here, with all that the gateway told about it."""

    raw_data_type: int
    """MXAccess's own number of the data type, or of the element type."""
    variant_type: str
    """The VARIANT type by name."""
    raw_diagnostic: str
    """The gateway's reason why it could not convert the value; may be empty."""
    raw_value: bytes
    """The bytes of a scalar that the gateway could not convert; those of an array are in `message`."""
    message: proto.MxValue | proto.MxArray
    """The message as it was received."""

    def __str__(self) -> str:
        reason = OPEN_GATE.line(self.raw_diagnostic) or f"{len(self.raw_value)} bytes"
        return f"unconverted {OPEN_GATE.line(self.variant_type) or 'value'} of MXAccess type {self.raw_data_type}: {reason}"


MxScalarInput: TypeAlias = (
    bool | int | SupportsIndex | float | str | datetime | timedelta | bytes | bytearray | memoryview
)
"""One value that is no array."""

MxArrayInput: TypeAlias = (
    Sequence[bool] | Sequence[int] | Sequence[float] | Sequence[str]
    | Sequence[datetime] | Sequence[timedelta] | Sequence[bytes]
)  # fmt: skip
"""A sequence of one type."""

MxValueInput: TypeAlias = MxScalarInput | MxArrayInput | proto.MxValue | proto.MxArray | proto.MxSparseArray | None
"""What can be written."""

MxArrayOutput: TypeAlias = (
    list[bool] | list[int] | list[float] | list[str] | list[datetime] | list[bytes] | list["MxArrayOutput"]
)
"""An array that was read: flat, or lists inside lists when it has several dimensions."""

MxValueOutput: TypeAlias = bool | int | float | str | datetime | bytes | MxArrayOutput | UnconvertedValue | None
"""What a value that was read becomes."""
