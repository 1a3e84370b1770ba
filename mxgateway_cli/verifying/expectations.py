"""What is expected of tags: rows of a file, and tags on the command line that share one condition."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import click

from mxgateway_cli.declaring.vocabulary import TABLE, from_file
from mxgateway_cli.input.conditions import Condition, WantedQuality, parse_quality
from mxgateway_cli.input.row_checks import InvalidRow, Rejections, checked_tag, row_tag, size_limit
from mxgateway_cli.input.rows import (
    ROW_FORMAT,
    BadRows,
    Row,
    RowFormat,
    opened_rows,
    row_format,
    row_place,
    source_name,
)
from mxgateway_cli.input.tag_globs import is_glob
from mxgateway_cli.input.tolerances import Tolerance

COLUMNS: Final = ("tag", "expected", "tolerance", "quality", "comment")
ROWS: Final = (from_file("sources", f"{TABLE}; columns {', '.join(COLUMNS)}"), ROW_FORMAT)
"""The options of a command that takes rows."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of one tag."""

    tag: str
    condition: Condition
    quality: WantedQuality
    """The lowest quality that the value may have, or exactly this one."""
    comment: str = ""
    place: str = ""
    """The file and the row that it is from; empty for the command line."""


class Named(NamedTuple):
    """What a command line names: tags, and files of rows."""

    tags: Sequence[str]
    sources: Sequence[str]
    """The files."""
    source_format: RowFormat | None
    """Their format; None takes that of the suffix."""

    def check(self, option_name: str, condition: object, missing: str) -> None:
        """Reject a command line that names nothing, or does not say what is expected.

        Args:
            option_name: The option with the condition of the tags.
            condition: Its value.
            missing: The error if tags have no condition.

        Raises:
            click.UsageError: So it is.
        """
        if not self.tags and not self.sources:
            raise click.UsageError(f"Name a TAG with {option_name}, or a file of rows with --from FILE.")
        if self.tags and condition is None:
            raise click.UsageError(missing)
        if self.source_format is not None and not self.sources:
            raise click.UsageError("--format requires --from.")


class Shared(NamedTuple):
    """What the options say of all tags, and of rows that do not say it themselves."""

    condition: Condition | None
    tolerance: Tolerance | None
    quality: WantedQuality
    """Of tags on the command line."""
    row_quality: WantedQuality
    """Of rows."""
    allows_changes: bool = False
    """Whether a condition may be ``changes``."""


def read_expectations(named: Named, shared: Shared) -> list[Expectation]:
    """Return what a command line and its files expect, in order; everything is checked.

    Args:
        named: The tags and the files.
        shared: What the options say.

    Raises:
        click.UsageError: The format of a file is unknown.
        BadRows: A row is wrong, or a file has none; the message lists up to ten errors.
    """
    forms = [row_format(source, named.source_format) for source in named.sources]
    found = _Rows("", None, shared).of_tags(named.tags) if named.tags else []
    for source, form in zip(named.sources, forms, strict=True):
        with opened_rows(source, form) as rows:
            found += _Rows(source_name(source), form, shared).expectations(rows)
    return found


class _Rows:
    """Checks the rows of one file."""

    def __init__(self, name: str, form: RowFormat | None, shared: Shared) -> None:
        self._name = name
        self._form = form
        self._shared = shared
        self._limit = size_limit()
        self._conditions: dict[tuple[str, str], Condition] = {}

    def of_tags(self, tags: Sequence[str]) -> list[Expectation]:
        """Return what is expected of the tags of a command line."""
        condition = self._shared.condition
        assert condition is not None, "the command has checked it"
        try:
            names = [_one_tag(checked_tag(tag.strip(), self._limit)) for tag in tags]
        except InvalidRow as error:
            raise click.UsageError(f"{error}.") from None
        return [Expectation(tag, self._with_tolerance(condition, ""), self._shared.quality) for tag in names]

    def expectations(self, rows: Iterable[Row]) -> list[Expectation]:
        """Return what rows expect; raise if one is wrong, or there is none."""
        found: list[Expectation] = []
        Rejections(self._name, self._form).use(rows, lambda row: found.append(self._expectation(row)))
        return found

    def _expectation(self, row: Row) -> Expectation:
        fields = row.fields
        if unknown := _unknown_column(fields):
            if self._form == "csv":
                raise BadRows(f"{self._name}: {unknown}")  # true of every row
            raise InvalidRow(unknown)
        return Expectation(
            _one_tag(row_tag(fields, self._limit)),
            self._condition(fields.get("expected"), _text("tolerance", fields.get("tolerance"))),
            self._quality(fields.get("quality")),
            _text("comment", fields.get("comment")),
            row_place(self._name, self._form, row.number),
        )

    def _condition(self, expected: Any, tolerance: str) -> Condition:
        text = _expected_text(expected)
        if not text and self._shared.condition is not None:
            return self._with_tolerance(self._shared.condition, tolerance)
        found = self._conditions.get((text, tolerance))
        if found is None:
            found = self._parsed(text, tolerance)
            self._conditions[text, tolerance] = found
        return found

    def _parsed(self, text: str, tolerance: str) -> Condition:
        try:
            found = Condition.expected(text)
        except ValueError as error:
            raise InvalidRow(f"expected {'' if not text else 'is wrong: '}{error}") from None
        if found.word == "changes" and not self._shared.allows_changes:
            raise InvalidRow("expected is 'changes', which wait can wait for; the text is '\"changes\"'")
        return self._with_tolerance(found, tolerance)

    def _with_tolerance(self, condition: Condition, text: str) -> Condition:
        """Return a condition with the tolerance of its row, or that of all rows if it can have one."""
        if not text:
            shared = self._shared.tolerance
            return condition if shared is None or condition.sign != "==" else condition.within(shared)
        try:
            return condition.within(Tolerance.parse(text))
        except ValueError as error:
            raise InvalidRow(f"{'' if str(error).startswith('tolerance') else 'tolerance: '}{error}") from None

    def _quality(self, given: Any) -> WantedQuality:
        text = _text("quality", given)
        if not text:
            return self._shared.row_quality
        try:
            return parse_quality(text)
        except ValueError as error:
            raise InvalidRow(f"quality: {error}") from None


def _unknown_column(fields: dict[str, Any]) -> str:
    for name in fields:
        if name not in COLUMNS:
            hint = "; separate columns by commas" if ";" in name or "\t" in name else ""
            return f"{name!r:.80} is no column; the columns are {', '.join(COLUMNS)}{hint}"
    return ""


def _one_tag(tag: str) -> str:
    if is_glob(tag):
        raise InvalidRow(f"tag is {tag!r:.80}, a pattern; list the tags, for example with galaxy-discover")
    return tag


def _text(name: str, given: Any) -> str:
    """Return a field as text; a number of JSON becomes its text, and nothing is empty."""
    if given is None:
        return ""
    if isinstance(given, str):
        return given.strip()
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidRow(f"{name} is {json.dumps(given):.80}, neither a text nor a number")
    return json.dumps(given)


def _expected_text(given: Any) -> str:
    if given is None or isinstance(given, str):
        return given or ""
    if isinstance(given, dict):
        raise InvalidRow(f"expected is {json.dumps(given):.80}, which is no value; give a text, a number or an array")
    return json.dumps(given)
