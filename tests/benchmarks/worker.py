"""Contenders and servers in processes of their own: a line of JSON asks, a line of JSON answers."""

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
from typing import Any, Self

ROOT = Path(__file__).parents[2]

Job = Callable[..., dict[str, float]]


def serve(jobs: Mapping[str, Job]) -> None:
    """Do jobs for the process at the other end of stdin and stdout, until stdin ends."""
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(jobs[name](**arguments)), flush=True)


class Stopwatch:
    """Wall clock and CPU of this process since it was made; the CPU of all threads."""

    def __init__(self) -> None:
        self._cpu, self._start = time.process_time(), time.perf_counter()

    def stop(self, events: int, expected: int) -> dict[str, float]:
        """Return events a second, and microseconds of CPU an event; a stream that was too short raises."""
        seconds, cpu = time.perf_counter() - self._start, time.process_time() - self._cpu
        if events != expected:
            raise AssertionError(f"{events} events arrived instead of {expected}")
        return {"rate": events / seconds, "cpu": cpu / events * 1e6}


@dataclass(frozen=True)
class Contender:
    """Who takes part, and with what."""

    program: str
    """A module below `tests.benchmarks`."""
    job: str
    """One of the program's."""
    tree: Path = ROOT
    """The source tree that the program and the library are taken from."""


class Worker:
    """A module of the benchmarks that runs as a program; a context manager that ends it.

    Args:
        module: Below `tests.benchmarks`.
        arguments: Of its command line.
        core: The processor core that it is bound to; None leaves that to the system.
        tree: The source tree that the program and the library are taken from.
    """

    def __init__(self, module: str, *arguments: str, core: int | None = None, tree: Path = ROOT) -> None:
        self._command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        self._core, self._tree = core, tree

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=self._tree
        )
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})  # threads that it starts later stay there, too
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def line(self) -> str:
        """Return the next line that the program prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command)} ended with exit code {self._process.wait()}")
        return line.strip()

    def ask(self, job: str, /, **arguments: Any) -> dict[str, float]:
        """Have a job done and return its outcome."""
        assert self._process.stdin is not None
        print(json.dumps([job, arguments]), file=self._process.stdin, flush=True)
        answer: dict[str, float] = json.loads(self.line())
        return answer
