"""Judges a plant file by the schema of the package, so that the loader refuses whatever the schema refuses.

The schema uses few keywords of JSON Schema; an unknown one is an error here, never ignored.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from importlib.resources import files
from typing import Any, Final

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
_WORDS: Final = frozenset(("$schema", "$defs", "title", "description"))


class PlantFileError(ValueError):
    """A plant file that cannot be used; the text names the file and the place."""


@cache
def plant_schema() -> dict[str, Any]:
    """Return the JSON Schema of a plant file."""
    text = files("mxgateway.simulator.plant").joinpath("plant.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def check(value: Any) -> None:
    """Check a document against the schema of a plant file.

    Raises:
        PlantFileError: It does not match; the text begins with the path of the key.
    """
    _check(value, plant_schema(), "")


def _check(value: Any, schema: dict[str, Any], path: str) -> None:
    if "$ref" in schema:
        schema = plant_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    if unknown := schema.keys() - _JUDGED - _WORDS:
        raise AssertionError(f"the schema uses keywords that are not judged: {sorted(unknown)}")
    place = path or "the file"
    kind = schema.get("type")
    is_wrong = kind is not None and not isinstance(value, _TYPES[kind])
    if not is_wrong and kind in ("integer", "number"):
        # TOML and Python's JSON have infinities, JSON Schema has not; nor does a number beyond every float make sense.
        is_wrong = isinstance(value, bool) or not abs(value) <= sys.float_info.max
    if is_wrong:
        raise PlantFileError(f"{place}: this must be of type {kind}, not {_shown(value)}")
    if "enum" in schema and value not in schema["enum"]:
        raise PlantFileError(f"{place}: {_shown(value)} is none of {', '.join(schema['enum'])}")
    if value < schema["minimum"] if "minimum" in schema else False:
        raise PlantFileError(f"{place}: {_shown(value)} is below {schema['minimum']}")
    if value > schema["maximum"] if "maximum" in schema else False:
        raise PlantFileError(f"{place}: {_shown(value)} is above {schema['maximum']}")
    if len(value) < schema["minLength"] if "minLength" in schema else False:
        raise PlantFileError(f"{place}: this must not be empty")
    if kind == "array":
        for index, element in enumerate(value):
            _check(element, schema["items"], f"{path}[{index}]")
    elif kind == "object":
        _check_object(value, schema, path)


def _check_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> None:
    known, other = schema.get("properties", {}), schema.get("additionalProperties", False)
    for key in schema.get("required", ()):
        if key not in value:
            raise PlantFileError(f"{path or 'the file'}: the key {key!r} is missing")
    for key, element in value.items():
        inner = known.get(key, other)
        place = f"{path}.{key}" if path else key
        if inner is False:
            raise PlantFileError(f"{place}: the key is unknown; known are {', '.join(known)}")
        _check(element, inner, place)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
