"""What the peers need of sockets and waiting that asyncio does not offer."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds until a test that waits for something that never comes fails instead of hanging."""

_LINGER = "hh" if sys.platform == "win32" else "ii"
_TIOCOUTQ = 0x5411


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection with RST instead of FIN; what is still unsent is dropped."""
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is not None and peer.fileno() >= 0:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, 1, 0))
    transport.abort()


def unsent(transport: asyncio.WriteTransport) -> int:
    """Return how many bytes a reset would drop; the kernel's own queue counts on Linux only."""
    size = transport.get_write_buffer_size()
    peer: socket.socket | None = transport.get_extra_info("socket")
    if sys.platform == "linux" and peer is not None and peer.fileno() >= 0:
        import fcntl

        (queued,) = struct.unpack("i", fcntl.ioctl(peer.fileno(), _TIOCOUTQ, b"\0" * 4))
        size += queued
    return size


class News:
    """Wakes those that wait for a change, to look again."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def tell(self) -> None:
        """Let everybody look again."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a change makes `condition` true.

        Raises:
            TimeoutError: It did not within PATIENCE.
        """
        async with asyncio.timeout(PATIENCE):
            await self.wait(condition)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until a change makes `condition` true, as long as that takes."""
        while not condition():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
