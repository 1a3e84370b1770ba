"""Contenders and servers in separate processes, with lines of JSON as requests and answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.benchmarks.forking import Fork

ROOT = Path(__file__).parents[2]

Job = Callable[..., dict[str, float]]


def serve(jobs: Mapping[str, Job]) -> None:
    """Run jobs for the parent process, over stdin and stdout, until stdin ends."""
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(jobs[name](**arguments)), flush=True)


class Stopwatch:
    """Wall clock and CPU time of all threads since its creation."""

    def __init__(self) -> None:
        self._cpu, self._start = time.process_time(), time.perf_counter()

    def stop(self, events: int, expected: int) -> dict[str, float]:
        """Return events per second and microseconds of CPU per event; raise if the stream was too short."""
        seconds, cpu = time.perf_counter() - self._start, time.process_time() - self._cpu
        if events != expected:
            raise AssertionError(f"{events} events arrived instead of {expected}")
        return {"rate": events / seconds, "cpu": cpu / events * 1e6}


@dataclass(frozen=True)
class Contender:
    """A contender's program and job."""

    program: str
    """A module in `tests.benchmarks`."""
    job: str
    """One of the program's jobs."""
    tree: Path = ROOT
    """The source tree of the program and the library."""


class Worker:
    """A benchmark module running as a program; a context manager that ends it.

    Args:
        module: The module's name in `tests.benchmarks`.
        arguments: Its command line.
        core: The core it is pinned to; None leaves it to the system.
        tree: The source tree of the program and the library.
    """

    forks = False
    """True if this process may be forked: the first worker of each module is a process of its own, as always."""
    _started: ClassVar[set[str]] = set()

    def __init__(self, module: str, *arguments: str, core: int | None = None, tree: Path = ROOT) -> None:
        self._module, self._arguments = f"tests.benchmarks.{module}", arguments
        self._core, self._tree = core, tree

    def __enter__(self) -> Self:
        self._process = self._start()
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})  # threads that it starts later inherit it
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _start(self) -> subprocess.Popen[str] | Fork:
        if self._module in self._started and self._tree == ROOT and self.forks and hasattr(os, "fork"):
            return Fork(self._module, self._arguments)
        self._started.add(self._module)
        return subprocess.Popen(
            [sys.executable, "-m", self._module, *self._arguments], cwd=self._tree,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def line(self) -> str:
        """Return the next line that the program prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"{self._module} {' '.join(self._arguments)} ended with exit code {self._process.wait()}"
            )
        return line.strip()

    def ask(self, job: str, /, **arguments: Any) -> dict[str, float]:
        """Run a job and return its outcome."""
        assert self._process.stdin is not None
        print(json.dumps([job, arguments]), file=self._process.stdin, flush=True)
        answer: dict[str, float] = json.loads(self.line())
        return answer
