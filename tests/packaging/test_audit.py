"""`make audit` tells what is known of what is installed, and never takes no answer for a good one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.audit import main
from tests.rows import each_row

ROOT = Path(__file__).parents[2]

CLEAN = {"name": "h2", "version": "4.4.1", "vulns": []}
FAULTY = {"name": "h2", "version": "4.2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["4.3.0"]}]}
UNMENDED = {"name": "other", "version": "1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}


def audit(folder: Path, answer: object, code: int, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run the audit with a program in the place of pip-audit that answers so."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    (folder / "pip_audit.py").write_text(
        f"import sys\nassert '--strict' in sys.argv\nprint({text!r})\nprint({said!r}, file=sys.stderr)\nsys.exit({code})\n"
    )
    path = os.pathsep.join([str(folder), str(ROOT)])
    return _run({"PYTHONPATH": path})


def _run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.packaging.audit"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_nothing_known_is_told_with_how_much_was_looked_up(tmp_path: Path) -> None:
    done = audit(tmp_path, {"dependencies": [CLEAN]}, 0)

    assert (done.returncode, done.stdout, done.stderr) == (0, "1 packages looked up, 0 known vulnerabilities\n", "")


def test_each_vulnerability_is_one_line_with_the_version_that_mends_it(tmp_path: Path) -> None:
    done = audit(tmp_path, {"dependencies": [CLEAN, FAULTY, UNMENDED]}, 1)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "h2 4.2.0: PYSEC-1, mended in 4.3.0",
        "other 1: PYSEC-2, mended in no version yet",
        "3 packages looked up, 2 known vulnerabilities",
    ]


@each_row(
    ("answer", "code"),
    [
        ("", 1),
        ("no JSON", 0),
        ("[]", 0),
        ("{}", 0),
        ({"dependencies": []}, 0),
        ({"dependencies": [CLEAN]}, 1),
        ("null", 0),
    ],
)
def test_no_answer_is_one_clear_line_and_never_a_good_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: Any, code: int
) -> None:
    said = "Traceback\n  deep inside\nConnectionError: name or service not known\n"

    def run(module: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Do what the two programs do, each of which takes a second to start."""
        if module == "pip":
            return subprocess.CompletedProcess(module, 0, "h2==4.4.1\n", "")
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return subprocess.CompletedProcess(module, code, text, said)

    monkeypatch.setattr("tests.packaging.audit._run", run)

    assert main() == 2
    shown = capsys.readouterr()
    assert "looked up, 0" not in shown.out
    assert shown.err == (
        "error: known vulnerabilities cannot be looked up, which needs a network: ConnectionError: name or service not known\n"
    )


def test_without_a_network_the_real_program_is_one_clear_line_too() -> None:
    pytest.importorskip("pip_audit")

    done = _run(dict.fromkeys(("https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:1"))

    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: known vulnerabilities cannot be looked up, which needs a network: ")
