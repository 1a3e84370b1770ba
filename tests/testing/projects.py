"""A project of somebody else: files in a folder of its own, and pytest as a process in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PLUGIN: Final = ("-p", "mxgateway.testing")


@dataclass(frozen=True)
class Outcome:
    """What a run of pytest ended with."""

    text: str

    @property
    def counts(self) -> dict[str, int]:
        """How many tests passed, failed and had errors."""
        last = self.text.strip().splitlines()[-1]
        return {
            word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped|warnings?)", last)
        }


def run_pytest(folder: Path, *options: str, plugin: tuple[str, ...] = PLUGIN) -> Outcome:
    """Run pytest in a folder; warnings are errors."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *plugin]
    if "no:asyncio" not in options:
        command += ["-o", "asyncio_default_fixture_loop_scope=function"]
    env = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", "MXGATEWAY_"))}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(folder)])
    done = subprocess.run(
        [*command, "--rootdir", str(folder), *options], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    return Outcome(done.stdout + done.stderr)


def install_entry_points(folder: Path) -> None:
    """Let a folder on the path declare what pyproject.toml declares, as an installed distribution does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / "kit-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kit\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"{name} = {target}\n" for name, target in project["entry-points"]["pytest11"].items()]
    (info / "entry_points.txt").write_text("[pytest11]\n" + "".join(lines), encoding="utf-8")
