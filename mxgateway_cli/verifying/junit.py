"""Writes a verification as JUnit XML, which the servers of pipelines show.

Texts are written as on a terminal: secrets are redacted, and characters that XML cannot carry are escapes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

import mxgateway
from mxgateway.system.files import export, refusal_text
from mxgateway_cli.input.typed_text import shown_value
from mxgateway_cli.output.tags import cut, json_time
from mxgateway_cli.terminal.exit_codes import CommandFailure
from mxgateway_cli.terminal.text import clean, value_text

if TYPE_CHECKING:
    from mxgateway_cli.verifying.expectations import Expectation
    from mxgateway_cli.verifying.verification import Verdict

SUITE: Final = "mxgw-py verify"
_WIDEST: Final = 1_000
_NOT_XML: Final = re.compile("[\ufffe\uffff]")
_COMMAND_LINE: Final = "the command line"


def write_junit(path: str, rows: Sequence[tuple[Expectation, Verdict]], seconds: float) -> None:
    """Write the file; all of it or nothing.

    Raises:
        CommandFailure: It cannot be written.
    """
    root = ElementTree.Element("testsuites")
    root.append(_suite(rows, seconds))
    ElementTree.indent(root)
    data = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
    try:
        export(path, data)
    except OSError as error:
        raise CommandFailure(f"the JUnit file {path!r} cannot be written: {refusal_text(error)}") from None


def _suite(rows: Sequence[tuple[Expectation, Verdict]], seconds: float) -> ElementTree.Element:
    counts = Counter(verdict.outcome for _, verdict in rows)
    suite = ElementTree.Element(
        "testsuite",
        name=SUITE,
        tests=str(len(rows)),
        failures=str(counts["differs"]),
        errors=str(counts["unread"]),
        skipped="0",
        time=f"{seconds:.3f}",
        timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
    )
    suite.extend(_case(*row) for row in rows)
    return suite


def _case(expectation: Expectation, verdict: Verdict) -> ElementTree.Element:
    name = f"{expectation.tag}: {cut(expectation.condition.described, _WIDEST)}"
    group = expectation.place.rpartition(":")[0] or _COMMAND_LINE
    case = ElementTree.Element("testcase", classname=_xml(group), name=_xml(name), time=f"{verdict.seconds:.3f}")
    if not verdict.holds:
        kind = "failure" if verdict.outcome == "differs" else "error"
        fault = ElementTree.SubElement(case, kind, message=_xml(verdict.reason), type=verdict.outcome)
        fault.text = "\n".join(_xml(line) for line in _details(expectation, verdict))
    return case


def _details(expectation: Expectation, verdict: Verdict) -> list[str]:
    """Return the lines below the message of a fault."""
    lines = [f"tag: {expectation.tag}", f"expected: {cut(expectation.condition.described, _WIDEST)}"]
    read = verdict.read
    if read is not None and read.ok:
        lines += [
            f"actual: {cut(value_text(shown_value(read.value, read.data_type)), _WIDEST)}",
            f"quality: {mxgateway.status.explain_quality(read.quality)}",
            f"source time: {json_time(read.source_time) or ''}",
        ]
    lines += [f"comment: {expectation.comment}"] * bool(expectation.comment)
    return lines + [f"row: {expectation.place}"] * bool(expectation.place)


def _xml(text: str) -> str:
    """Return a text on one line that XML can carry."""
    return _NOT_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", clean(text))
