"""A client whose connection is gone meets, in place of its gateway, something else: each case, and that the next call succeeds.

The client has a connection and loses it. Behind the same endpoint there is then no gateway, until there is one again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, TlsOptions, proto
from mxgateway.errors import GrpcStatus, MxGatewayTimeoutError, MxGatewayTlsError, Phase
from mxgateway.testing.network.fault_proxy import FaultProxy, Pipe
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.raw_server import (
    HALF_GREETING,
    RawServer,
    closes_at_once,
    drops_attempts,
    full_backlog,
    http1,
    http1_status,
    resets_at_once,
    says,
    silent,
)
from tests.peers.http2.scripts import answers
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.transport.fault_rows import (
    Ending,
    bounded,
    broken,
    lost,
    next_call_succeeds,
    nothing_escapes,
    open_channel,
    raising,
    unary_ends,
)
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

HASTY = 0.3
"""Seconds that a connection may take where none comes about by itself."""


# -- what stands in place of the gateway


@dataclass(frozen=True)
class Certificates:
    """What the peers of one test present."""

    authority: Authority
    good: ServerCertificate


Peer = Callable[[Certificates], RawServer]


def bare(script: Any) -> Peer:
    """Return a TCP server that is no gateway."""
    return lambda _: RawServer(script)


def presenting(certificate: Callable[[Certificates], ServerCertificate], **context: Any) -> Peer:
    """Return a gateway behind another certificate, or with another idea of TLS."""
    return lambda has: Http2Server(answers(REPLY), tls=certificate(has).context(**context))


def switch(name: str, *arguments: Any) -> Callable[[FaultProxy], None]:
    """Return what makes the network bad for all further connections."""
    return lambda proxy: getattr(proxy.both, name)(*arguments, on="new")


# -- how the call ends


def refused(text: str) -> Ending:
    """The certificate is not the one to be trusted."""
    return Ending(error=MxGatewayTlsError, status=GrpcStatus.UNAVAILABLE, text=text, phase="tls")


def unreachable(text: str, phase: Phase) -> Ending:
    """No connection came about, and a later one may."""
    return replace(lost(text), phase=phase)


def too_late(phase: Phase) -> Ending:
    """The connection took too long."""
    return Ending(
        error=MxGatewayTimeoutError, status=GrpcStatus.DEADLINE_EXCEEDED, text=f"within {HASTY:g} s", phase=phase
    )


@dataclass(frozen=True)
class Row:
    """What the client meets, and how its call ends."""

    ending: Ending
    peer: Peer | None = None
    network: Callable[[FaultProxy], None] | None = None
    tls: str = "plaintext"
    """How the client judges certificates: "plaintext" not at all, "ca" by an authority, "first use" by the first one."""


NO_HTTP2 = "its answer is not HTTP/2"

ROWS = {
    "a web server that speaks HTTP/1": Row(broken("answered in HTTP/1", phase="http2"), bare(http1)),
    "a proxy that answers HTTP/1 503": Row(broken("answered in HTTP/1", phase="http2"), bare(http1_status(503))),
    "a server of something else": Row(broken(NO_HTTP2, phase="http2"), bare(says(b"220 mail.plant ESMTP ready\r\n"))),
    "noise": Row(broken(NO_HTTP2, phase="http2"), bare(says(bytes(range(256)) * 100))),
    "TLS where plaintext is expected": Row(
        broken("answered in TLS to a plaintext greeting", phase="http2"), bare(says(b"\x15\3\3\0\2\2\x46"))
    ),
    "a server that closes at once": Row(
        unreachable("closed the connection instead of", "http2"), bare(closes_at_once)
    ),
    "a server that resets at once": Row(unreachable("connection", "http2"), bare(resets_at_once)),
    "a server that says nothing": Row(too_late("http2"), bare(silent)),
    "half a greeting": Row(too_late("http2"), bare(says(HALF_GREETING))),
    "a network that swallows everything": Row(too_late("http2"), network=switch("black_hole")),
    "a frozen network": Row(too_late("http2"), network=switch("freeze")),
    "a network that resets within the greeting": Row(
        unreachable("", "http2"), network=lambda proxy: proxy.to_client.limit(5, Pipe.reset, on="new")
    ),
    "a network that closes within the greeting": Row(
        broken("closed the connection instead of", phase="http2"),
        network=lambda proxy: proxy.to_client.limit(5, Pipe.close, on="new"),
    ),
    "TLS without ALPN": Row(
        broken("offers no protocol instead of HTTP/2 (ALPN)", phase="http2"), presenting(lambda has: has.good, alpn=()),
        tls="ca",
    ),
    "TLS for HTTP/1 only": Row(
        broken("offers no protocol instead of HTTP/2 (ALPN)", phase="http2"),
        presenting(lambda has: has.good, alpn=("http/1.1",)), tls="ca",
    ),
    "plaintext where TLS is expected": Row(unreachable("", "tls"), bare(closes_at_once), tls="ca"),
    "TLS that says nothing": Row(too_late("tls"), bare(silent), tls="ca"),
    "a certificate of another authority": Row(
        refused("self-signed certificate"), presenting(lambda has: self_signed()), tls="ca"
    ),
    "a certificate for another host": Row(
        refused("mismatch"), presenting(lambda has: has.authority.issue("gw.plant")), tls="ca"
    ),
    "an expired certificate": Row(
        refused("certificate has expired"), presenting(lambda has: has.authority.expired("127.0.0.1")), tls="ca"
    ),
    "a certificate that is not valid yet": Row(
        refused("not yet valid"), presenting(lambda has: has.authority.not_yet_valid("127.0.0.1")), tls="ca"
    ),
    "a changed certificate": Row(
        refused("is not the trusted one"), presenting(lambda has: self_signed()), tls="first use"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
async def test_a_call_that_finds_no_gateway_ends_as_its_row_says_and_the_next_one_succeeds(
    name: str, authority: Authority, ca_file: Path
) -> None:
    row = ROWS[name]
    certificates = Certificates(authority, authority.issue("127.0.0.1"))
    judging: dict[str, dict[str, Any]] = {
        "plaintext": {"plaintext": True},
        "ca": {"tls": TlsOptions(ca_file=ca_file)},
        "first use": {},
    }
    tls = None if row.tls == "plaintext" else certificates.good.context()
    hasty = HASTY if row.ending.error is MxGatewayTimeoutError else 10.0
    async with (
        nothing_escapes(),
        Http2Server(answers(REPLY), tls=tls) as gateway,
        FaultProxy(gateway.port) as proxy,
        standing_in(row, certificates) as port,
        GatewayClient.connect(proxy.endpoint, connect_timeout=hasty, **judging[row.tls]) as client,
    ):
        assert await answered(client)
        if row.network is not None:
            row.network(proxy)
        proxy.target_port = port or gateway.port
        proxy.reset_all()
        await until_lost(client)
        async with bounded(row.ending), raising(row.ending):
            await client.invoke_raw(proto.MxCommandRequest(), timeout=row.ending.bound)
        proxy.target_port = gateway.port
        proxy.both.heal()
        assert await answered(client)


@asynccontextmanager
async def standing_in(row: Row, certificates: Certificates) -> AsyncIterator[int]:
    """Give the port of what a row puts in place of the gateway; 0 where that is the network's fault."""
    if row.peer is None:
        yield 0
        return
    async with row.peer(certificates) as peer:
        yield peer.port
        await peer.all_gone()
        if isinstance(peer, Http2Server):
            assert not any(each.begun for each in peer.peers)  # no request, and so no key


async def answered(client: GatewayClient) -> bool:
    """Make a call that the gateway answers."""
    reply = await client.invoke_raw(proto.MxCommandRequest(), timeout=10.0)
    return reply.diagnostic_message == "answered"


async def until_lost(client: GatewayClient) -> None:
    """Wait until the client has noticed that its connection is gone."""
    async with asyncio.timeout(10.0):
        while client.stats().connected:
            await asyncio.sleep(0.001)


async def test_a_host_that_refuses_connections_and_then_accepts_them_again() -> None:
    async with (
        Http2Server(answers(REPLY)) as gateway,
        FaultProxy(gateway.port) as proxy,
        GatewayClient.connect(proxy.endpoint, plaintext=True) as client,
    ):
        await proxy.refuse()
        proxy.reset_all()
        await until_lost(client)
        for _ in range(2):
            async with raising(unreachable("nothing is listening", "connect")):
                await client.invoke_raw(proto.MxCommandRequest())
        await proxy.accept()
        assert await answered(client)


# -- names and addresses

UNKNOWN = "no-such-gateway.invalid"
LeadTo = Callable[[tuple[str, int]], None]


@pytest.fixture
def lead_to(monkeypatch: pytest.MonkeyPatch) -> LeadTo:
    """Return what makes the unknown name lead to an address, as if it had been registered."""
    resolve = socket.getaddrinfo

    def lead_to(address: tuple[str, int]) -> None:
        def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
            if host in (UNKNOWN, UNKNOWN.encode()):
                return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]
            return resolve(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return lead_to


async def test_a_name_that_is_unknown_and_then_registered(lead_to: LeadTo) -> None:
    async with Http2Server(answers(REPLY)) as gateway, open_channel(f"{UNKNOWN}:5000") as channel:
        await unary_ends(channel, unreachable(f"the host name of {UNKNOWN}:5000 cannot be resolved", "resolve"))
        lead_to(("127.0.0.1", gateway.port))
        await next_call_succeeds(channel)


@drops_attempts
async def test_an_address_that_drops_every_attempt_and_then_another_one(lead_to: LeadTo) -> None:
    async with (
        Http2Server(answers(REPLY)) as gateway,
        open_channel(f"{UNKNOWN}:5000", connect_timeout=HASTY) as channel,
    ):
        with full_backlog() as address:
            lead_to(address)
            await unary_ends(channel, too_late("connect"))
        lead_to(("127.0.0.1", gateway.port))
        await next_call_succeeds(channel)
