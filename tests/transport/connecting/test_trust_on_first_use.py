"""Trust on first use: the first certificate is pinned, another one is refused inside the handshake."""

import ssl
from pathlib import Path

import pytest

from mxgateway import GatewayClient, TlsOptions, proto
from mxgateway.errors import GrpcStatus, MxGatewayTlsError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.peers.network.tls_peers import TwoFacedServer
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

KEY = "mxgw_op_first-use-secret"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


async def serve_one(peer: Http2Peer) -> None:
    """Answer one call and hang up, so that the next one needs another handshake."""
    await peer.reply(await peer.request(), REPLY)
    peer.writer.close()


async def ping(client: GatewayClient) -> None:
    assert (await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))).diagnostic_message == "answered"


@pytest.mark.parametrize("tls", [None, TlsOptions()], ids=["by default", "with empty options"])
async def test_a_certificate_that_the_gateway_made_itself_is_trusted(
    own_certificate: ServerCertificate, tls: TlsOptions | None
) -> None:
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        async with GatewayClient.connect(server.endpoint, api_key=KEY, tls=tls) as client:
            await ping(client)
        await server.all_gone()


async def test_a_name_that_the_certificate_does_not_carry_does_not_matter() -> None:
    async with Http2Server(serve_one, tls=self_signed("somewhere.else").context()) as server:
        async with GatewayClient.connect(f"localhost:{server.port}", api_key=KEY) as client:
            await ping(client)
        await server.all_gone()


async def test_the_same_certificate_is_trusted_again_after_a_reconnect(own_certificate: ServerCertificate) -> None:
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        async with GatewayClient.connect(server.endpoint, api_key=KEY) as client:
            for _ in range(3):
                await ping(client)
                await server.all_gone()
        assert server.connections == 3


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_changed_certificate_is_refused_before_anything_is_said(
    own_certificate: ServerCertificate, version: ssl.TLSVersion
) -> None:
    changed = self_signed()
    server = TwoFacedServer(serve_one, own_certificate)
    server.context.minimum_version = server.context.maximum_version = version
    async with server, GatewayClient.connect(f"localhost:{server.port}", api_key=KEY) as client:
        await ping(client)
        await server.all_gone()
        server.change(changed)

        for _ in range(2):
            with pytest.raises(MxGatewayTlsError) as caught:
                await ping(client)
            await server.all_gone()

            error = caught.value
            assert own_certificate.fingerprint in error.message
            assert changed.fingerprint in error.message
            assert "renewed" in error.hint
            assert KEY not in str(error)
            assert (error.phase, error.grpc_status, error.retryable) == ("tls", GrpcStatus.UNAVAILABLE, False)
        assert b"".join(server.decrypted) == b""


async def test_another_client_pins_anew(own_certificate: ServerCertificate) -> None:
    context = own_certificate.context()
    async with Http2Server(serve_one, tls=context) as server:
        for certificate in (own_certificate, self_signed()):
            other = certificate.context()
            context.sni_callback = lambda connection, _name, _context, other=other: setattr(
                connection, "context", other
            )
            async with GatewayClient.connect(f"localhost:{server.port}", api_key=KEY) as client:
                await ping(client)
            await server.all_gone()


async def test_a_ca_file_decides_instead_of_the_first_use(
    authority: Authority, ca_file: Path, own_certificate: ServerCertificate
) -> None:
    async with Http2Server(serve_one, tls=own_certificate.context()) as server:
        with pytest.raises(MxGatewayTlsError):
            await GatewayClient.connect(server.endpoint, tls=TlsOptions(ca_file=ca_file))
        await server.all_gone()
    async with Http2Server(serve_one, tls=authority.issue("127.0.0.1").context()) as server:
        async with GatewayClient.connect(server.endpoint, tls=TlsOptions(ca_file=ca_file)) as client:
            await ping(client)
        await server.all_gone()
