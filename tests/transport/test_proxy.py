"""Through an HTTP proxy: the tunnel, what keeps it from being opened, and that nobody hears the password but the proxy."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, HttpProxy, TlsOptions, proto
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayTimeoutError,
    MxGatewayTlsError,
    MxGatewayTransportError,
    Phase,
)
from mxgateway.options import Endpoint
from mxgateway.transport.connecting.proxy import open_tunnel
from tests.peers.certificates import Authority, ServerCertificate
from tests.peers.connect_proxy import ConnectProxy
from tests.peers.raw_peers import (
    Http2Peer,
    Http2Server,
    RawServer,
    closes_at_once,
    drops_attempts,
    full_backlog,
    says,
    silent,
)
from tests.peers.tracebacks import told
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KEY = "mxgw_op_proxy-secret"
PASSWORD = "pr0xy-p4ssword"
TOKEN = "b3A6cHIweHktcDRzc3dvcmQ="  # op:pr0xy-p4ssword
GATEWAY = "gw.plant:5001"


async def serve(peer: Http2Peer) -> None:
    await peer.serve(REPLY)


async def call(endpoint: str, proxy: str | HttpProxy, **options: Any) -> None:
    async with GatewayClient.connect(endpoint, api_key=KEY, proxy=proxy, connect_timeout=5.0, **options) as client:
        reply = await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
        assert reply.diagnostic_message == "answered"


async def refused(
    proxy: str, phase: Phase = "proxy", error_class: type[MxGatewayError] = MxGatewayTransportError, **options: Any
) -> MxGatewayError:
    """Return the error of a connection to the gateway that the proxy does not let come about."""
    options = {"api_key": KEY, "connect_timeout": 5.0, **options}
    with pytest.raises(MxGatewayError) as caught:
        await GatewayClient.connect(GATEWAY, proxy=proxy, **options)
    error = caught.value
    assert (type(error), error.phase, error.endpoint) == (error_class, phase, GATEWAY)
    assert str(error).isprintable()
    assert GATEWAY in error.message
    assert f"the proxy http://{proxy.rpartition('@')[2].removeprefix('http://')}" in error.message
    assert error.hint
    assert "defect" not in str(error)
    assert_discreet(error)
    return error


def assert_discreet(error: BaseException) -> None:
    for secret in (PASSWORD, TOKEN, KEY):
        assert secret not in told(error)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# -- the tunnel


async def test_plaintext_passes_through_the_proxy_which_resolves_the_gateways_name():
    async with Http2Server(serve) as server, ConnectProxy(hosts={"gw.plant.invalid": "127.0.0.1"}) as proxy:
        await call(f"gw.plant.invalid:{server.port}", proxy.url, plaintext=True)
        await server.all_gone()
        await proxy.all_gone()
        [tunnel] = proxy.tunnels
        assert (tunnel.target, tunnel.version) == (f"gw.plant.invalid:{server.port}", "HTTP/1.1")
        assert tunnel.fields == {"host": f"gw.plant.invalid:{server.port}"}


async def test_tls_passes_through_the_proxy_and_is_judged_end_to_end(authority: Authority, ca_file: Path):
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
):
    file = tmp_path / "known_gateways"
    async with Http2Server(serve, tls=own_certificate.context()) as server, ConnectProxy() as proxy:
        await call(f"127.0.0.1:{server.port}", proxy.url, tls=TlsOptions(known_gateways=file))
        await server.all_gone()
        await proxy.all_gone()
        assert f"127.0.0.1:{server.port} SHA256:" in file.read_text()


@pytest.mark.parametrize(
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
async def test_user_and_password_are_shown_to_the_proxy(user_info: str, credentials: str):
    async with Http2Server(serve) as server, ConnectProxy(credentials=credentials) as proxy:
        await call(server.endpoint, proxy.url_with(user_info), plaintext=True)
        await call(server.endpoint, HttpProxy.parse(proxy.url_with(user_info)), plaintext=True)
        await server.all_gone()
        await proxy.all_gone()
        assert [tunnel.credentials for tunnel in proxy.tunnels] == [credentials] * 2


async def test_each_reconnect_passes_through_the_proxy():
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
async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with Http2Server(serve) as server:
        async with GatewayClient.connect(server.endpoint, plaintext=True):
            pass
        await server.all_gone()


async def test_a_gateway_that_speaks_first_is_heard_though_the_proxys_answer_comes_in_the_same_packet():
    settings = b"\0\0\0\x04\0\0\0\0\0"
    async with ConnectProxy(answer=b"HTTP/1.1 200 OK\r\nVia: plant\r\n\r\n" + settings) as proxy:
        async with GatewayClient.connect(GATEWAY, plaintext=True, proxy=proxy.url, connect_timeout=5.0):
            pass
        await proxy.all_gone()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 Connection established\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\nServer: old\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_every_form_of_consent_opens_the_tunnel(answer: bytes):
    async with Http2Server(serve) as server, ConnectProxy(opened=answer) as proxy:
        await call(server.endpoint, proxy.url, plaintext=True)
        await server.all_gone()
        await proxy.all_gone()


# -- what keeps it from being opened


@pytest.mark.parametrize(
    ("user_info", "hint"),
    [("", "http://user:password@host:port"), (f"op:{PASSWORD}@", "does not accept this user name")],
)
async def test_a_proxy_that_wants_other_credentials(user_info: str, hint: str):
    async with ConnectProxy(credentials="somebody:else") as proxy:
        error = await refused(f"http://{user_info}{proxy.endpoint}")
        await proxy.all_gone()
    assert "407 (Proxy Authentication Required)" in error.message
    assert "Who are you" not in str(error)
    assert hint in error.hint
    assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, False)


async def test_a_proxy_that_does_not_take_basic_authentication():
    answer = b"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate : NTLM\r\n\r\n"
    async with ConnectProxy(answer=answer) as proxy:
        error = await refused(proxy.url_with(f"op:{PASSWORD}"))
        await proxy.all_gone()
    assert "requires Negotiate, NTLM, this client supports Basic only" in error.hint


@pytest.mark.parametrize(
    ("status", "hint", "retryable"),
    [
        ("403 Forbidden", "have the proxy allow connections", False),
        ("502 Bad Gateway", "as seen from the proxy's network", True),
        ("503 Service Unavailable", "as seen from the proxy's network", True),
        ("504 Gateway Timeout", "as seen from the proxy's network", True),
        ("400 Bad Request", "HTTP proxy that opens tunnels", False),
        ("405 Method Not Allowed", "HTTP proxy that opens tunnels", False),
        ("302 Found", "HTTP proxy that opens tunnels", False),
        ("101 Switching Protocols", "HTTP proxy that opens tunnels", False),
        ("599 Of Its Own", "HTTP proxy that opens tunnels", False),
    ],
)
async def test_a_proxy_that_refuses(status: str, hint: str, retryable: bool):
    async with ConnectProxy(answer=f"HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nno!".encode()) as proxy:
        error = await refused(proxy.url_with(f"op:{PASSWORD}"))
        await proxy.all_gone()
    assert f"refused the tunnel with HTTP status {status[:3]}" in error.message
    assert hint in error.hint
    assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, retryable)


async def test_a_proxy_that_cannot_reach_the_gateway():
    async with ConnectProxy() as proxy:
        with pytest.raises(MxGatewayTransportError, match="502"):
            await GatewayClient.connect(f"127.0.0.1:{free_port()}", plaintext=True, proxy=proxy.url)
        await proxy.all_gone()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP/1"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "not HTTP/1"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 OK\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 999 Odd\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 20_000, "more than 16384 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 2000, "more than 16384 bytes"),
    ],
)
async def test_a_proxy_that_talks_something_else(answer: bytes, text: str):
    async with RawServer(says(answer)) as proxy:
        error = await refused(f"http://{proxy.endpoint}")
        await proxy.all_gone()
    assert text in error.message


async def test_a_proxy_that_echoes_the_request_spreads_nothing_of_it():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 " + request.replace(b"\r\n", b" ") + b"\r\nProxy-Authenticate: " + TOKEN.encode())
        writer.write(b"\r\n\r\n")
        await silent(reader, writer)

    async with RawServer(echo) as proxy:
        await refused(f"http://op:{PASSWORD}@{proxy.endpoint}")
        await proxy.all_gone()


async def test_a_proxy_that_echoes_half_the_request_and_falls_silent_spreads_nothing_of_it_either():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 " + request.replace(b"\r\n", b" "))
        await silent(reader, writer)

    async with RawServer(echo) as proxy:
        await refused(f"http://op:{PASSWORD}@{proxy.endpoint}", error_class=MxGatewayTimeoutError, connect_timeout=0.6)
        await proxy.all_gone()


async def test_a_request_that_cannot_be_sent_is_in_no_frame_of_the_traceback():
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        ours.setblocking(False)
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number differs between systems
            await open_tunnel(ours, HttpProxy.parse(f"http://op:{PASSWORD}@proxy:3128"), Endpoint("gw.plant", 5001))
    assert_discreet(caught.value)


@pytest.mark.parametrize(
    ("answer", "text"), [(b"", "instead of answering"), (b"HTTP/1.1 20", "in the middle of its answer")]
)
async def test_a_proxy_that_hangs_up(answer: bytes, text: str):
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with RawServer(script) as proxy:
        error = await refused(f"http://op:{PASSWORD}@{proxy.endpoint}")
        await proxy.all_gone()
    assert f"closed the connection {text}" in error.message
    assert error.retryable


async def test_a_proxy_that_resets():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with RawServer(script) as proxy:
        error = await refused(f"http://op:{PASSWORD}@{proxy.endpoint}")
        await proxy.all_gone()
    assert "the connection to the proxy" in error.message
    assert error.retryable


async def test_a_proxy_that_stays_silent():
    async with RawServer(silent) as proxy:
        error = await refused(
            f"http://op:{PASSWORD}@{proxy.endpoint}", error_class=MxGatewayTimeoutError, connect_timeout=0.6
        )
        await proxy.all_gone()
    assert "within 0.6 s" in error.message
    assert "did not answer" in error.message
    assert error.grpc_status is GrpcStatus.DEADLINE_EXCEEDED


async def test_a_tunnel_in_which_nobody_speaks():
    async with ConnectProxy(answer=b"HTTP/1.1 200 OK\r\n\r\n") as proxy:
        for phase, options in {"tls": {}, "http2": {"plaintext": True}}.items():
            error = await refused(proxy.url, phase, MxGatewayTimeoutError, connect_timeout=0.6, **options)  # type: ignore[arg-type]
            assert "nothing came through the tunnel" in error.message
        await proxy.all_gone()


async def test_a_tunnel_that_ends_at_once():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with RawServer(script) as proxy:
        error = await refused(f"http://{proxy.endpoint}", "tls")
        assert "the tunnel of the proxy" in error.message
        with pytest.raises(MxGatewayTransportError) as caught:  # whether it reads the end first, or writes
            await GatewayClient.connect(GATEWAY, proxy=f"http://{proxy.endpoint}", plaintext=True)
        assert caught.value.phase == "http2"
        await proxy.all_gone()


async def test_nobody_listens_where_the_proxy_should():
    error = await refused(f"http://op:{PASSWORD}@127.0.0.1:{free_port()}", "connect")
    assert "nothing is listening on the proxy" in error.message
    assert error.retryable


async def test_the_proxys_name_is_unknown():
    error = await refused("http://no-such-proxy.invalid:3128", "resolve")
    assert "the host name of the proxy http://no-such-proxy.invalid:3128 cannot be resolved" in error.message


@drops_attempts
async def test_the_proxy_does_not_answer_to_syn():
    with full_backlog() as (host, port):
        error = await refused(f"http://{host}:{port}", "connect", MxGatewayTimeoutError, connect_timeout=0.6)
    assert "could not be reached" in error.message


async def test_a_name_that_dns_could_not_carry_is_not_asked_of_the_proxy():
    async with RawServer(closes_at_once) as proxy:
        with pytest.raises(MxGatewayInvalidRequestError, match="is not a host name"):
            await GatewayClient.connect("a..b:5001", proxy=f"http://{proxy.endpoint}")
        assert proxy.connections == 0


async def test_giving_up_while_the_proxy_thinks_closes_the_connection():
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await silent(reader, writer)

    asked = asyncio.Event()
    async with RawServer(script) as proxy:
        connecting = asyncio.ensure_future(connect(f"http://op:{PASSWORD}@{proxy.endpoint}"))
        await asked.wait()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await proxy.all_gone()


async def connect(proxy: str) -> None:
    await GatewayClient.connect(GATEWAY, proxy=proxy)


# -- discretion


async def test_neither_repr_nor_log_shows_the_password(caplog: pytest.LogCaptureFixture):
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


@pytest.mark.parametrize(
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
async def test_options_that_are_refused_do_not_show_the_password(fields: dict[str, Any]):
    fields = dict(fields)
    with pytest.raises((MxGatewayInvalidRequestError, TypeError)) as caught:
        await GatewayClient.connect(GATEWAY, **fields)
    assert_discreet(caught.value)
