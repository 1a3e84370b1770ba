"""Writes alarms: one line each, or one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.typed_text import message_value
from mxgateway_cli.terminal.failures import Failure
from mxgateway_cli.terminal.stdout import Output
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway.proto import ActiveAlarmSnapshot, AlarmFeedMessage, MxValue, OnAlarmTransitionEvent

DOCUMENT_LIMIT: Final = 10_000
"""At most this many messages are held in memory for one document."""

_HEADINGS: Final = ("time", "kind", "severity", "alarm", "value", "limit", "text")
_WIDTHS: Final = ("<28", "<12", ">8", "<40", ">12", ">12", "<")
_STATE_PREFIX: Final = "ALARM_CONDITION_STATE_"
_KIND_PREFIX: Final = "ALARM_TRANSITION_KIND_"
_MODE_PREFIX: Final = "ALARM_PROVIDER_MODE_"


class AlarmWriter:
    """Writes the messages of one alarm feed, or the alarms of one query; a failure of the feed is its own record.

    Args:
        output: The output to write to.
        as_document: Whether the format ``json`` writes one document.
        limit: Number of messages requested; None means all.
        ends: Whether all messages come at once.
    """

    def __init__(self, output: Output, *, as_document: bool, limit: int | None = None, ends: bool = False) -> None:
        self.count = 0
        self._output = output
        self._limit = limit
        self._begun = False
        self._records: list[dict[str, Any]] = []
        self._ends = ends
        self._as_document = output.form == "json" and as_document

    @property
    def is_complete(self) -> bool:
        """Whether all requested messages have arrived."""
        return self._limit is not None and self.count >= self._limit

    def start(self) -> None:
        """Write the headings of a table, once."""
        begun, self._begun = self._begun, True
        if not begun:
            self._output.headings(_HEADINGS, _WIDTHS, ends=self._ends)

    def add(self, message: AlarmFeedMessage) -> None:
        """Write one message of a feed; an unknown message is written as an empty object."""
        record = mxgateway.to_json_dict(message)
        if "activeAlarm" in record:
            self._add(record, _alarm_cells(record["activeAlarm"], message.active_alarm))
        elif "transition" in record:
            self._add(record, _transition_cells(record["transition"], message.transition))
        elif "providerStatus" in record:
            status = record["providerStatus"]
            kind = f"provider {_name(status.get('mode'), _MODE_PREFIX)}"
            self._add(record, (status.get("since", ""), kind, "", "", "", "", status.get("reason", "")))
        else:
            kind = "snapshot complete" if record.get("snapshotComplete") else "unknown message"
            self._add(record, ("", kind, "", "", "", "", ""))

    def add_alarm(self, alarm: ActiveAlarmSnapshot) -> None:
        """Write one alarm of a query."""
        record = mxgateway.to_json_dict(alarm)
        self._add(record, _alarm_cells(record, alarm), value=alarm.alarm_full_reference)

    def note(self, record: dict[str, Any]) -> None:
        """Write a JSON record beside the messages."""
        self._write(record, _HEADINGS, "")

    def disconnect(self, failure: Failure) -> None:
        """Write a record that the feed failed; if no message arrived, write nothing, not even a document."""
        self._begun = self.count > 0
        if self._begun and self._output.form in ("json", "jsonl"):
            self._write({"disconnect": failure.to_json()}, _HEADINGS, "")

    def finish(self, operation: str, prefix: str, correlation_id: str, key: str) -> None:
        """Write the document, if records were collected for one, with the records under `key`, a plural."""
        if self._begun and self._as_document:
            count = f"{key.removesuffix('s')}Count"
            head = {"operation": operation, "filterPrefix": prefix, count: self.count, "correlationId": correlation_id}
            self._output.document({**head, key: self._records}, value=count)

    def _add(self, record: dict[str, Any], cells: tuple[str, ...], value: str | None = None) -> None:
        self.count += 1
        self._write(record, cells, " ".join(filter(None, (cells[1], cells[3]))) if value is None else value)

    def _write(self, record: dict[str, Any], cells: tuple[str, ...], value: str) -> None:
        if self._as_document:
            self._records.append(record)
        else:
            self._output.record(record, cells, value=value)


def _alarm_cells(record: dict[str, Any], alarm: ActiveAlarmSnapshot) -> tuple[str, ...]:
    state = _name(record.get("currentState"), _STATE_PREFIX)
    return _cells(record, "acknowledged" if state == "active acked" else state, "lastTransitionTimestamp", alarm)


def _transition_cells(record: dict[str, Any], transition: OnAlarmTransitionEvent) -> tuple[str, ...]:
    return _cells(record, _name(record.get("transitionKind"), _KIND_PREFIX), "transitionTimestamp", transition)


def _cells(
    record: dict[str, Any], kind: str, time: str, alarm: ActiveAlarmSnapshot | OnAlarmTransitionEvent
) -> tuple[str, ...]:
    operator = " ".join(filter(None, (alarm.operator_user, alarm.operator_comment and f'"{alarm.operator_comment}"')))
    return (
        record.get(time, ""), kind, str(alarm.severity), alarm.alarm_full_reference, _value(alarm.current_value),
        _value(alarm.limit_value), "; ".join(filter(None, (alarm.description, operator))),
    )  # fmt: skip


def _name(canonical: Any, prefix: str) -> str:
    """Return an enum value in words: ``ALARM_TRANSITION_KIND_RAISE`` is ``raise``; an unknown number stays a number."""
    return str(canonical or "unspecified").removeprefix(prefix).replace("_", " ").lower()


def _value(value: MxValue) -> str:
    return value_text(message_value(value))
