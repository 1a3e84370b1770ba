"""Reads texts of a command line as what a tag or an action of a simulated gateway takes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

import mxgateway
from mxgateway_cli.help.numbers import decimal, whole
from mxgateway_cli.help.suggestions import did_you_mean

if TYPE_CHECKING:
    from mxgateway.control import Action, ControlledTag, Parameter

_TYPES: Final = {
    "boolean": "bool",
    "integer": "int32",
    "wide_integer": "int64",
    "float": "float",
    "double": "double",
    "time": "time",
    "elapsed_time": "elapsed",
    "enumeration": "int32",
    "custom": "bytes",
}
"""The ``--type`` name of a tag's type; the others are texts."""


def tag_value(tag: ControlledTag, text: str) -> Any:
    """Return the value of a text for a tag, by the tag's type.

    Raises:
        MxGatewayInvalidRequestError: The text is no value of that type.
    """
    name = _TYPES.get(tag.data_type, "string") + "[]" * tag.is_array
    value: Any = mxgateway.parse_value(name, text, name=f"the value of {tag.tag}")
    return [_native(each) for each in value] if isinstance(value, list) else _native(value)


def _native(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def arguments_of(action: Action, words: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of words ``NAME=VALUE``.

    Raises:
        click.UsageError: A word has another form, or its value is not what the action takes.
    """
    known = {each.name: each for each in action.parameters}
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise click.UsageError(f"{word!r} is no argument NAME=VALUE of {action.name}{_listed(known)}.")
        if name not in known:
            raise click.UsageError(
                f"{action.name} has no parameter {name!r}{did_you_mean(name, known) or _listed(known)}."
            )
        if name in found:
            raise click.UsageError(f"The argument {name!r} is given twice.")
        found[name] = _argument(known[name], text)
    return found


def _listed(known: Mapping[str, Any]) -> str:
    return f"; it takes {', '.join(known)}" if known else "; it takes none"


def _argument(parameter: Parameter, text: str) -> Any:
    if parameter.is_secret:
        return mxgateway.Secret(text)
    if parameter.is_file:
        return os.path.abspath(text)  # the gateway may run in another folder
    kind = KINDS.get(parameter.kind.name or "", UNKNOWN)
    try:
        return kind.read(text)
    except ValueError:
        raise click.UsageError(f"{parameter.name}: {text!r} is no {kind.described}.") from None


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.casefold()] if text.casefold() in ("true", "false") else _refuse()


def _integer(text: str) -> int:
    number = whole(text)
    return _refuse() if number is None else number


def _number(text: str) -> int | float:
    number = whole(text)
    if number is not None:
        return number
    other = decimal(text)
    return _refuse() if other is None else other


def _anything(text: str) -> Any:
    """Return what JSON makes of a text, and the text itself if that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")] if text else []


def _table(text: str) -> dict[str, str]:
    pairs = [each.partition("=") for each in text.split(",")] if text else []
    if not all(name and equals for name, equals, _ in pairs):
        _refuse()
    found: dict[str, str] = {}
    for name, _, value in pairs:
        if name.strip() in found:
            raise click.UsageError(f"{text!r} names {name.strip()!r} twice.")
        found[name.strip()] = value.strip()
    return found


def _refuse() -> Any:
    raise ValueError


class _Kind(NamedTuple):
    """How a value of one kind of parameter is written and read."""

    expected: str
    """Its form for a list of parameters."""
    read: Callable[[str], Any] = str
    """Returns the value of a text; a ValueError says that it is none."""
    described: str = ""
    """Its form for an error."""


KINDS: Final = {
    "ANY": _Kind("JSON, or a text", _anything),
    "BOOLEAN": _Kind("true|false", _boolean, "true or false"),
    "INTEGER": _Kind("whole number", _integer, "whole number"),
    "NUMBER": _Kind("number", _number, "number"),
    "TEXT": _Kind("text"),
    "LIST": _Kind("A,B,...", _list),
    "TABLE": _Kind("NAME=VALUE,...", _table, "list NAME=VALUE,NAME=VALUE"),
}
UNKNOWN: Final = _Kind("")
"""A kind that this program does not know."""
