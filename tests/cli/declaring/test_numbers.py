"""One grammar for the numbers of all options: what only Python reads as a number is refused, by its option and before anything is sent."""

from __future__ import annotations

from typing import Final

import click
import pytest

from mxgateway_cli.help.numbers import decimal, whole
from mxgateway_cli.input.thresholds import Range
from mxgateway_cli.input.tolerances import Tolerance
from tests.cli.help.test_vocabulary import EVERY
from tests.rows import each_row

NONE: Final = (
    "1_0",
    "+1",
    "\uff11",
    "\u0663",
    "inf",
    "-inf",
    "nan",
    "infinity",
    "0x10",
    "1,5",
    "1e",
    "e3",
    ".",
    "-",
    "",
    "1 0",
    "--1",
)
"""No number in any option."""
NOT_WHOLE: Final = ("1.0", "1.", "1e3", "9" * 5_000)
"""Numbers, but not whole ones that any option can have."""
TYPES: Final = {"integer": NONE + NOT_WHOLE, "integer range": NONE + NOT_WHOLE, "float range": NONE, "seconds": NONE}


def test_no_option_takes_a_number_that_only_python_reads() -> None:
    taken, asked = [], set()
    for name, command in EVERY.items():
        ctx = click.Context(command)
        for option in command.params:
            for text in TYPES.get(option.type.name, ()):
                asked.add(option.type.name)
                try:
                    taken.append((name, option.opts, text, option.type.convert(text, option, ctx)))
                except click.BadParameter as error:
                    assert error.param is option, error
    assert taken == []
    assert asked == {*TYPES}


@each_row(
    ("text", "number"),
    [("0", 0.0), ("007", 7.0), (" 5 ", 5.0), ("-5", -5.0), ("5.", 5.0), (".5", 0.5), ("0.25", 0.25), ("1e3", 1000.0), ("2.5E-1", 0.25)],
)  # fmt: skip
def test_a_number_is_written_with_ascii_digits_a_point_and_an_exponent(text: str, number: float) -> None:
    assert decimal(text) == number
    assert Tolerance.parse(text.replace("-5", "5")).amount == abs(number)
    assert Range.parse(f"{text.strip()}:").low == number
    if text.strip().lstrip("-").isdecimal():
        assert whole(text) == number


@pytest.mark.parametrize("text", NONE)
def test_ranges_and_tolerances_have_the_same_grammar(text: str) -> None:
    assert decimal(text) is None
    with pytest.raises(ValueError, match="is not a range"):
        Range.parse(text)
    with pytest.raises(ValueError, match="is not a tolerance"):
        Tolerance.parse(text)
