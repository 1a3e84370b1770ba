"""Consoles of `rich` for what moves on a terminal: the progress bar and the live table."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console

from mxgateway_cli.terminal.stdout import ClosedPipe


class TerminalConsole(Console):
    """A console that draws on a terminal."""

    def __init__(self, stream: TextIO, *, coloured: bool) -> None:
        # The variables that set a terminal's size; those that only rich knows are not read.
        size = {name: os.environ[name] for name in ("COLUMNS", "LINES") if name in os.environ}
        super().__init__(
            file=stream, force_terminal=True, color_system="standard" if coloured else None, legacy_windows=False,
            markup=False, emoji=False, highlight=False, _environ=size,
        )  # fmt: skip

    def on_broken_pipe(self) -> None:
        """End the command quietly: the terminal is closed.

        Raises:
            ClosedPipe: Always.
        """
        raise ClosedPipe
