"""Text from the plant is shown as it is: it styles nothing, moves nothing, and keeps the columns in line."""

from __future__ import annotations

import io
import os
from typing import Final
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mxgateway_cli.terminal.drawing import Painter, Screen, table_lines
from tests.cli.gateway import TAG, Gateway
from tests.cli.looks.screens import on_terminal, seen
from tests.rows import each_row

MARKUP: Final = ("[red]x[/red]", "[/]", "[link=http://a]b[/link]", ":smile:", "[bold", "\\[red]", "{task}")
PAINTER: Final = Painter("utf-8", coloured=False)
HEADINGS: Final = ("tag", "value", "quality", "source time", "error")


def screen(*, coloured: bool = True) -> Screen:
    return Screen(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), coloured=coloured)


@pytest.mark.parametrize("text", MARKUP)
async def test_markup_in_a_value_is_shown_as_it_is(gateway: Gateway, text: str) -> None:
    gateway.simulated.set_tag("TestChildObject.TestString", text)
    outcome = await on_terminal("read", "TestChildObject.TestString", "--plaintext", columns=100, env=gateway.env)

    assert text in outcome.out.splitlines()[1]
    assert "\x1b[31m" not in outcome.out


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_names_pairs_trees_and_sentences_is_shown_as_it_is(text: str) -> None:
    with mock.patch.dict(os.environ, {"COLUMNS": "100"}):
        plain = screen(coloured=False)
        for shown in (
            plain.table(("tag", "value"), [(text, "1")]),
            plain.pairs({"key": text}),
            plain.branch("├── ", text, "words"),
            plain.aside(text),
        ):
            assert text in shown


async def test_control_characters_are_escaped_before_they_are_drawn(gateway: Gateway) -> None:
    gateway.simulated.set_tag("TestChildObject.TestString", "a\x1b[2Jb\x07\r\nc\u202ed")
    outcome = await on_terminal(
        "read", "TestChildObject.TestString", "--plaintext", "--color", "never", columns=100, env=gateway.env
    )

    assert r"a\x1b[2Jb\x07\r\nc\u202ed" in outcome.out
    assert "\x1b" not in outcome.out
    assert len(outcome.out.splitlines()) == 2


@each_row("wide", ["測試測試", "温度", "🙂🙂", "e\u0301e\u0301", "ｆｕｌｌ", "한국어"])
@each_row("columns", [40, 80, 200])
def test_wide_characters_keep_the_columns_in_line(wide: str, columns: int) -> None:
    rows = [("A.B", wide, "good", "", ""), (f"Object.{wide}", "12", "bad", "", ""), (TAG, "x" * 30, "good", "", "")]
    with mock.patch.dict(os.environ, {"COLUMNS": str(columns)}):
        lines = seen(screen(coloured=False).table(HEADINGS, rows), columns)

    assert len(lines) == 4
    begins = {cell_len(line[: max(line.rfind("good"), line.rfind("bad"))]) for line in lines[1:]}
    assert len(begins) == 1


a_cell = st.text(max_size=40) | st.floats().map(str) | st.just("2026-03-01T08:30:00.123456Z")


@given(st.lists(st.tuples(a_cell, a_cell, a_cell, a_cell, a_cell), max_size=6), st.integers(8, 220))
def test_no_table_is_wider_than_the_terminal(rows: list[tuple[str, ...]], columns: int) -> None:
    lines = table_lines(PAINTER, HEADINGS, rows, columns)

    assert all(line.cell_len <= columns for line in lines)


@given(st.text(max_size=30), st.integers(1, 60))
def test_a_terminal_of_another_encoding_gets_no_sign_that_it_lacks(text: str, columns: int) -> None:
    (_, line, *_) = table_lines(Painter("ascii", coloured=False), ("tag",), [(f"{text}abc",)], columns)

    assert "…" not in line.plain.replace(text, "")
