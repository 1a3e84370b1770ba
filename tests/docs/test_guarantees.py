"""Each guarantee that the pages state names the tests that prove it, and those exist."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "subscriptions.md"
NAME = re.compile(r"`(test_\w+)`")


@functools.cache
def existing_tests() -> frozenset[str]:
    """Return the names of all test functions."""
    return frozenset(
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def guarantees() -> list[tuple[str, list[str]]]:
    """Return each guarantee with the tests that it names."""
    section = PAGE.read_text(encoding="utf-8").partition("| guarantee | test |\n")[2]
    rows = [line.strip("|").split("|") for line in section.splitlines()[1:] if line.startswith("|")]
    return [(row[0].strip(), NAME.findall(row[1])) for row in rows]


@pytest.mark.parametrize(("guarantee", "tests"), guarantees(), ids=lambda each: each if isinstance(each, str) else "")
def test_a_guarantee_names_tests_that_exist(guarantee: str, tests: list[str]) -> None:
    assert tests, f"nothing proves that {guarantee}"
    assert set(tests) <= existing_tests(), sorted(set(tests) - existing_tests())


def test_there_are_guarantees() -> None:
    assert len(guarantees()) > 20


def test_every_test_that_the_pages_name_exists() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert set(NAME.findall(page.read_text(encoding="utf-8"))) <= existing_tests(), page.name
