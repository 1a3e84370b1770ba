"""How the pages are written: lines of at most 120 columns, cells that are no paragraphs, the standard words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import PAGES, ROOT, lines_outside_blocks, name_of, text_of
from tests.rows import each_row

COLUMNS = 120
LONGEST_CELL = 200
"""Characters of a cell, its code spans apart: what is longer is a list or a section of its own."""
CODE = re.compile(r"`[^`\n]*`")
WORDS = {
    r"\b(told|tells|telling)\b": "report, show, say",
    r"\bstands? for\b": "match, replace, mean",
    r"\bin vain\b": "time out",
    r"\b(takes?|gives?) none\b": "accept, have no",
    r"\bof its own accord\b": "by itself",
    r"\bfor ever\b": "forever",
    r"\bno more does\b": "nor",
    r"\bbehind the one before\b": "after the one before",
    r"\bwhat is over\b": "the rest",
    r"\bbrought back\b": "reopen, reconnect",
    r"\bgoes before\b": "win over, precedence",
}
"""Translated turns of phrase, and the words of the field."""


def prose(page: Path) -> Iterator[tuple[str, str]]:
    """Yield place and text of each line that is neither code nor a row of a table."""
    for number, line in lines_outside_blocks(page):
        if not line.startswith("|"):
            yield f"{name_of(page)}:{number}", line


@each_row("page", PAGES)
def test_a_line_of_prose_has_at_most_120_columns(page: Path) -> None:
    assert [place for place, line in prose(page) if len(line) > COLUMNS] == []


@each_row("page", PAGES)
def test_a_cell_of_a_table_is_no_paragraph(page: Path) -> None:
    long = [
        f"{name_of(page)}:{number}: {cell.strip()}"
        for number, line in lines_outside_blocks(page)
        if line.startswith("|")
        for cell in line.strip("|").split("|")
        if len(CODE.sub("", cell)) > LONGEST_CELL
    ]
    assert long == []


@each_row("page", PAGES)
def test_a_table_has_a_rule_below_its_head_and_rows_of_one_length(page: Path) -> None:
    """Else it is shown as running text."""
    tables: list[list[str]] = []
    last = 0
    for number, line in lines_outside_blocks(page):
        if line.startswith("|"):
            if number != last + 1:
                tables.append([])
            tables[-1].append(CODE.sub("", line))
            last = number
    for table in tables:
        assert re.fullmatch(r"(\|-+)+\|", table[1]), f"{name_of(page)}: {table[0]}"
        assert len({row.count("|") for row in table}) == 1, f"{name_of(page)}: {table[0]}"


def test_the_readme_has_the_figures_of_the_benchmarks() -> None:
    figures = re.findall(r"\d+(?:\.\d+)?×", text_of(ROOT / "README.md").partition("## How fast")[2])
    measured = re.findall(r"\d+(?:\.\d+)?×", text_of(ROOT / "docs" / "benchmarks.md"))
    assert len(figures) > 20
    assert [figure for figure in figures if figure not in [*measured, "1×"]] == []


@each_row("page", PAGES)
def test_a_page_uses_the_words_of_the_field(page: Path) -> None:
    found = [
        f"{name_of(page)}:{number}: {match[0]!r} (better: {better})"
        for number, line in lines_outside_blocks(page)
        for words, better in WORDS.items()
        for match in re.finditer(words, CODE.sub("", line))
    ]
    assert found == []
