"""Writes events: one line each, or one document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.typed_text import message_value
from mxgateway_cli.output.records import RecordWriter, gap_record, gap_text
from mxgateway_cli.terminal.stdout import Output
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway.proto import MxEvent

_FAMILY_PREFIX: Final = "MX_EVENT_FAMILY_"
_WIDEST: Final = 60
"""Longer values are truncated in a table; the other formats show them in full."""


class EventWriter(RecordWriter):
    """Writes the events of one stream, and gaps between them; `names` returns the tag of a server and item handle."""

    headings = ("sequence", "family", "item", "value", "quality", "source time", "error")
    widths = (">8", "<20", "<30", "<24", ">7", "<30", "<")

    def __init__(self, output: Output, limit: int | None, names: Callable[[int, int], str | None]) -> None:
        super().__init__(output, limit)
        self._names = names
        self._last_sequence = 0

    def add(self, event: MxEvent) -> None:
        """Write one event, preceded by a gap if its sequence number shows one."""
        gap = event.replay_gap
        if gap is not None:
            self._gap("replay", gap.requested_after_sequence + 1, gap.oldest_available_sequence - 1)
            self._last_sequence = gap.oldest_available_sequence - 1
            return
        if 0 < self._last_sequence < event.worker_sequence - 1:
            self._gap("sequence", self._last_sequence + 1, event.worker_sequence - 1)
        self._last_sequence = event.worker_sequence
        self.count += 1
        tag = self._names(event.server_handle, event.item_handle)
        record, value = event_record(event, tag), value_text(message_value(event.value))
        cells = (
            str(event.worker_sequence),
            family_name(record.get("family", "")),
            str(event.item_handle) if tag is None else tag,
            value if len(value) <= _WIDEST else f"{value[: _WIDEST - 1]}…",
            str(event.quality),
            str(record.get("sourceTimestamp", "")),
            ", ".join(map(mxgateway.status.explain_status, mxgateway.status.failures(event.statuses))),
        )
        self._write(record, cells, value)

    def finish(self, session_id: str, operation: str = "stream-events", **more: Any) -> None:
        """Write the document, if events were collected for one; the fields of `more` precede its events."""
        head = {
            "operation": operation,
            "sessionId": session_id,
            "eventCount": self.count,
            "lastWorkerSequence": str(self._last_sequence),
        }
        self._write_document(head | more, "events", value="eventCount")

    def new_session(self) -> None:
        """Expect the numbers of a new session from now on."""
        self._last_sequence = 0

    def _gap(self, cause: str, first: int, last: int) -> None:
        if self._output.form == "table":
            self._output.aside(gap_text(cause, first, last))
        elif self._output.form != "value":
            self.note(gap_record(cause, first, last))


def event_record(event: MxEvent, tag: str | None) -> dict[str, Any]:
    """Return an event in protobuf JSON, with the tag of its item behind the item handle if it is known."""
    record: dict[str, Any] = {}
    for name, field in mxgateway.to_json_dict(event).items():
        record[name] = field
        if name == "itemHandle" and tag is not None:
            record["tag"] = tag
    return record


def family_name(canonical: Any) -> str:
    """Return MXAccess's name of an event family: ``MX_EVENT_FAMILY_ON_DATA_CHANGE`` is ``OnDataChange``."""
    return "".join(word.capitalize() for word in str(canonical).removeprefix(_FAMILY_PREFIX).split("_"))
