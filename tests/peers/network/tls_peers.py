"""TLS servers that change their certificate or ask for the client's, and a client's certificate files."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from tests.peers.http2.raw_peers import Http2Server, RawServer, Script
from tests.peers.network.certificates import Authority, ServerCertificate


def expired(authority_file: Path) -> ServerCertificate:
    """Return an expired certificate for localhost, and write its authority to a file."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(authority_file))
    now = datetime.datetime.now(datetime.UTC)
    leaf = authority.issue_cert(
        "localhost", not_before=now - datetime.timedelta(days=90), not_after=now - datetime.timedelta(days=1)
    )
    return ServerCertificate(leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes())


@dataclass(frozen=True)
class ClientFiles:
    """A client's certificate and key as files."""

    certificate: Path
    key: Path


def client_files(
    directory: Path, authority: Authority, *, password: str | None = None, name: str = "client"
) -> ClientFiles:
    """Write a certificate signed by `authority` and its key, optionally encrypted by a password."""
    issued = authority.issue(f"{name}.plant")
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    certificate.write_bytes(issued.certificate_pem)
    key.write_bytes(issued.key_pem if password is None else _encrypted(issued.key_pem, password))
    return ClientFiles(certificate, key)


def _encrypted(key_pem: bytes, password: str) -> bytes:
    key = serialization.load_pem_private_key(key_pem, None)
    encryption = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def asks_for_certificate(context: ssl.SSLContext, authority_file: Path) -> ssl.SSLContext:
    """Make a server's context require a client certificate signed by an authority."""
    context.load_verify_locations(cafile=authority_file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class TwoFacedServer(Http2Server):
    """A server that can change its certificate, and then records all decrypted bytes.

    Args:
        script: The script until the change.
        certificate: The certificate until the change.
    """

    def __init__(self, script: Script, certificate: ServerCertificate) -> None:
        self.context = certificate.context()
        super().__init__(script, tls=self.context)
        self._play_script = self._script
        self.decrypted: list[bytes] = []

    def change(self, certificate: ServerCertificate, *, listen: bool = True) -> None:
        """Present another certificate from the next handshake on.

        Args:
            certificate: The new one.
            listen: From then on, answer nothing and record what arrives.
        """
        other = certificate.context()
        other.minimum_version, other.maximum_version = self.context.minimum_version, self.context.maximum_version

        def take_over(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = other

        self.context.sni_callback = take_over
        self._script = self._listen if listen else self._play_script

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.decrypted.append(await reader.read())


class StrictTlsServer(RawServer):
    """A TLS server that sends an alert when it rejects a client, as most servers do and asyncio's does not.

    Args:
        context: Its context.
        greeting: Data sent together with the end of its handshake.
    """

    def __init__(self, context: ssl.SSLContext, *, greeting: bytes = b"") -> None:
        super().__init__(self._shake_hands)
        self._context = context
        self._greeting = greeting
        self.decrypted: list[bytes] = []
        """The clients' data after the handshake."""

    async def _shake_hands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = self._context.wrap_bio(incoming, outgoing, server_side=True)
        shaken = False
        while data := await reader.read(65536):
            incoming.write(data)
            try:
                if not shaken:
                    connection.do_handshake()
                    shaken = True
                    connection.write(self._greeting)
                self.decrypted.append(connection.read(65536))
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                writer.write(outgoing.read())
                await writer.drain()
                return
            writer.write(outgoing.read())
            await writer.drain()
