"""Makes a document comparable: what differs from run to run is checked for its form and replaced by its name."""

from __future__ import annotations

import re
from typing import Any

_FORMS = {
    "sessionId": r"session-[0-9a-f]{32}",
    "correlationId": r"[0-9a-f]{32}",
    "sourceTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "sourceTimestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "workerTimestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "gatewayReceiveTimestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "durationMs": r"\d+(\.\d+)?",
    "workerProcessId": r"\d+",
    "since": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "startedAt": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
}


def golden(document: Any) -> Any:
    """Return `document` with every field of a known form replaced by the field's name in angle brackets."""
    if isinstance(document, list):
        return [golden(entry) for entry in document]
    if not isinstance(document, dict):
        return document
    return {name: _field(name, field) for name, field in document.items()}


def _field(name: str, field: Any) -> Any:
    form = _FORMS.get(name)
    if form is None or field is None:
        return golden(field)
    assert re.fullmatch(form, str(field)), f"{name} is {field!r}"
    return f"<{name}>"
