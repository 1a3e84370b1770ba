"""Runs `mxgw-py` on a terminal of its own, a pseudo-terminal that the test looks at and types into."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.cli.process import LIMIT_SECONDS, PROGRAM, environment

_WINDOW_SIZE = struct.Struct("HHHH")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal with one program on it; the program's stdin, stdout and stderr are all it."""

    def __init__(self, master: int, process: asyncio.subprocess.Process, lines: int) -> None:
        self.process = process
        self._lines = lines
        self._master = master
        self._bytes = bytearray()
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    @property
    def text(self) -> str:
        """All that was written to the terminal, escape sequences included."""
        return self._bytes.decode(errors="replace").replace("\r\n", "\n")

    @property
    def frame(self) -> list[str]:
        """The lines of the last drawing that is complete, without colours."""
        frames = self.text.split("\x1b[?1049l")[0].split("\x1b[H")
        complete = [frame for frame in frames if frame.count("\n") >= self._lines - 1]
        return (
            ESCAPE.sub("", "\n".join(map(str.rstrip, complete[-1].split("\n")))).rstrip().split("\n")
            if complete
            else []
        )

    def type(self, text: str) -> None:
        """Type on the keyboard."""
        os.write(self._master, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the window."""
        self._lines = lines
        resize(self._master, columns, lines)

    def echoes(self) -> bool:
        """Tell whether the terminal shows what is typed."""
        import termios

        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    async def shows(self, *texts: str) -> None:
        """Wait until all of `texts` were written."""
        await self.until(lambda: all(text in self.text for text in texts))

    async def until(self, reached: object) -> None:
        """Wait until a condition holds that depends on what is written."""
        assert callable(reached)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def ended(self) -> int:
        """Wait for the program's end, and return its exit code."""
        async with asyncio.timeout(LIMIT_SECONDS):
            code = await self.process.wait()
        self._read()
        return code

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side was closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self._bytes += data
        self._changed.set()


def resize(descriptor: int, columns: int, lines: int) -> None:
    """Set a terminal's size."""
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, _WINDOW_SIZE.pack(lines, columns, 0, 0))


@asynccontextmanager
async def terminal(
    *arguments: str, env: Mapping[str, str] | None = None, columns: int = 120, lines: int = 20
) -> AsyncIterator[Terminal]:
    """Start `mxgw-py` on a terminal."""
    import pty

    master, slave = pty.openpty()
    resize(master, columns, lines)
    unsized = {
        name: text
        for name, text in environment({"TERM": "xterm", **(env or {})}).items()
        if name not in ("COLUMNS", "LINES")
    }
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, stdin=slave, stdout=slave, stderr=slave, env=unsized, start_new_session=True,
        preexec_fn=_heed_ctrl_c,
    )  # fmt: skip
    os.close(slave)
    try:
        yield Terminal(master, process, lines)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


def _heed_ctrl_c() -> None:
    """Take SIGINT as a terminal's foreground does: what a shell runs in the background ignores it, and so does what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
