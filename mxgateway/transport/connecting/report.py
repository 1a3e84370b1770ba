"""Connects once, to report how: each phase with its time, the address, the certificate, and what failed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Unpack

from mxgateway.errors import (
    CallSite,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayTimeoutError,
    Phase,
    map_fault,
)
from mxgateway.errors.faults import ClosedFault, ConnectFault
from mxgateway.errors.redaction import Gate
from mxgateway.options import ClientOptions, Endpoint, TlsOptions
from mxgateway.system import daemon_threads as threads
from mxgateway.transport.connecting.attempt import Attempt, drop
from mxgateway.transport.connecting.connector import Connector, Progress
from mxgateway.transport.connecting.open_channel import ClientOptionFields, Given
from mxgateway.transport.connecting.resolver import Address
from mxgateway.transport.connecting.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """How a connection was made, or how far it came."""

    endpoint: str
    """The gateway, as ``host:port``."""
    addresses: tuple[str, ...] = ()
    """What the host name stands for, that of the proxy if there is one, in the order of the attempts."""
    address: str = ""
    """The address that was used, or that came farthest; empty if there was none."""
    seconds: Mapping[Phase, float] = field(default_factory=dict, hash=False)
    """The phases that began, in order, and how long each took."""
    certificate: bytes | None = None
    """The gateway's certificate (DER), also if it was refused; None without TLS, or if the gateway showed none."""
    tls_version: str = ""
    """The version of TLS, such as ``TLSv1.3``; empty if there was no handshake."""
    error: MxGatewayError | None = None
    """What failed, the error of `GatewayClient.connect`; None if the gateway has answered the HTTP/2 greeting."""


async def report_connection(
    endpoint: str, options: ClientOptions | None = None, **fields: Unpack[ClientOptionFields]
) -> ConnectionReport:
    """Connect to a gateway as `GatewayClient.connect` does, once, and report how; the connection is closed again.

    No API key is sent. If TLS refuses the certificate, a second connection fetches it: that one ends within the
    handshake, before anything is sent.

    Args:
        endpoint: The gateway's address; only one.
        options: How to connect to the gateway; the whole takes at most twice its `connect_timeout`.
        fields: Fields of `ClientOptions`, instead of `options` or to replace some of them.

    Raises:
        MxGatewayInvalidRequestError: The endpoint or an option is invalid; nothing was sent.
    """
    places, merged = Given(endpoint, options, fields).checked()
    if len(places) > 1:
        raise MxGatewayInvalidRequestError(
            "a report is about one endpoint", hint="report on each by itself", phase="request"
        )
    return await _reported(places[0], merged)


async def _reported(place: Endpoint, options: ClientOptions) -> ConnectionReport:
    progress, error = Progress(), None
    try:
        connection = await Connector(place, options).connect(progress)
    except ConnectFault as fault:
        site = CallSite(endpoint=str(place), timeout=options.connect_timeout, gate=Gate(options.secrets()))
        error = map_fault(fault, site, phase="connect")
    else:
        connection.shut_down(ClosedFault("the connection was only examined"))
        await connection.lost.wait()
    trail = progress.trail
    certificate, silent = trail.certificate, isinstance(error, MxGatewayTimeoutError)
    if certificate is None and not silent and trail.address is not None and "tls" in trail.seconds():
        certificate = await _presented(place, options, trail.address)
    return ConnectionReport(
        endpoint=str(place),
        addresses=tuple(map(_text, progress.addresses)),
        address=_text(trail.address) if trail.address is not None else "",
        seconds={**progress.preparation.seconds(), **trail.seconds()},
        certificate=certificate,
        tls_version=trail.tls_version,
        error=error,
    )


async def _presented(place: Endpoint, options: ClientOptions, address: Address) -> bytes | None:
    """Return the certificate that an address presents, without trusting it; None if it presents none in time."""
    from mxgateway.transport.connecting.tls import Handshake, client_context

    look = _Look()
    context = await threads.run(functools.partial(client_context, TlsOptions(), look))
    attempt = Attempt(place, options, Handshake(context, options.peer_name(place), look))
    with contextlib.suppress(Exception):
        async with asyncio.timeout(options.connect_timeout):
            drop(await attempt.connect(address))
    return look.certificate


class _Look(Trust):
    """Trusts no certificate, but remembers the one that was presented."""

    def __init__(self) -> None:
        self.certificate: bytes | None = None

    def check(self, certificate: bytes) -> None:
        """End the handshake: the certificate was seen."""
        self.certificate = certificate
        raise ssl.SSLError(1, "the certificate was seen")


def _text(address: Address) -> str:
    """Return ``address:port``."""
    host, port = address[1][:2]
    return str(Endpoint(str(host), int(port)))
