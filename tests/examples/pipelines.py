"""The pipelines in `examples/pipelines`: what each runs in a shell, and in which environment."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cli.forking import nursery
from tests.cli.process import LIMIT_SECONDS, Outcome, environment, finish

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "examples" / "pipelines"


@dataclass(frozen=True)
class Step:
    """What a pipeline runs in one shell."""

    script: str
    variables: Mapping[str, str]
    """The variables that the pipeline's file sets for it."""


def parsed(name: str) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def _github() -> list[Step]:
    [job] = parsed("github-actions.yml")["jobs"].values()
    return [Step(step["run"], job["env"] | step.get("env", {})) for step in job["steps"] if "run" in step]


def _gitlab() -> list[Step]:
    [job] = parsed("gitlab-ci.yml").values()
    return [Step("\n".join([*job["before_script"], *job["script"]]), job["variables"])]  # one shell, as a runner has it


def _azure() -> list[Step]:
    file = parsed("azure-pipelines.yml")
    shared = {each["name"]: each["value"] for each in file["variables"] if "name" in each}
    return [Step(step["bash"], shared | step.get("env", {})) for step in file["steps"] if "bash" in step]


def _jenkins() -> list[Step]:
    text = (FOLDER / "Jenkinsfile").read_text(encoding="utf-8")
    block = re.search(r"environment \{(.*?)\n    \}", text, re.DOTALL)
    assert block is not None
    variables = dict(re.findall(r"^\s+(\w+) = (?:credentials\()?'([^']*)'\)?$", block[1], re.MULTILINE))
    return [Step(script, variables) for script in re.findall(r"^\s+sh '([^']+)'$", text, re.MULTILINE)]


PIPELINES: Final = {
    "github-actions.yml": _github,
    "gitlab-ci.yml": _gitlab,
    "azure-pipelines.yml": _azure,
    "Jenkinsfile": _jenkins,
}
SECRETS: Final = ("MXGATEWAY_ENDPOINT", "MXGATEWAY_PIN", "MXGATEWAY_API_KEY")
"""Variables that a server keeps outside the file."""


def workspace(folder: Path) -> Path:
    """Make a checkout with the examples, and beside it programs in the place of those that a pipeline installs."""
    shutil.copytree(ROOT / "examples", folder / "checkout" / "examples")
    nursery.program(folder / "bin")
    _program(folder / "bin" / "pip", f'echo "pip $*" >>"{folder}/pip.log"')
    return folder / "checkout"


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


async def start(script: str, checkout: Path, variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a script in bash, as the servers do: the first command that fails ends it."""
    bash = shutil.which("bash")
    if bash is None or os.name == "nt":
        pytest.skip("there is no bash here")
    path = os.pathsep.join([str(checkout.parent / "bin"), os.environ["PATH"]])
    return await asyncio.create_subprocess_exec(
        bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script, cwd=checkout,
        env=environment({**variables, "PATH": path, "PYTHONPATH": str(ROOT)}),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def run(steps: list[Step], checkout: Path, kept: Mapping[str, str]) -> list[Outcome]:
    """Run steps until one fails; `kept` are the variables that the server keeps."""
    outcomes: list[Outcome] = []
    for step in steps:
        async with asyncio.timeout(LIMIT_SECONDS):
            process = await start(step.script, checkout, {**step.variables, **kept})
            outcomes.append(await finish(process))
        if outcomes[-1].code:
            break
    return outcomes
