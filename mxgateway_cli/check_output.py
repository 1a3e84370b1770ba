"""What `check` tells a monitoring system, in the system's own form."""

from __future__ import annotations

import math
from typing import Any, Final

import mxgateway
from mxgateway_cli.tag_output import cut, json_data_type, json_time, json_value
from mxgateway_cli.text import clean, value_text
from mxgateway_cli.thresholds import Limits, Reading, Verdict

_WIDEST: Final = 80


def nagios_line(tag: str, verdict: Verdict, reading: Reading | None = None, limits: Limits | None = None) -> str:
    """Return the line of a Nagios plugin: state, words, and behind a bar the performance data."""
    words = f"TAG {verdict.state.name} - {_words(tag, verdict, reading)}"
    line = clean(words).replace("|", "¦")  # a bar begins the performance data
    data = _performance_data(reading, limits) if reading is not None and limits is not None else ""
    return f"{line} | {data}" if data else line


def _words(tag: str, verdict: Verdict, reading: Reading | None) -> str:
    if reading is None or not reading.tag.ok:
        return f"{tag}: {'; '.join(verdict.reasons)}"
    value = cut(value_text(reading.tag.value), _WIDEST) or "without a value"
    words = f"{tag} is {value} ({mxgateway.status.explain_quality(reading.tag.quality)})"
    if reading.age is not None:
        words += f", {reading.age:.1f} s old"
    return "; ".join([words, *verdict.reasons])


def _performance_data(reading: Reading, limits: Limits) -> str:
    """Return ``label=number[unit];warning;critical`` for what can be drawn as a curve."""
    parts = []
    number = reading.number
    if reading.tag.ok and number is not None and math.isfinite(number):
        ranges = [limit.text if limit is not None else "" for limit in (limits.warning, limits.critical)]
        parts.append(f"value={_number(number)};{';'.join(ranges)}".rstrip(";"))
    if reading.age is not None:
        oldest = "" if limits.max_age is None else f";;{limits.max_age:g}"
        parts.append(f"age={reading.age:.3f}s{oldest}")
    parts.append(f"round_trip={reading.round_trip:.6f}s")
    return " ".join(parts)


def prometheus_text(tag: str, verdict: Verdict, reading: Reading | None = None) -> str:
    """Return metrics in the text format of Prometheus."""
    metrics: list[tuple[str, str, float | None]] = [
        ("check_status", "State of the tag: 0 OK, 1 warning, 2 critical, 3 unknown.", int(verdict.state)),
        ("tag_up", "Whether the tag could be read.", int(reading is not None and reading.tag.ok)),
    ]
    if reading is not None and reading.tag.ok:
        metrics += [
            ("tag_value", "Value of the tag; true is 1, false is 0.", reading.number),
            ("tag_quality", "OPC quality of the value; 192 is good.", reading.tag.quality),
            ("tag_age_seconds", "Time since the value was true.", reading.age),
        ]
    if reading is not None:
        metrics.append(("tag_round_trip_seconds", "Time of a ping through the session's worker.", reading.round_trip))
    lines = []
    for name, help_text, number in metrics:
        if number is not None:
            lines += [
                f"# HELP mxgateway_{name} {help_text}",
                f"# TYPE mxgateway_{name} gauge",
                f'mxgateway_{name}{{tag="{escaped_label(tag)}"}} {_number(number)}',
            ]
    return "\n".join(lines)


def escaped_label(text: str) -> str:
    """Return a label's value with backslash, quote and line feed escaped as the format wants it, and other controls shown."""
    lines = (clean(line).replace("\\", r"\\").replace('"', r"\"") for line in text.split("\n"))
    return r"\n".join(lines)


def _number(number: float) -> str:
    """Return a number as both systems read it."""
    if isinstance(number, bool | int):
        return str(int(number))
    if math.isnan(number):
        return "NaN"
    return repr(number) if math.isfinite(number) else f"{'-' if number < 0 else '+'}Inf"


def check_document(verdict: Verdict, reading: Reading) -> dict[str, Any]:
    """Return the result as a JSON object."""
    tag = reading.tag
    return {
        "operation": "check",
        "tag": tag.tag,
        "status": verdict.state.name,
        "reasons": verdict.reasons,
        "value": json_value(tag.value),
        "dataType": json_data_type(tag.data_type),
        "quality": tag.quality,
        "qualityText": mxgateway.status.explain_quality(tag.quality),
        "sourceTimestamp": json_time(tag.source_time),
        "ageSeconds": round(reading.age, 3) if reading.age is not None else None,
        "roundTripMs": round(reading.round_trip * 1000, 3),
        "error": tag.error,
    }
