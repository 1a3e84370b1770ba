"""A terminal's alternate screen, redrawn in place with `rich`; leaving it restores the previous content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self, TextIO

from rich.console import Group
from rich.live import Live
from rich.text import Text

from mxgateway_cli.terminal.console import TerminalConsole
from mxgateway_cli.terminal.drawing import Painter
from mxgateway_cli.terminal.restoring import restored

Frame = Callable[[Painter, int, int], Sequence[Text]]
"""Returns the lines for a terminal of so many columns and lines."""


class LiveScreen(ExitStack):
    """The alternate screen of a terminal, a context manager."""

    def __init__(self, stream: TextIO, *, coloured: bool) -> None:
        super().__init__()
        self._stream = stream
        self._painter = Painter(stream.encoding, coloured=coloured)
        self._console = TerminalConsole(stream, coloured=coloured)
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False,
            vertical_overflow="crop",
        )  # fmt: skip

    @property
    def size(self) -> tuple[int, int]:
        """The columns and lines of the terminal."""
        return self._console.size

    def __enter__(self) -> Self:
        self.enter_context(restored(self._stream, alternate=True))
        self.enter_context(self._live)
        return self

    def draw(self, frame: Frame) -> None:
        """Redraw the screen.

        Raises:
            ClosedPipe: The terminal is closed.
        """
        self._live.update(Group(*frame(self._painter, *self.size)), refresh=True)
