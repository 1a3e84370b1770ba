"""A tunnel that does not come about: what the proxy says, does or leaves undone is told with its remedy and without a secret."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from mxgateway import GatewayClient, HttpProxy
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayInvalidRequestError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.options import Endpoint
from mxgateway.transport.connecting.proxy import open_tunnel
from tests.peers.http2.raw_peers import (
    RawServer,
    closes_at_once,
    drops_attempts,
    full_backlog,
    says,
    silent,
)
from tests.peers.network.connect_proxy import ConnectProxy
from tests.transport.proxies import GATEWAY, PASSWORD, TOKEN, assert_discreet, connect, free_port, refused
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


# -- what keeps it from being opened


@pytest.mark.parametrize(
    ("user_info", "hint"),
    [("", "http://user:password@host:port"), (f"op:{PASSWORD}@", "does not accept this user name")],
)
async def test_a_proxy_that_wants_other_credentials(user_info: str, hint: str) -> None:
    async with ConnectProxy(credentials="somebody:else") as proxy:
        error = await refused(f"http://{user_info}{proxy.endpoint}")
        await proxy.all_gone()
    assert "407 (Proxy Authentication Required)" in error.message
    assert "Who are you" not in str(error)
    assert hint in error.hint
    assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, False)


async def test_a_proxy_that_does_not_take_basic_authentication() -> None:
    answer = b"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate : NTLM\r\n\r\n"
    async with ConnectProxy(answer=answer) as proxy:
        error = await refused(proxy.url_with(f"op:{PASSWORD}"))
        await proxy.all_gone()
    assert "requires Negotiate, NTLM, this client supports Basic only" in error.hint


@each_row(
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
async def test_a_proxy_that_refuses(status: str, hint: str, retryable: bool) -> None:
    async with ConnectProxy(answer=f"HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nno!".encode()) as proxy:
        error = await refused(proxy.url_with(f"op:{PASSWORD}"))
        await proxy.all_gone()
    assert f"refused the tunnel with HTTP status {status[:3]}" in error.message
    assert hint in error.hint
    assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, retryable)


async def test_a_proxy_that_cannot_reach_the_gateway() -> None:
    async with ConnectProxy() as proxy:
        with pytest.raises(MxGatewayTransportError, match="502"):
            await GatewayClient.connect(f"127.0.0.1:{free_port()}", plaintext=True, proxy=proxy.url)
        await proxy.all_gone()


@each_row(
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
async def test_a_proxy_that_talks_something_else(answer: bytes, text: str) -> None:
    async with RawServer(says(answer)) as proxy:
        error = await refused(f"http://{proxy.endpoint}")
        await proxy.all_gone()
    assert text in error.message


async def test_a_proxy_that_echoes_the_request_spreads_nothing_of_it() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 " + request.replace(b"\r\n", b" ") + b"\r\nProxy-Authenticate: " + TOKEN.encode())
        writer.write(b"\r\n\r\n")
        await silent(reader, writer)

    async with RawServer(echo) as proxy:
        await refused(f"http://op:{PASSWORD}@{proxy.endpoint}")
        await proxy.all_gone()


async def test_a_proxy_that_echoes_half_the_request_and_falls_silent_spreads_nothing_of_it_either() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 " + request.replace(b"\r\n", b" "))
        await silent(reader, writer)

    async with RawServer(echo) as proxy:
        await refused(f"http://op:{PASSWORD}@{proxy.endpoint}", error_class=MxGatewayTimeoutError, connect_timeout=0.6)
        await proxy.all_gone()


async def test_a_request_that_cannot_be_sent_is_in_no_frame_of_the_traceback() -> None:
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
async def test_a_proxy_that_hangs_up(answer: bytes, text: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with RawServer(script) as proxy:
        error = await refused(f"http://op:{PASSWORD}@{proxy.endpoint}")
        await proxy.all_gone()
    assert f"closed the connection {text}" in error.message
    assert error.retryable


async def test_a_proxy_that_resets() -> None:
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


async def test_a_proxy_that_stays_silent() -> None:
    async with RawServer(silent) as proxy:
        error = await refused(
            f"http://op:{PASSWORD}@{proxy.endpoint}", error_class=MxGatewayTimeoutError, connect_timeout=0.6
        )
        await proxy.all_gone()
    assert "within 0.6 s" in error.message
    assert "did not answer" in error.message
    assert error.grpc_status is GrpcStatus.DEADLINE_EXCEEDED


async def test_a_tunnel_in_which_nobody_speaks() -> None:
    async with ConnectProxy(answer=b"HTTP/1.1 200 OK\r\n\r\n") as proxy:
        for phase, options in {"tls": {}, "http2": {"plaintext": True}}.items():
            error = await refused(proxy.url, phase, MxGatewayTimeoutError, connect_timeout=0.6, **options)  # type: ignore[arg-type]
            assert "nothing came through the tunnel" in error.message
        await proxy.all_gone()


async def test_a_tunnel_that_ends_at_once() -> None:
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


async def test_nobody_listens_where_the_proxy_should() -> None:
    error = await refused(f"http://op:{PASSWORD}@127.0.0.1:{free_port()}", "connect")
    assert "nothing is listening on the proxy" in error.message
    assert error.retryable


async def test_the_proxys_name_is_unknown() -> None:
    error = await refused("http://no-such-proxy.invalid:3128", "resolve")
    assert "the host name of the proxy http://no-such-proxy.invalid:3128 cannot be resolved" in error.message


@drops_attempts
async def test_the_proxy_does_not_answer_to_syn() -> None:
    with full_backlog() as (host, port):
        error = await refused(f"http://{host}:{port}", "connect", MxGatewayTimeoutError, connect_timeout=0.6)
    assert "could not be reached" in error.message


async def test_a_name_that_dns_could_not_carry_is_not_asked_of_the_proxy() -> None:
    async with RawServer(closes_at_once) as proxy:
        with pytest.raises(MxGatewayInvalidRequestError, match="is not a host name"):
            await GatewayClient.connect("a..b:5001", proxy=f"http://{proxy.endpoint}")
        assert proxy.connections == 0


async def test_giving_up_while_the_proxy_thinks_closes_the_connection() -> None:
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
