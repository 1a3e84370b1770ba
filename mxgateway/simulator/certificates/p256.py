"""ECDSA on the curve P-256 with SHA-256 (FIPS 186-4), for keys that live as long as a simulated gateway.

It takes no care of what its time tells of a key. Nothing that must stay secret is signed with it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SIZE: Final = 32
"""Bytes of a coordinate, and of a private key."""

_Point = tuple[int, int] | None
"""A point of the curve; None at infinity."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key."""

    number: int = field(default_factory=lambda: 1 + secrets.randbelow(_N - 1), repr=False)
    """The secret number; random by default."""

    @property
    def public(self) -> bytes:
        """The public key as an uncompressed point (SEC 1)."""
        point = _times(self.number, _G)
        assert point is not None
        return b"\x04" + b"".join(each.to_bytes(SIZE, "big") for each in point)

    def sign(self, data: bytes) -> tuple[int, int]:
        """Return the numbers r and s of a signature."""
        digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
        while True:
            nonce = 1 + secrets.randbelow(_N - 1)
            point = _times(nonce, _G)
            r = point[0] % _N if point is not None else 0
            s = pow(nonce, -1, _N) * (digest + r * self.number) % _N
            if r and s:
                return r, s


def _times(number: int, point: _Point) -> _Point:
    found: _Point = None
    while number:
        if number & 1:
            found = _plus(found, point)
        point = _plus(point, point)
        number >>= 1
    return found


def _plus(one: _Point, other: _Point) -> _Point:
    if one is None or other is None:
        return one or other
    if one[0] == other[0] and (one[1] + other[1]) % _P == 0:
        return None
    if one == other:
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, _P) % _P
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _P) % _P
    x = (slope * slope - one[0] - other[0]) % _P
    return x, (slope * (one[0] - x) - one[1]) % _P
