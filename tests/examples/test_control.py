"""The shell script of examples/control runs as it stands there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.forking import nursery
from tests.cli.process import environment

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "control" / "survives_an_outage.sh"


@pytest.mark.skipif(os.name == "nt" or shutil.which("sh") is None, reason="needs a POSIX shell")
def test_a_shell_script_tests_a_program_against_a_gateway_that_fails(tmp_path: Path) -> None:
    nursery.program(tmp_path / "bin")
    env = environment({"PYTHONPATH": str(ROOT), "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"})
    done = subprocess.run(["sh", SCRIPT], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[0] == "running"
    assert [line.split()[-1] for line in lines[2:5]] == ["drop_connections", "restart", "fail_next"]
    assert lines[5:7] == ["95.5", "95.5"]
    assert lines[7].startswith("sessions opened: ")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
