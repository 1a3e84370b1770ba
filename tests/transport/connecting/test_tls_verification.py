"""When a CA file or the system's roots decide, chain and host name are verified before anything is said."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, TlsOptions, proto
from mxgateway.errors import GrpcStatus, MxGatewayTlsError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server
from tests.peers.network.certificates import Authority, ServerCertificate
from tests.peers.network.tls_peers import expired
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KEY = "mxgw_op_tls-secret"


async def serve(peer: Http2Peer) -> None:
    await peer.serve(REPLY)


async def call(server: Http2Server, host: str = "localhost", **tls: Any) -> None:
    """Connect, make a call and close; the server has seen the end of the connection when this returns."""
    options = TlsOptions(**tls) if tls else None
    endpoint = f"{host}:{server.port}"
    async with GatewayClient.connect(endpoint, api_key=KEY, tls=options, connect_timeout=5.0) as client:
        reply = await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
        assert reply.diagnostic_message == "answered"
    await server.all_gone()


async def refused(server: Http2Server, host: str = "localhost", **tls: Any) -> MxGatewayTlsError:
    """Return the error of a connection that is refused; the server has read no byte of it."""
    before = len(server.peers)
    with pytest.raises(MxGatewayTlsError) as caught:
        await call(server, host, **tls)
    error = caught.value
    await server.all_gone()
    assert not any(peer.received for peer in server.peers[before:])
    assert (error.phase, error.grpc_status, error.retryable) == ("tls", GrpcStatus.UNAVAILABLE, False)
    assert error.endpoint == f"{host}:{server.port}"
    assert str(error).isprintable()
    assert "mxgw" not in str(error)
    return error


async def test_a_certificate_that_the_ca_file_has_signed_is_trusted(authority: Authority, ca_file: Path) -> None:
    async with Http2Server(serve, tls=authority.issue("localhost").context()) as server:
        await call(server, ca_file=ca_file)
        await call(server, ca_file=str(ca_file))
        assert server.peers[0].requests[0].header(b":scheme") == b"https"
        assert server.peers[0].requests[0].header(b"authorization") == b"Bearer " + KEY.encode()


async def test_an_address_is_verified_like_a_name(authority: Authority, ca_file: Path) -> None:
    async with Http2Server(serve, tls=authority.issue("127.0.0.1").context()) as server:
        await call(server, "127.0.0.1", ca_file=ca_file)
        assert "Hostname mismatch" in str(await refused(server, "localhost", ca_file=ca_file))


async def test_a_certificate_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority().write(tmp_path / "other.pem")
    async with Http2Server(serve, tls=authority.issue("localhost").context()) as server:
        error = await refused(server, ca_file=other)
        assert "unable to get local issuer certificate" in error.message
        assert "CA file" in error.hint


async def test_a_self_signed_certificate_is_its_own_authority(
    own_certificate: ServerCertificate, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.pem"
    file.write_bytes(own_certificate.certificate_pem)
    async with Http2Server(serve, tls=own_certificate.context()) as server:
        await call(server, ca_file=file)


async def test_a_certificate_for_another_host_is_refused(authority: Authority, ca_file: Path) -> None:
    async with Http2Server(serve, tls=authority.issue("gw.plant").context()) as server:
        error = await refused(server, ca_file=ca_file)
        assert "Hostname mismatch" in error.message
        assert "server_name_override" in error.hint


async def test_an_expired_certificate_is_refused_and_the_clock_is_mentioned(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    async with Http2Server(serve, tls=expired(file).context()) as server:
        error = await refused(server, ca_file=file)
        assert "certificate has expired" in error.message
        assert "renewed" in error.hint
        assert "clock" in error.hint


async def test_an_expired_certificate_that_is_pinned_is_trusted_as_its_fingerprint_is_all_that_counts(
    tmp_path: Path,
) -> None:
    certificate = expired(tmp_path / "ca.pem")
    async with Http2Server(serve, tls=certificate.context()) as server:
        await call(server, pin=certificate.fingerprint)


async def test_the_server_name_override_is_asked_for_and_verified(authority: Authority, ca_file: Path) -> None:
    asked: list[str | None] = []
    context = authority.issue("gw.plant").context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with Http2Server(serve, tls=context) as server:
        await call(server, ca_file=ca_file, server_name_override="gw.plant")
        assert asked == ["gw.plant"]
        error = await refused(server, ca_file=ca_file, server_name_override="other.plant")
        assert "Hostname mismatch" in error.message
        assert asked == ["gw.plant", "other.plant"]


async def test_the_endpoints_host_is_asked_for_without_an_override(authority: Authority, ca_file: Path) -> None:
    asked: list[str | None] = []
    context = authority.issue("localhost").context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with Http2Server(serve, tls=context) as server:
        await call(server, ca_file=ca_file)
        assert asked == ["localhost"]


async def test_the_systems_roots_refuse_a_certificate_that_the_gateway_made_itself(
    own_certificate: ServerCertificate,
) -> None:
    async with Http2Server(serve, tls=own_certificate.context()) as server:
        error = await refused(server, require_certificate_validation=True)
        assert "self-signed certificate" in error.message


async def test_the_systems_roots_are_those_of_the_environment(
    authority: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with Http2Server(serve, tls=authority.issue("localhost").context()) as server:
        await call(server, require_certificate_validation=True)
    async with Http2Server(serve, tls=authority.issue("gw.plant").context()) as server:
        error = await refused(server, require_certificate_validation=True)
        assert "Hostname mismatch" in error.message


async def test_a_server_name_override_holds_for_the_systems_roots_as_well(
    authority: Authority, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    async with Http2Server(serve, tls=authority.issue("gw.plant").context()) as server:
        await call(server, require_certificate_validation=True, server_name_override="gw.plant")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_current_versions_of_tls_are_spoken(
    authority: Authority, ca_file: Path, version: ssl.TLSVersion
) -> None:
    async def script(peer: Http2Peer) -> None:
        spoken.append(peer.writer.get_extra_info("ssl_object").version())
        await serve(peer)

    spoken: list[str] = []
    context = authority.issue("localhost").context()
    context.minimum_version = context.maximum_version = version
    async with Http2Server(script, tls=context) as server:
        await call(server, ca_file=ca_file)
    assert spoken == [version.name.replace("_", ".")]
