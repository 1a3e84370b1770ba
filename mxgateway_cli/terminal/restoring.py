"""Puts a terminal in order when the process ends at once: the cursor shown, the alternate screen left.

An ordinary end, a signal and an exception do that by leaving the block that drew. A second signal ends the process
without leaving anything, so the runner calls `restore_terminals` first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

_SHOW_CURSOR: Final = b"\x1b[0m\x1b[?25h"
_LEAVE_ALTERNATE_SCREEN: Final = b"\x1b[?1049l"
_ERASED_LINE: Final = "\r\x1b[2K"

_open: dict[int, bytes] = {}
"""By the descriptor of a terminal, what puts it in order."""


@contextmanager
def restored(stream: TextIO, *, alternate: bool = False) -> Iterator[None]:
    """Note that a terminal or its alternate screen is to be put in order if the process ends within the block."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        yield
        return
    _open[descriptor] = _SHOW_CURSOR + (_LEAVE_ALTERNATE_SCREEN if alternate else b"\r\n")
    try:
        yield
    finally:
        del _open[descriptor]


def line_start(stream: TextIO) -> str:
    """Return what a line begins with that is written to a terminal beside a bar: it takes the place of the bar."""
    with suppress(OSError, ValueError):
        if stream.fileno() in _open:
            return _ERASED_LINE
    return ""


def restore_terminals() -> None:
    """Put all terminals in order at once; it writes past Python's streams, whose locks may be held."""
    for descriptor, sequence in list(_open.items()):
        with suppress(OSError):
            os.write(descriptor, sequence)
