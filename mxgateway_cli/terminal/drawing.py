"""Draws tables, pairs and trees that fit the width of a terminal, with `rich`, which no other output loads.

Cells become `rich.text.Text`, never markup: a tag's value cannot style anything.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, TextIO

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

import mxgateway
from mxgateway_cli.terminal.capabilities import can_encode
from mxgateway_cli.terminal.columns import Column, fit, is_number, measured, preset
from mxgateway_cli.terminal.text import clean
from mxgateway_cli.terminal.times import shortened
from mxgateway_cli.terminal.widths import GAP

_QUALITY_STYLES: Final = {"uncertain": "yellow", "bad": "red"}
_STATUS_STYLES: Final = {"failed": "red", "warning": "yellow", "skipped": "dim"}
_SEVERE, _HIGH = 750, 500
"""Severities from which on an alarm is red, and yellow; the scale ends at 999."""
_FAILURES: Final = "red"
_MOST_MARKS: Final = 8
"""Characters of a cell for each of its columns: scripts put up to five combining marks on a letter."""
_NARROWEST: Final = 8
"""With less than this a field stands below its name."""
_PAGE: Final = 100
"""Rows that decide about the widths of a table that ends."""
_ANY_WIDTH: Final = 10_000
"""Lines are fitted before they reach the console."""


class Screen:
    """Draws the result of one command on a terminal."""

    def __init__(self, stream: TextIO, *, coloured: bool) -> None:
        self._painter = Painter(stream.encoding, coloured=coloured)
        self._headings: Sequence[str] = ()
        self._columns: list[Column] = []
        self._widths: list[int] = []
        self._room = 0
        self._pending = False
        self._grows = True
        self._held: list[list[str]] | None = None

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Return the lines of a whole table."""
        return self._painter.text(table_lines(self._painter, headings, rows, room()))

    def begin(self, headings: Sequence[str], widths: Sequence[str], *, ends: bool) -> None:
        """Begin a table whose rows are still to come; if they end, a page of them decides about the widths."""
        self._headings, self._columns = headings, preset(headings, widths)
        self._room, self._pending, self._held = 0, True, [] if ends else None

    def row(self, cells: Sequence[str]) -> str:
        """Return the lines of the next row, with the headings if it is the first one; empty while a page is held."""
        cleaned = [clean(cell) for cell in cells]
        if self._held is None:
            return self._row(cleaned)
        self._held.append(cleaned)
        return self.release(is_whole=False) if len(self._held) >= _PAGE else ""

    def release(self, *, is_whole: bool = True) -> str:
        """Return the lines of the rows that are held; `is_whole` tells that no others follow."""
        held, self._held = self._held, None
        if not held:
            return ""
        self._columns, self._grows = measured(self._headings, held, is_whole=is_whole), not is_whole
        return "\n".join(map(self._row, held))

    def _row(self, cleaned: Sequence[str]) -> str:
        if self._room != room():
            self._room = room()
            self._widths = fit(self._columns, self._room, grow=self._grows)
        lines = [self._painter.heading(self._columns, self._widths)] if self._pending else []
        self._pending = False
        return self._painter.text([*lines, *self._painter.row(cleaned, self._columns, self._widths, self._room)])

    def branch(self, guide: str, name: str, words: str) -> str:
        """Return the line of an object or attribute in a tree, truncated at the width of the terminal."""
        whole = f"{guide}{name}  {words}" if words else guide + name
        line = self._painter.fitted(whole, min(room(), max(1, cell_len(whole[: _MOST_MARKS * room()]))))
        line.stylize("dim", 0, len(guide))
        line.stylize("dim", len(guide) + len(name))
        return self._painter.text([line])

    def aside(self, text: str) -> str:
        """Return a text beside the rows of a table, dim, in as many lines as it takes."""
        return self._painter.text(Text(text, "dim").wrap(self._painter.console, room()))

    def pairs(self, fields: Mapping[str, str]) -> str:
        """Return the fields of an object in two columns; a long field continues below its beginning."""
        widest = max(map(cell_len, fields), default=0)
        width = room() - widest - len(GAP)
        lines: list[Text] = []
        for key, field in fields.items():
            style = quality_style(field) if key in ("quality", "qualityText") else ""
            name, value = Text(key, "dim"), Text(field, style)
            if width < _NARROWEST:
                lines += [name, *_indented(value.wrap(self._painter.console, max(1, room() - len(GAP))), len(GAP))]
                continue
            name.align("left", widest)
            wrapped = list(value.wrap(self._painter.console, width)) or [Text()]
            lines += [_line([name, wrapped[0]]), *_indented(wrapped[1:], widest + len(GAP))]
        return self._painter.text(lines)


def table_lines(painter: Painter, headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Text]:
    """Return the lines of a table whose rows are all known, for a terminal of this width."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    columns = measured(headings, cleaned)
    widths = fit(columns, width, grow=False)
    lines = [painter.heading(columns, widths)]
    for row in cleaned:
        lines += painter.row(row, columns, widths, width)
    return lines


def room() -> int:
    """Return the width of the terminal."""
    return max(1, shutil.get_terminal_size().columns)


class Painter:
    """Turns cells into lines of styled text for a terminal's encoding; only coloured ones keep their styles."""

    def __init__(self, encoding: str | None, *, coloured: bool) -> None:
        self.console = Console(
            file=io.StringIO(), force_terminal=True, color_system="standard" if coloured else None, width=_ANY_WIDTH,
            legacy_windows=False, markup=False, emoji=False, highlight=False, _environ={},
        )  # fmt: skip
        self._coloured = coloured
        self._more = "…" if can_encode("…", encoding) else ""

    def text(self, lines: Iterable[Text]) -> str:
        """Return lines as text for the terminal, joined by line feeds."""
        return "\n".join(map(self._escaped if self._coloured else attrgetter("plain"), lines))

    def _escaped(self, line: Text) -> str:
        """Return a line with its styles as escape sequences: `Console.print` takes ten times as long."""
        return "".join(
            segment.style.render(segment.text, color_system=ColorSystem.STANDARD) if segment.style else segment.text
            for segment in Text().append_text(line).render(self.console)
        )

    def heading(self, columns: Sequence[Column], widths: Sequence[int]) -> Text:
        """Return the line of the headings."""
        cells = [
            self.fitted(column.name, width, "bold", right=column.is_right)
            for column, width in zip(columns, widths, strict=True) if width
        ]  # fmt: skip
        return _line(cells)

    def row(self, cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], room: int) -> list[Text]:
        """Return the lines of a row of cleaned cells, without those of width 0.

        A long text continues below its column, or has lines of its own.
        """
        shown: list[Text] = []
        more: list[Text] = []
        for cell, column, width in zip(cells, columns, widths, strict=True):
            if column.role.kind == "text":
                first, rest = self._wrapped(cell, width, shown, room)
                shown += first
                more += rest
            elif width:
                shown.append(self._cell(cell, column, width))
        line = _line(shown)
        if line.plain or more:
            return [line, *more] if line.plain else more
        return [self.fitted(GAP + GAP.join(filter(None, cells)), room)]  # no column that has room tells anything

    def _wrapped(self, cell: str, width: int, before: Sequence[Text], room: int) -> tuple[list[Text], list[Text]]:
        """Return a text's first line, as the row's last cell, and the others, indented."""
        style = _FAILURES if cell.startswith("bad") else ""
        if not width:
            return [], _indented(
                Text(cell, style).wrap(self.console, max(1, room - len(GAP))), len(GAP)
            ) if cell else []
        lines = list(Text(cell, style).wrap(self.console, width)) or [Text()]
        indent = sum(text.cell_len + len(GAP) for text in before)
        return lines[:1], _indented(lines[1:], indent)

    def _cell(self, cell: str, column: Column, width: int) -> Text:
        kind = column.role.kind
        if kind == "time":
            return self.fitted(shortened(cell, width), width)
        if kind == "name":
            return self._fitted_end(cell, width)
        if kind == "trend":
            cell = cell[-width:]
        right = is_number(cell) if kind in ("value", "quality") else column.is_right
        return self.fitted(cell, width, _style(cell, column), right=right)

    def fitted(self, text: str, width: int, style: str = "", *, right: bool = False) -> Text:
        """Return a text truncated or padded to a width."""
        fitted = Text(text[: _MOST_MARKS * width], style)
        is_cut = len(text) > len(fitted)
        if is_cut or fitted.cell_len > width:
            fitted.truncate(width - cell_len(self._more), overflow="crop")
            fitted.append(self._more)
            fitted.truncate(width, overflow="crop")
        fitted.align("right" if right else "left", width)
        return fitted

    def _fitted_end(self, text: str, width: int) -> Text:
        """Return a text like `fitted`, but truncated at the start: tags differ most at their end."""
        end = text[-_MOST_MARKS * width :]
        if len(end) < len(text) or cell_len(end) > width:
            while end and cell_len(end) + cell_len(self._more) > width:
                end = end[1:]
            end = self._more + end
        return self.fitted(end, width)

    def note(self, text: str, width: int) -> Text:
        """Return a line below a table, dim and truncated."""
        line = self.fitted(text, width, "dim")
        line.rstrip()
        return line


def _line(cells: Sequence[Text]) -> Text:
    line = Text(GAP).join(cells)
    line.rstrip()
    return line


def _indented(lines: Iterable[Text], columns: int) -> list[Text]:
    return [Text(" " * columns).append_text(line) for line in lines]


def _style(cell: str, column: Column) -> str:
    if column.role.kind == "quality":
        return quality_style(cell)
    if column.role.kind == "status":
        return _STATUS_STYLES.get(cell, "")
    if column.role.kind == "severity" and cell.isdecimal():
        return "red" if int(cell) >= _SEVERE else "yellow" if int(cell) >= _HIGH else ""
    return {"mark": "cyan", "trend": "cyan"}.get(column.role.kind, "")


def quality_style(quality: str) -> str:
    """Return the colour of a quality, which is a number or begins with its kind."""
    kind = mxgateway.status.quality_kind(int(quality)) if quality.isdecimal() else quality.partition(":")[0]
    return _QUALITY_STYLES.get(kind, "")
