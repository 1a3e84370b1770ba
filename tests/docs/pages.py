"""The pages that people read: their paths, their blocks of code and their lines of prose."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "protos" / "README.md",
    ROOT / "examples" / "README.md",
]
FENCE = re.compile(r" *```(\w*)$")


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """Say where it is."""
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """Return the path of a page inside the project."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in their order."""
    opened: tuple[int, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(text_of(page).splitlines(), start=1):
        if not (fence := FENCE.match(line)):
            inside.append(line)
        elif opened is None:
            opened, inside = (number, fence[1]), []
        else:
            yield Block(page, *opened, textwrap.dedent("\n".join(inside) + "\n"))
            opened = None
    assert opened is None, f"{name_of(page)}:{opened}: a block without an end"


def lines_outside_blocks(page: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not code."""
    inside = False
    for number, line in enumerate(text_of(page).splitlines(), start=1):
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line
