"""Runs workers as forks of this process, which has loaded what they share: for runs whose figures do not matter."""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import IO, Final

from tests.garbage import leave_alone_what_there_is

SHARED: Final = (
    "grpc.aio", "mxgateway.client", "mxgateway.contract", "mxgateway.simulator", "tests.benchmarks.bulk_cycle",
    "tests.benchmarks.memory", "tests.benchmarks.pace", "tests.benchmarks.samples",
)  # fmt: skip


class Fork:
    """A program that runs in a fork of this process; has the attributes of `subprocess.Popen` that a worker needs.

    Args:
        module: The module that is the program.
        arguments: Its command line.
    """

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        _load()
        (stdin, to_stdin), (from_stdout, stdout) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _be(module, arguments, stdin, stdout)
        os.close(stdin)
        os.close(stdout)
        self.stdin: IO[str] | None = os.fdopen(to_stdin, "w", encoding="utf-8")
        self.stdout: IO[str] | None = os.fdopen(from_stdout, encoding="utf-8")
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def communicate(self) -> None:
        """Wait for the end and close the pipes."""
        self.wait()
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


@cache
def _load() -> None:
    for name in SHARED:
        importlib.import_module(name)
    gc.collect()
    leave_alone_what_there_is()


def _be(module: str, arguments: Sequence[str], stdin: int, stdout: int) -> None:
    """Be the program, and end as it does."""
    code = 1
    try:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the pipes of other workers end with their parent alone
        sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
        sys.argv[1:] = arguments
        sys.modules.pop(module, None)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        sys.stdout.flush()
        code = 0
    finally:
        if code:
            sys.excepthook(*sys.exc_info())
        os._exit(code)
