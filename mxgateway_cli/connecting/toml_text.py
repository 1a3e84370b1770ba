"""Writes flat TOML tables, and changes one table of a file without touching the text around it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

Table = Mapping[str, Any]

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class Statement(NamedTuple):
    """A part of a file that is valid TOML by itself: a header, a key with its value, an empty line or a comment."""

    first: int
    """Its first line, counted from 0."""
    end: int
    """The line after its last line."""
    path: tuple[str, ...]
    """A header's table; an entry's table and key; for an empty line or a comment, the table it is in."""
    is_header: bool
    is_entry: bool


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of valid TOML in order."""
    lines = text.split("\n")
    table: tuple[str, ...] = ()
    first = 0
    while first < len(lines):
        end, parsed = _next(lines, first)
        is_header = lines[first].lstrip().startswith("[")
        if is_header:
            table = _header_path(parsed)
        path = table if is_header or not parsed else (*table, next(iter(parsed)))
        yield Statement(first, end, path, is_header, bool(parsed) and not is_header)
        first = end


def _next(lines: list[str], first: int) -> tuple[int, dict[str, Any]]:
    """Take lines until they are valid TOML by themselves: arrays and strings may span several."""
    for end in range(first + 1, len(lines) + 1):
        try:
            return end, tomllib.loads("\n".join(lines[first:end]))
        except tomllib.TOMLDecodeError:
            continue
    return len(lines), {}


def _header_path(parsed: Any) -> tuple[str, ...]:
    path = []
    while parsed:
        name, parsed = next(iter(parsed.items())) if isinstance(parsed, dict) else ("", parsed[0])
        path.append(name)
    return tuple(path)


def line_of(text: str, path: tuple[str, ...]) -> int:
    """Return the line, counted from 1, of the statement that sets `path` or, failing that, its longest prefix."""
    best, line = 0, 1
    for statement in statements(text):
        shared = _shared(statement.path, path) if statement.is_header or statement.is_entry else 0
        if shared > best:
            best, line = shared, statement.first + 1
    return line


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


def with_table(text: str, path: tuple[str, ...], entries: Table | None) -> str:
    """Return `text` with one table changed; other lines stay unchanged unless the table has no header of its own.

    Args:
        text: Valid TOML.
        path: The table.
        entries: The table's new entries; None removes it.
    """
    wanted = _changed({path[0]: {}, **tomllib.loads(text)}, path, entries)
    lines = text.split("\n")
    found = list(statements(text))
    header = next((each for each in found if each.is_header and each.path == path), None)
    if header is None:
        new = _appended(text, path, entries)
    else:
        section = _section(found, header)
        new = "\n".join(_removed(lines, section) if entries is None else _edited(lines, section, entries))
    try:
        if {path[0]: {}, **tomllib.loads(new)} == wanted:
            return new
    except tomllib.TOMLDecodeError:
        pass
    return "\n".join(_rendered_tables(wanted, ()))


def _changed(data: Table, path: tuple[str, ...], entries: Table | None) -> dict[str, Any]:
    name, *below = path
    changed = dict(data)
    if below:
        changed[name] = _changed(changed.get(name, {}), tuple(below), entries)
    elif entries is None:
        changed.pop(name, None)
    else:
        changed[name] = dict(entries)
    return changed


def _section(found: list[Statement], header: Statement) -> list[Statement]:
    """Return the statements of a table, without a comment above the next header."""
    rest = found[found.index(header) + 1 :]
    length = next((index for index, each in enumerate(rest) if each.is_header), len(rest))
    section = [header, *rest[:length]]
    while not (section[-1].is_header or section[-1].is_entry):
        section.pop()
    return section


def _appended(text: str, path: tuple[str, ...], entries: Table | None) -> str:
    if entries is None:
        return text
    above = f"{text.rstrip()}\n\n" if text.strip() else ""
    return above + "\n".join([*_rendered(path, entries), ""])


def _removed(lines: list[str], section: list[Statement]) -> list[str]:
    before, after = lines[: section[0].first], lines[section[-1].end :]
    while before and not before[-1].strip() and (not after or not after[0].strip()):
        before.pop()
    return [*before, *after] if before else after[next((i for i, line in enumerate(after) if line.strip()), 0) :]


def _edited(lines: list[str], section: list[Statement], entries: Table) -> list[str]:
    rest = dict(entries)
    edited = lines[: section[0].first]
    for statement in section:
        own = lines[statement.first : statement.end]
        key = statement.path[-1]
        if not statement.is_entry:
            edited += own
        elif key in rest:
            edited += _replaced(own, key, rest.pop(key))
    return [*edited, *(_entry(key, value) for key, value in rest.items()), *lines[section[-1].end :]]


def _replaced(own: list[str], key: str, value: Any) -> list[str]:
    """Return an entry with its new value and the old entry's trailing comment."""
    text = "\n".join(own)
    parsed = tomllib.loads(text)
    if parsed == {key: value}:
        return own
    for mark in re.finditer("#", own[-1]):
        bare = "\n".join([*own[:-1], own[-1][: mark.start()]])
        try:
            if tomllib.loads(bare) == parsed:
                return [f"{_entry(key, value)}  {own[-1][mark.start() :]}"]
        except tomllib.TOMLDecodeError:
            continue
    return [_entry(key, value)]


def _rendered_tables(tables: Table, path: tuple[str, ...]) -> list[str]:
    lines = []
    for name, table in sorted(tables.items(), key=lambda each: isinstance(each[1], dict)):
        if not isinstance(table, dict):
            lines += [_entry(name, table), ""]
        elif all(isinstance(entry, dict) for entry in table.values()) and table:
            lines += _rendered_tables(table, (*path, name))
        elif path:
            lines += [*_rendered((*path, name), table), ""]
    return lines


def _rendered(path: tuple[str, ...], entries: Table) -> list[str]:
    return [f"[{'.'.join(map(_key, path))}]", *(_entry(key, value) for key, value in entries.items())]


def _entry(key: str, value: Any) -> str:
    return f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return repr(int(value) if isinstance(value, float) and value.is_integer() else value)


def _string(text: str) -> str:
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"  # keeps a Windows path readable
    # TOML accepts JSON's escapes; it requires DEL to be escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
