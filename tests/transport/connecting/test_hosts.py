"""One form of a host for each use: what is resolved, what TLS sends and verifies, what calls name, what a proxy hears."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mxgateway import ClientOptions, GatewayClient, MxGatewayInvalidRequestError, TlsOptions, proto
from mxgateway.errors import GrpcStatus, MxGatewayTransportError
from mxgateway.options.hosts import authority_defect
from mxgateway.transport.connecting.resolver import Resolver
from tests.peers.http2.raw_peers import Http2Peer, Http2Server
from tests.peers.network.certificates import Authority
from tests.peers.network.connect_proxy import ConnectProxy
from tests.rows import each_row
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

NAMES = ("gw.plant", "xn--strae-oqa.plant", "10.0.0.7", "::1")


@dataclass
class Heard:
    """What the peers hear of the host."""

    port: int = 0
    resolved: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    authorities: list[str] = field(default_factory=list)


@asynccontextmanager
async def listening(
    certificate: Authority | None, monkeypatch: pytest.MonkeyPatch, *, strict: bool = False
) -> AsyncIterator[Heard]:
    """Be the gateway of every host; a strict one answers 421 unless the two names are the same."""
    heard = Heard()

    async def answer(peer: Http2Peer) -> None:
        request = await peer.request()
        authority = (request.header(b":authority") or b"").decode()
        heard.authorities.append(authority)
        if strict and authority.rpartition(":")[0] != heard.names[-1]:
            await peer.send(peer.headers(request.stream_id, [(b":status", b"421")], end=True))
        else:
            await peer.reply(request, REPLY)
        await peer.until_gone()

    tls = certificate.issue(*NAMES).context() if certificate is not None else None
    if tls is not None:
        tls.sni_callback = lambda _, name, __: heard.names.append(name)
    async with Http2Server(answer, tls=tls) as server:

        async def look_up(resolver: Resolver) -> list[Any]:
            heard.resolved.append(resolver._host)
            return [(socket.AF_INET, ("127.0.0.1", server.port))]

        monkeypatch.setattr(Resolver, "addresses", look_up)
        heard.port = server.port
        yield heard
        await server.all_gone()


async def call(endpoint: str, **options: Any) -> None:
    async with GatewayClient.connect(endpoint, **options) as client:
        await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))


@pytest.mark.parametrize(
    ("written", "resolved", "name", "authority"),
    [
        ("gw.plant", "gw.plant", "gw.plant", "gw.plant"),
        ("gw.plant.", "gw.plant.", "gw.plant", "gw.plant"),
        ("GW.Plant", "GW.Plant", "gw.plant", "gw.plant"),
        ("straße.plant", "xn--strae-oqa.plant", "xn--strae-oqa.plant", "xn--strae-oqa.plant"),
        ("10.0.0.7", "10.0.0.7", None, "10.0.0.7"),
        ("[::1]", "::1", None, "[::1]"),
        ("[::1%1]", "::1%1", None, "[::1]"),
        ("[0:0::0001%eth0]", "0:0::0001%eth0", None, "[::1]"),
    ],
)
async def test_a_host_has_one_form_for_each_use(
    written: str, resolved: str, name: str | None, authority: str,
    authority_: Authority, ca: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async with listening(authority_, monkeypatch) as heard:
        await call(f"{written}:5001", tls=TlsOptions(ca_file=ca))
        await call(f"{written}:5001")
    assert heard.resolved == [resolved] * 2
    assert heard.names == [name] * 2
    assert heard.authorities == [f"{authority}:5001"] * 2
    async with listening(None, monkeypatch) as heard:
        await call(f"{written}:5001", plaintext=True)
    assert heard.authorities == [f"{authority}:5001"]


@pytest.fixture(scope="module")
def authority_() -> Authority:
    return Authority()


@pytest.fixture
def ca(authority_: Authority, tmp_path: Path) -> Path:
    return authority_.write(tmp_path / "ca.pem")


async def test_an_overridden_name_is_the_one_of_tls_and_of_calls(
    authority_: Authority, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(authority_, monkeypatch, strict=True) as heard:
        for name in ("gw.plant", "GW.plant.", "straße.plant"):
            await call("192.0.2.1:5001", tls=TlsOptions(ca_file=ca, server_name_override=name))
    assert heard.names == ["gw.plant", "gw.plant", "xn--strae-oqa.plant"]
    assert heard.authorities == [f"{name}:5001" for name in heard.names]


async def test_an_authority_of_its_own_is_sent_as_it_is_and_tls_stays(
    authority_: Authority, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(authority_, monkeypatch) as heard:
        await call("gw.plant:5001", authority="route.example", tls=TlsOptions(ca_file=ca))
        await call("gw.plant:5001", authority="route.example:443", tls=TlsOptions(ca_file=ca))
    assert heard.names == ["gw.plant", "gw.plant"]
    assert heard.authorities == ["route.example", "route.example:443"]


async def test_a_misdirected_request_is_explained(
    authority_: Authority, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(authority_, monkeypatch, strict=True):
        with pytest.raises(MxGatewayTransportError, match="does not answer for this host name") as caught:
            await call("gw.plant:5001", authority="route.example:5001", tls=TlsOptions(ca_file=ca))
    assert "set authority or server_name_override" in caught.value.hint
    assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.UNKNOWN, False)


async def test_a_proxy_resolves_the_name_as_written_and_hears_no_zone() -> None:
    async with ConnectProxy(answer=b"HTTP/1.1 403 No\r\n\r\n") as proxy:
        for written in ("gw.plant.", "[fe80::1%eth0]", "straße.plant"):
            with pytest.raises(MxGatewayTransportError):
                await GatewayClient.connect(f"{written}:5001", proxy=proxy.url)
        await proxy.all_gone()
    assert [tunnel.target for tunnel in proxy.tunnels] == [
        "gw.plant.:5001", "[fe80::1]:5001", "xn--strae-oqa.plant:5001",
    ]  # fmt: skip


@each_row(
    "text",
    [
        "",
        "gw plant",
        "user@gw",
        "gw:0",
        "gw:65536",
        "gw:x",
        "::1",
        "[::1%1]:5001",
        "süd",
        "gw/x",
        "gw\r\nx: y",
        ":5001",
        7,
    ],
)
def test_what_is_no_authority_is_refused(text: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="authority is"):
        ClientOptions(authority=text)


@each_row("text", ["gw", "gw.plant.", "gw:5001", "10.0.0.7:1", "[::1]", "[::1]:5001"])
def test_what_is_an_authority_is_taken(text: str) -> None:
    assert authority_defect(text) == ""
    assert ClientOptions(authority=text).authority == text
