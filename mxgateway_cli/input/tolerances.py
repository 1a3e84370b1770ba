"""Tolerances of expected values: an absolute amount, or percents of the expected value.

Differences are computed in decimal, from the shortest text of each number: 0.4 is within 0.1 of 0.3, as a person expects.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from mxgateway_cli.help.numbers import DECIMAL

if TYPE_CHECKING:
    from mxgateway import MxValueOutput

_TOLERANCE: Final = re.compile(rf"(?!-)({DECIMAL})\s*(%)?")
_NUMBERS: Final = ("int32", "int64", "float", "double", "elapsed")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a value may be from the expected one."""

    text: str
    """The tolerance as given."""
    amount: Decimal
    is_percent: bool

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Parse a tolerance: ``0.5``, or ``2%`` of the expected value.

        Raises:
            ValueError: It is not a tolerance; the message lists the allowed forms.
        """
        match = _TOLERANCE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r:.80} is not a tolerance: use 0.5, or 2% of the expected value")
        return cls(text.strip(), Decimal(match[1]), match[2] is not None)

    def applies_to(self, type_name: str) -> bool:
        """Return whether values of a ``--type`` can have this tolerance: numbers, and times in seconds."""
        name = type_name.removesuffix("[]")
        return name in _NUMBERS or (name == "time" and not self.is_percent)

    def allows(self, value: MxValueOutput, expected: MxValueOutput) -> bool:
        """Return whether a value is close enough to the expected one; in an array, each element."""
        if isinstance(expected, list):
            same_length = isinstance(value, list) and len(value) == len(expected)
            return same_length and all(map(self._allows, value, expected))  # type: ignore[arg-type]
        return self._allows(value, expected)

    def _allows(self, value: Any, expected: Any) -> bool:
        if isinstance(expected, datetime):
            return Decimal(repr(abs(value - expected).total_seconds())) <= self.amount
        if not math.isfinite(value):
            return False
        wanted = Decimal(repr(expected))
        allowed = abs(wanted) * self.amount / 100 if self.is_percent else self.amount
        return abs(Decimal(repr(value)) - wanted) <= allowed
