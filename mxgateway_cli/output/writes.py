"""Writes what a write has changed: the tag, its old and its new value, and whether it was confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.typed_text import SHOWN_MS, SHOWN_SECONDS, message_value, shown_value, typed_value
from mxgateway_cli.output.tags import json_value, value_cell

if TYPE_CHECKING:
    from mxgateway import MxValueOutput, TagValue
    from mxgateway.proto import MxValue
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.input.target import Place
    from mxgateway_cli.terminal.stdout import Output

_HEADINGS: Final = ("tag", "value", "outcome")


async def item_before(place: Place, tag: str | None) -> TagValue | None:
    """Read an item only to show what it was before a write; None if that fails, or only its handles are known."""
    if tag is None:
        return None
    try:
        [result] = await place.session.read_bulk(
            place.server_handle, [tag], timeout_ms=SHOWN_MS, timeout=SHOWN_SECONDS
        )  # fmt: skip
    except mxgateway.MxGatewayError:
        return None
    if not result.was_successful or mxgateway.status.failures(result.statuses):
        return None
    value, data_type = typed_value(result.value)
    return mxgateway.TagValue(tag, value, result.quality, None, data_type, True, result.was_cached, "", ())


def old_value(read: TagValue | None) -> MxValueOutput:
    """Return the value of a tag before a write; None if it could not be read."""
    return None if read is None else shown_value(read.value, read.data_type)


def old_cell(read: TagValue | None) -> str:
    """Return the value of a tag before a write as a table shows it."""
    return "?" if read is None else value_cell(old_value(read))


def show_change(output: Output, name: str, old: TagValue | None, new: MxValueOutput, outcome: str) -> None:
    """Write the line of a table about one write."""
    output.table(_HEADINGS, [(name, f"{old_cell(old)} -> {value_cell(new)}", outcome)], headed=False)


def report_write(
    call: Call, place: Place, new: MxValue, old: TagValue | None, fields: dict[str, Any], *, value: str
) -> None:
    """Write the result of one write: in a table one line.

    Args:
        call: The command's run.
        place: The item.
        new: What was written.
        old: The tag before; None if it is unknown.
        fields: More fields of the result; ``confirmed`` says whether MXAccess has carried the write out.
        value: The key that the format ``value`` writes.
    """
    tag = call.app.names.get(place.session.session_id, place.server_handle, place.item_handle)
    written = message_value(new)
    if call.output.form == "table":
        name = f"item {place.item_handle}" if tag is None else tag
        outcome = "confirmed" if fields["confirmed"] else "accepted"
        show_change(call.output, name, old, written, outcome)
        return
    values = {"oldValue": json_value(old_value(old)), "value": json_value(written)}
    place.report(call, format_value=value, tag=tag, **values, **fields)
