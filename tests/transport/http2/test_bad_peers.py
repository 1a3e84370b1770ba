"""No gateway behind the endpoint: one clear line, the right class and phase, in time, and nothing left open."""

import asyncio
import socket
from typing import Any

import pytest

from mxgateway import GatewayClient
from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayProtocolError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    Phase,
)
from mxgateway.errors.faults import NotHttp2Fault
from tests.peers.http2.raw_peers import (
    HALF_GREETING,
    Http2Peer,
    Http2Server,
    RawServer,
    StreamScript,
    closes_at_once,
    drops_attempts,
    full_backlog,
    http1,
    says,
    silent,
    unknown_frame,
)
from tests.peers.network.certificates import ServerCertificate
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KEY = "mxgw_op_bad-peer-secret"


async def refused(endpoint: str, error_class: type[MxGatewayError], phase: Phase, **options: Any) -> MxGatewayError:
    """Return the error of a connection that does not come about."""
    options = {"plaintext": True, "connect_timeout": 5.0, "api_key": KEY, **options}
    with pytest.raises(MxGatewayError) as caught:
        await GatewayClient.connect(endpoint, **options)
    error = caught.value
    assert type(error) is error_class
    assert (error.phase, error.endpoint, error.method) == (phase, endpoint, "")
    assert str(error).isprintable()
    assert endpoint in error.message
    assert error.hint
    assert "report it" not in str(error)
    return error


def causes(error: BaseException) -> list[type[BaseException]]:
    """Return the classes of the causes of an error, the root last."""
    return [] if error.__cause__ is None else [type(error.__cause__), *causes(error.__cause__)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nothing_listens(host: str) -> None:
    error = await refused(f"{host}:{free_port()}", MxGatewayTransportError, "connect")
    assert "nothing is listening" in error.message
    assert causes(error)[-1] is ConnectionRefusedError
    assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, True)


async def test_a_host_name_that_nobody_knows() -> None:
    error = await refused("no-such-gateway.invalid:5000", MxGatewayTransportError, "resolve")
    assert "cannot be resolved" in error.message
    assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, True)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".plant"])
async def test_a_host_name_that_dns_cannot_carry(host: str) -> None:
    error = await refused(f"{host}:5000", MxGatewayTransportError, "resolve")
    assert "cannot be resolved" in error.message


async def test_a_server_that_answers_in_http1() -> None:
    async with RawServer(http1) as server:
        error = await refused(server.endpoint, MxGatewayProtocolError, "http2")
        assert "HTTP/1" in error.message
        assert causes(error)[-1] is NotHttp2Fault
        await server.all_gone()


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "TLS"])
async def test_a_peer_that_accepts_and_stays_silent(tls: bool) -> None:
    async with RawServer(silent) as server:
        error = await refused(
            server.endpoint, MxGatewayTimeoutError, "tls" if tls else "http2", connect_timeout=0.5, plaintext=not tls
        )
        assert "within 0.5 s" in error.message
        assert error.grpc_status is GrpcStatus.DEADLINE_EXCEEDED
        await server.all_gone()


@drops_attempts
async def test_a_peer_that_accepts_no_connection() -> None:
    with full_backlog() as address:
        error = await refused(f"127.0.0.1:{address[1]}", MxGatewayTimeoutError, "connect", connect_timeout=0.3)
        assert "within 0.3 s" in error.message


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "TLS"])
async def test_a_peer_that_closes_without_a_byte_may_be_a_forwarder_whose_gateway_restarts(tls: bool) -> None:
    async with RawServer(closes_at_once) as server:
        phase: Phase = "tls" if tls else "http2"
        error = await refused(server.endpoint, MxGatewayTransportError, phase, plaintext=not tls)
        assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, True)
        assert tls or "closed the connection instead of answering" in error.message
        await server.all_gone()


async def test_a_peer_that_closes_after_the_tls_handshake_may_be_a_forwarder_as_well(
    own_certificate: ServerCertificate,
) -> None:
    async with RawServer(closes_at_once, tls=own_certificate.context()) as server:
        error = await refused(server.endpoint, MxGatewayTransportError, "http2", plaintext=False)
        assert (error.grpc_status, error.retryable) == (GrpcStatus.UNAVAILABLE, True)
        assert "maybe because it requires a client certificate" in error.message
        await server.all_gone()


async def test_a_peer_that_closes_in_the_middle_of_its_greeting_is_no_gateway() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(HALF_GREETING)

    async with RawServer(script) as server:
        error = await refused(server.endpoint, MxGatewayProtocolError, "http2")
        assert "closed the connection instead of answering" in error.message
        await server.all_gone()


async def test_a_peer_that_resets_at_once() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with RawServer(script) as server:
        with pytest.raises(MxGatewayTransportError) as caught:
            await GatewayClient.connect(server.endpoint, plaintext=True)
        assert caught.value.phase == "http2"


@each_row(
    ("answer", "text"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "its answer is not HTTP/2"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "answered in TLS"),
        (b"220 mail.plant ESMTP ready\r\n", "its answer is not HTTP/2"),
        (bytes(range(256)) * 100, "its answer is not HTTP/2"),
        (b"\0" * 9, "its answer is not HTTP/2"),
        (b"\xff\xff\xff\x04\0\0\0\0\0", "a frame of 16777215 bytes"),
        (b"\0\0\x05\x04\0\0\0\0\0" + b"x" * 5, "broke HTTP/2"),
        (b"\0\0\x06\x04\0\0\0\0\0" + b"\0\x04\xff\xff\xff\xff", "broke HTTP/2"),
    ],
)
async def test_a_peer_that_talks_something_else(answer: bytes, text: str) -> None:
    async with RawServer(says(answer)) as server:
        error = await refused(server.endpoint, MxGatewayProtocolError, "http2")
        assert text in error.message
        await server.all_gone()


async def test_a_greeting_that_comes_byte_by_byte_is_a_greeting() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"\0\0\0\x04\0\0\0\0\0":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await silent(reader, writer)

    async with RawServer(script) as server:
        async with GatewayClient.connect(server.endpoint, plaintext=True):
            pass
        await server.all_gone()


async def test_a_gateway_that_goes_away_right_after_the_greeting() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.send_bytes(unknown_frame(0x7, 0, bytes(8) + b"shutting down").serialize())

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\0\0\x04\0\0\0\0\0" + unknown_frame(0x7, 0, bytes(8) + b"shutting down").serialize())
        await silent(reader, writer)

    async with RawServer(impatient) as server:
        with pytest.raises(MxGatewayTransportError, match="shutting down") as caught:
            await GatewayClient.connect(server.endpoint, plaintext=True)
        assert caught.value.retryable
        await server.all_gone()
    async with Http2Server(script) as server:
        with pytest.raises(MxGatewayTransportError, match="shutting down"):
            async with GatewayClient.connect(server.endpoint, plaintext=True) as client:
                await client.open_session()


@each_row("script", [silent, closes_at_once, http1, says(b"noise" * 10)])
async def test_cancelling_the_connection_leaves_nothing_behind(script: StreamScript) -> None:
    started = asyncio.Event()

    async def announced(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started.set()
        await script(reader, writer)

    async with RawServer(announced) as server:
        connecting = asyncio.ensure_future(connect(server.endpoint))
        await started.wait()
        connecting.cancel()
        with pytest.raises((asyncio.CancelledError, MxGatewayError)):
            await connecting
        await server.all_gone()


async def connect(endpoint: str) -> None:
    await GatewayClient.connect(endpoint, plaintext=True)


@each_row("endpoint", ["localhost", "localhost:", ":5000", "localhost:0", "ftp://localhost:5000", "a b:5000", ""])
async def test_a_malformed_endpoint_is_refused_before_anything_is_sent(endpoint: str) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="is malformed") as caught:
        await GatewayClient.connect(endpoint, plaintext=True)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.phase, caught.value.grpc_status) == ("request", None)


@pytest.mark.parametrize(
    ("endpoint", "plaintext"), [("http://localhost:5000", False), ("https://localhost:5000", True)]
)
async def test_a_scheme_that_contradicts_the_options_is_refused(endpoint: str, plaintext: bool) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="the options ask for"):
        await GatewayClient.connect(endpoint, plaintext=plaintext)
