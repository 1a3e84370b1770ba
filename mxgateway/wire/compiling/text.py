"""Python source text while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Source:
    """Lines of Python, with the indentation that the block around them asks for."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._indent = 0

    def add(self, *lines: str) -> None:
        """Append lines to the current block."""
        self._lines.extend(" " * self._indent + line for line in lines)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Append a header, and what is added meanwhile as its block."""
        self.add(header)
        self._indent += 1
        yield
        self._indent -= 1

    def text(self) -> str:
        """Return the whole."""
        return "\n".join(self._lines)
