"""What the field breaks, as tables: each behaviour with the tests that prove it and those of its siblings.

`python -m tests.field.behaviours` prints the tests of all tables, for a run on another Python.
"""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Behaviour:
    """A row of a table."""

    name: str
    """What holds, in one sentence."""
    test: str
    """The test that proves it: file below tests, and function."""
    siblings: tuple[str, ...] = ()
    """Tests of the same kind of fault elsewhere."""

    @property
    def tests(self) -> tuple[str, ...]:
        """All of them."""
        return (self.test, *self.siblings)


def behaviours() -> Iterator[tuple[str, Behaviour]]:
    """Yield each row of each table in this folder, with its module."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.field.{path.stem}")
        for row in getattr(module, "BEHAVIOURS", ()):
            yield path.stem, row


@functools.cache
def functions_of(file: str) -> frozenset[str]:
    """Return a file's test functions that pytest collects, `Class::name` for a method: none that is skipped everywhere."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(_names(tree.body)) | frozenset(
        f"{each.name}::{name}" for each in tree.body if isinstance(each, ast.ClassDef) for name in _names(each.body)
    )


def _names(body: list[ast.stmt]) -> Iterator[str]:
    functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return (node.name for node in functions if node.name.startswith("test_") and not _is_skipped(node))


def collected(tests: Iterable[str]) -> set[str]:
    """Return the names that pytest collects in the files of some tests."""
    files = sorted({test.partition("::")[0] for test in tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    found = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    names = {line.partition("[")[0].removeprefix("tests/") for line in found.stdout.splitlines() if "::" in line}
    assert names, found.stdout[-2000:] + found.stderr[-2000:]
    return names


def _is_skipped(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    marks = (ast.unparse(mark) for mark in node.decorator_list)
    return any(
        mark.startswith(("pytest.mark.skip(", "pytest.mark.xfail")) or mark == "pytest.mark.skip" for mark in marks
    )


if __name__ == "__main__":
    print(*sorted({f"tests/{test}" for _, row in behaviours() for test in row.tests}), "tests/field", sep="\n")
