"""Reads the files that describe a plant or a scenario: TOML, or JSON with the same keys.

A file is judged by a schema of the package, so that the loader refuses whatever the schema refuses. The schemas use few
keywords of JSON Schema; an unknown one is an error here, never ignored.
"""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cache
from importlib.resources import files
from typing import Any, Final

from mxgateway.system.files import read_input

_LARGEST: Final = 16 * 1024 * 1024

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_JUDGED: Final = frozenset(
    (
        "type", "enum", "const", "minimum", "maximum", "minLength", "items", "required", "properties",
        "additionalProperties", "oneOf",
    )
)  # fmt: skip
_WORDS: Final = frozenset(("$schema", "$defs", "title", "description", "writeOnly"))
_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HALF: Final = re.compile("[\ud800-\udfff]")
_LONG_NUMBER: Final = re.compile(r"[0-9][0-9_]{4300}")
"""Of so many digits that Python does not read it."""


class DescriptionError(ValueError):
    """A file that cannot be used, or a part of one; the text begins with the file, or with the path of the key.

    Args:
        text: What is wrong.
        path: The keys and indexes from the top of the document to what is wrong; none for the whole.
    """

    def __init__(self, text: str, *path: str | int) -> None:
        super().__init__(text)
        self.text = text
        self.path = path

    def __str__(self) -> str:
        return f"{path_text(*self.path)}: {self.text}" if self.path else self.text

    def within(self, *path: str | int) -> DescriptionError:
        """Return the error as one of a larger document, where the part has this path."""
        return DescriptionError(self.text, *path, *self.path)


class Description:
    """What a file says.

    Args:
        name: The file's name; one that ends with ``.json`` has JSON, any other TOML.
        text: Its text.

    Raises:
        DescriptionError: The text is wrong; the error says where.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = _without_mark(text, name)
        self._is_json = name.casefold().endswith(".json")
        self.data: Any = self._of_characters(self._parsed())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Description:
        """Return what a file says.

        Raises:
            DescriptionError: It is wrong; the text names file and place.
            OSError: It cannot be read, or is larger than 16 MiB.
        """
        name = os.fspath(path)
        return cls(name, decoded(read_input(path, _LARGEST), name))

    def located(self, error: DescriptionError) -> DescriptionError:
        """Return an error of the document with the file and the line."""
        from mxgateway.simulator.key_lines import line_of  # as below

        line = line_of(self._text, error.path, is_json=self._is_json)
        return DescriptionError(f"{self.name}: {error}" if line is None else f"{self.name}: line {line}: {error}")

    def lines(self, key: str) -> dict[int, int]:
        """Return the line of each element of an array at the top of the document."""
        from mxgateway.simulator.key_lines import Path, scan

        found: dict[int, int] = {}

        def visit(path: Path, line: int) -> None:
            if len(path) == 2 and path[0] == key and isinstance(path[1], int):
                found.setdefault(path[1], line)

        return found if scan(self._text, visit, is_json=self._is_json) else {}

    def _parsed(self) -> Any:
        try:
            if self._is_json:
                return json.loads(self._text, object_pairs_hook=_object)
            import tomllib  # a simulated gateway without files starts sooner

            return tomllib.loads(self._text)
        except RecursionError:
            raise DescriptionError(f"{self.name}: it is nested too deeply") from None
        except _TwiceError:
            raise self._twice() from None
        except ValueError as error:
            raise DescriptionError(f"{self.name}: {_syntax(error, self._text)}") from None

    def _of_characters(self, data: Any) -> Any:
        """Return what the text says; JSON may escape halves of characters, which no message can carry."""
        if not self._is_json or "\\ud" not in self._text.casefold():
            return data
        try:
            path = _half_character(data)
        except RecursionError:
            raise DescriptionError(f"{self.name}: it is nested too deeply") from None
        if path is not None:
            raise self.located(DescriptionError("a text has half of a surrogate pair, which is no character", *path))
        return data

    def _twice(self) -> DescriptionError:
        from mxgateway.simulator.key_lines import repeated

        found = repeated(self._text)
        place = "" if found is None else f"line {found[1]}: {path_text(*found[0])}: "
        return DescriptionError(f"{self.name}: {place}a key is given twice")


class _TwiceError(ValueError):
    """A key that an object of JSON has twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _half_character(value: Any) -> tuple[str | int, ...] | None:
    """Return the path of the first text that has half of a character; None if all are whole."""
    if isinstance(value, str):
        return () if _HALF.search(value) else None
    for key, element in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        if isinstance(key, str) and _HALF.search(key):
            return (key,)
        if (found := _half_character(element)) is not None:
            return (key, *found)
    return None


def _syntax(error: ValueError, text: str) -> str:
    """Return a parser's error, its place first."""
    said = str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    if (found := _TOML_PLACE.search(said)) is None:
        number = _LONG_NUMBER.search(text)
        return said if number is None else f"line {text.count(chr(10), 0, number.start()) + 1}: a number is too long"
    if found[1] is None:
        return f"line {text.count(chr(10)) + 1}: {said}"
    return f"line {found[1]}, column {found[2]}: {said[: found.start()]}"


def path_text(*path: str | int) -> str:
    """Return a path as errors show it: ``steps[2].deploy.add``."""
    shown = "".join(f"[{each}]" if isinstance(each, int) else f".{_shown_key(each)}" for each in path)
    return shown.removeprefix(".")


def _shown_key(key: str) -> str:
    return key if key.isprintable() and len(key) <= 200 else _shown(key)


def decoded(data: bytes, name: str) -> str:
    """Return the text of a file.

    Raises:
        DescriptionError: It is not UTF-8, or begins with a byte order mark; the text names file and line.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DescriptionError(f"{name}: line {line}: it is not UTF-8: {error.reason}") from None
    return _without_mark(text, name)


def _without_mark(text: str, name: str) -> str:
    if text.startswith("\ufeff"):
        raise DescriptionError(f"{name}: line 1: it begins with a byte order mark; save it as UTF-8 without one")
    return text


@cache
def schema(room: str, name: str) -> dict[str, Any]:
    """Return a JSON Schema of the package.

    Args:
        room: The package of the simulator that has it.
        name: The file's name.
    """
    text = files(f"mxgateway.simulator.{room}").joinpath(name).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def check(value: Any, by: dict[str, Any]) -> None:
    """Check a document against a schema.

    Raises:
        DescriptionError: It does not match; the text begins with the path of the key.
    """
    _check(value, by, (), by.get("$defs", {}))


def _check(value: Any, schema: dict[str, Any], path: tuple[str | int, ...], named: dict[str, Any]) -> None:
    while "$ref" in schema:
        schema = named[schema["$ref"].rpartition("/")[2]]
    if unknown := schema.keys() - _JUDGED - _WORDS:
        raise AssertionError(f"the schema uses keywords that are not judged: {sorted(unknown)}")
    if "oneOf" in schema:
        schema = _chosen(value, schema["oneOf"], path, named)
    kind = schema.get("type")
    is_wrong = kind is not None and not isinstance(value, _TYPES[kind])
    if not is_wrong and kind in ("integer", "number"):
        # TOML and Python's JSON have infinities, JSON Schema has not; nor does a number beyond every float make sense.
        is_wrong = isinstance(value, bool) or not abs(value) <= sys.float_info.max
    if is_wrong:
        shown = "that" if schema.get("writeOnly") else _shown(value)
        raise DescriptionError(f"this must be of type {kind}, not {shown}", *path)
    if "enum" in schema and value not in schema["enum"]:
        raise DescriptionError(f"{_shown(value)} is none of {', '.join(schema['enum'])}", *path)
    if value < schema["minimum"] if "minimum" in schema else False:
        raise DescriptionError(f"{_shown(value)} is below {schema['minimum']}", *path)
    if value > schema["maximum"] if "maximum" in schema else False:
        raise DescriptionError(f"{_shown(value)} is above {schema['maximum']}", *path)
    if len(value) < schema["minLength"] if "minLength" in schema else False:
        raise DescriptionError("this must not be empty", *path)
    if kind == "array":
        for index, element in enumerate(value):
            _check(element, schema["items"], (*path, index), named)
    elif kind == "object":
        _check_object(value, schema, path, named)


def _chosen(value: Any, choices: list[dict[str, Any]], path: tuple[str | int, ...], named: dict[str, Any]) -> Any:
    """Return the one of several schemas of objects whose ``kind`` is that of the value."""
    kinds = {}
    for each in choices:
        choice = named[each["$ref"].rpartition("/")[2]]
        kinds[choice["properties"]["kind"]["const"]] = choice
    common = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": list(kinds)}}}
    _check(value, {**common, "additionalProperties": {}}, path, named)
    return kinds[value["kind"]]


def _check_object(
    value: dict[str, Any], schema: dict[str, Any], path: tuple[str | int, ...], named: dict[str, Any]
) -> None:
    known, other = schema.get("properties", {}), schema.get("additionalProperties", False)
    for key in schema.get("required", ()):
        if key not in value:
            raise DescriptionError(f"the key {key!r} is missing", *path)
    for key, element in value.items():
        inner = known.get(key, other)
        if inner is False:
            raise DescriptionError(f"the key is unknown; known are {', '.join(known)}", *path, key)
        _check(element, inner, (*path, key), named)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
