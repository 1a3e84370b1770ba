"""Draws one progress bar with `rich`."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final, Self, TextIO

from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from mxgateway_cli.terminal.console import TerminalConsole
from mxgateway_cli.terminal.stdout import ClosedPipe

_NARROW: Final = 60
"""On a terminal that is narrower, the bar shows no numbers beside the share."""
_HOUR: Final = 3600
_UNHEARD: Final = suppress(OSError, ValueError, ClosedPipe)
"""The work goes on if nobody sees the bar any more."""
_UNITS: Final = ((1_000_000, "M"), (1_000, "k"))


class Bar:
    """A bar on a terminal, a context manager that hides the cursor while the bar moves.

    Args:
        label: The text beside the bar.
        total: Where it ends.
        stream: The terminal.
        counts: Whether its positions are numbers of things done; otherwise they are seconds.
        coloured: Whether it has colours.
    """

    def __init__(self, label: str, total: float, stream: TextIO, *, counts: bool, coloured: bool) -> None:
        console = TerminalConsole(stream, coloured=coloured)
        columns = [_words("{task.percentage:3.0f}%")]
        if counts and console.width >= _NARROW:
            columns.append(_words("{task.completed:.0f}/{task.total:.0f}"))
        columns += [_words(form, no_wrap=True) for form in ("{task.fields[rate]:>6}", "{task.fields[left]:>5}")]
        self._progress = Progress(
            _words("{task.description}", no_wrap=True), BarColumn(None), *columns, console=console, auto_refresh=False,
            expand=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._counts = counts
        self._total = total
        self._began = time.monotonic()
        """When there was nothing done yet."""
        self._task = self._progress.add_task(label, total=total, rate="", left="-:--")

    def __enter__(self) -> Self:
        with _UNHEARD:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with _UNHEARD:
            self._progress.stop()

    def draw(self, position: float, done: float | None = None) -> None:
        """Draw the bar at a position; `done` is how much work is done, if that is not the position."""
        done = position if done is None else done
        if not done:
            self._began = time.monotonic()
        passed = time.monotonic() - self._began
        rate = done / passed if passed > 0 else None
        ahead = self._total - position
        left = ahead if not self._counts else ahead / rate if rate else None
        with _UNHEARD:
            self._progress.update(
                self._task, completed=position, refresh=True, rate="" if rate is None else f"{short_number(rate)}/s",
                left="-:--" if left is None else clock(left),
            )  # fmt: skip


def _words(form: str, *, no_wrap: bool = False) -> TextColumn:
    return TextColumn(form, markup=False, table_column=Column(no_wrap=no_wrap))


def short_number(number: float) -> str:
    """Return a number in at most four characters: ``12k``."""
    for unit, letter in _UNITS:
        if number >= unit:
            return f"{number / unit:.{1 if number < 10 * unit else 0}f}{letter}"
    return f"{number:.{1 if number < 10 else 0}f}"


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, with hours if it has any."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, _HOUR)
    text = f"{rest // 60}:{rest % 60:02}"
    return f"{hours}:{text:0>5}" if hours else text
