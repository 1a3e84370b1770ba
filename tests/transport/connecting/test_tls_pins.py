"""A pinned fingerprint is compared within the handshake: alone it decides, with an authority both must agree."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, TlsOptions, proto
from mxgateway.errors import GrpcStatus, MxGatewayTlsError
from tests.peers.http2.raw_peers import Http2Peer
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.peers.network.tls_peers import TwoFacedServer
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KEY = "mxgw_op_pin-secret"
OTHER = ":".join(["0F"] * 32)


async def serve_one(peer: Http2Peer) -> None:
    await peer.reply(await peer.request(), REPLY)
    peer.writer.close()


async def call(server: TwoFacedServer, **tls: Any) -> None:
    """Connect, make a call and close."""
    endpoint = f"localhost:{server.port}"
    async with GatewayClient.connect(endpoint, api_key=KEY, tls=TlsOptions(**tls), connect_timeout=5.0) as client:
        reply = await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
        assert reply.diagnostic_message == "answered"
    await server.all_gone()


async def refused(server: TwoFacedServer, certificate: ServerCertificate, **tls: Any) -> MxGatewayTlsError:
    """Return the error of a connection that is refused; the server has read no byte of it."""
    server.change(certificate)
    with pytest.raises(MxGatewayTlsError) as caught:
        await call(server, **tls)
    await server.all_gone()
    error = caught.value
    assert b"".join(server.decrypted) == b""
    assert (error.phase, error.grpc_status, error.retryable) == ("tls", GrpcStatus.UNAVAILABLE, False)
    assert KEY not in str(error)
    return error


async def test_a_certificate_with_the_pinned_fingerprint_is_trusted_whoever_signed_it() -> None:
    certificate = self_signed("somewhere.else")
    digits = certificate.fingerprint.replace(":", "")
    async with TwoFacedServer(serve_one, certificate) as server:
        for pin in (certificate.fingerprint, digits.lower(), f"sha256:{digits}", f"SHA256={certificate.fingerprint}"):
            await call(server, pin=pin)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda each: each.name)
async def test_a_certificate_with_another_fingerprint_is_refused_before_anything_is_said(
    own_certificate: ServerCertificate, version: ssl.TLSVersion
) -> None:
    server = TwoFacedServer(serve_one, own_certificate)
    server.context.minimum_version = server.context.maximum_version = version
    async with server:
        error = await refused(server, own_certificate, pin=OTHER)
        assert f"expected SHA-256 {OTHER}, presented {own_certificate.fingerprint}" in error.message
        assert "change the pin" in error.hint


async def test_of_several_pins_one_must_fit(own_certificate: ServerCertificate) -> None:
    async with TwoFacedServer(serve_one, own_certificate) as server:
        await call(server, pin=[OTHER, own_certificate.fingerprint])
        await call(server, pin=(own_certificate.fingerprint, OTHER))
        error = await refused(server, self_signed(), pin=[OTHER, own_certificate.fingerprint])
        assert f"expected SHA-256 {OTHER} or {own_certificate.fingerprint}, presented" in error.message


async def test_pin_and_authority_must_both_agree(authority: Authority, ca_file: Path) -> None:
    certificate = authority.issue("localhost")
    async with TwoFacedServer(serve_one, certificate) as server:
        await call(server, pin=certificate.fingerprint, ca_file=ca_file)
        error = await refused(server, certificate, pin=OTHER, ca_file=ca_file)
        assert "not the trusted one" in error.message


async def test_a_pinned_certificate_of_another_authority_is_refused_where_an_authority_is_asked_for(
    own_certificate: ServerCertificate, ca_file: Path
) -> None:
    async with TwoFacedServer(serve_one, own_certificate) as server:
        for trust in ({"ca_file": ca_file}, {"require_certificate_validation": True}):
            error = await refused(server, own_certificate, pin=own_certificate.fingerprint, **trust)
            assert "was refused: self-signed certificate" in error.message


async def test_a_pinned_certificate_for_another_host_is_refused_where_the_host_is_verified(
    authority: Authority, ca_file: Path
) -> None:
    certificate = authority.issue("gw.plant")
    async with TwoFacedServer(serve_one, certificate) as server:
        await call(server, pin=certificate.fingerprint, ca_file=ca_file, server_name_override="gw.plant")
        error = await refused(server, certificate, pin=certificate.fingerprint, ca_file=ca_file)
        assert "Hostname mismatch" in error.message


async def test_a_pin_is_compared_again_at_each_reconnect(own_certificate: ServerCertificate) -> None:
    async with TwoFacedServer(serve_one, own_certificate) as server:
        options = TlsOptions(pin=own_certificate.fingerprint)
        async with GatewayClient.connect(f"localhost:{server.port}", api_key=KEY, tls=options) as client:
            await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
            await server.all_gone()
            server.change(self_signed())
            with pytest.raises(MxGatewayTlsError, match="change the pin"):
                await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
            await server.all_gone()
        assert b"".join(server.decrypted) == b""
