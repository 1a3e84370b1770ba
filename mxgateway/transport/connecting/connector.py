"""From an endpoint to a connection: resolve, connect, proxy, TLS, HTTP/2 greeting; all within one timeout."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final

from mxgateway.errors import Phase
from mxgateway.errors.faults import ConnectFault, ProxyFault
from mxgateway.options import ClientOptions, Endpoint, TlsOptions
from mxgateway.options.endpoints import check_host_name
from mxgateway.transport.connecting.attempt import Attempt, drop
from mxgateway.transport.connecting.happy_eyeballs import connect_first
from mxgateway.transport.connecting.resolver import Address, Resolver
from mxgateway.transport.connecting.trail import Trail
from mxgateway.transport.http2.connection import Connection

if TYPE_CHECKING:
    from mxgateway.transport.connecting.tls import GatewayTls


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
        self._tls = None if options.plaintext else _tls(endpoint, options)

    async def connect(self, progress: Progress | None = None) -> Connection:
        """Return a connection on which the gateway has answered the HTTP/2 greeting.

        Args:
            progress: Shows afterwards how it was made, or how far it came.

        Raises:
            ConnectFault: No connection was established; has the phase and the cause.
        """
        progress = progress or Progress()
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                return await self._connect(progress)
        except Exception as fault:  # noqa: BLE001 - it is raised, as the cause of another
            raise self._told(progress, fault)  # noqa: B904
        finally:
            progress.clear()

    async def _connect(self, progress: Progress) -> Connection:
        handshake = await self._tls.prepare() if self._tls is not None else None
        progress.preparation.enter("resolve")
        progress.addresses = await self._resolver.addresses()
        progress.preparation.enter("connect")

        async def attempt(address: Address) -> Connection:
            return await progress.add(Attempt(self._endpoint, self._options, handshake)).connect(address)

        return await connect_first(progress.addresses, attempt, drop)

    def _told(self, progress: Progress, fault: Exception) -> ConnectFault:
        phase, cause = progress.farthest(fault)
        told = ConnectFault(phase, self._blame(cause))
        told.__cause__ = cause
        return told

    def _blame(self, fault: Exception) -> Exception:
        """Attribute a fault before TLS to the proxy, if there is one; faults of TLS and HTTP/2 are the gateway's."""
        if self._proxy is None or isinstance(fault, ssl.SSLError) or not isinstance(fault, OSError | UnicodeError):
            return fault
        return ProxyFault(str(self._proxy), "did not connect to it", cause=fault)


_WAY: Final[tuple[Phase, ...]] = ("connect", "proxy", "tls", "http2")


class Progress:
    """How far a connection has come: the preparation before the attempts, then the attempts."""

    def __init__(self) -> None:
        self.preparation = Trail("tls")
        """The files for TLS, and the name resolution."""
        self.addresses: list[Address] = []
        """The addresses of the gateway, or of the proxy."""
        self.trail = self.preparation
        """Of the attempt that succeeded, or came farthest; that of the preparation if there was none."""
        self._attempts: list[Attempt] = []

    def add(self, attempt: Attempt) -> Attempt:
        """Count an attempt that begins, and return it."""
        self._attempts.append(attempt)
        return attempt

    def farthest(self, fault: Exception) -> tuple[Phase, Exception]:
        """Return phase and fault of the attempt that came farthest, which says most.

        A refused certificate counts as farthest. Of equals the first one counts.

        Args:
            fault: What ended the whole: the fault of attempts that have none of their own.
        """
        if not self._attempts:
            return self.preparation.phase, fault
        attempt = max(self._attempts, key=_rank)
        return attempt.trail.phase, attempt.fault or fault

    def clear(self) -> None:
        """Keep the trail only, and forget the attempts: the tracebacks of their faults hold them."""
        self.preparation.end()
        if self._attempts:
            self.trail = max(self._attempts, key=lambda attempt: (attempt.succeeded, _rank(attempt))).trail
        for attempt in self._attempts:
            attempt.fault = None
        self._attempts.clear()


def _rank(attempt: Attempt) -> int:
    return len(_WAY) if isinstance(attempt.fault, ssl.SSLError) else _WAY.index(attempt.trail.phase)


def _tls(endpoint: Endpoint, options: ClientOptions) -> GatewayTls:
    """Import the TLS modules only if TLS is used: a program without it starts faster."""
    from mxgateway.transport.connecting.tls import GatewayTls

    return GatewayTls(endpoint, options.peer_name(endpoint), options.tls or TlsOptions())
