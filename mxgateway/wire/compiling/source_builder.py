"""Builds Python source text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Source:
    """Lines of Python with the indentation of their block."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._indent = 0

    def add(self, *lines: str) -> None:
        """Append lines to the current block."""
        self._lines.extend(" " * self._indent + line for line in lines)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Append a header, and indent the lines added inside the block."""
        self.add(header)
        self._indent += 1
        yield
        self._indent -= 1

    def text(self) -> str:
        """Return the whole text."""
        return "\n".join(self._lines)
