"""Reads stdin line by line without blocking the event loop, and only on demand.

A thread reads whatever is available and does not wait for a full buffer, so that a program can write one line and wait
for its output before it writes the next. The thread holds no lock of `sys.stdin`, because the interpreter takes that
lock at exit while the thread may still be blocked.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from mxgateway_cli.terminal.exit_codes import CommandFailure

if TYPE_CHECKING:
    from io import RawIOBase

LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a line; a longer one would not fit into a message to the gateway."""
_MOST_SKIPPED: Final = 1024 * 1024 * 1024
"""Bytes to skip in search of the end of a line that is too long; an endless device has none."""
_CHUNK: Final = 64 * 1024
_POLL_SECONDS: Final = 0.05


class StdinLines:
    """The lines of stdin.

    Raises:
        CommandFailure: There is no stdin.
    """

    def __init__(self) -> None:
        buffer = getattr(sys.stdin, "buffer", None)
        if buffer is None:
            raise CommandFailure("stdin is closed")
        self._stream: RawIOBase = getattr(buffer, "raw", buffer)
        self._wanted: queue.SimpleQueue[asyncio.Future[bytes]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._data = bytearray()
        self._ended = False

    async def next(self) -> bytes | None:
        """Return the next line without its line feed, or None after the last one, which may lack its line feed.

        A line longer than `LONGEST` is truncated to one byte more than that.

        Raises:
            CommandFailure: stdin cannot be read, or the line does not end.
        """
        searched = skipped = 0
        while (end := self._data.find(b"\n", searched)) < 0 and not self._ended:
            skipped += max(0, len(self._data) - LONGEST - 1)
            if skipped > _MOST_SKIPPED:
                raise CommandFailure(f"stdin has a line of more than {_MOST_SKIPPED} bytes")
            del self._data[LONGEST + 1 :]
            searched = len(self._data)
            chunk = await self._read()
            self._data += chunk
            self._ended = not chunk
        if end < 0:
            end = len(self._data)
            if not end:
                return None
        line = bytes(self._data[: min(end, LONGEST + 1)])
        del self._data[: end + 1]
        return line

    async def _read(self) -> bytes:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="mxgw-py stdin", daemon=True)
            self._thread.start()
        chunk = asyncio.get_running_loop().create_future()
        self._wanted.put(chunk)
        try:
            data: bytes = await chunk
        except OSError as error:
            raise CommandFailure(f"stdin cannot be read: {error.strerror or error}") from None
        return data

    def _serve(self) -> None:
        while True:
            chunk = self._wanted.get()
            try:
                result: bytes | OSError = self._read_some()
            except OSError as error:
                result = error
            with suppress(RuntimeError):  # the loop is closed: nobody is waiting
                chunk.get_loop().call_soon_threadsafe(_resolve, chunk, result)

    def _read_some(self) -> bytes:
        while (data := self._stream.read(_CHUNK)) is None:
            time.sleep(_POLL_SECONDS)  # another program has set the shared pipe to non-blocking
        return data


def _resolve(chunk: asyncio.Future[bytes], result: bytes | OSError) -> None:
    if chunk.done():
        return
    if isinstance(result, OSError):
        chunk.set_exception(result)
    else:
        chunk.set_result(result)


class ReservedStdin:
    """Replaces `sys.stdin` for the lines of a batch, because the batch itself reads stdin."""

    encoding = "utf-8"
    closed = False

    def isatty(self) -> bool:
        """Return False: prompts are impossible."""
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    def __iter__(self) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise click.UsageError("stdin is in use by the batch: name a file instead.")
