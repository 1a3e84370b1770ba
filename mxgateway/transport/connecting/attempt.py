"""One attempt at one address: connect, proxy, TLS, HTTP/2 greeting."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Final, cast

from mxgateway.errors.faults import UnansweredFault
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.system.event_loops import start_tls
from mxgateway.transport.connecting.happy_eyeballs import open_socket
from mxgateway.transport.connecting.resolver import Address
from mxgateway.transport.connecting.trail import Trail
from mxgateway.transport.http2.connection import Connection
from mxgateway.transport.http2.protocol import GatewayProtocol

if TYPE_CHECKING:
    from mxgateway.transport.connecting.tls import Handshake


class Attempt:
    """One attempt: where it is, and what to clean up if it fails.

    Args:
        endpoint: The gateway's address.
        options: The proxy and the connect timeout.
        handshake: What TLS needs; None for plaintext.
    """

    def __init__(self, endpoint: Endpoint, options: ClientOptions, handshake: Handshake | None) -> None:
        self.trail = Trail("connect")
        self.fault: Exception | None = None
        """Why it failed."""
        self.succeeded = False
        self._endpoint = endpoint
        self._options = options
        self._handshake = handshake
        self._sock: socket.socket | None = None
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None

    async def connect(self, address: Address) -> Connection:
        """Return a connection to `address` on which the gateway has answered the HTTP/2 greeting.

        Raises:
            Exception: It failed; also kept in `fault`.
        """
        self.trail.address = address
        try:
            connection = await self._connect(address)
            self.succeeded = True
            return connection
        except Exception as fault:
            self.fault = fault
            raise
        finally:
            self.trail.end()
            self._clean_up()

    async def _connect(self, address: Address) -> Connection:
        self._sock = await open_socket(address)
        proxy = self._options.http_proxy
        if proxy is not None:
            from mxgateway.transport.connecting.proxy import open_tunnel

            self.trail.enter("proxy")
            await open_tunnel(self._sock, proxy, self._endpoint)
        protocol = GatewayProtocol()
        if self._handshake is None:
            self.trail.enter("http2")
            gate = await self._hand_over()
        else:
            self.trail.enter("tls")
            gate = await self._secure(self._handshake)
            self.trail.certificate = certificate = self._handshake.checked(gate.transport)
            self.trail.tls_version = self._handshake.version(gate.transport)
            await self._handshake.trust.keep(certificate)
            self.trail.enter("http2")
        gate.open(protocol)
        self._transport, self._connection = None, protocol.connection
        return await self._greeted(protocol.connection)

    async def _secure(self, handshake: Handshake) -> _Gate:
        """Start TLS separately: asyncio leaks the transport if `create_connection` with TLS is cancelled early."""
        gate = await self._hand_over()
        secured = await start_tls(
            gate.transport,
            gate,
            gate.take_early(),
            handshake.context,
            server_hostname=handshake.server_name,
            ssl_handshake_timeout=self._options.connect_timeout,  # asyncio's default timeout may be shorter
        )
        if secured is None:
            raise UnansweredFault(_HUNG_UP)
        secured.pause_reading()  # uvloop then also holds back the end of the handshake, until `_Gate.open` writes
        self._transport = gate.transport = secured
        return gate

    async def _greeted(self, connection: Connection) -> Connection:
        """Return the connection once the gateway has answered the greeting."""
        await connection.greeted.wait()
        if isinstance(connection.lost_by, ssl.SSLError):
            raise connection.lost_by  # with TLS 1.3 a server checks our certificate after the handshake
        fault = connection.fault
        if self._handshake is not None and isinstance(fault, UnansweredFault):
            raise UnansweredFault(_HUNG_UP)
        if fault is not None:
            raise fault
        if self._handshake is not None and self.trail.certificate is not None:
            self._handshake.trust.greeted(self.trail.certificate)
        self._connection = None
        return connection

    async def _hand_over(self) -> _Gate:
        """Make a transport of the socket.

        Nothing is read or written yet: uvloop loses a socket whose transport ends while being made.
        """
        sock, self._sock = self._sock, None
        assert sock is not None
        loop = asyncio.get_running_loop()
        try:
            self._transport, gate = await loop.create_connection(_Gate, sock=sock)
        except BaseException:
            # The loop closes the socket. asyncio does so through this object, one iteration later; older uvloops close
            # only the descriptor, whose number another socket may get soon.
            loop.call_soon(sock.detach)
            raise
        return gate

    def _clean_up(self) -> None:
        """Close everything that did not become a connection."""
        if self._sock is not None:
            self._sock.close()
        if self._transport is not None:
            self._transport.abort()
        if self._connection is not None:
            drop(self._connection)


def drop(connection: Connection) -> None:
    """Close a connection that nobody uses."""
    connection.abort(ConnectionAbortedError("the attempt was abandoned"))


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
            UnansweredFault: The connection ended meanwhile.
        """
        if self._lost:
            raise UnansweredFault(_HUNG_UP)
        self._successor = protocol
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        for data in self._early:
            protocol.data_received(data)
        self.transport.resume_reading()


_HUNG_UP: Final = (
    "the gateway closed the connection right after the TLS handshake, maybe because it requires a client certificate"
)
