"""What a stream is: a terminal or not, and whether it understands escape sequences and wants colours."""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

_ENABLE_ESCAPES: Final = 4
_HANDLES: Final = {1: -11, 2: -12}
"""Windows' numbers of stdout and stderr."""


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def understands_escapes(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that interprets escape sequences; a Windows console is told to."""
    if not is_terminal(stream) or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or _enable_escapes(stream)


def wants_colour(colour: str, stream: TextIO | None) -> bool:
    """Return whether what is written to a stream has colours; ``auto``: on a terminal, unless NO_COLOR is set."""
    if colour != "auto":
        return colour == "always"
    return not os.environ.get("NO_COLOR") and understands_escapes(stream)


def can_encode(text: str, encoding: str | None) -> bool:
    """Return whether a stream with this encoding can express a text; None is taken for ASCII."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _enable_escapes(stream: TextIO | None) -> bool:
    """Make a Windows console interpret escape sequences; return whether it does."""
    if sys.platform != "win32":
        return True
    import ctypes

    kernel = ctypes.windll.kernel32
    number = stream.fileno() if stream is not None else 1
    handle, mode = kernel.GetStdHandle(_HANDLES.get(number, -11)), ctypes.c_ulong()
    return bool(
        kernel.GetConsoleMode(handle, ctypes.byref(mode))
        and kernel.SetConsoleMode(handle, mode.value | _ENABLE_ESCAPES)
    )
