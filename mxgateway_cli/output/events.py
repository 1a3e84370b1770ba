"""Writes events: one line each, or one document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.typed_text import message_value
from mxgateway_cli.output.gaps import gap_record, gap_text
from mxgateway_cli.terminal.failures import Failure
from mxgateway_cli.terminal.stdout import Output
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway.proto import MxEvent

DOCUMENT_LIMIT: Final = 10_000
"""At most this many events are held in memory for one document."""

_FAMILY_PREFIX: Final = "MX_EVENT_FAMILY_"
_HEADINGS: Final = ("sequence", "family", "item", "value", "quality", "source time", "error")
_WIDTHS: Final = (">8", "<20", "<30", "<24", ">7", "<30", "<")
_WIDEST: Final = 60
"""Longer values are truncated in a table; the other formats show them in full."""


class EventWriter:
    """Writes the events of one stream; gaps and a failure of the stream are their own records.

    Args:
        output: The output to write to.
        limit: Number of events requested; None means all.
        names: Returns the tag of a server and an item handle; None if it is not known.
    """

    def __init__(self, output: Output, limit: int | None, names: Callable[[int, int], str | None]) -> None:
        self.count = 0
        self._output = output
        self._limit = limit
        self._names = names
        self._last_sequence = 0
        self._begun = False
        self._records: list[dict[str, Any]] = []
        self._as_document = output.form == "json" and limit is not None and limit <= DOCUMENT_LIMIT

    @property
    def is_complete(self) -> bool:
        """Whether all requested events have arrived."""
        return self._limit is not None and self.count >= self._limit

    def start(self) -> None:
        """Write the headings of a table, once."""
        begun, self._begun = self._begun, True
        if not begun:
            self._output.headings(_HEADINGS, _WIDTHS)

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
        record, value = event_record(event, tag), _value_text(event)
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

    def disconnect(self, failure: Failure) -> None:
        """Write a record that the stream failed; if no event arrived, write nothing, not even a document."""
        self._begun = self.count > 0
        if self._begun and self._output.form in ("json", "jsonl"):
            self._write({"disconnect": failure.to_json()}, _HEADINGS, "")

    def finish(self, session_id: str, operation: str = "stream-events", **more: Any) -> None:
        """Write the document, if events were collected for one; the fields of `more` precede its events."""
        if self._begun and self._as_document:
            self._output.document(
                {
                    "operation": operation,
                    "sessionId": session_id,
                    "eventCount": self.count,
                    "lastWorkerSequence": str(self._last_sequence),
                    **more,
                    "events": self._records,
                },
                value="eventCount",
            )

    def new_session(self) -> None:
        """Expect the numbers of a new session from now on."""
        self._last_sequence = 0

    def note(self, record: dict[str, Any]) -> None:
        """Write a JSON record beside the events."""
        self._write(record, _HEADINGS, "")

    def _gap(self, cause: str, first: int, last: int) -> None:
        if self._output.form == "table":
            self._output.aside(gap_text(cause, first, last))
        elif self._output.form != "value":
            self.note(gap_record(cause, first, last))

    def _write(self, record: dict[str, Any], cells: tuple[str, ...], value: str) -> None:
        if self._as_document:
            self._records.append(record)
        else:
            self._output.record(record, cells, value=value)


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


def _value_text(event: MxEvent) -> str:
    return value_text(message_value(event.value))
