"""Removes from the lines of a recording who used the gateway, and on request what the values were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_EMPTY: Final[dict[str, Any]] = {
    "bool": False,
    "int32": 0,
    "int64": "0",
    "float": 0,
    "double": 0,
    "string": "",
    "timestamp": "1970-01-01T00:00:00Z",
    "raw": "",
}
"""The empty value of each kind, by the beginning of its field's name in protobuf JSON."""


class Redaction:
    """Replaces session ids and user names by stable placeholders, and removes comments.

    Args:
        values: Whether each value is replaced by an empty one of its type and length.
    """

    def __init__(self, *, values: bool) -> None:
        self._values = values
        self._names: dict[str, dict[str, str]] = {"session": {}, "user": {}}

    def apply(self, line: dict[str, Any]) -> None:
        """Redact the JSON object of a line in place."""
        if "event" in line:
            self._event(line["event"])
        elif "alarm" in line:
            for part in ("activeAlarm", "transition"):
                self._alarm(line["alarm"].get(part))

    def _event(self, event: dict[str, Any]) -> None:
        if "sessionId" in event:
            event["sessionId"] = self._placeholder("session", event["sessionId"])
        self._alarm(event.get("onAlarmTransition"))
        if self._values:
            _empty_value(event.get("value"))
            buffered = event.get("onBufferedDataChange", {})
            _empty_array(buffered.get("values"))

    def _alarm(self, alarm: dict[str, Any] | None) -> None:
        if alarm is None:
            return
        if "operatorUser" in alarm:
            alarm["operatorUser"] = self._placeholder("user", alarm["operatorUser"])
        alarm.pop("operatorComment", None)
        if self._values:
            _empty_value(alarm.get("currentValue"))
            _empty_value(alarm.get("limitValue"))

    def _placeholder(self, kind: str, name: str) -> str:
        known = self._names[kind]
        return known.setdefault(name, f"{kind}-{len(known) + 1}")


def _empty_value(value: dict[str, Any] | None) -> None:
    if value is not None:
        _empty(value, "Value", lambda kind, _: _EMPTY[kind])
        _empty_array(value.get("arrayValue"))


def _empty_array(array: dict[str, Any] | None) -> None:
    if array is not None:
        _empty(array, "Values", lambda kind, old: {"values": [_EMPTY[kind]] * len(old.get("values", ()))})


def _empty(fields: dict[str, Any], suffix: str, empty: Callable[[str, Any], Any]) -> None:
    fields.pop("rawDiagnostic", None)
    for kind in _EMPTY:
        if kind + suffix in fields:
            fields[kind + suffix] = empty(kind, fields[kind + suffix])
