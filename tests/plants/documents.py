"""Writes documents as TOML and JSON in any style that the forms allow, and notes on which line each key is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Path = tuple[str | int, ...]

_FAKES = ["# [objects.A]", "# key = 1", '# "', "#'''", "", "  ", "# [[steps]]"]


class Written:
    """A document as a text, and the line on which each path is first mentioned."""

    def __init__(self, document: dict[str, Any], rng: random.Random, *, is_json: bool) -> None:
        self.lines: dict[Path, int] = {}
        self._rng = rng
        self._parts: list[str] = []
        self._line = 1
        if is_json:
            self._json(document, ())
        else:
            self._noise()
            self._table(document, ())
        self.text = "".join(self._parts)

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._line += text.count("\n")

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self._line)

    # JSON

    def _json(self, value: Any, path: Path) -> None:
        if not isinstance(value, dict | list):
            self._put(json.dumps(value, ensure_ascii=self._rng.random() < 0.5))
            return
        is_object = isinstance(value, dict)
        self._put("{" if is_object else "[")
        for place, key in enumerate(value if is_object else range(len(value))):
            self._put("," if place else "")
            self._put(self._rng.choice(["", " ", "\n", "\n\n\t", "\r\n"]))
            self._note((*path, key))
            if is_object:
                self._put(
                    json.dumps(key, ensure_ascii=self._rng.random() < 0.5) + self._rng.choice([":", " : ", ":\n"])
                )
            self._json(value[key], (*path, key))
        self._put(self._rng.choice(["", " ", "\n"]) + ("}" if is_object else "]"))

    # TOML

    def _noise(self) -> None:
        while self._rng.random() < 0.3:
            self._put(self._rng.choice(_FAKES) + self._rng.choice(["\n", "\r\n"]))

    def _table(self, table: dict[str, Any], path: Path) -> None:
        """Write a table whose header is written, or the top of the document."""
        later: list[tuple[str, Any]] = []
        for key, value in table.items():
            is_tables = isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
            if (isinstance(value, dict) or is_tables) and self._rng.random() < 0.7:
                later.append((key, value))
                continue
            self._noise()
            self._assignment(path, (key,), value)
            self._put(self._rng.choice(["\n", " # = [x]\n", "\r\n"]))
        for key, value in later:
            if isinstance(value, dict):
                self._header("[", (*path, key), value)
            for index, each in enumerate(value if isinstance(value, list) else ()):
                self._header("[[", (*path, key, index), each)

    def _header(self, mark: str, path: Path, table: dict[str, Any]) -> None:
        self._noise()
        is_implied = mark == "[" and bool(table) and all(isinstance(each, dict) for each in table.values())
        if is_implied and self._rng.random() < 0.5:
            for key, value in table.items():
                self._header("[", (*path, key), value)
            return
        names = [self._key(each) for each in path if isinstance(each, str)]
        for end in range(1, len(path) + 1):
            self._note(path[:end])
        self._put(f"{mark}{self._rng.choice(['.', ' . ']).join(names)}{']' * len(mark)}\n")
        self._table(table, path)

    def _assignment(self, path: Path, keys: tuple[str, ...], value: Any) -> None:
        is_dotted = isinstance(value, dict) and len(value) == 1 and self._rng.random() < 0.5
        if is_dotted:
            [(key, inner)] = value.items()
            self._assignment(path, (*keys, key), inner)
            return
        for end in range(1, len(keys) + 1):
            self._note((*path, *keys[:end]))
        self._put(self._rng.choice([".", " . "]).join(self._key(key) for key in keys) + self._rng.choice(["=", " = "]))
        self._inline(value, (*path, *keys))

    def _inline(self, value: Any, path: Path) -> None:
        if isinstance(value, dict):
            self._put("{")
            for place, (key, inner) in enumerate(value.items()):
                self._put(", " if place else " ")
                self._assignment(path, (key,), inner)
            self._put(" }")
        elif isinstance(value, list):
            self._put("[")
            for index, inner in enumerate(value):
                self._put(self._rng.choice(["", "\n", " # ]\n", " "]))
                self._note((*path, index))
                self._inline(inner, (*path, index))
                self._put(",")
            self._put(self._rng.choice(["", "\n"]) + "]")
        else:
            self._put(self._scalar(value))

    def _scalar(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str):
            return repr(value)
        forms: list[Callable[[str], str]] = [_basic]
        if "'" not in value and "\n" not in value:
            forms.append(lambda text: f"'{text}'")
        if "'''" not in value:
            forms.append(lambda text: f"'''\n{text}'''")  # one or two quotes may stand before the last three
        if "\\" not in value and '"""' not in value:
            forms.append(lambda text: f'"""\n{text}"""')
        if "\\" not in value:
            forms.append(lambda text: '"""\n' + text.replace('"', '\\"') + '\\\n   """')
        return self._rng.choice(forms)(value)

    def _key(self, key: str) -> str:
        if key.replace("_", "").replace("-", "").isalnum() and key.isascii() and self._rng.random() < 0.7:
            return key
        return f"'{key}'" if "'" not in key and self._rng.random() < 0.5 else _basic(key)


def _basic(text: str) -> str:
    """Return a basic string of TOML; one of JSON has escapes for all that it must not have."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
