"""A batch's lines are split as `shlex` splits them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway_cli.batch.shell_words import split

PIECES = st.sampled_from(
    [" ", "\t", "'", '"', "\\", "a", "B1", "-", "#", "$x", "`", "ü", "\u2028", "\x0b", "=", "{", ",", "\r"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_line_has_the_words_that_shlex_finds_or_is_refused_by_both(line: str) -> None:
    try:
        expected = shlex.split(line)
    except ValueError:
        with pytest.raises(ValueError, match=r"not closed|backslash"):
            split(line)
    else:
        assert split(line) == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_shlex_joins_comes_apart_again(words: list[str]) -> None:
    assert split(shlex.join(words)) == words


@pytest.mark.parametrize(
    ("line", "column"), [("a 'b", 3), ("a 'b' \"c", 7), ('x"', 2), ('"\\"', 1), ("a\\ 'b\\'' c", 8)]
)
def test_a_quote_that_is_not_closed_is_told_with_its_column(line: str, column: int) -> None:
    with pytest.raises(ValueError, match=rf"in column {column} is not closed"):
        split(line)
