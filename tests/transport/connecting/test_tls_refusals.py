"""A peer whose TLS is too old, not meant for HTTP/2 or none at all is refused in one clear line."""

import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, TlsOptions
from mxgateway.errors import MxGatewayError, MxGatewayProtocolError, MxGatewayTlsError, MxGatewayTransportError
from tests.peers.grpcio_gateway import GrpcioGateway
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, RawServer, closes_at_once, says, silent
from tests.peers.network.certificates import ServerCertificate
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def refused(endpoint: str, **options: Any) -> MxGatewayError:
    """Return the error of a connection that does not come about."""
    with pytest.raises(MxGatewayError) as caught:
        await GatewayClient.connect(endpoint, **{"api_key": "mxgw_op_secret", "connect_timeout": 5.0, **options})
    assert str(caught.value).isprintable()
    assert "report it" not in str(caught.value)
    return caught.value


async def test_tls_1_1_is_refused(own_certificate: ServerCertificate) -> None:
    context = own_certificate.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    async with RawServer(silent, tls=context) as server:
        error = await refused(server.endpoint)
        assert isinstance(error, MxGatewayTransportError)
        assert error.phase == "tls"
        assert "TLS 1.2 or newer" in error.hint
        assert server.connections == 0


@pytest.mark.parametrize(
    ("alert", "name"), [(70, "PROTOCOL_VERSION"), (40, "HANDSHAKE_FAILURE"), (80, "INTERNAL_ERROR")]
)
async def test_a_tls_alert_is_named(alert: int, name: str) -> None:
    async with RawServer(says(bytes([0x15, 3, 1, 0, 2, 2, alert]))) as server:
        error = await refused(server.endpoint)
        await server.all_gone()
    assert isinstance(error, MxGatewayTlsError)
    assert name in error.message
    assert "TLS 1.2 or newer" in error.hint


@pytest.mark.parametrize("alpn", [(), ("http/1.1",)], ids=["no ALPN", "HTTP/1.1 only"])
async def test_tls_without_http2_is_refused(own_certificate: ServerCertificate, alpn: tuple[str, ...]) -> None:
    async with RawServer(silent, tls=own_certificate.context(alpn=alpn)) as server:
        error = await refused(server.endpoint)
        await server.all_gone()
    assert isinstance(error, (MxGatewayProtocolError, MxGatewayTlsError))
    assert "ALPN" in error.message or "NO_APPLICATION_PROTOCOL" in error.message
    assert error.phase in ("http2", "tls")


async def test_plaintext_to_a_tls_port_is_refused(own_certificate: ServerCertificate) -> None:
    async with Http2Server(Http2Peer.until_gone, tls=own_certificate.context()) as server:
        error = await refused(server.endpoint, plaintext=True)
        assert isinstance(error, MxGatewayTransportError)
        assert "expects TLS" in error.hint or "dropped" in error.hint
        assert error.phase == "http2"
        assert server.connections == 0


async def test_plaintext_to_a_grpcio_gateway_with_tls_is_refused(own_certificate: ServerCertificate) -> None:
    async with GrpcioGateway(certificate=own_certificate) as gateway:
        error = await refused(gateway.endpoint, plaintext=True)
        assert isinstance(error, MxGatewayTransportError)
        assert error.phase == "http2"
        assert gateway.exchanges == []


async def test_tls_to_a_plaintext_http2_port_is_refused() -> None:
    async with RawServer(closes_at_once) as server:
        error = await refused(server.endpoint)
        await server.all_gone()
    assert isinstance(error, MxGatewayTransportError)
    assert error.phase == "tls"


async def test_tls_to_a_grpcio_gateway_without_tls_is_refused() -> None:
    async with GrpcioGateway() as gateway:
        error = await refused(gateway.endpoint)
        assert isinstance(error, MxGatewayTransportError)
        assert error.phase == "tls"
        assert gateway.exchanges == []


async def test_tls_to_a_port_that_answers_something_else_is_refused() -> None:
    async with RawServer(says(b"SSH-2.0-OpenSSH_9.6\r\n")) as server:
        error = await refused(server.endpoint)
        await server.all_gone()
    assert isinstance(error, MxGatewayTlsError)
    assert "serves TLS" in error.hint


async def test_a_ca_file_that_is_missing_is_named_and_nothing_is_connected(tmp_path: Path) -> None:
    async with RawServer(silent) as server:
        error = await refused(server.endpoint, tls=TlsOptions(ca_file=tmp_path / "no-such.pem"))
        assert isinstance(error, MxGatewayTlsError)
        assert "no-such.pem" in error.message
        assert "cannot be read" in error.message
        assert server.connections == 0


@pytest.mark.parametrize(
    "content", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "empty.pem"
    file.write_bytes(content)
    error = await refused("127.0.0.1:9", tls=TlsOptions(ca_file=file))
    assert isinstance(error, MxGatewayTlsError)
    assert "empty.pem has no PEM certificate" in error.message


async def test_a_ca_file_that_is_a_directory_is_named(tmp_path: Path) -> None:
    error = await refused("127.0.0.1:9", tls=TlsOptions(ca_file=tmp_path))
    assert isinstance(error, MxGatewayTlsError)
    assert str(tmp_path) in error.message


async def test_a_peer_that_breaks_http2_behind_tls_is_let_go(own_certificate: ServerCertificate) -> None:
    async with RawServer(says(bytes(90)), tls=own_certificate.context()) as server:
        error = await refused(server.endpoint)
        assert isinstance(error, MxGatewayProtocolError)
        await server.all_gone()


async def test_a_call_over_tls_after_all_of_this_succeeds(own_certificate: ServerCertificate) -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.serve(REPLY)

    async with Http2Server(script, tls=own_certificate.context()) as server:
        async with GatewayClient.connect(server.endpoint):
            pass
        await server.all_gone()
