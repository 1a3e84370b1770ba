"""Rules that hold for every file of the project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.architecture.imports import ROOT, imports, modules
from tests.rows import each_row

LONGEST_MODULE = 400
UNIX_ONLY = {"fcntl", "grp", "posix", "pwd", "resource", "termios", "tty", "pty", "syslog"}
# Spelled apart, so that this file does not hold them.
FORBIDDEN = [
    "py" + "pi.org",
    "python" + "hosted",
    "/ro" + "ot/",
    "/wo" + "rk/",
    "raise Not" + "ImplementedError",
    "TO" + "DO:",
]


def project_files() -> list[Path]:
    """Return the text files that the project consists of."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )  # fmt: skip
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    files = [ROOT / name for name in names if name] or list(modules(generated=True).values())
    return [path for path in files if path.is_file() and path.suffix != ".binpb"]


@each_row("module", modules())
def test_a_module_holds_one_idea_and_is_short(module: str) -> None:
    assert len(modules()[module].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@each_row("path", sorted((ROOT / "tests").rglob("*.py")))
def test_a_module_of_the_tests_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@each_row("module", modules())
def test_a_module_imports_nothing_that_only_unix_has(module: str) -> None:
    assert not imports(module, modules()[module], at_top_only=True) & UNIX_ONLY


@each_row("words", FORBIDDEN)
def test_no_file_names_this_machine_a_registry_or_unfinished_work(words: str) -> None:
    assert [path.name for path in project_files() if words in path.read_text(encoding="utf-8")] == []


def test_the_version_is_the_same_everywhere() -> None:
    import mxgateway

    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.+)"$', pyproject, re.MULTILINE)[1] == mxgateway.__version__  # type: ignore[index]
