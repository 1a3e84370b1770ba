"""Both ends of a connection through the fault proxy, as plain asyncio streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mxgateway.testing.network.fault_proxy import Direction, FaultProxy

WAYS = ["to_server", "to_client"]
SOON = 0.05
"""Seconds within which unexpected data would have arrived."""


@dataclass
class End:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send bytes, as far as the other end reads them."""
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, size: int) -> bytes:
        """Receive so many bytes."""
        return await self.reader.readexactly(size)

    async def hears_nothing(self) -> bool:
        """Whether neither data nor an end arrives for a while."""
        try:
            async with asyncio.timeout(SOON):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


class Target:
    """A plain asyncio server behind a proxy."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[End] = asyncio.Queue()
        self.ends: list[End] = []
        self.port = 0

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accept a connection."""
        self.ends.append(End(reader, writer))
        self.accepted.put_nowait(self.ends[-1])


@asynccontextmanager
async def connection(proxy: FaultProxy) -> AsyncIterator[End]:
    """Yield the client's end of a connection to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield End(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def pair(proxy: FaultProxy, target: Target, way: str = "to_server") -> AsyncIterator[tuple[End, End, Direction]]:
    """Yield both ends of a connection, the sender in the given direction first, and the direction."""
    async with connection(proxy) as client:
        server = await target.accepted.get()
        direction: Direction = getattr(proxy, way)
        yield (client, server, direction) if way == "to_server" else (server, client, direction)
