"""The listening socket of a simulated gateway, and its connections."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import re
import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.server.http2 import Connection, OpenConnections, ServeStream
from mxgateway.system.event_loops import start_tls
from mxgateway.system.files import FileRefusal, checked_path, refusal_text

# Seconds a client has to close after GOAWAY before its connection is aborted.
_GOODBYE_TIME: Final = 0.5
# Seconds a client has for its TLS handshake, as in Kestrel.
_HANDSHAKE_TIME: Final = 10.0
# Largest PEM file in bytes.
_LARGEST: Final = 16 * 1024 * 1024

# Loop iterations from accepting a connection to calling its protocol, and one to spare.
_TURNS_OF_ACCEPTING: Final = 4

_logger = logging.getLogger(__name__)


class Listener:
    """Accepts connections and serves them.

    Args:
        serve: Answers each request.
        options: Limits and times.
        ssl_context: The server side of TLS; None for plaintext.
        changed: Called when a connection begins or ends.
    """

    def __init__(
        self,
        serve: ServeStream,
        options: SimulatorOptions,
        ssl_context: ssl.SSLContext | None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._serve = serve
        self._options = options
        self.ssl_context = ssl_context
        """The server side of TLS for new connections; None for plaintext."""
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._handshakes: set[_TlsHandshake] = set()
        self.connections = OpenConnections(changed)
        """The open connections."""

    async def start(self, host: str, port: int) -> int:
        """Start listening and return the port.

        Args:
            host: The address to listen on; a name is resolved to IPv4.
            port: The port; 0 for a free one.

        Raises:
            OSError: Listening failed; the text says on which address and why.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        loop = asyncio.get_running_loop()
        try:
            # Kept before anything is awaited: a start that is cancelled must not lose its socket.
            self._server = await loop.create_server(self._accept, host, port, family=family, start_serving=False)
            await self._server.start_serving()
        except OSError as error:
            # asyncio's own text starts with the address.
            reason = re.sub(r"^\[[^\]]*\] *", "", (error.strerror or str(error)).rpartition(": ")[2])
            raise OSError(error.errno, f"cannot listen on {join_host_port(host, port)}: {reason}") from error
        listening: int = self._server.sockets[0].getsockname()[1]
        self._address = host, listening
        return listening

    async def refuse(self) -> None:
        """Stop listening until `accept_again`; open connections stay."""
        server, self._server = self._server, None
        if server is not None:
            await stop_accepting(server)

    async def accept_again(self) -> None:
        """Listen again; no effect if it does.

        Raises:
            OSError: The port was taken meanwhile.
        """
        if self._server is None and self._address is not None:
            await self.start(*self._address)

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        server = self._server
        await self.refuse()
        self._address = None
        self.connections.are_refused = True  # uvloop accepts connections differently: it may yet make some
        for handshake in list(self._handshakes):
            handshake.abort()
        self.drop_connections()
        if closing := [connection.closed for connection in self.connections]:
            await asyncio.wait(closing, timeout=_GOODBYE_TIME)
        self.drop_connections(politely=False)
        if remaining := [connection.closed for connection in self.connections]:
            await asyncio.wait(remaining)
        await asyncio.gather(*(handshake.task for handshake in self._handshakes), return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def drop_connections(self, *, politely: bool = True) -> None:
        """Close every connection.

        Args:
            politely: Send GOAWAY first; otherwise the client sees a reset.
        """
        for connection in list(self.connections):
            if politely:
                connection.close_gracefully()
            else:
                connection.abort()

    def go_away(self) -> None:
        """Send GOAWAY on every connection; each ends with its last call."""
        for connection in list(self.connections):
            connection.go_away()

    def hold_bytes(self, *, on: bool) -> None:
        """Receive and send nothing on any connection, or do so again."""
        if on == self.connections.are_held:
            return
        self.connections.are_held = on
        for connection in (*self.connections, *self._handshakes):
            if on:
                connection.hold()
            else:
                connection.release()

    def _accept(self) -> asyncio.BaseProtocol:
        connection = Connection(self._serve, self._options, self.connections)
        return connection if self.ssl_context is None else _TlsHandshake(connection, self.ssl_context, self._handshakes)


async def stop_accepting(server: asyncio.Server) -> None:
    """Close the listening sockets of a server without leaving a connection half accepted.

    asyncio accepts a connection in one iteration of the loop and creates its transport in the next ones. If the server
    is closed in between, the connection would stay open, and its client would wait for a greeting that never comes.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        with contextlib.suppress(NotImplementedError):  # the Windows loop accepts connections differently
            loop.remove_reader(listening.fileno())
    for _ in range(_TURNS_OF_ACCEPTING):
        await asyncio.sleep(0)
    server.close()


class _TlsHandshake(asyncio.Protocol):
    """A connection during its TLS handshake, held here so that an endless handshake can be aborted."""

    def __init__(self, connection: Connection, context: ssl.SSLContext, handshakes: set[_TlsHandshake]) -> None:
        self._connection = connection
        self._context = context
        self._handshakes = handshakes
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()
        self._is_lost = False
        self._is_released = asyncio.Event()
        self._is_released.set()
        self.task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Check for capabilities: other loops' transports have other base classes.
        self._transport = cast(asyncio.Transport, transport)
        if self._connection.is_refused:
            self._transport.abort()
            return
        self._transport.pause_reading()
        self._handshakes.add(self)
        if self._connection.is_held:
            self.hold()
        self.task = asyncio.get_running_loop().create_task(self._shake_hands(self._transport), name="TLS handshake")

    def data_received(self, data: bytes) -> None:
        # Data that the client sends together with the end of its handshake.
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True

    def hold(self) -> None:
        """Do not begin to shake hands until `release`; a handshake that has begun goes on."""
        self._is_released.clear()

    def release(self) -> None:
        """Shake hands."""
        self._is_released.set()

    def abort(self) -> None:
        self.task.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        try:
            await self._is_released.wait()
            hello, self._early = bytes(self._early), bytearray()
            secured = await start_tls(
                transport, self, hello, self._context, server_side=True, ssl_handshake_timeout=_HANDSHAKE_TIME
            )
        except OSError as error:
            _logger.debug("a TLS handshake failed: %s", error)
            transport.abort()
        else:
            self._hand_over(secured)
        finally:
            self._handshakes.discard(self)

    def _hand_over(self, transport: asyncio.Transport | None) -> None:
        if transport is None or self._is_lost:
            return
        transport.set_protocol(self._connection)
        self._connection.connection_made(transport)
        if self._early:
            self._connection.data_received(bytes(self._early))


def tls_context(certificate: str | os.PathLike[str], key: str | os.PathLike[str] | None) -> ssl.SSLContext:
    """Return a server-side context for TLS 1.2 or newer that offers HTTP/2.

    Args:
        certificate: PEM file of the certificate and its chain.
        key: PEM file of the private key; None if it is in the certificate's file.

    Raises:
        OSError: A file cannot be read, or is not a certificate with its unencrypted key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        with checked_path(certificate, _LARGEST) as served, checked_path(key or certificate, _LARGEST) as its_key:
            # Without a password callback, OpenSSL prompts on the terminal for an encrypted key.
            context.load_cert_chain(served, its_key, password="")
    except (ssl.SSLError, FileRefusal) as error:
        files = f"{os.fspath(certificate)} and its key in {os.fspath(key or certificate)}"
        if isinstance(error, FileRefusal):
            reason = refusal_text(error)
        else:
            reason = (error.reason or str(error)).replace("_", " ").lower()
        raise ssl.SSLError(error.errno, f"cannot serve the certificate in {files}: {reason}") from error
    context.set_alpn_protocols(["h2"])
    return context


def reachable_host(host: str) -> str:
    """Return the address at which a client on this machine reaches a gateway listening on `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "::1" if address.version == 6 else "127.0.0.1"
    return host


def join_host_port(host: str, port: int) -> str:
    """Return ``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
