"""The generator's compilers run as forks of a process that has loaded them; what runs the generator as a script has them start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protos import generate
from tests.forks import Forks

OPTIONS = ["-E", "-P"]


@pytest.fixture(scope="session")
def compilers() -> Iterator[Forks]:
    with Forks("grpc_tools.protoc", "betterproto.plugin.main", options=OPTIONS) as forks:
        yield forks


@pytest.fixture(autouse=True)
def compilers_are_forks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: Sequence[str], *, cwd: Path | None, input: bytes, **_: Any) -> subprocess.CompletedProcess[bytes]:
        python, program = [sys.executable, *OPTIONS], command[1 + len(OPTIONS) :]
        assert [*command[: len(python)]] == python
        compilers: Forks = request.getfixturevalue("compilers")  # begins with the first program
        return compilers.run(program, cwd=cwd, stdin=input)

    if os.name == "posix":
        monkeypatch.setattr(generate, "subprocess", SimpleNamespace(run=run))
