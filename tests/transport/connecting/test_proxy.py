"""Through an HTTP proxy: the tunnel, what keeps it from being opened, and that nobody hears the password but the proxy."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, HttpProxy, TlsOptions, proto
from mxgateway.errors import (
    MxGatewayInvalidRequestError,
    MxGatewayTlsError,
)
from tests.peers.http2.raw_peers import (
    Http2Peer,
    Http2Server,
)
from tests.peers.network.certificates import Authority, ServerCertificate
from tests.peers.network.connect_proxy import ConnectProxy
from tests.transport.proxies import GATEWAY, PASSWORD, TOKEN, assert_discreet, call, free_port, serve
from tests.transport.rig import REPLY
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


# -- the tunnel


async def test_plaintext_passes_through_the_proxy_which_resolves_the_gateways_name() -> None:
    async with Http2Server(serve) as server, ConnectProxy(hosts={"gw.plant.invalid": "127.0.0.1"}) as proxy:
        await call(f"gw.plant.invalid:{server.port}", proxy.url, plaintext=True)
        await server.all_gone()
        await proxy.all_gone()
        [tunnel] = proxy.tunnels
        assert (tunnel.target, tunnel.version) == (f"gw.plant.invalid:{server.port}", "HTTP/1.1")
        assert tunnel.fields == {"host": f"gw.plant.invalid:{server.port}"}


async def test_tls_passes_through_the_proxy_and_is_judged_end_to_end(authority: Authority, ca_file: Path) -> None:
    tls = TlsOptions(ca_file=ca_file)
    context = authority.issue("gw.plant.invalid").context()
    async with Http2Server(serve, tls=context) as server:
        async with ConnectProxy(hosts={"gw.plant.invalid": "127.0.0.1", "other.invalid": "127.0.0.1"}) as proxy:
            await call(f"gw.plant.invalid:{server.port}", proxy.url, tls=tls)
            with pytest.raises(MxGatewayTlsError, match="Hostname mismatch"):
                await call(f"other.invalid:{server.port}", proxy.url, tls=tls)
            await server.all_gone()
            await proxy.all_gone()
            assert proxy.connections == 2


async def test_a_known_gateway_is_known_by_its_own_name_and_not_the_proxys(
    own_certificate: ServerCertificate, tmp_path: Path
) -> None:
    file = tmp_path / "known_gateways"
    async with Http2Server(serve, tls=own_certificate.context()) as server, ConnectProxy() as proxy:
        await call(f"127.0.0.1:{server.port}", proxy.url, tls=TlsOptions(known_gateways=file))
        await server.all_gone()
        await proxy.all_gone()
        assert f"127.0.0.1:{server.port} SHA256:" in file.read_text()


@each_row(
    ("user_info", "credentials"),
    [
        (f"op:{PASSWORD}", f"op:{PASSWORD}"),
        ("op", "op:"),
        ("op:", "op:"),
        ("plant%5Cop:p%40ss%3Aw%2Frd%25", "plant\\op:p@ss:w/rd%"),
        ("op:p@ss", "op:p@ss"),
        ("gr%C3%B6%C3%9Fe:%E6%B8%AC", "größe:測"),
    ],
)
async def test_user_and_password_are_shown_to_the_proxy(user_info: str, credentials: str) -> None:
    async with Http2Server(serve) as server, ConnectProxy(credentials=credentials) as proxy:
        await call(server.endpoint, proxy.url_with(user_info), plaintext=True)
        await call(server.endpoint, HttpProxy.parse(proxy.url_with(user_info)), plaintext=True)
        await server.all_gone()
        await proxy.all_gone()
        assert [tunnel.credentials for tunnel in proxy.tunnels] == [credentials] * 2


async def test_each_reconnect_passes_through_the_proxy() -> None:
    async def serve_one(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), REPLY)
        peer.writer.close()

    async with Http2Server(serve_one) as server, ConnectProxy() as proxy:
        async with GatewayClient.connect(server.endpoint, plaintext=True, proxy=proxy.url) as client:
            for _ in range(3):
                await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
                await server.all_gone()
        await proxy.all_gone()
        assert len(proxy.tunnels) == 3


@pytest.mark.parametrize(
    "name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "grpc_proxy"]
)
async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with Http2Server(serve) as server:
        async with GatewayClient.connect(server.endpoint, plaintext=True):
            pass
        await server.all_gone()


async def test_a_gateway_that_speaks_first_is_heard_though_the_proxys_answer_comes_in_the_same_packet() -> None:
    settings = b"\0\0\0\x04\0\0\0\0\0"
    async with ConnectProxy(answer=b"HTTP/1.1 200 OK\r\nVia: plant\r\n\r\n" + settings) as proxy:
        async with GatewayClient.connect(GATEWAY, plaintext=True, proxy=proxy.url, connect_timeout=5.0):
            pass
        await proxy.all_gone()


@each_row(
    "answer",
    [
        b"HTTP/1.0 200 Connection established\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: old\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_every_form_of_consent_opens_the_tunnel(answer: bytes) -> None:
    async with Http2Server(serve) as server, ConnectProxy(opened=answer) as proxy:
        await call(server.endpoint, proxy.url, plaintext=True)
        await server.all_gone()
        await proxy.all_gone()


# -- discretion


async def test_neither_repr_nor_log_shows_the_password(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    async with Http2Server(serve) as server, ConnectProxy(credentials=f"op:{PASSWORD}") as proxy:
        opening = GatewayClient.connect(server.endpoint, plaintext=True, proxy=proxy.url_with(f"op:{PASSWORD}"))
        async with opening as client:
            options = client._channel.options
            for thing in (client, options, options.proxy, options.http_proxy, vars(client._channel)):
                assert PASSWORD not in f"{thing!r} {thing}"
        await proxy.all_gone()
    for record in caplog.records:
        assert not {secret for secret in (PASSWORD, TOKEN) if secret in f"{record.getMessage()} {record.args!r}"}


@each_row(
    "fields",
    [
        {"proxy": f"http://op:{PASSWORD}@127.0.0.1"},
        {"proxy": f"https://op:{PASSWORD}@127.0.0.1:1"},
        {"proxy": f"http://op:{PASSWORD}@127.0.0.1:1", "connect_timeout": -1},
        {"proxy": f"http://op:{PASSWORD}@127.0.0.1:1", "plaintex": True},
        {"proxy": f"http://op:{PASSWORD}@127.0.0.1:1", "plaintext": True, "tls": TlsOptions()},
        {"proxy": f"http://op:{PASSWORD}@127.0.0.1:1", "api_key": "two words"},
    ],
)
async def test_options_that_are_refused_do_not_show_the_password(fields: dict[str, Any]) -> None:
    fields = dict(fields)
    with pytest.raises((MxGatewayInvalidRequestError, TypeError)) as caught:
        await GatewayClient.connect(GATEWAY, **fields)
    assert_discreet(caught.value)
