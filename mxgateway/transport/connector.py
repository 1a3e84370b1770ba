"""From an endpoint to a connection: resolve, connect, TLS, HTTP/2 greeting; all within one bound."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections.abc import Iterable
from typing import Any, Final

from mxgateway.errors import Phase
from mxgateway.faults import ConnectFault, NotHttp2Fault
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.transport.connection import Connection
from mxgateway.transport.protocol import GatewayProtocol
from mxgateway.transport.tls import ALPN_PROTOCOL, TrustOnFirstUse, client_context

Address = tuple[socket.AddressFamily, Any]

ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried beside the last one (RFC 8305, section 8)."""


class Connector:
    """Makes connections to one gateway; what it learns about its certificate lives as long as it does.

    Args:
        endpoint: Where the gateway listens.
        options: Plaintext or TLS, and the time that a connection may take.
    """

    def __init__(self, endpoint: Endpoint, options: ClientOptions) -> None:
        self._endpoint = endpoint
        self._options = options
        self._trust = TrustOnFirstUse()
        self._context: ssl.SSLContext | None = None

    async def connect(self) -> Connection:
        """Return a connection on which the gateway has answered the HTTP/2 greeting.

        Raises:
            ConnectFault: No connection came about; names the phase and the cause.
        """
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                return await self._connect(attempt)
        except Exception as fault:
            raise ConnectFault(attempt.phase, fault) from fault
        finally:
            attempt.clean_up()

    async def _connect(self, attempt: _Attempt) -> Connection:
        endpoint = self._endpoint
        loop = asyncio.get_running_loop()
        context = await self._tls_context()
        infos = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        attempt.phase = "connect"
        attempt.sock = await connect_first(interleave((family, address) for family, _, _, _, address in infos))
        attempt.phase = "http2" if self._options.plaintext else "tls"
        transport, protocol = await loop.create_connection(
            GatewayProtocol,
            sock=attempt.sock,
            ssl=context,
            server_hostname=self._server_name() if context else None,
        )
        attempt.sock, attempt.connection = None, protocol.connection
        attempt.phase = "http2"
        if context is not None:
            _check_alpn(transport)
        await protocol.connection.greeted.wait()
        if protocol.connection.fault is not None:
            raise protocol.connection.fault
        connection, attempt.connection = attempt.connection, None
        return connection

    async def _tls_context(self) -> ssl.SSLContext | None:
        if self._context is None and not self._options.plaintext:
            self._context = await asyncio.to_thread(client_context, self._options.tls, self._trust)
        return self._context

    def _server_name(self) -> str:
        override = self._options.tls.server_name_override if self._options.tls else None
        return override or self._endpoint.host


class _Attempt:
    """How far one connection attempt has come, and what is to be thrown away when it fails."""

    def __init__(self) -> None:
        self.phase: Phase = "resolve"
        self.sock: socket.socket | None = None
        self.connection: Connection | None = None

    def clean_up(self) -> None:
        if self.sock is not None:
            self.sock.close()
        if self.connection is not None:
            self.connection.abort(ConnectionAbortedError("the attempt was given up"))


def _check_alpn(transport: asyncio.BaseTransport) -> None:
    chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
    if chosen != ALPN_PROTOCOL:
        raise NotHttp2Fault(f"its TLS offers {chosen or 'no protocol'} instead of HTTP/2 (ALPN)")


def interleave(addresses: Iterable[Address]) -> list[Address]:
    """Return addresses with the families taking turns, the resolver's first family first (RFC 8305, section 4)."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for family, address in addresses:
        families.setdefault(family, []).append((family, address))
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


async def connect_first(addresses: list[Address]) -> socket.socket:
    """Return a socket connected to the first address that answers, trying the next one after each `ATTEMPT_DELAY`.

    Raises:
        OSError: No address answered; the first address's failure.
    """
    waiting, running = list(reversed(addresses)), set[asyncio.Task[socket.socket]]()
    first_error: OSError | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(_connect_socket(waiting.pop())))
            done, running = await asyncio.wait(
                running, timeout=ATTEMPT_DELAY if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                error = task.exception()
                if error is None:
                    running |= done - {task}
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                first_error = first_error or error
        raise first_error or OSError("the host name has no address")
    finally:
        await _discard(running)


async def _connect_socket(address: Address) -> socket.socket:
    sock = socket.socket(
        address[0], socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio sets TCP_NODELAY on TCP by name only
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _discard(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """Cancel the attempts that are not needed any more, closing what they may have connected already."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            task.result().close()
