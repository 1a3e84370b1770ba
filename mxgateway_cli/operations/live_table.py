"""The table of `watch` on a terminal: redrawn in place, put away at the end, when the last values are written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import mxgateway
from mxgateway_cli.operations.watched_tags import TREND_LENGTH
from mxgateway_cli.terminal.capabilities import wants_colour
from mxgateway_cli.terminal.text import clean

if TYPE_CHECKING:
    from rich.text import Text

    from mxgateway_cli.operations.watched_tags import WatchedTag, WatchedTags
    from mxgateway_cli.running.app import App
    from mxgateway_cli.terminal.columns import Column
    from mxgateway_cli.terminal.drawing import Painter
    from mxgateway_cli.terminal.live_screen import LiveScreen

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS: Final = "_.-=*#"
_MARKS: Final = {"up": "▲", "down": "▼", "other": "●"}
_ASCII_MARKS: Final = {"up": "^", "down": "v", "other": "*"}
_HEADINGS: Final = ("tag", "", "value", "quality", "trend", "time", "changes")
_VALUE, _QUALITY = 12, 9
"""Widths of columns whose cells change all the time."""


def is_live(app: App) -> bool:
    """Return whether a table can be redrawn in place: on a terminal, in table format, outside a batch."""
    return app.host is None and app.output.on_screen


@contextmanager
def live_table(tags: WatchedTags, app: App) -> Iterator[LiveTable]:
    """Have the table on the terminal while the block runs; then restore the terminal and write the final table.

    Args:
        tags: The tags to show.
        app: The invocation.
    """
    from mxgateway_cli.terminal.live_screen import LiveScreen

    screen = LiveScreen(sys.stdout, coloured=wants_colour(app.colour, sys.stdout))
    table = LiveTable(tags, app, screen)
    try:
        with screen:
            yield table
    finally:
        table.write()


class LiveTable:
    """The displayed table.

    Args:
        tags: The tags to show.
        app: The invocation.
        screen: Where it is displayed.
    """

    def __init__(self, tags: WatchedTags, app: App, screen: LiveScreen) -> None:
        self._tags = tags
        self._app = app
        self._glyphs = Glyphs(sys.stdout.encoding)
        self._screen = screen
        self._shown: tuple[object, ...] | None = None

    def write(self) -> None:
        """Write the final table to stdout."""
        self._app.output.table(_HEADINGS, [cells(row, self._glyphs, marked=False) for row in self._tags.rows])
        self._app.output.aside(summary(self._tags))

    def refresh(self) -> None:
        """Redraw the table if the tags or the terminal's size have changed.

        Raises:
            ClosedPipe: The terminal is closed.
        """
        state = (self._tags.updates, self._tags.lost, self._tags.note, *self._screen.size, self._tags.marks)
        if state != self._shown:
            self._shown = state
            self._screen.draw(self._frame)

    def _frame(self, painter: Painter, columns: int, lines: int) -> Sequence[Text]:
        return frame(self._tags, painter, columns, lines, self._cells)

    def _cells(self, row: WatchedTag) -> Sequence[str]:
        """Return a row's cells, with the time of day alone."""
        from mxgateway_cli.terminal.times import shortened

        *before, time, changes = self._app.output.zoned(_HEADINGS, cells(row, self._glyphs))
        return *before, shortened(time, 0), changes


class Glyphs:
    """The characters of trends and marks that a terminal's encoding supports.

    Args:
        encoding: The encoding.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self.blocks, self.marks = _BLOCKS, _MARKS
        try:
            "".join([_BLOCKS, *_MARKS.values()]).encode(encoding)
        except (UnicodeEncodeError, LookupError):
            self.blocks, self.marks = _ASCII_BLOCKS, _ASCII_MARKS


def frame(
    tags: WatchedTags, painter: Painter, columns: int, lines: int, cells_of: Callable[[WatchedTag], Sequence[str]]
) -> Sequence[Text]:
    """Return the lines of the table; they fit the terminal's width and height.

    Args:
        tags: The tags to show.
        painter: Draws them.
        columns: The width of the terminal.
        lines: Its height.
        cells_of: Returns the cells of a tag.
    """
    from mxgateway_cli.terminal.columns import fit

    shown = tags.rows[: max(0, lines - 2)]
    rows = [[clean(cell) for cell in cells_of(row)] for row in shown]
    layout = _steady(rows)
    widths = fit(layout, columns, grow=False)
    drawn = [painter.heading(layout, widths)]
    for row in rows:
        drawn += painter.row(row, layout, widths, columns)
    note = summary(tags, hidden=len(tags.rows) - len(shown))
    return [*drawn, painter.note(note, columns)][:lines]


def _steady(rows: Sequence[Sequence[str]]) -> list[Column]:
    """Return the columns of the table; those that change all the time have a width that does not."""
    from mxgateway_cli.terminal.columns import measured

    least = {"value": _VALUE, "": 1, "trend": TREND_LENGTH, "quality": _QUALITY}
    return [
        replace(column, natural=max(column.natural, least.get(column.name, 0))) for column in measured(_HEADINGS, rows)
    ]


def cells(row: WatchedTag, glyphs: Glyphs, *, marked: bool = True) -> tuple[str, ...]:
    """Return the cells of a tag; without a value, why there is none stands in its place."""
    value = row.value_text or row.error
    kind = "" if row.quality is None else mxgateway.status.quality_kind(row.quality)
    if not value and kind != "good":
        value = row.quality_text
    time = "" if row.source_time is None else row.source_time.rfc3339()
    mark = glyphs.marks[row.mark] if marked and row.mark else ""
    return row.tag, mark, value, kind, trend(row.numbers, glyphs.blocks), time, str(row.changes)


def summary(tags: WatchedTags, *, hidden: int = 0) -> str:
    """Return the line below the table.

    Args:
        tags: The tags.
        hidden: How many of them have no room.
    """
    counts = [f"{tags.updates} updates"]
    counts += [f"{hidden} more tags"] * bool(hidden) + [f"{tags.lost} events lost"] * bool(tags.lost)
    counts += [clean(tags.note)] * bool(tags.note)
    return ", ".join(counts)


def trend(numbers: Sequence[float], blocks: str = _BLOCKS) -> str:
    """Return numbers as a row of blocks, scaled from the lowest number to the highest."""
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    if low == high:
        return blocks[len(blocks) // 2] * len(numbers)
    # Halved, because the difference of two 64-bit floats can overflow.
    steps = [(number / 2 - low / 2) / (high / 2 - low / 2) * (len(blocks) - 1) for number in numbers]
    return "".join(blocks[round(step)] for step in steps)
