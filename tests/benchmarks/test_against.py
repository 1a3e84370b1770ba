"""Comparing two source trees: each client runs its own tree's code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.against import THEMES
from tests.benchmarks.worker import ROOT, Worker


def test_a_program_and_its_library_are_taken_from_the_tree_that_is_named(tmp_path: Path) -> None:
    programs = tmp_path / "tests" / "benchmarks"
    programs.mkdir(parents=True)
    (tmp_path / "mxgateway.py").touch()
    (programs / "where.py").write_text("import mxgateway\nprint(mxgateway.__file__)\n", encoding="utf-8")

    with Worker("where", tree=tmp_path) as program:
        assert Path(program.line()) == tmp_path / "mxgateway.py"


FIRST_ROWS = {
    "stream": "event stream", "subscribe": "subscription to 1,000 tags", "live": "one event a millisecond, client's CPU for one of a stream",
    "unary": "unary call, median at concurrency 1", "bulk": "subscribe to 40 tags",
}  # fmt: skip


def test_each_theme_gives_ratios_against_the_other_tree() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.against", str(ROOT), *THEMES, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300)

    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:]]
    titles = [row[0] for row in rows]
    assert [titles.index(FIRST_ROWS[theme]) for theme in THEMES] == [0, 2, 4, 6, 8]
    assert len(rows) > 8
    assert all(row[3] == "the other tree" and row[4].endswith("×") and not row[5] for row in rows)
