"""Reads what people ask of a certificate: whose it is, who signed it, for which names, until when.

Python's own `getpeercert` shows those of verified certificates only, and a diagnosis is about the others. The bytes are a
stranger's: whatever they hold, reading them ends with facts or with a ValueError.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_SEQUENCE: Final = 0x30
_BOOLEAN: Final = 0x01
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_UTC_TIME: Final = 0x17
_BMP_STRING: Final = 0x1E
_DNS_NAME: Final = 0x82
_ADDRESS: Final = 0x87
_ALTERNATIVE_NAMES: Final = b"\x55\x1d\x11"
_ATTRIBUTES: Final = {
    b"\x55\x04\x03": "CN", b"\x55\x04\x06": "C", b"\x55\x04\x07": "L", b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU",
}  # fmt: skip
_MOST_NAMES: Final = 20
"""Names that are shown; a certificate may hold thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What a certificate says."""

    subject: str
    """Whose it is, such as ``CN=gw.plant,O=Plant``; may be empty."""
    issuer: str
    """Who signed it."""
    names: tuple[str, ...]
    """The host names and addresses that it is for, the first 20 of them."""
    not_before: datetime
    """When it becomes valid."""
    not_after: datetime
    """When it expires."""

    @property
    def is_self_signed(self) -> bool:
        """Whether nobody else vouches for it."""
        return self.subject == self.issuer


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate (DER) as upper-case hex pairs joined by colons."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def read_certificate(certificate: bytes) -> CertificateFacts:
    """Return what a certificate (DER, RFC 5280) says.

    Raises:
        ValueError: It is no X.509 certificate.
    """
    try:
        return _read(certificate)
    except (IndexError, StopIteration, OverflowError) as error:
        raise ValueError("the certificate ends too early") from error


def _read(certificate: bytes) -> CertificateFacts:
    parts = _children(next(_children(_only(certificate, _SEQUENCE)))[1])
    tag, _ = next(parts)
    if tag == _VERSION:
        next(parts)  # the serial number
    next(parts)  # the algorithm of the signature
    (_, issuer), (_, validity), (_, subject) = itertools.islice(parts, 3)
    not_before, not_after = (_moment(*each) for each in _children(validity))
    extensions = [content for tag, content in parts if tag == _EXTENSIONS]
    names = _names(extensions[0]) if extensions else ()
    return CertificateFacts(
        subject=_name(subject), issuer=_name(issuer), names=names, not_before=not_before, not_after=not_after
    )


def _only(data: bytes, wanted: int) -> bytes:
    tag, content = next(_children(data))
    if tag != wanted:
        raise ValueError("it is not an X.509 certificate")
    return content


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of a DER sequence."""
    position = 0
    while position < len(data):
        tag, length, position = data[position], data[position + 1], position + 2
        if length & 0x80:
            size = length & 0x7F
            length, position = int.from_bytes(data[position : position + size]), position + size
        if position + length > len(data):
            raise ValueError("an element is longer than the certificate")
        yield tag, data[position : position + length]
        position += length


def _name(data: bytes) -> str:
    parts = []
    for _, group in _children(data):
        for _, attribute in _children(group):
            (_, oid), (tag, content) = list(_children(attribute))[:2]
            if oid in _ATTRIBUTES:
                text = content.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")
                parts.append(f"{_ATTRIBUTES[oid]}={text}")
    return ",".join(parts)


def _moment(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii", "replace")
    if tag == _UTC_TIME:  # its two digits of the year are those of 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(extensions: bytes) -> tuple[str, ...]:
    found: list[str] = []
    for _, extension in _children(_only(extensions, _SEQUENCE)):
        (_, oid), *rest = _children(extension)
        if oid == _ALTERNATIVE_NAMES:
            content = next(content for tag, content in rest if tag != _BOOLEAN)
            found += filter(None, (_alternative(*each) for each in _children(_only(content, _SEQUENCE))))
    return tuple(found[:_MOST_NAMES])


def _alternative(tag: int, content: bytes) -> str:
    if tag == _DNS_NAME:
        return content.decode("ascii", "replace")
    return str(ipaddress.ip_address(content)) if tag == _ADDRESS else ""
