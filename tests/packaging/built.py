"""The wheel of this project, built once for all tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from tests.kept import kept

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("mxgateway", "mxgateway_cli", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def wheel() -> Path:
    """Return the wheel, which is built again when one of its files or what builds it is another one."""
    (found,) = kept("wheel", _inputs(), build).glob("*.whl")
    return found


def build(folder: Path) -> None:
    """Build the wheel into a folder, without a warning."""
    command: list[str | Path] = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        folder,
        ROOT,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout.lower(), done.stdout


def _inputs() -> Iterator[bytes]:
    yield Path(__file__).read_bytes()
    yield f"{version('build')} {version('hatchling')}".encode()
    for name in BUILT_FROM:
        place = ROOT / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix().encode()
                yield path.read_bytes()
