"""Certificates for tests: a certificate authority and its certificates, or a self-signed gateway certificate."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""The names in the gateway's own certificate, besides the machine's name."""


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate with its key, as PEM."""

    key_pem: bytes
    certificate_pem: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint, as upper-case hex pairs joined by colons."""
        der = ssl.PEM_cert_to_DER_cert(self.certificate_pem.decode())
        digits = hashlib.sha256(der).hexdigest().upper()
        return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))

    def context(self, *, alpn: tuple[str, ...] = ("h2",), clients: Authority | None = None) -> ssl.SSLContext:
        """Return a server's context that presents this certificate.

        Args:
            alpn: The offered protocols; empty disables ALPN.
            clients: The authority required for client certificates.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.present_on(context)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.pem.decode())
        return context

    def present_on(self, context: ssl.SSLContext) -> None:
        """Present this certificate on further connections of a running server, as after a renewal."""
        with tempfile.TemporaryDirectory() as directory:
            context.load_cert_chain(*self.write(Path(directory)))

    def write(self, directory: Path, *, password: bytes | None = None) -> tuple[Path, Path]:
        """Write certificate and key to `directory` and return their files; a password encrypts the key."""
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        certificate.write_bytes(self.certificate_pem)
        key.write_bytes(self.key_pem if password is None else self.encrypted_key_pem(password))
        return certificate, key

    def encrypted_key_pem(self, password: bytes) -> bytes:
        """Return the key as password-protected PEM."""
        key = serialization.load_pem_private_key(self.key_pem, password=None)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )


class Authority:
    """A certificate authority that is trusted only by readers of its file."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    @property
    def pem(self) -> bytes:
        """The authority's own certificate."""
        return self._authority.cert_pem.bytes()

    def issue(self, *names: str, valid: tuple[int, int] = (-1, 365)) -> ServerCertificate:
        """Sign a certificate for host names and addresses; it is valid for servers and clients.

        Args:
            names: Host names and addresses.
            valid: Start and end of validity, in days from now.
        """
        now = datetime.datetime.now(datetime.UTC)
        begin, end = (now + datetime.timedelta(days=days) for days in valid)
        leaf = self._authority.issue_cert(*names, not_before=begin, not_after=end)
        return ServerCertificate(leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes())

    def expired(self, *names: str) -> ServerCertificate:
        """Sign a certificate that expired yesterday."""
        return self.issue(*names, valid=(-30, -1))

    def not_yet_valid(self, *names: str) -> ServerCertificate:
        """Sign a certificate that becomes valid tomorrow."""
        return self.issue(*names, valid=(1, 30))

    def write(self, file: Path) -> Path:
        """Write the authority's own certificate to `file`."""
        file.write_bytes(self.pem)
        return file


def self_signed(*names: str, valid: tuple[int, int] = (-1, 3650)) -> ServerCertificate:
    """Return the self-signed certificate that a gateway creates if none is configured: valid for ten years.

    Args:
        names: Host names and addresses; those of this machine by default.
        valid: Start and end of validity, in days from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "MXAccess Gateway")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=valid[0]))
        .not_valid_after(now + datetime.timedelta(days=valid[1]))
        .add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names or LOCAL_NAMES]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return ServerCertificate(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
