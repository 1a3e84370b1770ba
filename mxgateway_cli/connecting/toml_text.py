"""Changes one table of a TOML file with `tomlkit`, and finds the line of an entry.

`tomlkit` is loaded only to write; it does not know on which line an entry stands.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Table = Mapping[str, Any]
_MOST_PARSED: Final = 3_000_000
"""Characters that are parsed to find a line; a value of many lines is parsed once for each of them."""


def _statements(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line of each header with its table, and of each entry of valid TOML with its table and key.

    Where finding the end of an entry takes too long, no others follow.
    """
    lines = text.split("\n")
    table: tuple[str, ...] = ()
    first, left = 0, _MOST_PARSED
    while first < len(lines):
        end, parsed, left = _next(lines, first, left)
        if lines[first].lstrip().startswith("["):
            table = _header_path(parsed)
            yield first + 1, table
        elif parsed:
            yield first + 1, (*table, next(iter(parsed)))
        first = end


def _next(lines: list[str], first: int, left: int) -> tuple[int, dict[str, Any], int]:
    """Take lines until they are valid TOML by themselves: arrays and strings may span several.

    The result is the line after them, what they say, and how many characters may still be parsed.
    """
    for end in range(first + 1, len(lines) + 1):
        text = "\n".join(lines[first:end])
        left -= len(text)
        if left < 0:
            break
        with suppress(tomllib.TOMLDecodeError):
            return end, tomllib.loads(text), left
    return len(lines), {}, left


def _header_path(parsed: Any) -> tuple[str, ...]:
    path = []
    while parsed:
        name, parsed = next(iter(parsed.items())) if isinstance(parsed, dict) else ("", parsed[0])
        path.append(name)
    return tuple(path)


def line_of(text: str, path: tuple[str, ...]) -> int:
    """Return the line, counted from 1, of the statement that sets `path` or, failing that, its longest prefix."""
    best, line = 0, 1
    for first, found in _statements(text):
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(found, path, strict=False))))
        if shared > best:
            best, line = shared, first
    return line


def with_table(text: str, path: tuple[str, str], entries: Table | None) -> str:
    """Return `text` with one table changed, or removed without entries; comments, order and all else stay."""
    import tomlkit

    outer, name = path
    data = tomllib.loads(text)
    tables = data.get(outer, {}) | {name: dict(entries or {})}
    if entries is None:
        del tables[name]
    wanted = {**data, outer: tables}
    with suppress(tomlkit.exceptions.TOMLKitError, tomllib.TOMLDecodeError, KeyError, ValueError):
        document = tomlkit.parse(text)
        _change(document, path, entries)
        new = tomlkit.dumps(document)
        if {outer: {}, **tomllib.loads(new)} == wanted:
            return new
    return tomlkit.dumps(wanted)  # a layout that tomlkit cannot edit


def _change(document: TOMLDocument, path: tuple[str, str], entries: Table | None) -> None:
    import tomlkit

    outer, name = path
    if outer not in document:
        if entries is None:
            return
        document[outer] = tomlkit.table(is_super_table=True)
    tables: Any = document[outer]
    if entries is None:
        _give_comments_away(tables, name, removed=True)
        tables.pop(name, None)
        return
    if name not in tables:
        tables[name] = tomlkit.table()
    table = tables[name]
    _give_comments_away(tables, name)
    for key in [key for key in table if key not in entries]:
        del table[key]
    for key, value in entries.items():
        if key not in table or table[key] != value:
            table[key] = _item(value)


def _give_comments_away(tables: Any, name: str, *, removed: bool = False) -> None:
    """Let the comments below a table's last entry, which tomlkit counts as its own, belong to the header below them."""
    from tomlkit.items import Table as TomlTable

    table = tables.get(name)
    if not isinstance(table, TomlTable) or not isinstance(tables, TomlTable):
        return
    body = table.value.body
    end = max((index + 1 for index, (key, _) in enumerate(body) if key is not None), default=0)
    text = "".join(item.as_string() for _, item in body[end:])
    names = list(tables)
    below = names[names.index(name) + 1 :]
    if not below or not isinstance(tables[below[0]], TomlTable):
        return
    del body[end:]
    if removed:  # the empty line above it stays
        text = text.removeprefix("\n")
    trivia = tables[below[0]].trivia
    trivia.indent = text + trivia.indent


def _item(value: Any) -> Any:
    """Return a value in the form that a person would write."""
    import tomlkit

    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and "\\" in value and "'" not in value and value.isprintable():
        return tomlkit.string(value, literal=True)  # keeps a Windows path readable
    return value
