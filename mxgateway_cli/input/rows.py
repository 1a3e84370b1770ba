"""Reads rows from a file or stdin: CSV with a header, JSON Lines, or a JSON array of objects.

This module does not interpret rows. Each is yielded with its line number, an unreadable one with its error, so that all
errors of a file can be reported at once.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO, Final, Literal, NamedTuple, NoReturn, cast

import click

from mxgateway.system.files import opened_input, refusal_text
from mxgateway_cli.help.sections import option
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

RowFormat = Literal["csv", "jsonl", "json"]
ROW_FORMATS: Final[tuple[RowFormat, ...]] = ("csv", "jsonl", "json")
ROW_FORMAT: Final = option(
    "--format", "source_format", type=click.Choice(ROW_FORMATS), help="Format of --from.  [default: by its suffix]"
)
STDIN: Final = "-"

_SUFFIXES: Final[dict[str, RowFormat]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}
_MAX_LINE_BYTES: Final = 32 * 1024 * 1024
"""A longer line would not fit into a message to the gateway."""
_MAX_BYTES: Final = 256 * 1024 * 1024
"""Bytes of all lines."""
_MAX_ROWS: Final = 1_000_000
"""Each row takes a few hundred bytes of memory, up to a thousand."""
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ALIASES: Final = {"tag_address": "tag", "item": "tag"}


class Row(NamedTuple):
    """One row."""

    number: int
    """The number of its first line, or of the entry of an array or a command line, counted from 1."""
    fields: dict[str, Any]
    """Fields by name in snake case: strings from CSV, JSON values from JSON."""
    error: str = ""
    """Why the row cannot be read; it then has no fields."""


class BadRows(CommandFailure):
    """The entries of a file or a command line cannot be sent; none was."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=ExitCode.USAGE, hint="nothing was sent")


def row_format_of(source: str) -> RowFormat | None:
    """Return the format that a file's suffix names; None for any other."""
    return _SUFFIXES.get(os.path.splitext(source)[1].lower())


def row_format(source: str, named: RowFormat | None) -> RowFormat:
    """Return the format of a file: the given one, or that of its suffix.

    Raises:
        click.UsageError: No format is given, and the suffix is unknown.
    """
    found = named or row_format_of(source)
    if found is None:
        why = "stdin has no suffix" if source == STDIN else f"the suffix of {source!r} is unknown"
        raise click.UsageError(f"Give --format csv, jsonl or json for --from: {why}.")
    return found


def source_name(source: str) -> str:
    """Return a file's name for messages."""
    return "stdin" if source == STDIN else source


def row_place(name: str, form: RowFormat | None, number: int) -> str:
    """Return where a row of a file is, for messages; without a name it is an entry of a command line."""
    if not name:
        return f"entry {number}"
    return f"{name}: entry {number}" if form == "json" else f"{name}:{number}"


@contextmanager
def opened_rows(source: str, form: RowFormat) -> Iterator[Iterator[Row]]:
    """Open a file, or stdin for ``-``, and yield an iterator over its rows.

    Raises:
        BadRows: It cannot be read, exceeds a limit, or has no valid header.
    """
    name = source_name(source)
    read: Callable[[Iterator[str], str], Iterator[Row]] = _READERS[form]
    try:
        with nullcontext(_stdin()) if source == STDIN else opened_input(source) as file:
            yield _limited(read(_lines(file, name), name), name)
    except OSError as error:
        raise BadRows(f"{name} cannot be read: {refusal_text(error)}") from None


def _limited(rows: Iterator[Row], name: str) -> Iterator[Row]:
    for count, row in enumerate(rows, 1):
        if count > _MAX_ROWS:
            raise BadRows(f"{name} has more than {_MAX_ROWS} rows; split it")
        yield row


def _stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.closed:
        raise BadRows("stdin is closed")
    return cast("BinaryIO", sys.stdin.buffer)


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield lines with their line ends; invalid UTF-8 becomes surrogates, which are rejected row by row."""
    number = size = 0
    while line := stream.readline(_MAX_LINE_BYTES + 1):
        number += 1
        size += len(line)
        if size > _MAX_BYTES:
            raise BadRows(f"{name} has more than {_MAX_BYTES} bytes; split it")
        if len(line) > _MAX_LINE_BYTES:
            raise BadRows(f"{name}:{number}: the line is longer than {_MAX_LINE_BYTES} bytes")
        if number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BadRows(f"{name} is UTF-16; save it as UTF-8")
        text = line.decode("utf-8", "surrogateescape")
        yield text.removeprefix("\ufeff") if number == 1 else text


def has_surrogate(text: str) -> bool:
    """Return whether a text holds a lone surrogate, which no message can carry; invalid UTF-8 is decoded as such."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def field_name(written: str) -> str:
    """Return a column's or key's name as in `Row.fields`: ``itemHandle`` becomes ``item_handle``."""
    name = _WORD_START.sub("_", written.strip()).lower()
    return _ALIASES.get(name, name)


# --------------------------------------------------------------------------------------------------------------------
# CSV


def _csv_rows(lines: Iterator[str], name: str) -> Iterator[Row]:
    csv.field_size_limit(_MAX_LINE_BYTES)
    reader = csv.reader(lines, strict=True)
    names: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:  # the start of the next row is unknown
            yield Row(number, {}, f"not valid CSV: {error}")
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
        return Row(number, {}, f"has {len(cells)} cells, but the header has {len(names)}")
    if any(map(has_surrogate, cells)):
        return Row(number, {}, "not valid UTF-8")
    return Row(number, dict(zip(names, cells, strict=True)))


def _header(cells: list[str], place: str) -> list[str]:
    if any(map(has_surrogate, cells)):
        raise BadRows(f"{place}: not valid UTF-8")
    names = [field_name(cell) for cell in cells]
    for index, name in enumerate(names):
        if not name:
            raise BadRows(f"{place}: column {index + 1} has no name; the first line must name the columns")
        if name in names[:index]:
            raise BadRows(f"{place}: two columns are named {name}")
    return names


# --------------------------------------------------------------------------------------------------------------------
# JSON


def _json_rows(lines: Iterator[str], _name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.isspace():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    if has_surrogate(line):
        return Row(number, {}, "not valid UTF-8")
    try:
        return _object_row(number, strict_json(line))
    except ValueError as error:
        return Row(number, {}, f"not valid JSON: {error}")


def _object_row(number: int, found: Any) -> Row:
    if not isinstance(found, dict):
        return Row(number, {}, "not a JSON object")
    try:
        return Row(number, _unique((field_name(key), value) for key, value in found.items()))
    except ValueError as error:
        return Row(number, {}, str(error))


def _array_rows(lines: Iterator[str], name: str) -> Iterator[Row]:
    text = "".join(lines)
    if has_surrogate(text):
        raise BadRows(f"{name} is not valid UTF-8")
    try:
        found = strict_json(text)
    except ValueError as error:
        raise BadRows(f"{name} is not valid JSON: {error}") from None
    if not isinstance(found, list):
        raise BadRows(f"{name} is not a JSON array of objects; use --format jsonl for one object per line")
    for number, entry in enumerate(found, 1):
        yield _object_row(number, entry)


_READERS: Final = {"csv": _csv_rows, "jsonl": _json_rows, "json": _array_rows}


def strict_json(text: str) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: It is not JSON, repeats a key, or holds a constant such as NaN; the message says where.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_whole)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text.rstrip("\n") else ""
        raise ValueError(f"{error.msg} at {line}column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} occurs twice")
        found[key] = value
    return found


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise ValueError(f"a number of {len(digits)} digits is beyond 64 bits") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
