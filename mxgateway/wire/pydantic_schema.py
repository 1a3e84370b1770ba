"""How pydantic writes our classes, for programs that use it; this library itself never imports it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final


def instance_schema(cls: type[Any], to_json: Callable[[Any], Any], *json_types: str) -> dict[str, Any]:
    """Return pydantic's schema of a class whose instances are taken as they are.

    Args:
        cls: The class.
        to_json: Returns the JSON form of an instance.
        json_types: pydantic's names of its types.
    """

    def write(value: Any) -> Any:
        if not isinstance(value, cls):  # of a union: pydantic tries the next member
            raise import_module("pydantic_core").PydanticSerializationUnexpectedValue
        return to_json(value)

    return {
        "type": "is-instance",
        "cls": cls,
        "serialization": {
            "type": "function-plain",
            "function": write,
            "when_used": "json",
            "return_schema": {"type": "union", "choices": [{"type": each} for each in json_types]},
        },
    }


def json_form(name: str) -> Callable[[Any], Any]:
    """Return a function of the JSON writer, which is loaded on first use."""
    return lambda value: getattr(import_module(_WRITER), name)(value)


_WRITER: Final = "mxgateway.wire.json.writer"
