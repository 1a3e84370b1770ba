"""From an endpoint to a connection: resolve, connect, proxy, TLS, HTTP/2 greeting; all within one bound."""

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
    """Makes connections to one gateway; what it learns about its certificate lives as long as it does.

    Args:
        endpoint: Where the gateway listens.
        options: Plaintext or TLS, the proxy, and the time that a connection may take.

    Raises:
        MxGatewayInvalidRequestError: The proxy cannot be asked for this host.
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
            ConnectFault: No connection came about; names the phase and the cause.
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
            await self._speak(attempt, protocol)
        else:
            await self._speak_through_tls(attempt, protocol, handshake)
        return await attempt.greeted(protocol)

    async def _speak(self, attempt: _Attempt, protocol: GatewayProtocol) -> None:
        attempt.phase = "http2"
        gate = await attempt.hand_over()
        gate.open(protocol)
        attempt.transport, attempt.connection = None, protocol.connection

    async def _speak_through_tls(self, attempt: _Attempt, protocol: GatewayProtocol, handshake: Handshake) -> None:
        attempt.phase = "tls"
        gate = await self._secure(attempt, handshake)
        handshake.check_protocol(gate.transport)
        await handshake.trust.keep()
        attempt.phase, attempt.secure = "http2", True
        gate.open(protocol)
        attempt.transport, attempt.connection = None, protocol.connection

    async def _secure(self, attempt: _Attempt, handshake: Handshake) -> _Gate:
        """Begin TLS in a second step: when `create_connection` with TLS is cancelled in its first moments, asyncio forgets the transport."""
        gate = await attempt.hand_over()
        secured = await start_tls(
            gate.transport,
            gate,
            gate.take_early(),
            handshake.context,
            server_hostname=handshake.server_name,
            ssl_handshake_timeout=self._options.connect_timeout,  # asyncio's own bound would cut a longer one short
        )
        if secured is None:
            raise NotHttp2Fault(_HUNG_UP)
        secured.pause_reading()  # uvloop then keeps back the end of the handshake as well, until `_Gate.open` speaks
        attempt.transport = gate.transport = secured
        return gate

    def _blame(self, fault: Exception) -> Exception:
        """Return a fault of the way to the gateway as the proxy's; what TLS and HTTP/2 have to say is the gateway's own."""
        if self._proxy is None or isinstance(fault, TransportFault | ssl.SSLError):
            return fault
        if not isinstance(fault, OSError | UnicodeError):
            return fault
        return ProxyFault(str(self._proxy), "did not lead there", cause=fault)


class _Attempt:
    """How far one connection attempt has come, and what is to be thrown away when it fails."""

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
            raise protocol.lost_by  # with TLS 1.3 a server judges our certificate after the handshake
        if self.secure and protocol.hung_up:
            raise NotHttp2Fault(_HUNG_UP)
        if connection.fault is not None:
            raise connection.fault
        self.connection = None
        return connection

    async def hand_over(self) -> _Gate:
        """Make a transport of the socket. Nothing is read or written yet: uvloop loses track of a socket whose transport ends while it is being made."""
        sock, self.sock = self.sock, None
        assert sock is not None
        loop = asyncio.get_running_loop()
        try:
            self.transport, gate = await loop.create_connection(_Gate, sock=sock)
        except BaseException:
            # The loop closes what it was given. asyncio does so through this object, one turn later; older uvloops do not, and its number is soon another socket's.
            loop.call_soon(sock.detach)
            raise
        return gate

    def clean_up(self) -> None:
        """Close what has not become a connection."""
        if self.sock is not None:
            self.sock.close()
        if self.transport is not None:
            self.transport.abort()
        if self.connection is not None:
            self.connection.abort(ConnectionAbortedError("the attempt was given up"))


class _Gate(asyncio.Protocol):
    """Holds a connection between the handshake and the first word: until the certificate is written down, nothing is said on it."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._successor: asyncio.Protocol | None = None
        self._early: list[bytes] = []
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Known by what it does: the transports of other loops have other ancestors.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()  # whatever comes belongs to TLS

    def data_received(self, data: bytes) -> None:
        self._early.append(data)  # what the gateway said together with the end of its handshake

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._successor is not None:
            self._successor.connection_lost(exc)

    def take_early(self) -> bytes:
        """Return what has come before anything was said."""
        early, self._early = b"".join(self._early), []
        return early

    def open(self, protocol: GatewayProtocol) -> None:
        """Let `protocol` speak and hear.

        Raises:
            NotHttp2Fault: The connection has ended meanwhile.
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
    "it closed the connection right after the TLS handshake, as a gateway may that asks for a client certificate"
)


def _tls(endpoint: Endpoint, options: TlsOptions) -> GatewayTls:
    """Load what TLS needs only where it is spoken: a program that does without it starts sooner."""
    from mxgateway.transport.connecting.tls import GatewayTls

    return GatewayTls(endpoint, options)
