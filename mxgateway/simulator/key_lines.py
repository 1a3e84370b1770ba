"""Finds the lines of keys in TOML and JSON texts, whose parsers in the standard library do not tell them.

The texts have been parsed before, so that only what is sound is read here. A TOML value in braces or brackets is
written like one of JSON, but for ``=`` instead of ``:``, and one scanner reads both.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Final

Path = tuple[str | int, ...]
"""The keys and indexes from the top of a document to a value."""

Visit = Callable[[Path, int], None]
"""Called with each path that a text mentions, and its line; in the order of the text, also repeatedly."""

_BLANK: Final = re.compile(r"[ \t\r]*")
_BLANKS: Final = re.compile(r"(?:[ \t\r\n,]|#[^\n]*+)*+")
_TEXT: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL
)
_BARE_KEY: Final = re.compile(r"[^ \t\r\n.=:\[\]]+")
_BARE_VALUE: Final = re.compile(r"[^,\]}\n#]+")


def line_of(text: str, path: Path, *, is_json: bool) -> int | None:
    """Return the line on which a path, or else the nearest one around it, is first mentioned; None if none is."""
    best: Path = ()
    line: int | None = None

    def visit(found: Path, at: int) -> None:
        nonlocal best, line
        if len(found) > len(best) and path[: len(found)] == found:
            best, line = found, at

    return line if scan(text, visit, is_json=is_json) else None


def repeated(text: str) -> tuple[Path, int] | None:
    """Return the first path that a JSON text has twice, with its second line; None if there is none."""
    seen: set[Path] = set()
    twice: list[tuple[Path, int]] = []

    def visit(found: Path, at: int) -> None:
        if found in seen:
            twice.append((found, at))
        seen.add(found)

    scan(text, visit, is_json=True)
    return twice[0] if twice else None


def scan(text: str, visit: Visit, *, is_json: bool) -> bool:
    """Visit every path of a text.

    Returns:
        Whether it was read to its end: what is nested too deeply is not.
    """
    scanner = _Scanner(text, visit)
    try:
        scanner.json() if is_json else scanner.toml()
    except RecursionError:
        return False
    return True


class _Scanner:
    def __init__(self, text: str, visit: Visit) -> None:
        self._text = text
        self._visit = visit
        self._at = 0
        self._line = 1

    def json(self) -> None:
        self._skip(_BLANKS)
        self._value(())

    def toml(self) -> None:
        table: Path = ()
        tables: dict[Path, int] = {}  # the last index of each array of tables
        while self._skip(_BLANKS):
            line = self._line
            if self._take("[["):
                *outer, last = self._keys()
                array = (*self._table(tuple(outer), tables, line), last)
                tables[array] = tables.get(array, -1) + 1
                table = (*array, tables[array])
                self._visit(array, line)
                self._visit(table, line)
                self._skip(_BLANK)
                self._take("]]")
            elif self._take("["):
                table = self._table(self._keys(), tables, line)
                self._skip(_BLANK)
                self._take("]")
            else:
                self._pair(table)

    def _table(self, keys: tuple[str, ...], tables: dict[Path, int], line: int) -> Path:
        """Return the path of a header; a key of an array of tables means its last table."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            self._visit(path, line)
            if path in tables:
                path = (*path, tables[path])
        return path

    def _pair(self, table: Path) -> None:
        line = self._line
        for key in self._keys():
            table = (*table, key)
            self._visit(table, line)
        self._skip(_BLANK)
        self._take("=") or self._take(":")
        self._skip(_BLANKS)
        self._value(table)

    def _value(self, path: Path) -> None:
        if self._take("{"):
            while self._skip(_BLANKS) and not self._take("}"):
                self._pair(path)
        elif self._take("["):
            index = 0
            while self._skip(_BLANKS) and not self._take("]"):
                self._visit((*path, index), self._line)
                self._value((*path, index))
                index += 1
        elif not self._skip_text():
            self._skip(_BARE_VALUE)

    def _keys(self) -> tuple[str, ...]:
        keys = []
        while True:
            self._skip(_BLANK)
            start = self._at
            if self._skip_text():
                keys.append(_plain(self._text[start : self._at]))
            else:
                self._skip(_BARE_KEY)
                keys.append(self._text[start : self._at])
            self._skip(_BLANK)
            if not self._take("."):
                return tuple(keys)

    def _skip_text(self) -> bool:
        start = self._at
        self._skip(_TEXT)
        return self._at > start

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _skip(self, what: re.Pattern[str]) -> bool:
        """Skip what matches, and return whether anything follows."""
        found = what.match(self._text, self._at)
        if found is not None:
            self._line += self._text.count("\n", self._at, found.end())
            self._at = found.end()
        return self._at < len(self._text)


def _plain(quoted: str) -> str:
    """Return what a quoted key says."""
    if "\\" not in quoted or quoted[0] == "'":
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:  # TOML has escapes that JSON has not
        return str(tomllib.loads(f"key = {quoted}")["key"])
