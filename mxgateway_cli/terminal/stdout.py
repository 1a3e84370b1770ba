"""The only module that writes to stdout, which carries a command's result and nothing else."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from mxgateway_cli.terminal.capabilities import understands_escapes, wants_colour
from mxgateway_cli.terminal.text import clean, json_text

if TYPE_CHECKING:
    from mxgateway_cli.terminal.drawing import Screen

OutputFormat = Literal["table", "json", "jsonl", "value"]
FORMATS: Final[tuple[OutputFormat, ...]] = ("table", "json", "jsonl", "value")
_AS_GIVEN: Final = frozenset({"value", "oldValue", "newValue", "timestamp"})
"""Fields whose times are values of tags or were typed by the user: they stay as they are."""


class ClosedPipe(Exception):
    """The reader of stdout has closed the pipe: the command ends quietly."""


class UnwritableStdout(OSError):
    """Stdout cannot be written, for example because its disk is full."""

    def __str__(self) -> str:
        """Return the failure for people."""
        return f"stdout cannot be written: {self.strerror}"


class Output:
    """Writes results in the chosen format."""

    end_marker: str = ""
    """In a batch, the line that ends this command's output.

    No other line equals it. Output that is not a stream is flushed together with it.
    """

    colour: Literal["auto", "always", "never"] = "auto"
    """Whether tables and the lines beside them have colours; auto: on a terminal, unless NO_COLOR is set."""

    local: bool | None = None
    """Whether tables have times of this machine's zone instead of UTC; None: on a terminal."""

    def __init__(self, form: OutputFormat = "table") -> None:
        self.form: OutputFormat = form
        self._headings: tuple[Sequence[str], Sequence[str]] | None = None
        self._screen: Screen | None = None

    @property
    def on_screen(self) -> bool:
        """Whether results are drawn on a terminal: a table, outside a batch, where escape sequences are understood."""
        return self.form == "table" and not self.end_marker and understands_escapes(sys.stdout)

    def document(self, fields: Mapping[str, Any], *, value: str) -> None:
        """Write a command's only result.

        Args:
            fields: The JSON object; the order of its keys is kept.
            value: The key of the field that the format ``value`` writes.
        """
        if self.form == "json":
            self.text(json_text(fields, indent=2))
        elif self.form == "jsonl":
            self.text(json_text(fields))
        elif self.form == "value":
            self.text(plain(fields[value]))
        else:
            self.pairs(fields)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, headed: bool = True) -> None:
        """Write a whole table.

        Args:
            headings: The headings of its columns, which say what they hold (`terminal.columns`).
            rows: The cells of each row.
            headed: Whether a pipe gets the headings as well.
        """
        rows = [self.zoned(headings, row) for row in rows]
        if not rows and not headed:
            return
        if self.on_screen:
            self._write_lines(self._drawn().table(headings, rows))
            return
        from mxgateway_cli.terminal.widths import aligned

        for row in aligned([headings, *rows] if headed else rows):
            self.row(row)

    def headings(
        self, headings: Sequence[str], widths: Sequence[str], *, ends: bool = False, headed: bool = True
    ) -> None:
        """Begin a table whose rows come one by one with `row` or `record`, if the format is ``table``.

        On a terminal the headings appear together with the first row.

        Args:
            headings: The headings of its columns, which say what they hold (`terminal.columns`).
            widths: For each column the alignment and the width that most of its cells have, such as ``<28``.
            ends: Whether the rows come at once and end, so that a terminal may wait for some of them; `finish` then
                writes them.
            headed: Whether a pipe gets the headings as well.
        """
        if self.form != "table":
            return
        self._headings = headings, widths
        if self.on_screen:
            self._drawn().begin(headings, widths, ends=ends)
        elif headed:
            self.row(headings)

    def record(self, fields: Mapping[str, Any], columns: Sequence[str], *, value: str) -> None:
        """Write one line of a stream.

        Args:
            fields: The record as a JSON object (formats ``json`` and ``jsonl``).
            columns: The cells of a table row.
            value: The text that the format ``value`` writes.
        """
        if self.form in ("json", "jsonl"):
            write_line(json_text(fields))
        elif self.form == "value":
            write_line(self._escape_marker(clean(value)))
        else:
            self.row(columns)

    def json_line(self, fields: Mapping[str, Any]) -> None:
        """Write one JSON object on a line."""
        write_line(json_text(fields))

    def row(self, columns: Sequence[str]) -> None:
        """Write one table row; its cells are padded already unless the table was begun with `headings`."""
        if self._headings is not None:
            headings, widths = self._headings
            columns = self.zoned(headings, columns)
            if self.on_screen:
                self._write_lines(self._drawn().row(columns))
                return
            from mxgateway_cli.terminal.widths import padded

            columns = padded(columns, widths)
        write_line(self._escape_marker("  ".join(clean(column) for column in columns).rstrip()))

    def branch(self, guide: str, name: str, words: str) -> None:
        """Write the line of a tree: the guide that leads to it, its name, and what is said of it."""
        if self.on_screen:
            self._write_lines(self._drawn().branch(guide, clean(name), clean(words)))
        else:
            self.row((guide + clean(f"{name}  {words}"),))

    def aside(self, text: str) -> None:
        """Write a line beside the rows of a table, dim on a terminal."""
        if self.on_screen:
            drawn = self._drawn()
            self._write_lines(drawn.release(is_whole=False))
            self._write_lines(drawn.aside(clean(text)))
            return
        line = self._escape_marker(clean(text))
        write_line(f"\x1b[2m{line}\x1b[0m" if wants_colour(self.colour, sys.stdout) else line)

    def nothing(self, sentence: str) -> None:
        """Say on a terminal that a table has no rows; a pipe gets the table as it is."""
        if self.on_screen:
            self.aside(sentence)

    def finish(self) -> None:
        """Write what a terminal waits for; called at the end of each command."""
        if self._screen is not None:
            self._write_lines(self._screen.release())

    def text(self, text: str) -> None:
        """Write text that this program has generated, without cleaning it."""
        write_line(self._escape_marker(text), flush=not self.end_marker)

    def pairs(self, fields: Mapping[str, Any]) -> None:
        """Write the flat fields of an object as two columns; nested fields appear only in JSON."""
        shown = {key: self._field(key, field) for key, field in fields.items() if not _is_nested(field)}
        if self.on_screen:
            self._write_lines(self._drawn().pairs(shown))
            return
        width = max(map(len, shown), default=0)
        for key, text in shown.items():
            self.text(f"{key:<{width}}  {text}".rstrip())

    def _field(self, key: str, field: Any) -> str:
        text = plain(field)
        if key in _AS_GIVEN or not self._is_local:
            return text
        from mxgateway_cli.terminal.times import in_zone

        return in_zone(text, local=True)

    @property
    def _is_local(self) -> bool:
        return self.on_screen if self.local is None else self.local

    def zoned(self, headings: Sequence[str], cells: Sequence[str]) -> Sequence[str]:
        """Return a row whose times are in the zone that was asked for."""
        if not self._is_local:
            return cells
        from mxgateway_cli.terminal.columns import role_of
        from mxgateway_cli.terminal.times import in_zone

        return [
            in_zone(cell, local=True) if role_of(heading).kind == "time" else cell
            for heading, cell in zip(headings, cells, strict=True)
        ]

    def _drawn(self) -> Screen:
        if self._screen is None:
            from mxgateway_cli.terminal.drawing import Screen

            self._screen = Screen(sys.stdout, coloured=wants_colour(self.colour, sys.stdout))
        return self._screen

    def _write_lines(self, text: str) -> None:
        if text:
            write_line(text)

    def _escape_marker(self, line: str) -> str:
        """Return `line`; one that equals the end marker gets an escape for its first character."""
        if self.end_marker and line.strip() == self.end_marker:
            return line.replace("_", r"\x5f", 1)
        return line


def plain(field: Any) -> str:
    """Return a JSON field as one readable line."""
    if field is None:
        return ""
    if isinstance(field, bool):
        return "true" if field else "false"
    if isinstance(field, list) and all(isinstance(entry, str) for entry in field):
        return clean(", ".join(field))
    return json_text(field) if isinstance(field, list | Mapping) else clean(str(field))


def _is_nested(field: Any) -> bool:
    return isinstance(field, Mapping) or (isinstance(field, list) and not (field and isinstance(field[0], str)))


def prepare_streams() -> None:
    """Open the null device where stdin, stdout or stderr is closed; make stdout and stderr carry UTF-8 with bare line feeds.

    A supervisor may start a program without them. Their numbers must not be given to a socket, into which something would
    write later. A character that a stream cannot carry never ends a command.
    """
    sys.stdin = sys.stdin or _null_device(0, "r")
    sys.stdout = sys.stdout or _null_device(1, "w")
    sys.stderr = sys.stderr or _null_device(2, "w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            if stream.isatty():
                stream.reconfigure(errors="backslashreplace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def _null_device(number: int, mode: Literal["r", "w"]) -> TextIO:
    """Return the null device, opened under a standard stream's number when that is free."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        return open(number, mode, encoding="utf-8", closefd=False)
    return open(os.devnull, mode, encoding="utf-8")  # Windows has no console, but the number is taken


def write_line(text: str, *, flush: bool = True) -> None:
    """Write one line; without `flush` it stays in the buffer until the next flush.

    Raises:
        ClosedPipe: The reader of stdout has closed the pipe.
        UnwritableStdout: It cannot be written.
    """
    with _described_failures():
        sys.stdout.write(text + "\n")
        if flush:
            sys.stdout.flush()


def flush_stdout() -> None:
    """Write what is in the buffer.

    Raises:
        ClosedPipe: The reader of stdout has closed the pipe.
        UnwritableStdout: It cannot be written.
    """
    with _described_failures():
        sys.stdout.flush()


@contextmanager
def _described_failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_closed_pipe(error):
            raise ClosedPipe from None
        raise UnwritableStdout(error.errno, error.strerror) from None


def is_closed_pipe(error: OSError) -> bool:
    """Return whether a write failed because the reader closed the pipe (on Windows: EINVAL)."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


def discard_stdout() -> None:
    """Redirect stdout to the null device."""
    _discard(sys.stdout)


def settle_streams() -> None:
    """Write what stdout and stderr hold, or drop it: the interpreter's final flush would exit with 120 where it fails."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _discard(stream)


def _discard(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
