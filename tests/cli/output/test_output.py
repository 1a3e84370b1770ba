from __future__ import annotations

import io
import json
import sys
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway_cli.terminal.stdout import Output
from mxgateway_cli.terminal.text import clean, json_text, value_text
from tests.rows import each_row


@given(st.text())
def test_no_control_character_passes_into_text_for_a_terminal(text: str) -> None:
    assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in clean(text))


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), lambda inner: st.lists(inner)))
def test_json_for_a_terminal_has_no_control_character_and_loses_nothing(document: object) -> None:
    text = json_text(document)

    assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in text)
    assert json.loads(text) == document


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("two\nlines\r", r"two\nlines\r"),
        ("abc\u202etxt.exe", r"abc\u202etxt.exe"),
        ("Größe 測試 نقطة", "Größe 測試 نقطة"),
    ],
)
def test_control_characters_are_shown_as_escapes_and_other_scripts_as_they_are(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


@each_row(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        (1.5, "1.5"),
        ("a b", "a b"),
        (b"\x00\xff", "00ff"),
        (datetime(2026, 3, 1, 8, 30, tzinfo=UTC), "2026-03-01T08:30:00Z"),
        ([1, 2], "[1, 2]"),
        ([], "[]"),
    ],
)
def test_values_are_shown_as_people_write_them(value: object, text: str) -> None:
    assert value_text(value) == text


DOCUMENT = {"operation": "x", "name": "a\x1bb", "list": ["p", "q"], "none": None, "yes": True, "inner": {"k": 1}}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("value", "a\\x1bb\n"),
        ("table", "operation  x\nname       a\\x1bb\nlist       p, q\nnone\nyes        true\n"),
        (
            "jsonl",
            '{"operation":"x","name":"a\\u001bb","list":["p","q"],"none":null,"yes":true,"inner":{"k":1}}\n',
        ),
    ],
)
def test_a_document_in_each_format(monkeypatch: pytest.MonkeyPatch, form: str, expected: str) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)

    Output(form).document(DOCUMENT, value="name")  # type: ignore[arg-type]

    assert out.getvalue() == expected
