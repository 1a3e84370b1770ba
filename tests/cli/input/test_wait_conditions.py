from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import Timestamp, UnconvertedValue, proto
from mxgateway_cli.input.conditions import QUALITIES, Condition, Quality, Watcher, quality_suffices
from mxgateway_cli.input.typed_text import tag_type
from mxgateway_cli.terminal.exit_codes import CommandFailure
from tests.rows import each_row

GOOD, UNCERTAIN, BAD = 192, 64, 0
BOOLEAN, INTEGER, FLOAT, DOUBLE = (proto.MxDataType[name] for name in ("BOOLEAN", "INTEGER", "FLOAT", "DOUBLE"))
STRING, TIME, ELAPSED, ENUM = (proto.MxDataType[name] for name in ("STRING", "TIME", "ELAPSED_TIME", "ENUM"))
NOON = Timestamp(2026, 3, 1, 12, 0, 0, 123456, nanosecond=700)


def holds(text: str, *values: Any, data_type: proto.MxDataType = INTEGER, quality: int = GOOD) -> bool:
    """Tell whether the condition holds with the last of these values."""
    watcher = Watcher("Tag", Condition.parse(text), "any")
    return [watcher.holds(value, quality, tag_type(value, data_type)) for value in values][-1]


@each_row(
    ("text", "value", "data_type", "expected"),
    [
        ("== 5", 5, INTEGER, True),
        ("==5", 5, INTEGER, True),
        (" == 0x10 ", 16, INTEGER, True),
        ("!= 5", 5, INTEGER, False),
        ("> 3.2", 4, INTEGER, True),
        ("> 3.2", 3, INTEGER, False),
        (">= -1e3", -1000, INTEGER, True),
        ("< 9223372036854775807", 2**62, INTEGER, True),
        ("== 9007199254740993", 2**53 + 1, INTEGER, True),
        ("== 9007199254740993", 2**53, INTEGER, False),
        ("<= 2.5", 2.5, DOUBLE, True),
        ("== 0.1", 0.10000000149011612, FLOAT, True),
        ("== 0.1", 0.1, DOUBLE, True),
        ("== true", True, BOOLEAN, True),
        ("== 1", True, BOOLEAN, True),
        ("!= true", False, BOOLEAN, True),
        ("== Running", "Running", STRING, True),
        ("== 'a b'", "a b", STRING, True),
        ('== ""', "", STRING, True),
        ('== "it\'s"', "it's", STRING, True),
        ("!= 5", "5", STRING, False),
        ("== 2026-03-01T12:00:00.1234567Z", NOON, TIME, True),
        ("> 2026-03-01T13:00:00.1234566+01:00", NOON, TIME, True),
        ("< 2026-03-01T12:00:00.1234567Z", NOON, TIME, False),
        ("> 00:01:00", 90.5, ELAPSED, True),
        ("== 90.5", 90.5, ELAPSED, True),
        ("== 2", 2, ENUM, True),
        ("== Open", "Open", ENUM, True),
        ("== 1,2,3", [1, 2, 3], INTEGER, True),
        ("== [1, 2]", [1, 2, 3], INTEGER, False),
        ("!= 0.1", [0.10000000149011612], FLOAT, False),
        ("== 5", None, INTEGER, False),
        ("> 5", float("nan"), DOUBLE, False),
    ],
)
def test_a_comparison_is_one_of_the_tags_own_type(
    text: str, value: Any, data_type: proto.MxDataType, expected: bool
) -> None:
    assert holds(text, value, data_type=data_type) is expected


@pytest.mark.parametrize(
    ("text", "value", "data_type", "says"),
    [
        ("> x", 5, INTEGER, "its type is int64"),
        ("> true", True, BOOLEAN, "have no order"),
        ("== yes", True, BOOLEAN, "'yes'"),
        ("< b", "a", STRING, "have no order"),
        ("> 1,2", [1, 2], INTEGER, "have no order"),
        ("== noon", NOON, TIME, "RFC 3339"),
        ("== 1", UnconvertedValue(14, "VT_RECORD", "", b"", proto.MxValue()), proto.MxDataType.UNKNOWN, "cannot be compared"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_type_is_told_with_what_does(
    text: str, value: Any, data_type: proto.MxDataType, says: str
) -> None:
    with pytest.raises(CommandFailure) as failure:
        holds(text, value, data_type=data_type)

    assert failure.value.code == 2
    assert says in failure.value.message
    assert failure.value.hint


@each_row("text", ["", "5", "= 5", "=> 5", "like a", "==", "> ", "change", "good enough", "<> 5"])
def test_what_is_no_condition_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"use '== 5', '!= 5', .*, changes or good"):
        Condition.parse(text)


@given(st.text())
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = Condition.parse(text)
    except ValueError:
        return
    assert condition.word in ("changes", "good") or condition.operand


def test_changes_means_another_value_than_the_first() -> None:
    assert not holds("changes", 5)
    assert not holds("changes", 5, 5)
    assert holds("changes", 5, 6)
    assert not holds("Changes", 5, 6, 5)
    assert holds("changes", None, 5)
    assert not holds("changes", float("nan"), float("nan"))
    assert not holds("changes", [1.5, float("nan")], [1.5, float("nan")])
    assert holds("changes", float("nan"), 5)


def test_good_means_the_quality_alone() -> None:
    assert holds("good", None, quality=GOOD)
    assert not holds("good", 5, quality=UNCERTAIN)


def test_values_of_a_lower_quality_do_not_count() -> None:
    counted = {
        wanted: [quality_suffices(quality, wanted) for quality in (GOOD, UNCERTAIN, BAD)] for wanted in QUALITIES
    }
    assert counted == {"good": [True, False, False], "uncertain": [True, True, False], "any": [True, True, True]}

    watcher = Watcher("Tag", Condition.parse("changes"), "good")
    seen = [(1, BAD), (2, GOOD), (3, UNCERTAIN), (2, GOOD), (4, GOOD)]
    assert [watcher.holds(value, quality, tag_type(value, INTEGER)) for value, quality in seen] == [False] * 4 + [True]


def test_a_tag_that_changes_its_type_is_compared_anew() -> None:
    watcher = Watcher("Tag", Condition.parse("== 5"), "any")
    at: Quality = "good"
    assert quality_suffices(GOOD, at)
    assert not watcher.holds(4, GOOD, tag_type(4, INTEGER))
    assert watcher.holds("5", GOOD, tag_type("5", STRING))


def test_times_are_compared_to_the_last_digit() -> None:
    later = Timestamp(2026, 3, 1, 12, 0, 0, 123456, nanosecond=800)
    assert holds("> 2026-03-01T12:00:00.1234567Z", later, data_type=TIME)
    assert holds(
        "== 2026-03-01T12:00:00Z", Timestamp.from_datetime(datetime(2026, 3, 1, 12, tzinfo=UTC)), data_type=TIME
    )
