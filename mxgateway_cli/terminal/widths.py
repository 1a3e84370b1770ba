"""The terminal columns that a text takes, and plain tables: what a pipe gets."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from mxgateway_cli.terminal.text import clean

GAP: Final = "  "
"""What separates two columns."""

_NO_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})


def display_width(text: str) -> int:
    """Return the terminal columns of a text: two for a wide East Asian character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(char) in _NO_WIDTH else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` padded to `width` terminal columns."""
    spaces = " " * (width - display_width(text))
    return spaces + text if right else text + spaces


def padded(cells: Sequence[str], widths: Sequence[str]) -> list[str]:
    """Return cells cleaned and padded to alignments and least widths such as ``<28`` or ``>8``."""
    return [
        pad(clean(cell), int(width[1:] or 0), right=width[0] == ">")
        for cell, width in zip(cells, widths, strict=True)
    ]  # fmt: skip


def aligned(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return rows whose cells are cleaned and padded to the width of their column."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cleaned, strict=True)]
    return [[pad(cell, width) for cell, width in zip(row, widths, strict=True)] for row in cleaned]
