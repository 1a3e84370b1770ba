"""Types of options and arguments of which a function parses the text."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

_T = TypeVar("_T")

if TYPE_CHECKING:
    _Base = click.ParamType
else:

    class _Base(click.ParamType):
        """Generic in every version of click: its own type is since 8.4."""

        def __class_getitem__(cls, _item: Any) -> Any:
            return cls


class Parsed(_Base[_T]):
    """A type whose `_parse` reads a text, and says with a ValueError what is wrong with it."""

    words: tuple[str, ...] = ()
    """Words that a shell is offered."""
    _end = ""
    """What its errors end with."""
    _parse: Callable[[Any], _T]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> _T:
        """Return the value; one that is none of a text, a number or a flag was parsed before.

        Raises:
            click.BadParameter: The text is not such a value.
        """
        if not isinstance(value, str | int | float):
            parsed: _T = value
            return parsed
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(f"{error}{self._end}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the words."""
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]


class NewFile(Parsed[str]):
    """A file to write; where it cannot be, the command line is refused before anything is sent."""

    name = "file"
    _end = "."

    def _parse(self, text: str) -> str:
        folder = os.path.dirname(text) or os.curdir
        if not os.path.isdir(folder):
            raise ValueError(f"there is no directory {folder!r}")
        if os.path.exists(text) and not os.path.isfile(text):
            raise ValueError(f"{text!r} is not a regular file")
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete files."""
        return [CompletionItem(incomplete, "file")]
