"""Bytes of every form for a field, valid and invalid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mxgateway.wire.varint import encode_varint

_VARINTS: Final = [
    *(encode_varint(n) for n in (0, 1, 2, 3, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1)),
    b"\x80\x00", b"\x81\x80\x80\x00", b"\xff" * 9 + b"\x7f", b"\xff" * 10 + b"\x01", b"\x80", b"",
]  # fmt: skip
_OF_32_BITS: Final = [
    bytes(4), b"\0\0\x80\x3f", b"\xff\xff\xff\xff", b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"\0\0\0\x80", bytes(3),
]  # fmt: skip
_OF_64_BITS: Final = [
    bytes(8), b"\0\0\0\0\0\0\xf0\x3f", b"\xff" * 8, bytes(7) + b"\x80", bytes(6) + b"\xf0\x7f", bytes(7),
]  # fmt: skip
# Texts, packed numbers, and the fields of the messages that the suite's message contains.
_BODIES: Final = [
    b"", b"a", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"\0", b"\x08\x01", b"\x08\x00", b"\x0a\x00", b"\x0a\x01a",
    b"\x0a\x01a\x12\x01b", b"\x10\x05", b"\x08\x01\x10\x02", b"\x12\x03\x08\x01\x10", b"\x12\x02\x08\x01", b"\x01" * 8,
    b"\x01" * 4, b"\xff\xff\xff\xff\x0f", b"\x80", b"\xa8\x1f\x01", b"\x0d\0\0\x80\x3f", b"\x09" + bytes(6) + b"\xf0\x3f",
    b"\x08" + b"\xff" * 9 + b"\x01", b"\x10" + b"\xff" * 9 + b"\x01", b"\x08\xff\xf4\xc8\xa0\x93\x07\x10\xff\x93\xeb\xdc\x03",
    b"\x08\xff\x91\xb8\xc3\x98\xfe\xff\xff\xff\x01", b"\x08\x80\x83\xd1\xff\xaf\x07", b"\x10\x80\x94\xeb\xdc\x03",
    b"\x08\x81\xe0\xbb\xcf\x97\x09", b"\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x08\x01\x08\x02\x10\x01",
    b"\x0a\x03foo\x0a\x06bar_ba", b"\x0a\x06fooBar", b"\x0a\x03a,b", b"\x1a\x01x", b"\x20\x01",
]  # fmt: skip
FAULTS_OF_LENGTH: Final = [b"\x05abc", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\x01", b"\x80", b""]


def wires(number: int) -> Iterator[bytes]:
    """Yield encodings of one field, in each wire type that proto3 has and in the two that nothing has."""
    for wire_type, bodies in ((0, _VARINTS), (5, _OF_32_BITS), (1, _OF_64_BITS)):
        yield from (encode_varint(number << 3 | wire_type) + body for body in bodies)
    tag = encode_varint(number << 3 | 2)
    yield from (tag + encode_varint(len(body)) + body for body in _BODIES)
    yield from (tag + body for body in FAULTS_OF_LENGTH)
    yield from (encode_varint(number << 3 | wire_type) for wire_type in (6, 7))


def groups(number: int) -> Iterator[bytes]:
    """Yield encodings of a group, which proto3 does not have."""
    start, end = encode_varint(number << 3 | 3), encode_varint(number << 3 | 4)
    yield from (start, end, start + end, start + b"\x08\x01" + end)
