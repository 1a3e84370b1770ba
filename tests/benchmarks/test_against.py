"""Comparing two source trees: each client runs its own tree's code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.against import THEMES
from tests.benchmarks.worker import ROOT, Worker
from tests.rows import each_row


def test_a_program_and_its_library_are_taken_from_the_tree_that_is_named(tmp_path: Path) -> None:
    programs = tmp_path / "tests" / "benchmarks"
    programs.mkdir(parents=True)
    (tmp_path / "mxgateway.py").touch()
    (programs / "where.py").write_text("import mxgateway\nprint(mxgateway.__file__)\n", encoding="utf-8")

    with Worker("where", tree=tmp_path) as program:
        assert Path(program.line()) == tmp_path / "mxgateway.py"


@each_row("theme", THEMES)
def test_a_theme_gives_ratios_against_the_other_tree(theme: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.against", str(ROOT), theme, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120)

    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:]]
    assert rows
    assert all(row[3] == "the other tree" and row[4].endswith("×") and not row[5] for row in rows)
