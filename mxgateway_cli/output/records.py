"""Writes the records of a stream, one line each or one document, and what of it is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from mxgateway_cli.terminal.exit_codes import Failure
from mxgateway_cli.terminal.stdout import Output

DOCUMENT_LIMIT: Final = 10_000
"""At most this many records are held in memory for one document."""


class RecordWriter:
    """Writes the records of one stream, of which `limit` are requested; a failure of the stream is its own record."""

    headings: ClassVar[Sequence[str]]
    """The headings of a table."""
    widths: ClassVar[Sequence[str]]
    """Their alignments and widths."""

    def __init__(self, output: Output, limit: int | None = None, *, ends: bool = False) -> None:
        self.count = 0
        self._output = output
        self._limit = limit
        self._ends = ends
        self._begun = False
        self._records: list[Mapping[str, Any]] = []
        self._as_document = output.form == "json" and (ends or (limit is not None and limit <= DOCUMENT_LIMIT))

    @property
    def is_complete(self) -> bool:
        """Whether all requested records have arrived."""
        return self._limit is not None and self.count >= self._limit

    def start(self) -> None:
        """Write the headings of a table, once."""
        begun, self._begun = self._begun, True
        if not begun:
            self._output.headings(self.headings, self.widths, ends=self._ends)

    def note(self, record: Mapping[str, Any]) -> None:
        """Write a JSON record beside the others."""
        self._write(record, self.headings, "")

    def disconnect(self, failure: Failure) -> None:
        """Write a record that the stream failed; if nothing arrived, write nothing, not even a document."""
        self._begun = self.count > 0
        if self._begun and self._output.form in ("json", "jsonl"):
            self.note({"disconnect": failure.to_json()})

    def _write(self, record: Mapping[str, Any], cells: Sequence[str], value: str) -> None:
        if self._as_document:
            self._records.append(record)
        else:
            self._output.record(record, cells, value=value)

    def _write_document(self, head: Mapping[str, Any], key: str, *, value: str) -> None:
        """Write the document, if records were collected for one; they stand under `key`, behind the fields of `head`."""
        if self._begun and self._as_document:
            self._output.document({**head, key: self._records}, value=value)


def gap_record(cause: str, first: int, last: int | None) -> dict[str, Any]:
    """Return lost events as a JSON record; without `last` nobody knows how many."""
    return {"gap": {"cause": cause, "firstLost": str(first), "lastLost": None if last is None else str(last)}}


def gap_text(cause: str, first: int, last: int | None) -> str:
    """Return lost events as a line for people."""
    lost = f"events {first} to {last}" if last is not None else f"events from {first} on, of the old session,"
    return f"{lost} lost ({cause})"
