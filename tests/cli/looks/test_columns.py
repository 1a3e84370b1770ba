"""Which columns a narrow terminal keeps."""

from __future__ import annotations

import pytest

from mxgateway_cli.terminal.drawing import Painter, table_lines

HEADINGS = ("tag", "value", "quality", "source time", "error")
ROW = ("TestMachine_001.TestChangingInt", "123", "uncertain: last usable", "2026-03-01T08:30:00.123456Z", "")
FAILED = ("No.Such", "", "", "", "the reference is not known to the galaxy, neither as a tag nor as an attribute")


def lines(columns: int, *rows: tuple[str, ...]) -> list[str]:
    return [line.plain.rstrip() for line in table_lines(Painter("utf-8", coloured=False), HEADINGS, rows, columns)]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (200, ("2026-03-01 08:30:00.123Z", "123", "uncertain: last usable", "TestMachine_001.TestChangingInt")),
        (86, ("2026-03-01 08:30:00Z", "123", "uncertain: last usable", "TestMachine_001.TestChangingInt")),
        (80, ("08:30:00Z", "123", "uncertain: last usable", "TestMachine_001.TestChangingInt")),
        (40, ("123", "unce", "TestChangingInt")),
        (20, ("123", "unc")),
        (12, ("123", "unc")),
    ],
)
def test_value_and_quality_are_the_last_to_go(columns: int, shown: tuple[str, ...]) -> None:
    _, row = lines(columns, ROW)

    assert all(each in row for each in shown)
    assert len(row) <= columns


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_text_without_room_stands_whole_below_its_row(columns: int) -> None:
    _, _, first, *below = lines(columns, ROW, FAILED)

    assert first == "No.Such"[:columns] or columns == 20
    words = " ".join([first, *below]).split()
    assert " ".join(words).endswith(FAILED[-1])


def test_a_text_with_room_continues_in_its_column() -> None:
    _, _, first, *below = lines(140, ROW, FAILED)

    column = first.index("the reference")
    assert below
    assert all(line[:column].strip() == "" for line in below)


def test_numbers_stand_at_the_right_and_words_at_the_left() -> None:
    rows = [("A", each, "good", "", "") for each in ("1", "-20.5", "on", "1e300")]
    _, *shown = lines(80, *rows)

    assert [line[5:10] for line in shown] == ["    1", "-20.5", "on   ", "1e300"]


def test_a_column_that_holds_nothing_takes_no_room() -> None:
    (heading, _) = lines(200, ("A", "1", "good", "", ""))

    assert heading.split() == ["tag", "value", "quality"]
