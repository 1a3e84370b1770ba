"""Reads stdin line by line beside a running event loop, never further than asked for.

A thread does the reading, which can take as long as whoever writes wants. It reads what there is and waits for no buffer
to fill, so that a program can write one line and wait for the answer before it writes the next. No lock of `sys.stdin` is
held meanwhile: the interpreter would want it at its end, while the thread still waits.
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

from mxgateway_cli.terminal.failures import CommandFailure

if TYPE_CHECKING:
    from io import RawIOBase

LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a line; what is longer would not fit into a message to the gateway."""
_MOST_SKIPPED: Final = 1024 * 1024 * 1024
"""Bytes of a line's rest that are read only to find its end; a device never comes to it."""
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
            raise CommandFailure("stdin is closed: it has no lines to run")
        self._stream: RawIOBase = getattr(buffer, "raw", buffer)
        self._wanted: queue.SimpleQueue[asyncio.Future[bytes]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._data = bytearray()
        self._ended = False

    async def next(self) -> bytes | None:
        """Return the next line without its line feed, None after the last one; that one may lack its line feed.

        Of a line that is longer than `LONGEST` one byte more than that is returned.

        Raises:
            CommandFailure: stdin cannot be read, or its line has no end.
        """
        searched = skipped = 0
        while (end := self._data.find(b"\n", searched)) < 0 and not self._ended:
            skipped += max(0, len(self._data) - LONGEST - 1)
            if skipped > _MOST_SKIPPED:
                raise CommandFailure(f"stdin has a line of more than {_MOST_SKIPPED} bytes: it holds no command lines")
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
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                chunk.get_loop().call_soon_threadsafe(_hand_over, chunk, result)

    def _read_some(self) -> bytes:
        while (data := self._stream.read(_CHUNK)) is None:
            time.sleep(_POLL_SECONDS)  # another program has made the pipe that both use a non-blocking one
        return data


def _hand_over(chunk: asyncio.Future[bytes], result: bytes | OSError) -> None:
    if chunk.done():
        return
    if isinstance(result, OSError):
        chunk.set_exception(result)
    else:
        chunk.set_result(result)


class TakenStdin:
    """What the lines of a batch find in the place of stdin: it belongs to the batch."""

    encoding = "utf-8"
    closed = False

    def isatty(self) -> bool:
        """Nobody can be asked anything here."""
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    def __iter__(self) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise click.UsageError("stdin carries the lines of the batch: name a file instead.")
