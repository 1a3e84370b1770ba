"""`make_certificate`: a certificate for this machine, and the authority that has signed it (RFC 5280)."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from mxgateway.simulator.certificates import der
from mxgateway.simulator.certificates.p256 import SIZE, SigningKey

OWN_NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What clients on this machine call it."""
LIFE: Final = timedelta(days=365)
"""How long a certificate is valid; no verifier takes one of more than 825 days."""
_BEFORE: Final = timedelta(hours=1)
"""How much a client's clock may be behind."""

_ECDSA_SHA256: Final = der.sequence(der.oid("1.2.840.10045.4.3.2"))
_P256: Final = der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7"))
_SIGNS_CERTIFICATES: Final = der.bits(b"\x04", 2)
_SIGNS: Final = der.bits(b"\x80", 7)


@dataclass(frozen=True, slots=True)
class MadeCertificate:
    """A certificate that was made here, in PEM."""

    authority: str
    """The authority's certificate, which clients trust: what ``--ca-file`` takes. Its key is forgotten."""
    certificate: str
    """The gateway's certificate."""
    private_key: str = field(repr=False)
    """Its private key, unencrypted."""


def make_certificate(names: Iterable[str] = ()) -> MadeCertificate:
    """Make a certificate for a simulated gateway on this machine, and an authority that signs it.

    It is an ECDSA certificate on P-256, which every TLS library takes. Its key protects nothing but a test.

    Args:
        names: Names and IP addresses of the gateway, beside ``localhost`` and the loopback addresses.

    Raises:
        ValueError: A name cannot stand in a certificate.
    """
    authority, own = SigningKey(), SigningKey()
    root = f"mxgateway simulator {secrets.token_hex(4)}"
    signed = _certificate(
        own, "mxgateway simulator", authority, root,
        (
            _extension("2.5.29.19", der.sequence(), is_critical=True),
            _extension("2.5.29.15", _SIGNS, is_critical=True),
            _extension("2.5.29.37", der.sequence(der.oid("1.3.6.1.5.5.7.3.1"))),
            _extension("2.5.29.17", der.sequence(*map(_name, dict.fromkeys((*OWN_NAMES, *names))))),
            _extension("2.5.29.35", der.sequence(der.element(0x80, _key_id(authority)))),
        ),
    )  # fmt: skip
    itself = _certificate(
        authority, root, authority, root,
        (
            _extension("2.5.29.19", der.sequence(der.boolean(True), der.integer(0)), is_critical=True),
            _extension("2.5.29.15", _SIGNS_CERTIFICATES, is_critical=True),
        ),
    )  # fmt: skip
    return MadeCertificate(_pem("CERTIFICATE", itself), _pem("CERTIFICATE", signed), _pem("PRIVATE KEY", _pkcs8(own)))


def _certificate(
    key: SigningKey, subject: str, issuer_key: SigningKey, issuer: str, extensions: Sequence[bytes]
) -> bytes:
    now = datetime.now(UTC)
    to_be_signed = der.sequence(
        der.tagged(0, der.integer(2)),  # version 3
        der.integer(secrets.randbits(127) | 1 << 126),
        _ECDSA_SHA256,
        _common_name(issuer),
        der.sequence(der.time(now - _BEFORE), der.time(now + LIFE)),
        _common_name(subject),
        der.sequence(_P256, der.bits(key.public)),
        der.tagged(3, der.sequence(*extensions, _extension("2.5.29.14", der.octets(_key_id(key))))),
    )
    r, s = issuer_key.sign(to_be_signed)
    return der.sequence(to_be_signed, _ECDSA_SHA256, der.bits(der.sequence(der.integer(r), der.integer(s))))


def _extension(dotted: str, value: bytes, *, is_critical: bool = False) -> bytes:
    return der.sequence(der.oid(dotted), der.boolean(True) if is_critical else b"", der.octets(value))


def _common_name(words: str) -> bytes:
    return der.sequence(der.set_of(der.sequence(der.oid("2.5.4.3"), der.text(words))))


def _name(name: str) -> bytes:
    """Return an alternative name of the subject: an IP address or a DNS name."""
    try:
        return der.element(0x87, ipaddress.ip_address(name).packed)
    except ValueError:
        pass
    if not name.isascii() or not name or len(name) > 253 or any(each <= " " for each in name):
        raise ValueError(f"{name!r} is neither an IP address nor a DNS name")
    return der.element(0x82, name.encode())


def _key_id(key: SigningKey) -> bytes:
    return hashlib.sha1(key.public, usedforsecurity=False).digest()


def _pkcs8(key: SigningKey) -> bytes:
    private = der.sequence(
        der.integer(1), der.octets(key.number.to_bytes(SIZE, "big")), der.tagged(1, der.bits(key.public))
    )
    return der.sequence(der.integer(0), _P256, der.octets(private))


def _pem(label: str, data: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(data).decode("ascii"), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
