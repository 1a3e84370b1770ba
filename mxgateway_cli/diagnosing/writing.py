"""Writes a diagnosis: a row or a line for each step as it ends, or one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mxgateway_cli.diagnosing.steps import STEPS, Step
from mxgateway_cli.terminal.exit_codes import Failure
from mxgateway_cli.terminal.stdout import Output

_HEADINGS: Final = ("step", "status", "took", "detail")
_WIDTHS: Final = (f"<{max(map(len, STEPS))}", f"<{len('skipped')}", f">{len('12345.6 ms')}", "<")


class DiagnosisWriter:
    """Writes the steps of all endpoints; of several, each has a heading in the table."""

    def __init__(self, output: Output, endpoints: Sequence[str]) -> None:
        self._output = output
        self._several = len(endpoints) > 1
        self._endpoint = ""
        self._documents: list[dict[str, Any]] = []
        self.failure: Failure | None = None
        """That of the first step that failed."""

    @property
    def ok(self) -> bool:
        """Whether no step has failed so far."""
        return self.failure is None

    def begin(self, endpoint: str) -> None:
        """Begin with an endpoint."""
        self._endpoint = endpoint
        if self._several and self._output.form == "table":
            self._output.aside(endpoint)

    def add(self, step: Step) -> None:
        """Write a step."""
        self.failure = self.failure or step.failure
        document = step.to_json(self._endpoint)
        self._documents.append(document)
        if self._output.form == "jsonl":
            self._output.json_line(document)
        elif self._output.form == "table":
            if len(self._documents) == 1:
                self._output.headings(_HEADINGS, _WIDTHS, headed=False)
            self._output.row(_columns(step))
            if step.hint:
                self._output.row(("", "", "", f"hint: {step.hint}"))

    def finish(self, duration_ms: int) -> None:
        """Write what is written once at the end."""
        if self._output.form in ("json", "value"):
            document = {"operation": "doctor", "steps": self._documents, "durationMs": duration_ms, "ok": self.ok}
            self._output.document(document, value="ok")


def _columns(step: Step) -> tuple[str, ...]:
    took = f"{step.seconds * 1000:.1f} ms" if step.seconds is not None else ""
    return step.name, step.status, took, step.detail
