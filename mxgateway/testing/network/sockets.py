"""Socket and waiting helpers that asyncio lacks."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds after which a test that waits in vain times out."""

_LINGER = "hh" if sys.platform == "win32" else "ii"
_TIOCOUTQ = 0x5411


def reset(transport: asyncio.WriteTransport) -> None:
    """Close a connection with RST instead of FIN; unsent data is dropped."""
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is not None and peer.fileno() >= 0:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, 1, 0))
    transport.abort()


def unsent(transport: asyncio.WriteTransport) -> int:
    """Return how many bytes a reset would drop; the kernel's queue is included on Linux only."""
    size = transport.get_write_buffer_size()
    peer: socket.socket | None = transport.get_extra_info("socket")
    if sys.platform == "linux" and peer is not None and peer.fileno() >= 0:
        import fcntl

        (queued,) = struct.unpack("i", fcntl.ioctl(peer.fileno(), _TIOCOUTQ, b"\0" * 4))
        size += queued
    return size


class News:
    """Wakes waiters when something changes, so that they check again."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def tell(self) -> None:
        """Wake all waiters."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a change makes `condition` true.

        Raises:
            TimeoutError: It is still false after PATIENCE.
        """
        async with asyncio.timeout(PATIENCE):
            await self.wait(condition)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait, without a timeout, until a change makes `condition` true."""
        while not condition():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
