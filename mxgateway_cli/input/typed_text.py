"""Parses a value on the command line as the tag's own type."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import mxgateway
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode, refusal_hint

if TYPE_CHECKING:
    from mxgateway import MxValueInput, MxValueOutput, Session, TagValue
    from mxgateway.proto import MxDataType, MxEvent, MxStatusProxy, MxValue

_TYPE_NAMES: Final = {
    "BOOLEAN": "bool", "INTEGER": "int64", "FLOAT": "float", "DOUBLE": "double", "STRING": "string", "TIME": "time",
    "ELAPSED_TIME": "elapsed", "REFERENCE_TYPE": "string", "SECURITY_CLASSIFICATION_ENUM": "int32",
    "DATA_QUALITY_TYPE": "int32", "INTERNATIONALIZED_STRING": "string", "BIG_STRING": "string",
}  # fmt: skip
_ENUMS: Final = frozenset({"ENUM", "QUALIFIED_ENUM"})
_WRITTEN: Final = {
    **{name: name for name in ("bool", "int32", "int64", "float", "double", "string")}, "timestamp": "time", "raw": "bytes",
}  # fmt: skip
SHOWN_MS: Final = 1_000
SHOWN_SECONDS: Final = 5.0
"""How long a write may wait for the old value, which it only shows."""


class TagType(NamedTuple):
    """The type of a tag, taken from one of its values."""

    data_type: MxDataType
    name: str
    """The ``--type`` name, such as ``double[]``; empty if text cannot be parsed as this type."""

    def parse(self, text: str, *, name: str = "value") -> MxValueInput:
        """Parse a text as a value of the type.

        Raises:
            MxGatewayInvalidRequestError: The text is not a value of the type.
        """
        if self.data_type.name in _ENUMS and not self.name.endswith("[]"):
            with suppress(mxgateway.MxGatewayInvalidRequestError):
                return mxgateway.parse_value("int32", text, name=name)
        return mxgateway.parse_value(self.name, text, name=name)

    def message(self, text: str, *, name: str = "value") -> MxValue:
        """Parse a text and return the message to write it as the tag's own type.

        Raises:
            MxGatewayInvalidRequestError: The text is not a value of the type, or out of its range.
        """
        return mxgateway.to_mx_value(self.parse(text, name=name), data_type=self.data_type, name=name)

    def parse_comparable(self, text: str, *, name: str) -> MxValueOutput:
        """Parse a text into the value that a read of the tag would return: rounded to its precision.

        Raises:
            MxGatewayInvalidRequestError: The text is not a value of the type.
        """
        if self.name == "int64" and not _is_whole(text):
            return float(cast("float", mxgateway.parse_value("double", text, name=name)))
        value = self.parse(text, name=name)
        if isinstance(value, timedelta):
            return value.total_seconds()
        if self.name == "float[]":
            return [rounded(each, self.data_type) for each in cast("list[float]", value)]
        return rounded(cast("float", value), self.data_type) if self.name == "float" else cast("MxValueOutput", value)


def tag_type(value: MxValueOutput, data_type: MxDataType) -> TagType:
    """Return the type of a value that was read."""
    first = value[0] if isinstance(value, list) and value else value
    suffix = "[]" if isinstance(value, list) else ""
    name = _TYPE_NAMES.get(getattr(data_type, "name", None) or "", "")
    if getattr(data_type, "name", None) in _ENUMS:
        name = "string" if isinstance(first, str) or not suffix else "int32"
    elif not name and isinstance(first, bytes):
        name = "bytes"
    return TagType(data_type, name + suffix if name else "")


async def read_one(session: Session, tag: str, *, timeout_ms: int = 0) -> TagValue:
    """Read one tag.

    Raises:
        CommandFailure: It could not be read.
    """
    [read] = await session.read([tag], timeout_ms=timeout_ms)
    if not read.ok:
        code = ExitCode.MXACCESS_REFUSED if read.statuses else ExitCode.FAILED
        raise CommandFailure(f"{tag} cannot be read: {read.error}", code=code, hint=refusal_hint(read.statuses))
    return read


async def readable(session: Session, tags: Sequence[str]) -> dict[str, TagValue]:
    """Read tags only to show what they were: those that cannot be read are left out, whatever the reason."""
    try:
        found = await session.read(tags, timeout_ms=SHOWN_MS, timeout=SHOWN_SECONDS)
    except mxgateway.MxGatewayError:
        return {}
    return {read.tag: read for read in found if read.ok}


def own_type(read: TagValue) -> TagType:
    """Return the type of a tag that was read.

    Raises:
        CommandFailure: The tag has no value that shows its type, or text cannot be parsed as that type.
    """
    found = tag_type(read.value, read.data_type)
    if not found.name:
        raise CommandFailure(
            f"{read.tag} has no value that shows its type ({mxgateway.status.explain_quality(read.quality)})",
            code=ExitCode.USAGE,
            hint="give --type",
        )
    return found


def parse_moment(text: str, *, name: str = "timestamp") -> datetime:
    """Parse a time with its zone.

    Raises:
        MxGatewayInvalidRequestError: The text is none.
    """
    return cast("datetime", mxgateway.parse_value("time", text, name=name))


def written_type(message: MxValue) -> str:
    """Return the ``--type`` that writes a value back as it was read; empty if there is none."""
    fields = mxgateway.to_json_dict(message)
    array = fields.get("arrayValue")
    kinds = (key.removesuffix("s").removesuffix("Value") for key in (fields if array is None else array))
    name = next((_WRITTEN[kind] for kind in kinds if kind in _WRITTEN), "")
    return f"{name}[]" if name and array is not None else name


def unknown_tag(statuses: list[MxStatusProxy] | tuple[MxStatusProxy, ...]) -> bool:
    """Return whether statuses report that a tag does not exist, or that its reference cannot be resolved."""
    return any(getattr(status.category, "name", None) == "CONFIGURATION_ERROR" for status in statuses)


def event_type(event: MxEvent) -> TagType:
    """Return the type of the value that an event carries."""
    return tag_type(*typed_value(event.value))


def _is_whole(text: str) -> bool:
    try:
        int(text, 0)
    except ValueError:
        return False
    return True


def rounded(number: float, data_type: MxDataType) -> float:
    """Return a number as a tag of a type would show it; a FLOAT has 32 bits."""
    if not _is_float32(data_type):
        return number
    try:
        exact: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return number
    return mxgateway.values.shortest_floats(exact)


def shown_value(value: MxValueOutput, data_type: MxDataType) -> MxValueOutput:
    """Return a value that was read as it is shown and compared: a FLOAT as the shortest number that is the same one."""
    return mxgateway.values.shortest_floats(value) if _is_float32(data_type) else value


def typed_value(message: MxValue) -> tuple[MxValueOutput, MxDataType]:
    """Return the value of a message and its data type; that of its elements for an array."""
    value = mxgateway.from_mx_value(message)
    return value, message.array_value.element_data_type if isinstance(value, list) else message.data_type


def message_value(message: MxValue) -> MxValueOutput:
    """Return the value of a message as it is shown and compared."""
    value, data_type = typed_value(message)
    is_float32 = message.variant_type.endswith("VT_R4")
    return mxgateway.values.shortest_floats(value) if is_float32 else shown_value(value, data_type)


def _is_float32(data_type: MxDataType) -> bool:
    return getattr(data_type, "name", None) == "FLOAT"
