"""Bare TCP or TLS servers that are not gateways, and their answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self

import pytest

from mxgateway.testing.network.sockets import PATIENCE, reset

StreamScript = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ClientGone(Exception):
    """The client closed the connection while the script waited for data."""


class RawServer:
    """A server on a free port of 127.0.0.1 that runs a coroutine for each connection.

    The connection is closed when its coroutine ends. An exception of a script, except for a disconnected client, is
    raised at the end of the block.

    Args:
        script: Gets reader and writer.
        tls: The context of a TLS server.
    """

    def __init__(self, script: StreamScript, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._transports: list[asyncio.WriteTransport] = []
        self._faults: list[BaseException] = []
        self.port = 0
        self.connections = 0
        """Number of connections, after their TLS handshake."""

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return f"127.0.0.1:{self.port}"

    async def all_gone(self) -> None:
        """Wait until all scripts have ended; those that read to the end wait for the client to close."""
        if self._running:
            _, waiting = await asyncio.wait(self._running, timeout=PATIENCE)
            assert not waiting, f"{len(waiting)} connections are still open"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        for transport in self._transports:
            transport.abort()
        await self._server.wait_closed()
        if exc is None and self._faults:
            raise self._faults[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._transports.append(writer.transport)
        task = asyncio.create_task(self._run(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ClientGone):
            pass
        except Exception as fault:  # noqa: BLE001 - raised again at the end of the block
            self._faults.append(fault)
        finally:
            writer.close()


drops_attempts = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets attempts beyond the backlog wait")


@contextlib.contextmanager
def full_backlog() -> Iterator[tuple[str, int]]:
    """Yield the address of a server that never accepts and whose backlog is full: connecting hangs."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything, answer nothing."""
    while await reader.read(65536):
        pass


async def closes_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the client's first bytes and close the connection."""
    await reader.read(65536)


async def http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer like a web server that got something other than HTTP/1."""
    await http1_status(400, "Bad Request")(reader, writer)


def says(data: bytes) -> StreamScript:
    """Return a script that answers with `data` and keeps the connection open."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await silent(reader, writer)

    return script


async def resets_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the client's first bytes and reset the connection."""
    await reader.read(65536)
    reset(writer.transport)


def endless(data: bytes) -> StreamScript:
    """Return a script that repeats `data` until the client disconnects."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(data)
            await writer.drain()

    return script


def http1_status(status: int, reason: str = "") -> StreamScript:
    """Return a script that answers like a web server or proxy with HTTP/1 only."""
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(head)
        await writer.drain()

    return script


HALF_GREETING = bytes(3)
"""A partial SETTINGS frame, for `says`."""
