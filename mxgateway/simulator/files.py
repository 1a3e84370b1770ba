"""Reads the files that describe a plant or a scenario: TOML, or JSON with the same keys.

A file is judged by a schema of the package, so that the loader refuses whatever the schema refuses. The schemas use few
keywords of JSON Schema; an unknown one is an error here, never ignored.
"""

from __future__ import annotations

import json
import os
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
    ("type", "enum", "minimum", "maximum", "minLength", "items", "required", "properties", "additionalProperties")
)
_WORDS: Final = frozenset(("$schema", "$defs", "title", "description", "writeOnly"))


class DescriptionError(ValueError):
    """A file that cannot be used; the text names the file and the place."""


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


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file.

    Raises:
        DescriptionError: It is not UTF-8; the text names the file.
        OSError: It cannot be read, or is larger than 16 MiB.
    """
    try:
        return read_input(path, _LARGEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DescriptionError(f"{os.fspath(path)}: {error}") from None


def parse(text: str, name: str) -> Any:
    """Return what a text says; the text of a file named ``.json`` is JSON, any other TOML.

    Raises:
        DescriptionError: The text is wrong; the error begins with `name` and says where.
    """
    try:
        if name.casefold().endswith(".json"):
            return json.loads(text)
        import tomllib  # a simulated gateway without files starts sooner

        return tomllib.loads(text)
    except RecursionError:
        raise DescriptionError(f"{name}: it is nested too deeply") from None
    except ValueError as error:
        raise DescriptionError(f"{name}: {error}") from None


def check(value: Any, by: dict[str, Any]) -> None:
    """Check a document against a schema.

    Raises:
        DescriptionError: It does not match; the text begins with the path of the key.
    """
    _check(value, by, "", by.get("$defs", {}))


def _check(value: Any, schema: dict[str, Any], path: str, named: dict[str, Any]) -> None:
    if "$ref" in schema:
        schema = named[schema["$ref"].rpartition("/")[2]]
    if unknown := schema.keys() - _JUDGED - _WORDS:
        raise AssertionError(f"the schema uses keywords that are not judged: {sorted(unknown)}")
    place = path or "the file"
    kind = schema.get("type")
    is_wrong = kind is not None and not isinstance(value, _TYPES[kind])
    if not is_wrong and kind in ("integer", "number"):
        # TOML and Python's JSON have infinities, JSON Schema has not; nor does a number beyond every float make sense.
        is_wrong = isinstance(value, bool) or not abs(value) <= sys.float_info.max
    if is_wrong:
        shown = "that" if schema.get("writeOnly") else _shown(value)
        raise DescriptionError(f"{place}: this must be of type {kind}, not {shown}")
    if "enum" in schema and value not in schema["enum"]:
        raise DescriptionError(f"{place}: {_shown(value)} is none of {', '.join(schema['enum'])}")
    if value < schema["minimum"] if "minimum" in schema else False:
        raise DescriptionError(f"{place}: {_shown(value)} is below {schema['minimum']}")
    if value > schema["maximum"] if "maximum" in schema else False:
        raise DescriptionError(f"{place}: {_shown(value)} is above {schema['maximum']}")
    if len(value) < schema["minLength"] if "minLength" in schema else False:
        raise DescriptionError(f"{place}: this must not be empty")
    if kind == "array":
        for index, element in enumerate(value):
            _check(element, schema["items"], f"{path}[{index}]", named)
    elif kind == "object":
        _check_object(value, schema, path, named)


def _check_object(value: dict[str, Any], schema: dict[str, Any], path: str, named: dict[str, Any]) -> None:
    known, other = schema.get("properties", {}), schema.get("additionalProperties", False)
    for key in schema.get("required", ()):
        if key not in value:
            raise DescriptionError(f"{path or 'the file'}: the key {key!r} is missing")
    for key, element in value.items():
        inner = known.get(key, other)
        place = f"{path}.{key}" if path else key
        if inner is False:
            raise DescriptionError(f"{place}: the key is unknown; known are {', '.join(known)}")
        _check(element, inner, place, named)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
