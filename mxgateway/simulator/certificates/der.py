"""DER, the encoding of certificates and keys (X.690), as far as they need it."""

from __future__ import annotations

from datetime import datetime


def element(tag: int, *parts: bytes) -> bytes:
    """Return an element: its tag, its length, and its parts one after another."""
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE."""
    return element(0x30, *parts)


def set_of(part: bytes) -> bytes:
    """Return a SET with one element."""
    return element(0x31, part)


def tagged(number: int, *parts: bytes) -> bytes:
    """Return an explicitly tagged element, ``[number]``."""
    return element(0xA0 | number, *parts)


def boolean(is_true: bool) -> bytes:
    """Return a BOOLEAN."""
    return element(0x01, b"\xff" if is_true else b"\x00")


def integer(number: int) -> bytes:
    """Return an INTEGER that is not negative."""
    return element(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def bits(data: bytes, unused: int = 0) -> bytes:
    """Return a BIT STRING whose last `unused` bits do not count."""
    return element(0x03, bytes((unused,)), data)


def octets(data: bytes) -> bytes:
    """Return an OCTET STRING."""
    return element(0x04, data)


def text(words: str) -> bytes:
    """Return a UTF8String."""
    return element(0x0C, words.encode())


def time(moment: datetime) -> bytes:
    """Return a UTCTime, for a year before 2050, or a GeneralizedTime; `moment` is in UTC."""
    if moment.year < 2050:
        return element(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return element(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *others = map(int, dotted.split("."))
    return element(0x06, *(_base128(arc) for arc in (40 * first + second, *others)))


def _base128(number: int) -> bytes:
    septets = [number & 0x7F]
    while number := number >> 7:
        septets.append(0x80 | number & 0x7F)
    return bytes(reversed(septets))
