"""The conditions of `wait`: their grammar, and how a tag's values are compared.

A condition is parsed in two steps. Its syntax is checked at once: an invalid one is rejected before anything is sent.
Its operand is parsed when the tag's first value shows the type.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import click

import mxgateway
from mxgateway_cli.input.typed_text import shown_value
from mxgateway_cli.terminal.failures import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway import MxValueOutput
    from mxgateway_cli.input.typed_text import TagType

    _ConditionBase = click.ParamType["Condition"]
else:  # generic only since click 8.4
    _ConditionBase = click.ParamType

Quality = Literal["good", "uncertain", "any"]
QUALITIES: Final[tuple[Quality, ...]] = ("good", "uncertain", "any")

ALLOWED: Final = "'== 5', '!= 5', '> 3.2', '>= 3.2', '< 3.2', '<= 3.2', changes or good"
_COMPARISON: Final = re.compile(r"\s*+(==|!=|>=|<=|>|<)(?![=<>])(.*)", re.DOTALL)
_WORDS: Final = ("changes", "good")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_EQUALITY: Final = ("==", "!=")


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition that `wait` waits for."""

    text: str
    """The condition as given."""
    word: str
    """``changes`` or ``good``; empty for a comparison."""
    sign: str = ""
    """The operator of a comparison."""
    operand: str = ""
    """The text that the value is compared with."""

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Parse a condition.

        Raises:
            ValueError: It is not a condition; the message lists the allowed forms.
        """
        word = text.strip().casefold()
        if word in _WORDS:
            return cls(text.strip(), word)
        match = _COMPARISON.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a condition: use {ALLOWED}")
        operand = match[2].strip()
        if not operand:
            raise ValueError(f"{text!r} has no operand: use {ALLOWED}; an empty string is '== \"\"'")
        return cls(text.strip(), "", match[1], operand)

    def typed(self, tag: str, found: TagType) -> Callable[[MxValueOutput], bool]:
        """Return a function that compares values of a type with the operand.

        Args:
            tag: The tag, for messages.
            found: The type of its values.

        Raises:
            CommandFailure: The operand is not a value of that type, or such values have no order.
        """
        type_name = found.name or getattr(found.data_type, "name", None) or str(int(found.data_type))
        if not found.name:
            raise self._mismatch(tag, f"values of type {type_name} cannot be compared", "use 'changes' or 'good'")
        if self.sign not in _EQUALITY and not _has_order(found.name):
            raise self._mismatch(tag, f"values of type {type_name} have no order", "use == or !=")
        try:
            wanted = found.parse_comparable(_unquoted(self.operand), name="the operand")
        except mxgateway.MxGatewayInvalidRequestError as error:
            raise self._mismatch(tag, f"its type is {type_name}, and {error.message}", error.hint) from None
        compare = _OPERATORS[self.sign]
        return lambda value: _comparable(value, wanted) and compare(cast("Any", value), wanted)

    def _mismatch(self, tag: str, why: str, hint: str) -> CommandFailure:
        return CommandFailure(f"{self.text!r} does not fit {tag}: {why}", code=ExitCode.USAGE, hint=hint)


class ConditionText(_ConditionBase):
    """A condition on the command line."""

    name = "condition"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        """Return the condition.

        Raises:
            click.BadParameter: The text is not a condition.
        """
        if isinstance(value, Condition):
            return value
        try:
            return Condition.parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def quality_suffices(quality: int, wanted: Quality) -> bool:
    """Return whether a value's quality is at least `wanted`."""
    kind = mxgateway.status.quality_kind(quality)
    return wanted == "any" or kind == "good" or kind == wanted


class Watcher:
    """Checks one tag's values against a condition.

    Args:
        tag: The tag, for messages.
        condition: The condition.
        quality: Values of lower quality are ignored.
    """

    def __init__(self, tag: str, condition: Condition, quality: Quality) -> None:
        self._tag = tag
        self._condition = condition
        self._quality = quality
        self._compare: Callable[[MxValueOutput], bool] | None = None
        self._type: TagType | None = None
        self._first: list[MxValueOutput] = []

    def holds(self, value: MxValueOutput, quality: int, found: TagType) -> bool:
        """Return whether a new value meets the condition.

        Raises:
            CommandFailure: The condition does not fit the value's type.
        """
        if self._condition.word == "good":
            return mxgateway.status.is_good(quality)
        if not quality_suffices(quality, self._quality):
            return False
        if self._condition.word == "changes":
            return self._changed(value)
        if value is None:
            return False
        if self._compare is None or found != self._type:
            self._type, self._compare = found, self._condition.typed(self._tag, found)
        return self._compare(shown_value(value, found.data_type))

    def _changed(self, value: MxValueOutput) -> bool:
        if not self._first:
            self._first.append(value)
        return not mxgateway.values.same_value(value, self._first[0])


def _has_order(type_name: str) -> bool:
    return type_name in ("int32", "int64", "float", "double", "elapsed", "time")


def _comparable(value: MxValueOutput, wanted: MxValueOutput) -> bool:
    """Return whether two values are comparable: numbers with numbers, times with times, else values of one type."""
    numbers = (int, float)
    if isinstance(wanted, datetime):
        return isinstance(value, datetime)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    return (isinstance(value, numbers) and isinstance(wanted, numbers)) or type(value) is type(wanted)


def _unquoted(text: str) -> str:
    """Return `text` without surrounding quotes, which often remain after the shell's own quoting."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
