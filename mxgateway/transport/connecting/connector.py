"""From an endpoint to a connection: resolve, connect, proxy, TLS, HTTP/2 greeting; all within one timeout."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Final, cast

from mxgateway.errors import Phase
from mxgateway.errors.faults import ConnectFault, NotHttp2Fault, ProxyFault, TransportFault
from mxgateway.options import ClientOptions, Endpoint, TlsOptions
from mxgateway.options.endpoints import check_host_name
from mxgateway.system.event_loops import start_tls
from mxgateway.transport.connecting.happy_eyeballs import connect_first
from mxgateway.transport.connecting.resolver import Resolver
from mxgateway.transport.http2.connection import Connection
from mxgateway.transport.http2.protocol import GatewayProtocol

if TYPE_CHECKING:
    from mxgateway.transport.connecting.tls import GatewayTls, Handshake


class Connector:
    """Makes connections to one gateway. A certificate trusted on first use stays pinned as long as this object lives.

    Args:
        endpoint: The gateway's address.
        options: Plaintext or TLS, the proxy, and the connect timeout.

    Raises:
        MxGatewayInvalidRequestError: The host name is invalid, and a proxy would have to resolve it.
    """

    def __init__(self, endpoint: Endpoint, options: ClientOptions) -> None:
        self._endpoint = endpoint
        self._options = options
        self._proxy = options.http_proxy
        if self._proxy is not None:
            check_host_name(endpoint)  # the proxy resolves it
        first = self._proxy or endpoint
        self._resolver = Resolver(first.host, first.port)
        self._tls = None if options.plaintext else _tls(endpoint, options.tls or TlsOptions())

    async def connect(self) -> Connection:
        """Return a connection on which the gateway has answered the HTTP/2 greeting.

        Raises:
            ConnectFault: No connection was established; has the phase and the cause.
        """
        attempt = _Attempt()
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                return await self._connect(attempt)
        except Exception as fault:
            raise ConnectFault(attempt.phase, self._blame(fault)) from fault
        finally:
            attempt.clean_up()

    async def _connect(self, attempt: _Attempt) -> Connection:
        handshake = await self._tls.prepare() if self._tls is not None else None
        attempt.phase = "resolve"
        addresses = await self._resolver.addresses()
        attempt.phase = "connect"
        attempt.sock = await connect_first(addresses)
        if self._proxy is not None:
            from mxgateway.transport.connecting.proxy import open_tunnel

            attempt.phase = "proxy"
            await open_tunnel(attempt.sock, self._proxy, self._endpoint)
        protocol = _GreetedProtocol()
        if handshake is None:
            await self._start_plaintext(attempt, protocol)
        else:
            await self._start_tls(attempt, protocol, handshake)
        return await attempt.greeted(protocol)

    async def _start_plaintext(self, attempt: _Attempt, protocol: GatewayProtocol) -> None:
        attempt.phase = "http2"
        gate = await attempt.hand_over()
        gate.open(protocol)
        attempt.transport, attempt.connection = None, protocol.connection

    async def _start_tls(self, attempt: _Attempt, protocol: GatewayProtocol, handshake: Handshake) -> None:
        attempt.phase = "tls"
        gate = await self._secure(attempt, handshake)
        handshake.check_protocol(gate.transport)
        await handshake.trust.keep()
        attempt.phase, attempt.secure = "http2", True
        gate.open(protocol)
        attempt.transport, attempt.connection = None, protocol.connection

    async def _secure(self, attempt: _Attempt, handshake: Handshake) -> _Gate:
        """Start TLS separately: asyncio leaks the transport if `create_connection` with TLS is cancelled early."""
        gate = await attempt.hand_over()
        secured = await start_tls(
            gate.transport,
            gate,
            gate.take_early(),
            handshake.context,
            server_hostname=handshake.server_name,
            ssl_handshake_timeout=self._options.connect_timeout,  # asyncio's default timeout may be shorter
        )
        if secured is None:
            raise NotHttp2Fault(_HUNG_UP)
        secured.pause_reading()  # uvloop then also holds back the end of the handshake, until `_Gate.open` writes
        attempt.transport = gate.transport = secured
        return gate

    def _blame(self, fault: Exception) -> Exception:
        """Attribute a fault before TLS to the proxy, if there is one; faults of TLS and HTTP/2 are the gateway's."""
        if self._proxy is None or isinstance(fault, TransportFault | ssl.SSLError):
            return fault
        if not isinstance(fault, OSError | UnicodeError):
            return fault
        return ProxyFault(str(self._proxy), "did not connect to it", cause=fault)


class _Attempt:
    """The state of one connection attempt, and what to clean up if it fails."""

    def __init__(self) -> None:
        self.phase: Phase = "tls"
        self.secure = False
        self.sock: socket.socket | None = None
        self.transport: asyncio.Transport | None = None
        self.connection: Connection | None = None

    async def greeted(self, protocol: _GreetedProtocol) -> Connection:
        """Return the connection once the gateway has answered the greeting."""
        connection = protocol.connection
        await connection.greeted.wait()
        if isinstance(protocol.lost_by, ssl.SSLError):
            raise protocol.lost_by  # with TLS 1.3 a server checks our certificate after the handshake
        if self.secure and protocol.hung_up:
            raise NotHttp2Fault(_HUNG_UP)
        if connection.fault is not None:
            raise connection.fault
        self.connection = None
        return connection

    async def hand_over(self) -> _Gate:
        """Make a transport of the socket.

        Nothing is read or written yet: uvloop loses a socket whose transport ends while being made.
        """
        sock, self.sock = self.sock, None
        assert sock is not None
        loop = asyncio.get_running_loop()
        try:
            self.transport, gate = await loop.create_connection(_Gate, sock=sock)
        except BaseException:
            # The loop closes the socket. asyncio does so through this object, one iteration later; older uvloops close
            # only the descriptor, whose number another socket may get soon.
            loop.call_soon(sock.detach)
            raise
        return gate

    def clean_up(self) -> None:
        """Close everything that did not become a connection."""
        if self.sock is not None:
            self.sock.close()
        if self.transport is not None:
            self.transport.abort()
        if self.connection is not None:
            self.connection.abort(ConnectionAbortedError("the attempt was abandoned"))


class _Gate(asyncio.Protocol):
    """Holds a connection between the handshake and HTTP/2: nothing is sent until the certificate is stored."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._successor: asyncio.Protocol | None = None
        self._early: list[bytes] = []
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: the transports of other loops have other base classes.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()  # early bytes belong to TLS

    def data_received(self, data: bytes) -> None:
        self._early.append(data)  # what the gateway sent together with the end of its handshake

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._successor is not None:
            self._successor.connection_lost(exc)

    def take_early(self) -> bytes:
        """Return the bytes received before anything was sent."""
        early, self._early = b"".join(self._early), []
        return early

    def open(self, protocol: GatewayProtocol) -> None:
        """Pass the connection to `protocol`.

        Raises:
            NotHttp2Fault: The connection ended meanwhile.
        """
        if self._lost:
            raise NotHttp2Fault(_HUNG_UP)
        self._successor = protocol
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        for data in self._early:
            protocol.data_received(data)
        self.transport.resume_reading()


class _GreetedProtocol(GatewayProtocol):
    """Remembers how the connection was lost."""

    lost_by: BaseException | None = None
    hung_up = False

    def connection_lost(self, exc: BaseException | None) -> None:
        """End every call."""
        self.lost_by = exc
        self.hung_up = exc is None and not self.connection.closed
        super().connection_lost(exc)


_HUNG_UP: Final = (
    "it closed the connection right after the TLS handshake, maybe because it requires a client certificate"
)


def _tls(endpoint: Endpoint, options: TlsOptions) -> GatewayTls:
    """Import the TLS modules only if TLS is used: a program without it starts faster."""
    from mxgateway.transport.connecting.tls import GatewayTls

    return GatewayTls(endpoint, options)
