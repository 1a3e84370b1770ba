"""Rows of a file or of stdin: CSV with a header, or JSON Lines, read one after another.

Nothing here knows what a command wants of a row; it is handed on with its number, and what cannot be read as a row is
handed on as such, so that all defects of a file can be told at once.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, Literal, NamedTuple, NoReturn, cast

import click

from mxgateway.system.files import opened_input, refusal_text
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode

RowFormat = Literal["csv", "jsonl"]
ROW_FORMATS: Final[tuple[RowFormat, ...]] = ("csv", "jsonl")
STDIN: Final = "-"

_SUFFIXES: Final[dict[str, RowFormat]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_LONGEST: Final = 32 * 1024 * 1024
"""Bytes of a line; what is longer would not fit into a message to the gateway."""
_LARGEST: Final = 256 * 1024 * 1024
"""Bytes of all lines."""
_MOST: Final = 1_000_000
"""Rows; each takes a few hundred bytes of memory, or a thousand."""
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ALIASES: Final = {"tag_address": "tag", "item": "tag"}


class Row(NamedTuple):
    """One row."""

    number: int
    """Of its first line, or of the entry, counted from 1."""
    fields: dict[str, Any]
    """By name, in snake case; texts where it comes from CSV, JSON's values otherwise."""
    defect: str = ""
    """Why it cannot be read; then it has no fields."""


class BadRows(CommandFailure):
    """What a file or a command line names cannot be sent; nothing was."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=ExitCode.USAGE, hint="nothing was sent")


def row_format(source: str, named: RowFormat | None) -> RowFormat:
    """Return how a file is written: as it was said, or as its suffix says.

    Raises:
        click.UsageError: Neither tells.
    """
    found = named or _SUFFIXES.get(os.path.splitext(source)[1].lower())
    if found is None:
        what = "stdin has no suffix" if source == STDIN else f"the suffix of {source!r} does not tell"
        raise click.UsageError(f"Say with --format what --from holds, csv or jsonl: {what}.")
    return found


def source_name(source: str) -> str:
    """Return what messages call a file."""
    return "stdin" if source == STDIN else source


@contextmanager
def opened_rows(source: str, form: RowFormat) -> Iterator[Iterator[Row]]:
    """Open a file, or stdin for ``-``, and give its rows.

    Raises:
        BadRows: It cannot be read, or is no text of rows at all.
    """
    name = source_name(source)
    read: Callable[[Iterator[str], str], Iterator[Row]] = _csv_rows if form == "csv" else _json_rows
    try:
        if source == STDIN:
            yield _bounded(read(_lines(_stdin(), name), name), name)
            return
        with opened_input(source) as file:
            yield _bounded(read(_lines(file, name), name), name)
    except OSError as error:
        raise BadRows(f"{name} cannot be read: {refusal_text(error)}") from None


def _bounded(rows: Iterator[Row], name: str) -> Iterator[Row]:
    for count, row in enumerate(rows, 1):
        if count > _MOST:
            raise BadRows(f"{name} has more than {_MOST} rows; split it")
        yield row


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.closed:
        raise BadRows("stdin is closed: it has no rows")
    return cast("BinaryIO", sys.stdin.buffer)


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield lines with their ends; bytes that are no UTF-8 become surrogates, which are refused where their row is known."""
    number = size = 0
    while line := stream.readline(_LONGEST + 1):
        number += 1
        size += len(line)
        if size > _LARGEST:
            raise BadRows(f"{name} has more than {_LARGEST} bytes; split it")
        if len(line) > _LONGEST:
            raise BadRows(f"{name}:{number}: the line is longer than {_LONGEST} bytes")
        if number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BadRows(f"{name} is UTF-16; save it as UTF-8")
        text = line.decode("utf-8", "surrogateescape")
        yield text.removeprefix("\ufeff") if number == 1 else text


def is_damaged(text: str) -> bool:
    """Tell whether a text holds a lone surrogate, as bytes do that are no UTF-8; no message can carry it."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def field_name(written: str) -> str:
    """Return a column's or key's name as `Row.fields` has it: ``itemHandle`` is ``item_handle``."""
    name = _WORD_START.sub("_", written.strip()).lower()
    return _ALIASES.get(name, name)


# --------------------------------------------------------------------------------------------------------------------
# CSV


def _csv_rows(lines: Iterator[str], name: str) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST)
    reader = csv.reader(lines, strict=True)
    names: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:  # where the next row begins is not known any more
            yield Row(number, {}, f"is no CSV: {error}")
            return
        if cells is None:
            break
        if not cells:
            continue
        if names:
            yield _csv_row(number, names, cells)
        else:
            names = _header(cells, f"{name}:{number}")


def _csv_row(number: int, names: list[str], cells: list[str]) -> Row:
    if len(cells) != len(names):
        return Row(number, {}, f"has {len(cells)} cells, the header {len(names)}")
    if any(map(is_damaged, cells)):
        return Row(number, {}, "is no UTF-8")
    return Row(number, dict(zip(names, cells, strict=True)))


def _header(cells: list[str], place: str) -> list[str]:
    names = [field_name(cell) for cell in cells]
    for index, name in enumerate(names):
        if not name:
            raise BadRows(f"{place}: column {index + 1} has no name; the first line names the columns, between commas")
        if name in names[:index]:
            raise BadRows(f"{place}: two columns are called {name}")
    return names


# --------------------------------------------------------------------------------------------------------------------
# JSON Lines


def _json_rows(lines: Iterator[str], _name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.isspace():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    if is_damaged(line):
        return Row(number, {}, "is no UTF-8")
    try:
        found = strict_json(line)
    except ValueError as error:
        return Row(number, {}, f"is no JSON: {error}")
    if not isinstance(found, dict):
        return Row(number, {}, "is no JSON object")
    try:
        return Row(number, _unique((field_name(key), value) for key, value in found.items()))
    except ValueError as error:
        return Row(number, {}, str(error))


def strict_json(text: str) -> Any:
    """Return what a JSON text says.

    Raises:
        ValueError: It is none, names a key twice, or holds what JSON does not know; the text says where.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} stands there twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
