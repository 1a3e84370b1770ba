"""How numbers are written in options: one grammar for all of them.

A whole number consists of the digits 0 to 9, with a minus where it may be negative. Other numbers may have a fraction and
an exponent: ``0.5``, ``1e-3``. Space around a number is ignored. Python itself reads more (``1_0``, ``+5``, ``inf``,
digits of other scripts), which in a script is a mistake rather than a number.
"""

from __future__ import annotations

import re
from typing import Any, Final

import click

DECIMAL: Final = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
"""A number with or without a fraction and an exponent."""
_WHOLE: Final = re.compile(r"-?[0-9]{1,40}")
_DECIMAL: Final = re.compile(DECIMAL)


def whole(text: str) -> int | None:
    """Return the whole number that a text is; None if it is none."""
    return int(text) if _WHOLE.fullmatch(text := text.strip()) else None


def decimal(text: str) -> float | None:
    """Return the number that a text is, infinite if it is too large for a float; None if it is none."""
    return float(text) if _DECIMAL.fullmatch(text := text.strip()) else None


class _Strict(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """One of click's number types, which refuses a text of another grammar first."""

    _grammar = _WHOLE
    _kind = "a whole number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number.

        Raises:
            click.BadParameter: It is none, or beyond the limits.
        """
        if isinstance(value, str) and not self._grammar.fullmatch(value.strip()):
            self.fail(f"{value!r} is not {self._kind}.", param, ctx)
        return super().convert(value, param, ctx)


class WholeNumber(_Strict, click.types.IntParamType):
    """A whole number."""


class WholeRange(_Strict, click.IntRange):
    """A whole number within limits."""


class DecimalRange(_Strict, click.FloatRange):
    """A number within limits."""

    _grammar = _DECIMAL
    _kind = "a number"


def strict(declared: click.ParamType[Any]) -> click.ParamType[Any]:
    """Return the type of an option with this grammar, for one of click's number types; any other as it is."""
    if type(declared) is click.IntRange:
        return WholeRange(declared.min, declared.max, declared.min_open, declared.max_open, declared.clamp)
    if type(declared) is click.FloatRange:
        return DecimalRange(declared.min, declared.max, declared.min_open, declared.max_open, declared.clamp)
    return WholeNumber() if type(declared) is click.types.IntParamType else declared
