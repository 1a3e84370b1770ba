"""The Dockerfile builds the wheel from files that exist, and runs it as a user without rights."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.examples.pipelines import FOLDER, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def commands() -> list[tuple[str, str]]:
    """Return the commands of the Dockerfile."""
    lines = (FOLDER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    split = (line.partition(" ") for line in lines if line and not line.startswith("#"))
    return [(name, rest.strip()) for name, _, rest in split]


def copied() -> list[str]:
    """Return the files and folders that are copied from the repository."""
    return [word for name, rest in commands() if name == "COPY" for word in shlex.split(rest)[:-1]]


def test_what_it_copies_exists_and_is_what_the_wheel_is_built_from() -> None:
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    project, wheel = PROJECT["project"], PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {"pyproject.toml", project["readme"], *project["license-files"], *wheel["packages"]}
    assert wanted == set(copied())


def test_the_image_runs_the_program_without_rights() -> None:
    stages = [rest for name, rest in commands() if name == "FROM"]
    assert all(stage.startswith("python:3") for stage in stages)
    last = dict(commands())
    assert json.loads(last["ENTRYPOINT"]) == list(PROJECT["project"]["scripts"])
    assert last["USER"] not in ("", "root", "0")
    installs = [rest for name, rest in commands() if name == "RUN" and "pip install" in rest]
    assert len(installs) == 1
    assert installs[0].endswith(PROJECT["project"]["name"])


@pytest.mark.packaging
def test_the_wheel_is_built_from_what_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in copied():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path / "wheels"),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=240)
    [wheel] = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert "mxgateway_cli/commands/verify.py" in names
