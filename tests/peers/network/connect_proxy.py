"""An HTTP proxy with CONNECT tunnels, optional authentication, and configurable answers."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field

from tests.peers.http2.raw_peers import RawServer


@dataclass
class Tunnel:
    """A received CONNECT request."""

    target: str
    version: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def credentials(self) -> str | None:
        """User and password of basic authentication, joined by a colon."""
        scheme, _, token = self.fields.get("proxy-authorization", "").partition(" ")
        return base64.b64decode(token).decode() if scheme == "Basic" else None


class ConnectProxy(RawServer):
    """A proxy on a free port of 127.0.0.1.

    Args:
        credentials: The required ``user:password``.
        answer: The answer instead of a tunnel.
        hosts: Names that it resolves itself, with their addresses.
        opened: The answer when the tunnel is open.
    """

    def __init__(
        self,
        *,
        credentials: str | None = None,
        answer: bytes | None = None,
        hosts: dict[str, str] | None = None,
        opened: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n",
    ) -> None:
        super().__init__(self._serve)
        self._credentials = credentials
        self._answer = answer
        self._hosts = hosts or {}
        self._opened = opened
        self.tunnels: list[Tunnel] = []
        """Every request, in order."""

    @property
    def url(self) -> str:
        """The proxy's URL, without credentials."""
        return f"http://{self.endpoint}"

    def url_with(self, user_info: str) -> str:
        """Return the proxy's URL with URL-encoded credentials."""
        return f"http://{user_info}@{self.endpoint}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.strip().split("\r\n")
        method, target, version = request.split(" ")
        assert method == "CONNECT"
        names = [line.partition(":") for line in lines]
        tunnel = Tunnel(target, version, {name.lower(): value.strip() for name, _, value in names})
        self.tunnels.append(tunnel)
        if self._answer is not None:
            writer.write(self._answer)
            await reader.read()
        elif self._credentials not in (None, tunnel.credentials):
            writer.write(
                b'HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm="plant"\r\nContent-Length: 4\r\n\r\nWho?'
            )
            await reader.read()
        else:
            await self._relay(target, reader, writer)

    async def _relay(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        host = self._hosts.get(host, host.strip("[]"))
        try:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        writer.write(self._opened)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_forward(reader, there_writer))
                group.create_task(_forward(there_reader, writer))
        finally:
            there_writer.transport.abort()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (data := await reader.read(65536)) and not writer.is_closing():
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
