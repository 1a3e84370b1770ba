"""Draws one progress bar with `rich`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self, TextIO

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from mxgateway_cli.terminal.console import TerminalConsole
from mxgateway_cli.terminal.stdout import ClosedPipe

_NARROW: Final = 60
"""On a terminal that is narrower, the bar shows no numbers beside the share."""
_HOUR: Final = 3600
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
        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn(None), _Share()]
        if counts and console.width >= _NARROW:
            columns.append(_Position())
        self._progress = Progress(
            *columns, _Rate(), _Remaining(), console=console, auto_refresh=False, expand=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._counts = counts
        self._total = total
        self._began = time.monotonic()
        """When there was nothing done yet."""
        self._task = self._progress.add_task(label, total=total, rate=None, left=None)

    def __enter__(self) -> Self:
        with _unheard():
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        with _unheard():
            self._progress.stop()

    def draw(self, position: float, done: float | None = None) -> None:
        """Draw the bar.

        Args:
            position: How far it is.
            done: How much work is done; None if that is the position.
        """
        done = position if done is None else done
        if not done:
            self._began = time.monotonic()
        passed = time.monotonic() - self._began
        rate = done / passed if passed > 0 else None
        ahead = self._total - position
        left = ahead if not self._counts else ahead / rate if rate else None
        with _unheard():
            self._progress.update(self._task, completed=position, rate=rate, left=left, refresh=True)


@contextmanager
def _unheard() -> Iterator[None]:
    """Go on with the work if nobody sees the bar any more."""
    with suppress(OSError, ValueError, ClosedPipe):
        yield


class _Share(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return how far the work is, in percent."""
        return Text(f"{task.percentage:3.0f}%")


class _Position(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return how many of how many are done."""
        return Text(f"{task.completed:.0f}/{task.total or 0:.0f}")


class _Rate(ProgressColumn):
    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Return how many are done in a second."""
        rate = task.fields["rate"]
        return Text(f"{'' if rate is None else f'{short_number(rate)}/s':>6}")


class _Remaining(ProgressColumn):
    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """Return the time that remains."""
        left = task.fields["left"]
        return Text(f"{'-:--' if left is None else clock(left):>5}")


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
