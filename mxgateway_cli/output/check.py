"""What `check` tells a monitoring system, in the system's own form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import mxgateway
from mxgateway_cli.input.thresholds import GRAVITY, Limits, Reading, State, Verdict
from mxgateway_cli.output.tags import cut, json_data_type, json_time, json_value
from mxgateway_cli.terminal.text import clean, value_text

_WIDEST: Final = 80
_NAMED: Final = 5
"""Tags that a line about many names; the other formats have them all."""


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


Judged = tuple[str, Verdict, Reading | None]
"""A tag, what it comes to, and what was read of it."""


def nagios_summary(pattern: str, judged: Sequence[Judged], limits: Limits) -> str:
    """Return the line of a Nagios plugin for all tags of a pattern: as grave as the gravest, which are named."""
    ordered = gravest_first(judged)
    bad = [each for each in ordered if each[1].state is not State.OK]
    words = f"{len(judged)} tags like {pattern} are well"
    if bad:
        told = [f"{tag}: {'; '.join(verdict.reasons)}" for tag, verdict, _ in bad[:_NAMED]]
        told += [f"and {len(bad) - _NAMED} more"] * (len(bad) > _NAMED)
        words = f"{len(bad)} of {len(judged)} tags like {pattern} are not well; {'; '.join(told)}"
    line = clean(f"TAGS {ordered[0][1].state.name} - {words}").replace("|", "¦")
    data = " ".join(_value_data(tag, reading, limits) for tag, _, reading in judged if _is_drawn(reading))
    return f"{line} | {data}" if data else line


def gravest_first(judged: Sequence[Judged]) -> list[Judged]:
    """Return what was judged, the gravest before the others."""
    return sorted(judged, key=lambda each: -GRAVITY.index(each[1].state))


def _is_drawn(reading: Reading | None) -> bool:
    number = reading.number if reading is not None and reading.tag.ok else None
    return number is not None and math.isfinite(number)


def _value_data(label: str, reading: Reading | None, limits: Limits) -> str:
    ranges = [limit.text if limit is not None else "" for limit in (limits.warning, limits.critical)]
    quoted = clean(label).replace("'", "''")
    number = reading.number if reading is not None else None
    return f"'{quoted}'={_number(number or 0)};{';'.join(ranges)}".rstrip(";")


def prometheus_text(judged: Sequence[Judged]) -> str:
    """Return metrics in the text format of Prometheus, each with one line for each tag that has it."""
    lines = []
    for name, help_text, measure in _METRICS:
        samples = [
            (tag, number) for tag, verdict, reading in judged if (number := measure(verdict, reading)) is not None
        ]
        if samples:
            lines += [f"# HELP mxgateway_{name} {help_text}", f"# TYPE mxgateway_{name} gauge"]
            lines += [f'mxgateway_{name}{{tag="{escaped_label(tag)}"}} {_number(number)}' for tag, number in samples]
    return "\n".join(lines)


def _of_value(measure: Callable[[Reading], float | None]) -> Callable[[Verdict, Reading | None], float | None]:
    """Return what measures a tag that could be read."""
    return lambda _, reading: measure(reading) if reading is not None and reading.tag.ok else None


_METRICS: Final[tuple[tuple[str, str, Callable[[Verdict, Reading | None], float | None]], ...]] = (
    ("check_status", "State of the tag: 0 OK, 1 warning, 2 critical, 3 unknown.", lambda verdict, _: int(verdict.state)),
    ("tag_up", "Whether the tag could be read.", lambda _, reading: int(reading is not None and reading.tag.ok)),
    ("tag_value", "Value of the tag; true is 1, false is 0.", _of_value(lambda reading: reading.number)),
    ("tag_quality", "OPC quality of the value; 192 is good.", _of_value(lambda reading: reading.tag.quality)),
    ("tag_age_seconds", "Time since the value was true.", _of_value(lambda reading: reading.age)),
    (
        "tag_round_trip_seconds", "Time of a ping through the session's worker.",
        lambda _, reading: reading.round_trip if reading is not None else None,
    ),
)  # fmt: skip


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
    return {"operation": "check", **_tag_document(verdict, reading)}


def check_summary(pattern: str, judged: Sequence[tuple[Verdict, Reading]]) -> dict[str, Any]:
    """Return the results for all tags of a pattern as a JSON object."""
    states = [verdict.state for verdict, _ in judged]
    return {
        "operation": "check",
        "pattern": pattern,
        "status": max(states, key=GRAVITY.index).name,
        "tagCount": len(judged),
        "notOkCount": sum(state is not State.OK for state in states),
        "results": [_tag_document(verdict, reading) for verdict, reading in judged],
    }


def _tag_document(verdict: Verdict, reading: Reading) -> dict[str, Any]:
    tag = reading.tag
    return {
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
