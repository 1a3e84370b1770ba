"""Canonical protobuf JSON, both ways."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeVar

from mxgateway.wire.errors import JsonError

from . import writer as json_writer

M = TypeVar("M")


def to_json_dict(message: Any) -> dict[str, Any]:
    """Convert a message to an object for the json module, with keys in the order of the field numbers.

    A time that no datetime can hold is written as the nearest one that can, since the mapping has no form for it.

    Raises:
        JsonError: A value does not fit its field, or has no JSON form.
    """
    found: dict[str, Any] = json_writer.write(message)
    return found


def to_json(message: Any, *, indent: int | None = None) -> str:
    """Convert a message to JSON text in ASCII; equal messages give equal texts.

    Args:
        message: A message of any generated class.
        indent: Spaces per level; None for a single line.

    Raises:
        JsonError: A value does not fit its field, or has no JSON form.
    """
    return json.dumps(json_writer.write(message), indent=indent)


def from_json_dict(message_type: type[M], obj: Any) -> M:
    """Convert a JSON object to a message.

    Args:
        message_type: The generated class.
        obj: The object as read by the json module.

    Raises:
        JsonError: The object does not represent this type; the error names the path.
    """
    from . import reader as json_reader  # most programs only write

    message: M = json_reader.read(message_type, obj)
    return message


def from_json(message_type: type[M], text: str | bytes) -> M:
    """Convert a JSON text to a message.

    Args:
        message_type: The generated class.
        text: The document; bytes are UTF-8.

    Raises:
        JsonError: The text is not JSON, or does not represent this type; the error names the path.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise JsonError("the document is nested too deeply", message_name=message_type.__name__) from None
    except ValueError as error:
        raise JsonError(f"invalid JSON: {error}", message_name=message_type.__name__) from error
    return from_json_dict(message_type, value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"duplicate key {twice!r:.100} in an object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} must be a string")
