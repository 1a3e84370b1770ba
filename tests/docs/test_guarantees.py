"""Each guarantee that the pages state names the tests that prove it, and those exist; each limit is that of the code."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rows import each_row

ROOT = Path(__file__).parents[2]
PAGES = ("docs/subscriptions.md", "SECURITY.md")
HEADS = ("| guarantee | test |", "| promise | test |", "| limit | default | where | test |")
NAME = re.compile(r"`(test_\w+)`")
UNITS = {"": 1, "s": 1, "KiB": 1024, "MiB": 1024 * 1024}


@functools.cache
def existing_tests() -> frozenset[str]:
    """Return the names of all test functions."""
    return frozenset(
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def rows(*pages: str) -> Iterator[list[str]]:
    """Yield the cells of each row of each table that states something."""
    for page in pages:
        inside = False
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
            if line in HEADS:
                inside = True
            elif not line.startswith("|"):
                inside = False
            elif inside and not line.startswith("|-"):
                yield [cell.strip() for cell in line.strip("|").split("|")]


@each_row("row", list(rows(*PAGES)))
def test_a_guarantee_names_tests_that_exist(row: list[str]) -> None:
    tests = NAME.findall(row[-1])
    assert tests, f"nothing proves that {row[0]}"
    assert set(tests) <= existing_tests(), sorted(set(tests) - existing_tests())


@each_row("row", [row for row in rows(*PAGES) if len(row) == 4])
def test_a_limit_is_that_of_the_code(row: list[str]) -> None:
    number, _, unit = row[1].partition(" ")
    assert value_of(row[2].strip("`")) == int(number.replace(",", "")) * UNITS[unit]


def value_of(where: str) -> object:
    """Return a constant of a module, or the default of an option of a public class."""
    place, _, name = where.rpartition(".")
    try:
        return getattr(importlib.import_module(place), name)
    except ModuleNotFoundError:
        module, _, options = place.rpartition(".")
        fields = dataclasses.fields(getattr(importlib.import_module(module), options))
        return next(field.default for field in fields if field.name == name)


@pytest.mark.parametrize("page", PAGES)
def test_there_are_guarantees(page: str) -> None:
    assert len(list(rows(page))) > 20


def test_every_test_that_the_pages_name_exists() -> None:
    for page in [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]:
        assert set(NAME.findall(page.read_text(encoding="utf-8"))) <= existing_tests(), page.name
