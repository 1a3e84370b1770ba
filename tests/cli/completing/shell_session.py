"""A shell on a terminal, into which a test types; what its command lines hand over to `mxgw-py` is recorded."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.cli.process import LIMIT_SECONDS, environment
from tests.cli.terminal import Terminal, resize

SHELLS: Final = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
_SET_UP: Final = {
    "bash": "PS1='READY''> '; set +o history; source ./script",
    "zsh": "PS1='READY''> '; unsetopt histverify; autoload -Uz compinit; compinit -u -D; source ./script",
    "fish": "function fish_prompt; printf 'REA'; printf 'DY> '; end; source ./script",
}
_SHIM: Final = """\
#!/bin/sh
if [ -n "$_MXGW_PY_COMPLETE" ]; then exec {python} -m mxgateway_cli; fi
for word; do printf '%s\\0' "$word"; done >> "$HOME/words"
printf '\\n' >> "$HOME/words"
"""


class ShellSession:
    """A shell with the completion of `mxgw-py`."""

    def __init__(self, terminal: Terminal, home: Path) -> None:
        self._terminal = terminal
        self._home = home
        self._count = 0

    async def run(self, typed: str) -> list[str]:
        """Type the beginning of a command line, complete it, run it, and return the words of `mxgw-py`."""
        self._terminal.type(typed + "\t\r")
        self._count += 1
        words = self._home / "words"
        async with asyncio.timeout(LIMIT_SECONDS):
            while not words.exists() or words.read_bytes().count(b"\0\n") < self._count:
                await asyncio.sleep(0.02)
        await self.ready(self._count + 1)
        return words.read_bytes().split(b"\0\n")[self._count - 1].decode().split("\0")

    async def ready(self, count: int) -> None:
        """Wait until the prompt was shown so many times."""
        await self._terminal.until(lambda: self._terminal.text.count("READY>") >= count)


def _own_terminal() -> None:
    """Make the terminal the one that controls the shell: fish does not start without."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@asynccontextmanager
async def shell_session(shell: str, home: Path, script: str, env: Mapping[str, str]) -> AsyncIterator[ShellSession]:
    """Start a shell in an empty folder and load the script into it."""
    import pty

    (home / "script").write_text(script)
    (home / "bin").mkdir()
    (home / "bin" / "mxgw-py").write_text(_SHIM.format(python=shlex.quote(sys.executable)))
    (home / "bin" / "mxgw-py").chmod(0o755)
    variables = environment(
        {"TERM": "xterm", "HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C.UTF-8", **env}
    )
    variables["PATH"] = f"{home / 'bin'}:{variables['PATH']}"
    master, slave = pty.openpty()
    resize(master, 200, 50)
    process = await asyncio.create_subprocess_exec(
        *SHELLS[shell], stdin=slave, stdout=slave, stderr=slave, env=variables, cwd=home, start_new_session=True,
        preexec_fn=_own_terminal,
    )  # fmt: skip
    os.close(slave)
    try:
        terminal = Terminal(master, process, 50)
        session = ShellSession(terminal, home)
        terminal.type(_SET_UP[shell] + "\r")
        await session.ready(1)
        yield session
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
