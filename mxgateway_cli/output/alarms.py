"""Writes alarms: one line each, or one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.typed_text import message_value
from mxgateway_cli.output.records import RecordWriter
from mxgateway_cli.terminal.text import value_text

if TYPE_CHECKING:
    from mxgateway.proto import ActiveAlarmSnapshot, AlarmFeedMessage, MxValue, OnAlarmTransitionEvent

_STATE_PREFIX: Final = "ALARM_CONDITION_STATE_"
_KIND_PREFIX: Final = "ALARM_TRANSITION_KIND_"
_MODE_PREFIX: Final = "ALARM_PROVIDER_MODE_"


class AlarmWriter(RecordWriter):
    """Writes the messages of one alarm feed, or the alarms of one query."""

    headings = ("time", "kind", "severity", "alarm", "value", "limit", "text")
    widths = ("<28", "<12", ">8", "<40", ">12", ">12", "<")

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

    def finish(self, operation: str, prefix: str, correlation_id: str, key: str) -> None:
        """Write the document, if records were collected for one, with the records under `key`, a plural."""
        count = f"{key.removesuffix('s')}Count"
        head = {"operation": operation, "filterPrefix": prefix, count: self.count, "correlationId": correlation_id}
        self._write_document(head, key, value=count)

    def _add(self, record: dict[str, Any], cells: tuple[str, ...], value: str | None = None) -> None:
        self.count += 1
        self._write(record, cells, " ".join(filter(None, (cells[1], cells[3]))) if value is None else value)


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
