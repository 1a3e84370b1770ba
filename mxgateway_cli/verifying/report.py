"""Writes the rows of a verification: as a table, as one document, as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.input.typed_text import shown_value
from mxgateway_cli.output.tags import WIDEST, cut, json_data_type, read_record, tag_record, value_cell

if TYPE_CHECKING:
    from mxgateway_cli.declaring.command import Call
    from mxgateway_cli.verifying.expectations import Expectation
    from mxgateway_cli.verifying.verification import Outcome, Verdict

Row = tuple["Expectation", "Verdict"]

_HEADINGS: Final = ("tag", "expected", "value", "quality", "outcome")


def write_rows(call: Call, rows: Sequence[Row], head: dict[str, Any], *, only_failed: bool) -> None:
    """Write the rows.

    Args:
        call: The command's run.
        rows: All rows.
        head: The first fields of the document.
        only_failed: Leave out the rows that hold; they are counted.
    """
    shown = [row for row in rows if not (only_failed and row[1].holds)]
    counts, output = Counter(verdict.outcome for _, verdict in rows), call.output
    if output.form == "json":
        totals = {
            "rowCount": len(rows),
            "okCount": counts["holds"],
            "differsCount": counts["differs"],
            "unreadCount": counts["unread"],
        }
        call.report(head | totals | {"results": [row_fields(*row) for row in shown]}, value="okCount")
    elif output.form == "table":
        if shown:
            output.table(_HEADINGS, [_cells(*row) for row in shown])
        output.aside(_totals(len(rows), counts))
    else:
        for row in shown:
            output.record(row_fields(*row), (), value="true" if row[1].holds else "false")


def _totals(total: int, counts: Counter[Outcome]) -> str:
    rows = f"{total} row{'s' * (total != 1)}"
    if counts["holds"] == total:
        return f"{rows}: all hold"
    return f"{rows}: {counts['holds']} hold, {counts['differs']} differ, {counts['unread']} could not be read"


def row_fields(expectation: Expectation, verdict: Verdict) -> dict[str, Any]:
    """Return a row as a JSON object."""
    read, tolerance = verdict.read, expectation.condition.tolerance
    tag = tag_record(expectation.tag) if read is None else read_record(read)
    return {
        **tag,
        "ok": verdict.holds,
        "error": verdict.reason,
        "outcome": verdict.outcome,
        "expected": expectation.condition.text,
        "tolerance": tolerance.text if tolerance is not None else None,
        "expectedQuality": expectation.quality,
        "dataType": json_data_type(read.data_type) if read is not None else None,
        "comment": expectation.comment,
        "place": expectation.place,
    }


def _cells(expectation: Expectation, verdict: Verdict) -> tuple[str, ...]:
    read = verdict.read
    expected = cut(expectation.condition.described, WIDEST)
    if read is None or not read.ok:
        return expectation.tag, expected, "", "", verdict.reason
    value = value_cell(shown_value(read.value, read.data_type))
    return expectation.tag, expected, value, mxgateway.status.explain_quality(read.quality), verdict.reason or "ok"
