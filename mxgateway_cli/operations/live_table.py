"""A table on a terminal, redrawn in place.

It is drawn on the terminal's alternate screen from the upper left corner, so that a resize needs no arithmetic with
wrapped lines, and leaving it restores the previous content.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

import mxgateway
from mxgateway_cli.output.tags import cut, cut_start, display_width, pad
from mxgateway_cli.terminal.stdout import ClosedPipe, is_closed_pipe
from mxgateway_cli.terminal.text import clean

if TYPE_CHECKING:
    from mxgateway_cli.operations.watched_tags import WatchedTag, WatchedTags
    from mxgateway_cli.running.app import App

_ENTER: Final = "\x1b[?1049h\x1b[?25l"  # the alternate screen, without a cursor
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_END_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"
_COLOURS: Final = {"bad": "\x1b[31m", "uncertain": "\x1b[33m"}
_RESET: Final = "\x1b[0m"

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS: Final = "_.-=*#"
_HEADINGS: Final = ("tag", "value", "quality", "time", "changes", "trend")
_GAP: Final = "  "
_QUALITY, _TIME, _CHANGES, _TREND = 9, 8, 7, 8
_WIDEST_TREND: Final = 24
_VALUE: Final = 12
"""Minimum width of the value before columns other than tag and value are shown."""
_WIDEST_TAG: Final = 40


def is_live(app: App) -> bool:
    """Return whether a table can be redrawn in place: on a capable terminal, in table format, outside a batch."""
    in_batch = getattr(app, "host", None) is not None
    return (
        app.output.form == "table"
        and not in_batch
        and sys.stdout.isatty()
        and os.environ.get("TERM") != "dumb"
        and _enable_escapes()
    )


def _enable_escapes() -> bool:
    """Make a Windows console interpret escape sequences; return whether it does. Other terminals always do."""
    if sys.platform != "win32":
        return True
    import ctypes

    kernel = ctypes.windll.kernel32
    handle, mode = kernel.GetStdHandle(-11), ctypes.c_ulong()
    return bool(kernel.GetConsoleMode(handle, ctypes.byref(mode)) and kernel.SetConsoleMode(handle, mode.value | 4))


class LiveTable:
    """The displayed table, a context manager; on exit it restores the terminal and prints the final table.

    Args:
        tags: The tags to show.
        colour: ``auto``, ``always`` or ``never``; auto respects NO_COLOR.
        stream: The terminal.
    """

    def __init__(self, tags: WatchedTags, colour: str, stream: TextIO) -> None:
        self._tags = tags
        self._stream = stream
        self._coloured = colour == "always" or (colour == "auto" and not os.environ.get("NO_COLOR"))
        self._blocks = _blocks(stream.encoding)
        self._shown: tuple[int, int, str, os.terminal_size] | None = None

    def __enter__(self) -> LiveTable:
        self._write(_ENTER)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        size = shutil.get_terminal_size()
        self._write(_LEAVE + "".join(f"{line}\n" for line in self._frame(os.terminal_size((size.columns, 2**31)))))

    def refresh(self) -> None:
        """Redraw the table if the tags or the terminal's size have changed.

        Raises:
            ClosedPipe: The terminal is closed.
        """
        size = shutil.get_terminal_size()
        state = (self._tags.updates, self._tags.lost, self._tags.note, size)
        if state != self._shown:
            self._shown = state
            lines = [f"{line}{_END_OF_LINE}" for line in self._frame(size)]
            self._write(_HOME + "\n".join(lines) + _REST_OF_SCREEN)

    def _frame(self, size: os.terminal_size) -> list[str]:
        return frame(self._tags, size, self._blocks, coloured=self._coloured)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            if is_closed_pipe(error):
                raise ClosedPipe from None
            raise


def frame(tags: WatchedTags, size: os.terminal_size, blocks: str = _BLOCKS, *, coloured: bool = False) -> list[str]:
    """Return the lines of the table; they fit the terminal's width and height.

    Args:
        tags: The tags to show.
        size: Columns and lines of the terminal.
        blocks: The characters of a trend, from low to high.
        coloured: Whether a bad or uncertain quality is coloured.
    """
    shown = tags.rows[: max(0, size.lines - 2)]
    widths = _widths(size.columns, shown)
    lines = [_line(_HEADINGS, widths)]
    for row in shown:
        colour = _COLOURS.get(mxgateway.status.quality_kind(row.quality)) if row.quality is not None else None
        lines.append(_line(_cells(row, widths, blocks), widths, colour if coloured else None))
    hidden = len(tags.rows) - len(shown)
    counts = [f"{tags.updates} updates"]
    counts += [f"{hidden} more tags"] * bool(hidden) + [f"{tags.lost} events lost"] * bool(tags.lost)
    counts += [clean(tags.note)] * bool(tags.note)
    return [*lines, cut(", ".join(counts), size.columns)][: size.lines]


def _widths(columns: int, rows: Sequence[WatchedTag]) -> list[int]:
    """Return the width of each column: tag and value first, then as many of the others as fit."""
    longest = max((display_width(row.tag) for row in rows), default=0)
    tag = min(max(longest, len(_HEADINGS[0])), _WIDEST_TAG)
    room = columns - tag - len(_GAP) - _VALUE
    others: list[int] = []
    for width in (_QUALITY, _TIME, _CHANGES, _TREND):
        if room < width + len(_GAP):
            break
        others.append(width)
        room -= width + len(_GAP)
    if len(others) == 4:
        others[3] += min(max(room, 0), _WIDEST_TREND - _TREND)
    free = max(2, columns - sum(others) - len(_GAP) * (len(others) + 1))
    tag = min(tag, max(1, free * 3 // 5)) if free < tag + _VALUE else tag
    return [tag, max(1, free - tag), *others]


def _cells(row: WatchedTag, widths: list[int], blocks: str) -> tuple[str, ...]:
    value = row.value_text or row.error
    kind = "" if row.quality is None else mxgateway.status.quality_kind(row.quality)
    if not value and kind != "good":
        value = row.quality_text
    time = "" if row.source_time is None else row.source_time.strftime("%H:%M:%S")
    trend_width = widths[5] if len(widths) > 5 else 0
    latest = list(row.numbers)[-trend_width:] if trend_width else []
    return cut_start(row.tag, widths[0]), value, kind, time, str(row.changes), trend(latest, blocks)


def _line(cells: Iterable[str], widths: list[int], colour: str | None = None) -> str:
    padded = [pad(cut(cell, width), width) for cell, width in zip(cells, widths, strict=False)]
    if colour and len(padded) > 2:
        padded[2] = f"{colour}{padded[2]}{_RESET}"
    return _GAP.join(padded).rstrip()


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


def _blocks(encoding: str) -> str:
    """Return the characters of a trend that a terminal's encoding supports."""
    try:
        _BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _ASCII_BLOCKS
    return _BLOCKS
