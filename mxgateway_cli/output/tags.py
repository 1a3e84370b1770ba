"""Formats tags and their values as JSON fields and as table cells."""

from __future__ import annotations

import base64
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.typed_text import shown_value
from mxgateway_cli.terminal.text import clean, hidden, value_text
from mxgateway_cli.terminal.widths import display_width

if TYPE_CHECKING:
    from mxgateway import MxValueOutput, TagValue
    from mxgateway.proto import MxDataType, MxEvent

WIDEST: Final = 60
"""Longer values are truncated in a table; the other formats show them in full."""

_MAX_CHARS_PER_COLUMN: Final = 8
"""Scripts put up to five combining marks on a letter."""
_INT32: Final = 2**31


def json_value(value: MxValueOutput) -> Any:
    """Return a value in protobuf JSON.

    Integers beyond 32 bits are strings, because many JSON parsers would round them; so are NaN and the infinities.
    Times are RFC 3339 with full precision, bytes are base64.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if -_INT32 <= value < _INT32 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    if isinstance(value, list):
        return [json_value(entry) for entry in value]
    return _json_object(value)


def _json_object(value: datetime | bytes | mxgateway.UnconvertedValue) -> Any:
    if isinstance(value, datetime):
        return mxgateway.Timestamp.from_datetime(value).rfc3339()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return {
        "rawDataType": value.raw_data_type,
        "variantType": value.variant_type,
        "rawDiagnostic": value.raw_diagnostic,
        "rawValue": json_value(value.raw_value),
    }


def json_data_type(data_type: MxDataType) -> str | int:
    """Return the full enum name of a data type; the number if this contract does not know it."""
    name: str | None = getattr(data_type, "name", None)
    return f"MX_DATA_TYPE_{name}" if name else int(data_type)


def json_time(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339 with full precision; None for none, and for an unset one: a plain datetime."""
    return moment.rfc3339() if isinstance(moment, mxgateway.Timestamp) else None


def tag_record(
    tag: str | None,
    value: MxValueOutput = None,
    quality: int | None = None,
    source_time: mxgateway.Timestamp | None = None,
    *,
    error: str = "",
    ok: bool | None = None,
) -> dict[str, Any]:
    """Return the fields that each record of a tag begins with, in every command.

    Args:
        tag: Its name; None if only its handle is known.
        value: Its value as it is shown; None if there is none.
        quality: Its OPC quality; None without a value.
        source_time: The time of the value.
        error: What went wrong, in words.
        ok: Whether the command did with the tag what it was asked for; None: without an error.
    """
    return {
        "tag": tag,
        "value": json_value(value),
        "quality": quality,
        "qualityText": "" if quality is None else mxgateway.status.explain_quality(quality),
        "sourceTime": json_time(source_time),
        "ok": not error if ok is None else ok,
        "error": error,
    }


def read_record(read: TagValue, *, ok: bool | None = None, error: str | None = None) -> dict[str, Any]:
    """Return the record of a tag that was read; `ok` and `error` are those of the read unless given."""
    return tag_record(
        read.tag, shown_value(read.value, read.data_type), read.quality, read.source_time,
        ok=read.ok if ok is None else ok, error=read.error if error is None else error,
    )  # fmt: skip


def tag_fields(read: TagValue) -> dict[str, Any]:
    """Return the result of reading one tag as a JSON object."""
    return {
        **read_record(read),
        "dataType": json_data_type(read.data_type),
        "wasCached": read.was_cached,
        "statuses": [mxgateway.to_json_dict(status) for status in read.statuses],
    }


def event_time(event: MxEvent) -> mxgateway.Timestamp | None:
    """Return an event's source timestamp; None if it has none."""
    moment = event.source_timestamp  # an unset one is the epoch as a plain datetime
    return moment if isinstance(moment, mxgateway.Timestamp) else None


def event_error(event: MxEvent) -> str:
    """Return the failures that MXAccess reports for an event's tag, in words; empty if there are none."""
    return ", ".join(map(mxgateway.status.explain_status, mxgateway.status.failures(event.statuses)))


# -- cells


def value_cell(value: MxValueOutput) -> str:
    """Return a value for a table cell, truncated if it is too long."""
    return cut(value_text(value), WIDEST)


def cut(text: str, width: int) -> str:
    """Return `text` cleaned and truncated to `width` terminal columns; its number of characters is limited as well."""
    text, most = hidden(text), _MAX_CHARS_PER_COLUMN * max(1, width)
    shown, is_whole = clean(text[:most]), len(text) <= most
    if is_whole and display_width(shown) <= width:
        return shown
    if shown.isascii():
        return f"{shown[: max(0, width - 1)]}…"
    kept, used = [], 1
    for char in shown:
        used += display_width(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept) + "…"
