"""Mutual TLS: the certificate that this side shows, read from files, and what a gateway says about it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from mxgateway import GatewayClient, Secret, TlsOptions, proto
from mxgateway.errors import MxGatewayError, MxGatewayTlsError, MxGatewayTransportError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, RawServer, silent
from tests.peers.network.certificates import Authority, ServerCertificate
from tests.peers.network.tls_peers import StrictTlsServer, asks_for_certificate, client_files
from tests.peers.tracebacks import told
from tests.transport.rig import REPLY

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

PASSWORD = "k3y-p4ssword"
WRONG_PASSWORD = "wr0ng-p4ssword"
VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda each: each.name
)


async def connect(endpoint: str, **tls: Any) -> None:
    async with GatewayClient.connect(endpoint, tls=TlsOptions(**tls), connect_timeout=5.0) as client:
        reply = await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
        assert reply.diagnostic_message == "answered"


async def refused(endpoint: str, **tls: Any) -> MxGatewayError:
    with pytest.raises(MxGatewayError) as caught:
        await connect(endpoint, **tls)
    error = caught.value
    assert str(error).isprintable()
    assert "report it" not in str(error)
    assert PASSWORD not in told(error)
    assert WRONG_PASSWORD not in told(error)
    return error


def shown_to(peer: Http2Peer) -> str:
    """Return the name that the client's certificate carries."""
    [[_, name]] = peer.writer.get_extra_info("ssl_object").getpeercert()["subjectAltName"]
    return str(name)


@VERSIONS
async def test_the_certificate_is_shown_to_a_gateway_that_asks_for_it(
    authority: Authority, ca_file: Path, own_certificate: ServerCertificate, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async def script(peer: Http2Peer) -> None:
        names.append(shown_to(peer))
        await peer.serve(REPLY)

    names: list[str] = []
    files = client_files(tmp_path, authority)
    context = asks_for_certificate(own_certificate.context(), ca_file)
    context.minimum_version = context.maximum_version = version
    async with Http2Server(script, tls=context) as server:
        await connect(server.endpoint, client_cert=files.certificate, client_key=files.key)
        await server.all_gone()
        await connect(
            server.endpoint,
            client_cert=str(files.certificate),
            client_key=str(files.key),
            pin=own_certificate.fingerprint,
        )
        await server.all_gone()
    assert names == ["client.plant"] * 2


async def test_one_file_may_hold_certificate_and_key(
    authority: Authority, ca_file: Path, own_certificate: ServerCertificate, tmp_path: Path
) -> None:
    files = client_files(tmp_path, authority)
    both = tmp_path / "both.pem"
    both.write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
    async with Http2Server(
        lambda peer: peer.serve(REPLY), tls=asks_for_certificate(own_certificate.context(), ca_file)
    ) as server:
        await connect(server.endpoint, client_cert=both)
        await server.all_gone()


@pytest.mark.parametrize("password", [PASSWORD, Secret(PASSWORD)], ids=["as text", "as a secret"])
async def test_an_encrypted_key_is_opened_with_its_password(
    authority: Authority, ca_file: Path, own_certificate: ServerCertificate, tmp_path: Path, password: Secret | str
) -> None:
    files = client_files(tmp_path, authority, password=PASSWORD)
    async with Http2Server(
        lambda peer: peer.serve(REPLY), tls=asks_for_certificate(own_certificate.context(), ca_file)
    ) as server:
        await connect(
            server.endpoint, client_cert=files.certificate, client_key=files.key, client_key_password=password
        )
        await server.all_gone()


async def test_a_gateway_that_does_not_ask_sees_no_certificate(
    authority: Authority, own_certificate: ServerCertificate, tmp_path: Path
) -> None:
    async def script(peer: Http2Peer) -> None:
        seen.append(peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        await peer.serve(REPLY)

    seen: list[bytes | None] = []
    files = client_files(tmp_path, authority)
    async with Http2Server(script, tls=own_certificate.context()) as server:
        await connect(server.endpoint, client_cert=files.certificate, client_key=files.key)
        await server.all_gone()
    assert seen == [None]


@VERSIONS
async def test_a_certificate_that_the_gateway_does_not_trust_is_told_as_such(
    ca_file: Path, own_certificate: ServerCertificate, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    files = client_files(tmp_path, Authority(), name="stranger")
    context = asks_for_certificate(own_certificate.context(), ca_file)
    context.minimum_version = context.maximum_version = version
    async with StrictTlsServer(context) as server:
        error = await refused(server.endpoint, client_cert=files.certificate, client_key=files.key)
        await server.all_gone()
        assert isinstance(error, MxGatewayTlsError)
        assert "refused this client's certificate" in error.message
        assert "client_cert" in error.hint
        assert server.decrypted == []


@VERSIONS
async def test_a_gateway_that_asks_in_vain_is_told_as_such(
    ca_file: Path, own_certificate: ServerCertificate, version: ssl.TLSVersion
) -> None:
    context = asks_for_certificate(own_certificate.context(), ca_file)
    context.minimum_version = context.maximum_version = version
    async with StrictTlsServer(context) as server:
        error = await refused(server.endpoint)
        await server.all_gone()
        assert isinstance(error, MxGatewayTlsError)
        assert "client certificate" in str(error)
        assert server.decrypted == []


async def test_a_gateway_that_hangs_up_without_a_word_may_want_a_certificate(
    ca_file: Path, own_certificate: ServerCertificate
) -> None:
    async with RawServer(silent, tls=asks_for_certificate(own_certificate.context(), ca_file)) as server:
        error = await refused(server.endpoint)
        await server.all_gone()
        assert type(error) is MxGatewayTransportError
        assert error.retryable  # it may as well be a forwarder whose gateway restarts
        assert "requires a client certificate" in error.message


# -- files that cannot be used: nothing is connected


NOBODY = "127.0.0.1:9"


async def test_a_wrong_password_is_told(authority: Authority, tmp_path: Path) -> None:
    files = client_files(tmp_path, authority, password=PASSWORD)
    given = {"client_cert": files.certificate, "client_key": files.key}
    error = await refused(NOBODY, **given, client_key_password=WRONG_PASSWORD)
    assert isinstance(error, MxGatewayTlsError)
    assert f"the client key {files.key} cannot be decrypted" in error.message
    assert "correct its password" in error.hint


async def test_a_missing_password_is_told_instead_of_being_asked_for_on_the_terminal(
    authority: Authority, tmp_path: Path
) -> None:
    files = client_files(tmp_path, authority, password=PASSWORD)
    error = await refused(NOBODY, client_cert=files.certificate, client_key=files.key)
    assert f"the client key {files.key} is encrypted" in error.message
    assert "client_key_password" in error.hint


async def test_a_password_beyond_all_measure_is_told(authority: Authority, tmp_path: Path) -> None:
    files = client_files(tmp_path, authority, password=PASSWORD)
    error = await refused(
        NOBODY, client_cert=files.certificate, client_key=files.key, client_key_password=PASSWORD * 1000
    )
    assert "cannot be decrypted" in error.message


async def test_a_key_of_another_certificate_is_told(authority: Authority, tmp_path: Path) -> None:
    one, other = client_files(tmp_path, authority), client_files(tmp_path, authority, name="other")
    error = await refused(NOBODY, client_cert=one.certificate, client_key=other.key)
    assert f"{other.key} does not belong to the client certificate {one.certificate}" in error.message


@pytest.mark.parametrize("missing", ["client_cert", "client_key"])
async def test_a_missing_file_is_named(authority: Authority, tmp_path: Path, missing: str) -> None:
    files = client_files(tmp_path, authority)
    given = {"client_cert": files.certificate, "client_key": files.key, missing: tmp_path / "no-such.pem"}
    error = await refused(NOBODY, **given)
    assert f"the {missing.replace('client_cert', 'client certificate').replace('_', ' ')} " in error.message
    assert "no-such.pem cannot be read: No such file" in error.message


@pytest.mark.parametrize("content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
@pytest.mark.parametrize("damaged", ["certificate", "key"])
async def test_a_file_that_holds_something_else_is_told(
    authority: Authority, tmp_path: Path, content: bytes, damaged: str
) -> None:
    files = client_files(tmp_path, authority)
    getattr(files, damaged).write_bytes(content)
    error = await refused(NOBODY, client_cert=files.certificate, client_key=files.key)
    assert isinstance(error, MxGatewayTlsError)
    assert "cannot be used" in error.message
    assert "PEM" in error.hint
    assert "nothing was sent" in error.hint
