"""The conditions of `wait` and `verify`: their grammar, and how a tag's values are compared.

A condition is parsed in two steps. Its syntax is checked at once: an invalid one is rejected before anything is sent.
Its operand is parsed when the tag's first value shows the type.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import mxgateway
from mxgateway_cli.help.parsed import Parsed
from mxgateway_cli.input.tolerances import Tolerance
from mxgateway_cli.input.typed_text import shown_value
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway import MxValueOutput
    from mxgateway_cli.input.typed_text import TagType


Quality = Literal["good", "uncertain", "any"]
QUALITIES: Final[tuple[Quality, ...]] = ("good", "uncertain", "any")
WantedQuality = Quality | int
"""The lowest quality, or exactly this OPC quality."""
_QUALITY_MAX: Final = 0xFFFF

ALLOWED: Final = "'== 5', '!= 5', '> 3.2', '>= 3.2', '< 3.2', '<= 3.2', '10..20', changes or good"
_COMPARISON: Final = re.compile(r"\s*+(==|!=|>=|<=|>|<)(?![=<>])(.*)", re.DOTALL)
_BOUND: Final = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)"
_RANGE: Final = re.compile(rf"\s*({_BOUND})\s*\.\.\s*({_BOUND})\s*", re.ASCII)
_WORDS: Final = ("changes", "good")
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_EQUALITY: Final = ("==", "!=")
_ORDERED: Final = ("int32", "int64", "float", "double", "elapsed", "time")


@dataclass(frozen=True, slots=True)
class Condition:
    """The condition that a tag's value is to meet."""

    text: str
    """The condition as given."""
    word: str
    """``changes`` or ``good``; empty for a comparison."""
    sign: str = ""
    """The operator of a comparison; ``..`` for a range."""
    operand: str = ""
    """The text that the value is compared with; the start of a range."""
    end: str = ""
    """The end of a range."""
    tolerance: Tolerance | None = None
    """How far a value that is to be equal may be off."""

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Parse a condition.

        Raises:
            ValueError: It is not a condition; the message lists the allowed forms.
        """
        found = cls._word_or_range(text)
        if found is not None:
            return found
        match = _COMPARISON.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a condition: use {ALLOWED}")
        operand = match[2].strip()
        if not operand:
            raise ValueError(f"{text!r} has no operand: use {ALLOWED}; an empty string is '== \"\"'")
        return cls(text.strip(), "", match[1], operand)

    @classmethod
    def expected(cls, text: str) -> Condition:
        """Parse an expected value: a condition, or a plain value that the tag's value must equal.

        Raises:
            ValueError: It is neither; the message lists the allowed forms.
        """
        plain = text.strip()
        if not plain:
            raise ValueError("is empty; an empty text is '\"\"'")
        if plain[0] in "=<>!":
            return cls.parse(text)
        return cls._word_or_range(text) or cls(plain, "", "==", plain)

    @classmethod
    def _word_or_range(cls, text: str) -> Condition | None:
        word = text.strip().casefold()
        if word in _WORDS:
            return cls(text.strip(), word)
        match = _RANGE.fullmatch(text)
        if match is None:
            return None
        if _is_reversed(match[1], match[2]):
            raise ValueError(f"{text!r} starts above its end: write the lower limit first")
        return cls(text.strip(), "", "..", match[1], match[2])

    def within(self, tolerance: Tolerance) -> Condition:
        """Return the condition with a tolerance.

        Raises:
            ValueError: Only an equal value has a tolerance.
        """
        if self.sign != "==":
            raise ValueError(f"tolerance is {tolerance.text!r}, but only an equal value has one, not {self.text!r:.80}")
        return replace(self, tolerance=tolerance)

    @property
    def described(self) -> str:
        """The condition for people, with its tolerance."""
        return self.text if self.tolerance is None else f"{self.text} ± {self.tolerance.text}"

    def typed(self, tag: str, found: TagType) -> Callable[[MxValueOutput], bool]:
        """Return a function that compares values of the type `found` with the operand; `tag` is for messages.

        Raises:
            CommandFailure: The operand is not a value of that type, or such values have no order.
        """
        type_name = found.name or getattr(found.data_type, "name", None) or str(int(found.data_type))
        if not found.name:
            raise self._mismatch(tag, f"values of type {type_name} cannot be compared", "use 'changes' or 'good'")
        if self.sign not in _EQUALITY and found.name not in _ORDERED:
            raise self._mismatch(tag, f"values of type {type_name} have no order", "use == or !=")
        if self.tolerance is not None and not self.tolerance.applies_to(found.name):
            why = f"values of type {type_name} have no tolerance of {self.tolerance.text!r}"
            raise self._mismatch(tag, why, "use a tolerance for numbers, and seconds for times")
        try:
            wanted, end = (
                found.parse_comparable(_unquoted(text), name="the operand") if text else None
                for text in (self.operand, self.end)
            )
        except mxgateway.MxGatewayInvalidRequestError as error:
            raise self._mismatch(tag, f"its type is {type_name}, and {error.message}", error.hint) from None
        return self._comparison(tag, wanted, end)

    def _comparison(self, tag: str, wanted: Any, end: Any) -> Callable[[MxValueOutput], bool]:
        if self.sign == "..":
            if wanted > end:
                raise self._mismatch(tag, "the range starts above its end", "write the lower limit first")
            return lambda value: _comparable(value, wanted) and wanted <= cast("Any", value) <= end
        compare = _OPERATORS[self.sign] if self.tolerance is None else self.tolerance.allows
        return lambda value: _comparable(value, wanted) and compare(value, wanted)

    def _mismatch(self, tag: str, why: str, hint: str) -> CommandFailure:
        return CommandFailure(f"{self.text!r} does not fit {tag}: {why}", code=ExitCode.USAGE, hint=hint)


class ConditionText(Parsed[Condition]):
    """A condition on the command line."""

    name = "condition"
    _end = "."

    def _parse(self, text: str) -> Condition:
        return Condition.parse(text)


class QualityText(Parsed[WantedQuality]):
    """A quality on the command line."""

    name = "quality"
    _end = "."
    words = QUALITIES

    def _parse(self, text: str) -> WantedQuality:
        return parse_quality(text)


def parse_quality(text: str) -> WantedQuality:
    """Parse the lowest quality, or the number of an OPC quality.

    Raises:
        ValueError: It is neither.
    """
    word = text.strip().casefold()
    for each in QUALITIES:
        if word == each:
            return each
    if word.isascii() and word.isdecimal() and len(word) < 10 and int(word) <= _QUALITY_MAX:
        return int(word)
    raise ValueError(f"{text!r:.80} is not a quality: use good, uncertain, any, or an OPC quality such as 192")


def quality_suffices(quality: int, wanted: WantedQuality) -> bool:
    """Return whether a value's quality is at least `wanted`, or exactly that number."""
    if isinstance(wanted, int):
        return quality == wanted
    kind = mxgateway.status.quality_kind(quality)
    return wanted == "any" or kind == "good" or kind == wanted


class Watcher:
    """Checks one tag's values against a condition; values of another quality than `quality` are ignored."""

    def __init__(self, tag: str, condition: Condition, quality: WantedQuality) -> None:
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
            self._first = self._first or [value]
            return not mxgateway.values.same_value(value, self._first[0])
        if value is None:
            return False
        if self._compare is None or found != self._type:
            self._type, self._compare = found, self._condition.typed(self._tag, found)
        return self._compare(shown_value(value, found.data_type))


def _is_reversed(start: str, end: str) -> bool:
    """Return whether a range of numbers is the wrong way round; that of times is known when they are parsed."""
    try:
        return float(start) > float(end)
    except ValueError:
        return False


def _comparable(value: MxValueOutput, wanted: MxValueOutput) -> bool:
    """Return whether two values are comparable: numbers with numbers, times with times, else values of one type."""
    for kind in (datetime, bool, (int, float)):
        if isinstance(value, kind) or isinstance(wanted, kind):
            return isinstance(value, kind) and isinstance(wanted, kind)
    return type(value) is type(wanted)


def _unquoted(text: str) -> str:
    """Return `text` without surrounding quotes, which often remain after the shell's own quoting."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
