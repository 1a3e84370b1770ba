from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mxgateway import Timestamp, proto, to_mx_value
from mxgateway_cli.operations.live_table import Glyphs, cells, frame, trend
from mxgateway_cli.operations.watched_tags import WatchedTags
from mxgateway_cli.output.tags import cut
from mxgateway_cli.terminal.drawing import Painter
from mxgateway_cli.terminal.widths import display_width, pad
from tests.rows import each_row

GOOD, UNCERTAIN, BAD = 192, 64, 0


def watched(*names: str, refused: tuple[str, ...] = ()) -> WatchedTags:
    results = [
        proto.SubscribeResult(item_handle=number, was_successful=name not in refused, error_message="no such thing")
        for number, name in enumerate(names, 1)
    ]
    return WatchedTags(names, results)


def change(handle: int, value: object, quality: int = GOOD) -> proto.MxEvent:
    return proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE,
        item_handle=handle,
        value=to_mx_value(value),  # type: ignore[arg-type]
        quality=quality,
        source_timestamp=Timestamp(2026, 3, 1, 8, 30, 1),
    )


def lines(tags: WatchedTags, columns: int, count: int = 20, *, coloured: bool = False) -> list[str]:
    """Return what the live table of a terminal without colours shows, or with them the escape sequences as well."""
    painter = Painter("utf-8", coloured=coloured)
    drawn = frame(tags, painter, columns, count, lambda row: cells(row, Glyphs()))
    return [line.rstrip() for line in painter.text(drawn).split("\n")]


def test_a_row_shows_what_is_known_of_a_tag() -> None:
    tags = watched("Tank01.Level", "Pump01.Running", "Silent", "Wrong", refused=("Wrong",))
    for event in (change(1, 1.5), change(1, 2.5), change(1, 2.5), change(2, True, UNCERTAIN)):
        assert tags.take(event) is not None

    heading, level, running, silent, wrong, foot = lines(tags, 100)

    assert heading.split() == ["tag", "value", "quality", "trend", "time", "changes"]
    assert level.split() == ["Tank01.Level", "▲", "2.5", "good", "▁██", "2026-03-01", "08:30:01Z", "1"]
    assert running.split() == ["Pump01.Running", "true", "uncertain", "▅", "2026-03-01", "08:30:01Z", "0"]
    assert silent.split() == ["Silent", "0"]
    assert wrong.split() == ["Wrong", "no", "such", "thing", "0"]
    assert foot == "4 updates"
    assert [row.tag for row in tags.refused] == ["Wrong"]


def test_a_nan_that_stays_is_no_change() -> None:
    tags = watched("A")
    for number in (math.nan, math.inf - math.inf, 1.5, math.nan):
        tags.take(proto.MxEvent(family=proto.MxEventFamily.ON_DATA_CHANGE, item_handle=1, value=double(number)))
    assert tags.rows[0].changes == 2


def double(number: float) -> proto.MxValue:
    return proto.MxValue(double_value=number, data_type=proto.MxDataType.DOUBLE)


def test_events_of_other_items_and_families_are_no_updates_and_lost_ones_are_counted() -> None:
    tags = watched("A")

    assert tags.take(change(7, 1)) is None
    assert tags.take(proto.MxEvent(family=proto.MxEventFamily.ON_WRITE_COMPLETE, item_handle=1)) is None
    assert tags.take(proto.MxEvent(replay_gap=proto.ReplayGap(3, 9))) is None

    assert (tags.updates, tags.lost) == (0, 5)
    assert lines(tags, 80)[-1] == "0 updates, 5 events lost"


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, ["tag", "value", "quality", "trend", "time", "changes"]),
        (80, ["tag", "value", "quality", "trend", "time", "changes"]),
        (70, ["tag", "value", "quality", "trend", "time"]),
        (60, ["tag", "value", "quality", "trend"]),
        (40, ["tag", "value", "qua…", "tre…"]),
        (14, ["value", "qua…"]),
    ],
)
def test_a_narrow_terminal_has_fewer_columns_and_value_and_quality_to_the_last(columns: int, shown: list[str]) -> None:
    tags = watched("TestMachine_001.TestChangingInt")
    tags.take(change(1, 1))
    heading, row, *_ = lines(tags, columns)

    assert heading.split() == shown
    assert "1  good" in row


def test_a_tag_that_has_no_room_keeps_its_end() -> None:
    assert lines(watched("TestMachine_001.Speed"), 36)[1].startswith("…01.Speed")


a_message = (
    st.text().map(lambda text: proto.MxValue(string_value=text))
    | st.floats().map(lambda number: proto.MxValue(double_value=number))
    | st.integers(-(2**63), 2**63 - 1).map(lambda number: proto.MxValue(int64_value=number))
)


@given(st.lists(st.tuples(st.text(), a_message), min_size=1, max_size=8), st.integers(5, 200), st.integers(1, 12))
def test_no_line_is_wider_than_the_terminal_and_none_controls_it(
    values: list[tuple[str, proto.MxValue]], columns: int, count: int
) -> None:
    tags = watched(*(name for name, _ in values))
    for handle, (_, message) in enumerate(values, 1):
        event = change(handle, 0)
        event.value = message
        tags.take(event)

    shown = lines(tags, columns, count)

    assert len(shown) <= count
    assert all(cell_len(line) <= columns for line in shown)
    assert all(unicodedata.category(char) not in ("Cc", "Zl", "Zp", "Cs") for line in shown for char in line)


def test_tags_below_the_last_line_are_counted() -> None:
    shown = lines(watched(*"ABCDEF"), 80, 5)

    assert [line.split()[0] for line in shown] == ["tag", "A", "B", "C", "0"]
    assert shown[-1] == "0 updates, 3 more tags"


def test_a_quality_is_coloured_where_colour_is_wanted() -> None:
    tags = watched("A", "B")
    tags.take(change(1, 1, BAD))
    tags.take(change(2, 1))

    plain, coloured = lines(tags, 80), lines(tags, 80, coloured=True)

    assert "\x1b" not in "".join(plain)
    assert "\x1b[31mbad" in coloured[1]
    assert "  good  " in coloured[2]
    assert "good" in plain[2]


@pytest.mark.parametrize(
    ("numbers", "blocks"),
    [
        ([], ""),
        ([3], "▅"),
        ([3, 3], "▅▅"),
        ([0, 7], "▁█"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([-1.7e308, 1.7e308], "▁█"),
    ],
)
def test_a_trend_goes_from_the_lowest_number_to_the_highest(numbers: list[float], blocks: str) -> None:
    assert trend(numbers) == blocks


def test_text_is_cut_and_padded_by_the_columns_that_it_takes() -> None:
    assert cut("測試測試", 5) == "測試…"
    assert cut("測試", 4) == "測試"
    assert pad("測", 4) == "測  "
    assert cut("a\x1b[2Jb", 20) == "a\\x1b[2Jb"


@each_row(
    "text",
    ["a" + "\u0301" * 1_000_000, "\u0301" * 1_000_000, "a\u0301" * 500_000, "\u0301\x1b" * 500_000, "測\u0301" * 500_000, "x" * 4_000_000],
)  # fmt: skip
def test_text_that_takes_no_columns_is_cut_as_well(text: str) -> None:
    for width in (1, 5, 60):
        shown = cut(text, width)
        assert display_width(shown) <= width
        assert len(shown) <= 8 * width + 1
        assert "…" in shown


def test_marks_as_scripts_have_them_are_not_cut() -> None:
    text = "e\u0301\u0302\u0303\u0304\u0305" * 20
    assert cut(text, 20) == text
