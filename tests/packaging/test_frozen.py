"""A program that is frozen by PyInstaller needs no options for this package: it ships hooks."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "from mxgateway_cli.main import main\nmain()\n"


def test_pyinstaller_finds_the_hooks_by_the_entry_point() -> None:
    package = importlib.metadata.distribution("mxaccess-gateway-client")
    (entry,) = package.entry_points.select(group="pyinstaller40", name="hook-dirs")
    (folder,) = map(Path, entry.load()())
    assert {path.name for path in folder.glob("hook-*.py")} == {"hook-mxgateway.py", "hook-mxgateway_cli.py"}


def test_a_frozen_command_line_runs_the_main_job(tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller", reason="only the development environment has PyInstaller")
    (tmp_path / "frozen.py").write_text(PROGRAM, encoding="utf-8")
    build = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", "frozen.py"]
    # Python 3.11's own modules ask for distutils, and so for all of setuptools where it is installed.
    # No command shows source code or Markdown, for which rich brings hundreds of modules.
    for name in ("setuptools", "pygments", "markdown_it"):
        build += ["--exclude-module", name]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True, text=True)
    program = tmp_path / "dist" / "frozen" / "frozen"

    def run(*arguments: str) -> str:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout

    assert json.loads(run("smoke", "--simulator", "--json"))["closeStatus"] == "SESSION_STATE_CLOSED"
    assert "fingerprint" in run("contract")
    assert json.loads(run("version", "--json"))["contractFingerprint"]
    (graph,) = tmp_path.glob("build/frozen/xref-*.html")
    modules = re.findall(r'<a name="([\w.]+)"', graph.read_text(encoding="utf-8"))
    assert "mxgateway.client" in modules
    assert {name.partition(".")[0] for name in modules} & {"PyInstaller", "pytest"} == set(), (
        "what builds and what tests"
    )
