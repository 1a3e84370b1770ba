"""Runs Python programs as forks of a process that has loaded what they share: loading it takes longer than most programs do.

Each line of that process's stdin is a JSON object with the program, its folder, its environment and its stdin; each line
of its stdout the program's exit code, stdout and stderr. Bytes are Latin-1 text. A fork ends as any interpreter does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Forks:
    """Runs one program after the other; a context manager.

    Args:
        loaded: The modules that are loaded first, with the names in their `__all__`.
        options: Options of the interpreter.
    """

    def __init__(self, *loaded: str, options: Sequence[str] = ()) -> None:
        self._python = [sys.executable, *options]
        self._loaded = loaded

    def __enter__(self) -> Self:
        self._process = None if not hasattr(os, "fork") else subprocess.Popen(
            [*self._python, __file__, *self._loaded], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()

    def run(
        self, program: Sequence[str], *, cwd: Path | None, env: Mapping[str, str] | None = None, stdin: bytes = b"", timeout: float = 60
    ) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
        """Run a program to its end.

        Args:
            program: What follows the interpreter's options: a script or ``-m`` and a module, and the arguments.
            cwd: Its folder.
            env: All of its environment.
            stdin: All of its stdin.
            timeout: Seconds until it is ended.
        """
        if self._process is None:
            command = [*self._python, *program]
            return subprocess.run(command, cwd=cwd, env=env, input=stdin, capture_output=True, timeout=timeout)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "program": list(program),
            "folder": str(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
        }
        print(json.dumps({**request, "stdin": stdin.decode("latin-1")}), file=self._process.stdin, flush=True)
        late = threading.Timer(timeout, self._process.kill)
        late.start()
        try:
            code, out, err = json.loads(self._process.stdout.readline())
        finally:
            late.cancel()
        return subprocess.CompletedProcess(program, code, out.encode("latin-1"), err.encode("latin-1"))


def main(*loaded: str) -> None:
    """Answer every request."""
    for name in loaded:
        module = importlib.import_module(name)
        for each in getattr(module, "__all__", ()):
            getattr(module, each)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(request["stdin"].encode("latin-1"))
            given.seek(0)
            if (child := os.fork()) == 0:
                _be(request, [file.fileno() for file in (given, out, err)])
                return
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said = (os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in (out, err))
            print(json.dumps([code, *(each.decode("latin-1") for each in said)]), flush=True)


def _be(request: dict[str, Any], streams: Sequence[int]) -> None:
    for target, descriptor in enumerate(streams):
        os.dup2(descriptor, target)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    script, *arguments = request["program"]
    if script == "-m":
        script, *arguments = arguments
        sys.argv = [script, *arguments]
        sys.modules.pop(script, None)
        runpy.run_module(script, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [script, *arguments]
        sys.path[0] = str(Path(script).parent)
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
