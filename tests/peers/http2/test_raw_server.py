"""Bare servers and certificates are what their names say, according to the standard library's HTTP and TLS."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from pathlib import Path

import pytest

from tests.peers.http2.raw_peers import (
    HALF_GREETING,
    PATIENCE,
    RawServer,
    StreamScript,
    closes_at_once,
    drops_attempts,
    endless,
    full_backlog,
    http1,
    http1_status,
    resets_at_once,
    says,
    silent,
)
from tests.peers.network.certificates import Authority, ServerCertificate, self_signed
from tests.rows import each_row

HOST = "127.0.0.1"
SOON = 0.3
"""Seconds within which a closing connection has closed."""


async def talk(server: RawServer, data: bytes, size: int = 0) -> tuple[bytes, str]:
    """Send bytes to a server; return its answer of at least `size` bytes, and how the connection ended."""
    reader, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(data)
    received = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while len(received) < size:
                received += await reader.read(65536)
        async with asyncio.timeout(SOON):
            while chunk := await reader.read(65536):
                received += chunk
            return received, "FIN"
    except TimeoutError:
        return received, "open"
    except ConnectionResetError:
        return received, "RST"
    finally:
        writer.transport.abort()


@each_row(
    ("script", "answer"),
    [
        (silent, (b"", "open")),
        (closes_at_once, (b"", "FIN")),
        (resets_at_once, (b"", "RST")),
        (says(b"SSH-2.0\r\n"), (b"SSH-2.0\r\n", "open")),
        (says(HALF_GREETING), (b"\0\0\0", "open")),
    ],
)
async def test_a_bare_server_does_what_its_script_is_called(script: StreamScript, answer: tuple[bytes, str]) -> None:
    async with RawServer(script) as server:
        assert await talk(server, b"hello", len(answer[0])) == answer
        assert server.connections == 1
        await server.all_gone()


async def test_an_endless_answer_ends_when_the_client_leaves() -> None:
    async with RawServer(endless(b"x" * 1000)) as server:
        received, end = await talk(server, b"", 100_000)
        assert len(received) > 100_000
        assert end == "open"
        await server.all_gone()


@pytest.mark.parametrize(
    ("script", "status"), [(http1, 400), (http1_status(503), 503), (http1_status(429, "Too Many Requests"), 429)]
)
async def test_an_http1_server_is_one(script: StreamScript, status: int) -> None:
    def ask(port: int) -> int:
        connection = http.client.HTTPConnection(HOST, port)
        connection.request("GET", "/")
        with connection.getresponse() as response:
            return response.status

    async with RawServer(script) as server:
        assert await asyncio.to_thread(ask, server.port) == status


@drops_attempts
def test_a_full_backlog_lets_nobody_in_and_refuses_nobody() -> None:
    with full_backlog() as address, pytest.raises(TimeoutError):
        socket.create_connection(address, timeout=0.2)


# -- certificates


async def handshake(
    server: RawServer, authority: Authority, *, name: str = "localhost", client: ssl.SSLContext | None = None
) -> ssl.SSLObject:
    """Make a TLS connection verified by the standard library."""
    context = client or ssl.create_default_context()
    context.load_verify_locations(cadata=authority.pem.decode())
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(HOST, server.port, ssl=context, server_hostname=name)
    try:
        writer.write(b"hello")
        await reader.readexactly(5)  # in TLS 1.3 a server rejects a client's certificate after the handshake
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return tls
    finally:
        writer.transport.abort()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what was said."""
    while data := await reader.read(65536):
        writer.write(data)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return an authority that no system trusts."""
    return Authority()


async def test_a_certificate_of_the_authority_is_accepted(authority: Authority) -> None:
    async with RawServer(echo, tls=authority.issue("localhost").context()) as server:
        tls = await handshake(server, authority)
        assert tls.selected_alpn_protocol() == "h2"


async def test_a_server_without_alpn_agrees_on_no_protocol(authority: Authority) -> None:
    async with RawServer(echo, tls=authority.issue("localhost").context(alpn=())) as server:
        tls = await handshake(server, authority)
        assert tls.selected_alpn_protocol() is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("expired", "certificate has expired"),
        ("not yet valid", "not yet valid"),
        ("other name", "Hostname mismatch"),
        ("other authority", "unable to get local issuer|self-signed"),
        ("self-signed", "self-signed certificate"),
    ],
)
async def test_a_wrong_certificate_is_wrong_in_the_way_that_it_is_called(
    authority: Authority, kind: str, text: str
) -> None:
    certificate = {
        "expired": authority.expired("localhost"),
        "not yet valid": authority.not_yet_valid("localhost"),
        "other name": authority.issue("elsewhere.plant"),
        "other authority": Authority().issue("localhost"),
        "self-signed": self_signed("localhost"),
    }[kind]
    async with RawServer(echo, tls=certificate.context()) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=text):
            await handshake(server, authority)


async def test_a_self_signed_certificate_may_be_expired_as_well() -> None:
    certificate = self_signed("localhost", valid=(-30, -1))
    context = ssl.create_default_context(cadata=certificate.certificate_pem.decode())
    async with RawServer(echo, tls=certificate.context()) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await asyncio.open_connection(HOST, server.port, ssl=context, server_hostname="localhost")


async def test_a_running_server_can_change_its_certificate(authority: Authority) -> None:
    first, second = authority.issue("localhost"), authority.issue("localhost")
    context = first.context()
    async with RawServer(echo, tls=context) as server:
        for certificate in (first, second):
            certificate.present_on(context)
            tls = await handshake(server, authority)
            presented = tls.getpeercert(binary_form=True)
            assert presented == ssl.PEM_cert_to_DER_cert(certificate.certificate_pem.decode())
    assert first.fingerprint != second.fingerprint


async def test_a_server_of_mutual_tls_lets_in_its_own_clients_only(authority: Authority, tmp_path: Path) -> None:
    clients = Authority()

    def presenting(certificate: ServerCertificate | None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if certificate is not None:
            context.load_cert_chain(*certificate.write(tmp_path))
        return context

    async with RawServer(echo, tls=authority.issue("localhost").context(clients=clients)) as server:
        await handshake(server, authority, client=presenting(clients.issue("client.plant")))
        for stranger in (None, authority.issue("client.plant"), clients.expired("client.plant")):
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await handshake(server, authority, client=presenting(stranger))


def test_an_encrypted_key_opens_with_its_password_only(authority: Authority, tmp_path: Path) -> None:
    files = authority.issue("localhost").write(tmp_path, password=b"sesame")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(*files, password="sesame")
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(*files, password="simsim")
