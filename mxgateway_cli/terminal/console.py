"""Consoles of `rich` for what moves on a terminal: the progress bar and the live table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console

from mxgateway_cli.terminal.stdout import ClosedPipe


class TerminalConsole(Console):
    """A console that draws on a terminal."""

    def __init__(self, stream: TextIO, *, coloured: bool) -> None:
        super().__init__(
            file=stream, force_terminal=True, color_system="standard" if coloured else None, legacy_windows=False,
            markup=False, emoji=False, highlight=False, _environ=_size(),
        )  # fmt: skip

    def on_broken_pipe(self) -> None:
        """End the command quietly: the terminal is closed.

        Raises:
            ClosedPipe: Always.
        """
        raise ClosedPipe


def _size() -> Mapping[str, str]:
    """Return the variables that set a terminal's size; those that only rich knows are not read."""
    return {name: os.environ[name] for name in ("COLUMNS", "LINES") if name in os.environ}
