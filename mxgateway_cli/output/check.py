"""Writes the result of `check` in the format of a monitoring system."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import mxgateway
from mxgateway_cli.input.thresholds import BY_SEVERITY, Limits, Reading, State, Verdict
from mxgateway_cli.input.typed_text import shown_value
from mxgateway_cli.output.tags import cut, json_data_type, read_record
from mxgateway_cli.terminal.text import clean, value_text

_WIDEST: Final = 80
_NAMED: Final = 5
"""Failing tags that a summary line names; the other formats list all of them."""


def nagios_line(tag: str, verdict: Verdict, reading: Reading | None = None, limits: Limits | None = None) -> str:
    """Return the line of a Nagios plugin: state, text, and after a bar the performance data."""
    data = _performance_data(reading, limits) if reading is not None and limits is not None else ""
    return _line(f"TAG {verdict.state.name} - {_words(tag, verdict, reading)}", data)


def _line(words: str, data: str) -> str:
    line = clean(words).replace("|", "¦")  # a bar starts the performance data
    return f"{line} | {data}" if data else line


def _words(tag: str, verdict: Verdict, reading: Reading | None) -> str:
    if reading is None or not reading.tag.ok:
        return f"{tag}: {'; '.join(verdict.reasons)}"
    value = cut(value_text(shown_value(reading.tag.value, reading.tag.data_type)), _WIDEST) or "without a value"
    words = f"{tag} is {value} ({mxgateway.status.explain_quality(reading.tag.quality)})"
    if reading.age is not None:
        words += f", {reading.age:.1f} s old"
    return "; ".join([words, *verdict.reasons])


def _performance_data(reading: Reading, limits: Limits) -> str:
    """Return ``label=number[unit];warning;critical`` for each figure that can be graphed."""
    parts = []
    if (number := _finite_number(reading)) is not None:
        parts.append(_value_data("value", number, limits))
    if reading.age is not None:
        oldest = "" if limits.max_age is None else f";;{limits.max_age:g}"
        parts.append(f"age={reading.age:.3f}s{oldest}")
    parts.append(f"round_trip={reading.round_trip:.6f}s")
    return " ".join(parts)


Result = tuple[str, Verdict, Reading | None]
"""A tag, its verdict, and its reading."""


def nagios_summary(pattern: str, results: Sequence[Result], limits: Limits) -> str:
    """Return the line of a Nagios plugin for all tags of a pattern: the worst state, and the tags that are not OK."""
    ordered = most_severe_first(results)
    bad = [each for each in ordered if each[1].state is not State.OK]
    words = f"{len(results)} tags matching {pattern} are OK"
    if bad:
        named = [f"{tag}: {'; '.join(verdict.reasons)}" for tag, verdict, _ in bad[:_NAMED]]
        named += [f"and {len(bad) - _NAMED} more"] * (len(bad) > _NAMED)
        words = f"{len(bad)} of {len(results)} tags matching {pattern} are not OK; {'; '.join(named)}"
    data = " ".join(
        _value_data("'" + clean(tag).replace("'", "''") + "'", number, limits)
        for tag, _, reading in results
        if (number := _finite_number(reading)) is not None
    )
    return _line(f"TAGS {ordered[0][1].state.name} - {words}", data)


def most_severe_first(results: Sequence[Result]) -> list[Result]:
    """Return the results ordered by severity, most severe first."""
    return sorted(results, key=lambda each: -BY_SEVERITY.index(each[1].state))


def _finite_number(reading: Reading | None) -> float | None:
    number = reading.number if reading is not None and reading.tag.ok else None
    return number if number is not None and math.isfinite(number) else None


def _value_data(label: str, number: float, limits: Limits) -> str:
    ranges = [limit.text if limit is not None else "" for limit in (limits.warning, limits.critical)]
    return f"{label}={_number(number)};{';'.join(ranges)}".rstrip(";")


def prometheus_text(results: Sequence[Result]) -> str:
    """Return metrics in the Prometheus text format, each with one line per tag that has it."""
    lines = []
    for name, help_text, measure in _METRICS:
        samples = [
            (tag, number) for tag, verdict, reading in results if (number := measure(verdict, reading)) is not None
        ]
        if samples:
            lines += [f"# HELP mxgateway_{name} {help_text}", f"# TYPE mxgateway_{name} gauge"]
            lines += [f'mxgateway_{name}{{tag="{escaped_label(tag)}"}} {_number(number)}' for tag, number in samples]
    return "\n".join(lines)


def _of_value(measure: Callable[[Reading], float | None]) -> Callable[[Verdict, Reading | None], float | None]:
    """Return a measure that applies only to a tag that could be read."""
    return lambda _, reading: measure(reading) if reading is not None and reading.tag.ok else None


_METRICS: Final[tuple[tuple[str, str, Callable[[Verdict, Reading | None], float | None]], ...]] = (
    ("check_status", "State of the tag: 0 OK, 1 warning, 2 critical, 3 unknown.", lambda verdict, _: int(verdict.state)),
    ("tag_up", "Whether the tag could be read.", lambda _, reading: int(reading is not None and reading.tag.ok)),
    ("tag_value", "Value of the tag; true is 1, false is 0.", _of_value(lambda reading: reading.number)),
    ("tag_quality", "OPC quality of the value; 192 is good.", _of_value(lambda reading: reading.tag.quality)),
    ("tag_age_seconds", "Time since the source timestamp.", _of_value(lambda reading: reading.age)),
    (
        "tag_round_trip_seconds", "Duration of a ping through the session's worker.",
        lambda _, reading: reading.round_trip if reading is not None else None,
    ),
)  # fmt: skip


def escaped_label(text: str) -> str:
    """Return a label value: backslash, quote and line feed escaped as Prometheus requires, other controls cleaned."""
    lines = (clean(line).replace("\\", r"\\").replace('"', r"\"") for line in text.split("\n"))
    return r"\n".join(lines)


def _number(number: float) -> str:
    """Return a number in a form that Nagios and Prometheus both read."""
    if isinstance(number, bool | int):
        return str(int(number))
    if math.isnan(number):
        return "NaN"
    return repr(number) if math.isfinite(number) else f"{'-' if number < 0 else '+'}Inf"


def check_summary(pattern: str, results: Sequence[tuple[Verdict, Reading]]) -> dict[str, Any]:
    """Return the fields of the results for all tags of a pattern."""
    states = [verdict.state for verdict, _ in results]
    return {
        "pattern": pattern,
        "status": max(states, key=BY_SEVERITY.index).name,
        "tagCount": len(results),
        "notOkCount": sum(state is not State.OK for state in states),
        "results": [check_record(verdict, reading) for verdict, reading in results],
    }


def check_record(verdict: Verdict, reading: Reading) -> dict[str, Any]:
    """Return the result for one tag as a JSON object."""
    tag = reading.tag
    return {
        **read_record(tag, ok=verdict.state is State.OK, error="; ".join(verdict.reasons)),
        "status": verdict.state.name,
        "reasons": verdict.reasons,
        "dataType": json_data_type(tag.data_type),
        "ageSeconds": round(reading.age, 3) if reading.age is not None else None,
        "roundTripMs": round(reading.round_trip * 1000, 3),
    }
