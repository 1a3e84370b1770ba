"""Runs `mxgw-py` as a process of its own, the way a shell does."""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cli.forking import forked, nursery

PROGRAM = (sys.executable, "-m", "mxgateway_cli")
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        """The error object, the last line of stderr."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what configures the command, plus `extra`."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MXGATEWAY_", "NO_COLOR"))}
    return {**kept, **_state_directory(), **(extra or {})}


@functools.cache
def _state_directory() -> dict[str, str]:
    """Keep what the commands of this test run learn apart from what their user's own ones did."""
    directory = tempfile.mkdtemp(prefix="mxgw-py-tests-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return dict.fromkeys(
        ["LOCALAPPDATA"] if sys.platform == "win32" else ["XDG_STATE_HOME", "XDG_CACHE_HOME"], directory
    )


async def start(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """Start `mxgw-py` with pipes, with everything loaded where that is possible."""
    if not nursery.AVAILABLE:
        return await start_anew(*arguments, env=env, stdin=stdin)
    return await forked.start(arguments, environment(env), with_stdin=stdin == asyncio.subprocess.PIPE)


async def start_anew(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """Start `mxgw-py` with pipes in an interpreter of its own, as a shell does."""
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(env),
    )


async def finish(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Outcome:
    """Wait for the end of a process that is given all of its stdin."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


async def fork(*arguments: str, env: Mapping[str, str] | None = None, stdin: str | bytes = b"") -> Outcome:
    """Run `mxgw-py` to its end as a process, with everything loaded where that is possible."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    if not nursery.AVAILABLE:
        return await finish(await start(*arguments, env=env, stdin=asyncio.subprocess.PIPE), data)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as lines:
        lines.write(data)
        lines.seek(0)
        child = nursery.begin(arguments, environment(env), [file.fileno() for file in (lines, out, err)])
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                code = await child.exit_code()
        except BaseException:
            child.kill()
            raise
        finally:
            child.close()
        out.seek(0)
        err.seek(0)
        return Outcome(code, out.read().decode(), err.read().decode())
