"""Certificates made for one test: an authority and what it signs, or a certificate that a gateway made itself."""

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
"""The names that the gateway's own certificate carries, the machine's name apart."""


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

    def context(self, *, alpn: tuple[str, ...] = ("h2",)) -> ssl.SSLContext:
        """Return a server's context that presents this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "server.pem")
            file.write_bytes(self.key_pem + self.certificate_pem)
            context.load_cert_chain(file)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class Authority:
    """A certificate authority that nobody knows but who reads its file."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def issue(self, *names: str) -> ServerCertificate:
        """Sign a certificate for host names and addresses."""
        leaf = self._authority.issue_cert(*names)
        return ServerCertificate(leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes())

    def write(self, file: Path) -> Path:
        """Write the authority's own certificate to `file`."""
        self._authority.cert_pem.write_to_path(str(file))
        return file


def self_signed(*names: str) -> ServerCertificate:
    """Return what a gateway makes for itself when it is given no certificate: its own issuer, valid for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "MXAccess Gateway")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
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
