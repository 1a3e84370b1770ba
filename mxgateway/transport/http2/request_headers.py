"""Request headers and their encoding.

hpack's own encoder logs every header that it adds to its table at DEBUG level, including the API key, and Huffman-codes
in Python. This one never logs, has no dynamic table (RFC 7541, section 6.2.2: literals without indexing; 6.2.3 for the
key: never indexed), and encodes the common headers of a method only once.
"""

from __future__ import annotations

import functools
import math
import platform
from collections.abc import Iterable
from typing import Final

from mxgateway.options.credentials import ApiKey, Guarded
from mxgateway.transport.http2.grpclib_seam import GRPCLIB_VERSION, HeaderTable
from mxgateway.transport.keys import Keys

Header = tuple[bytes, bytes]
Metadata = Iterable[tuple[str, str]]

_STATIC: Final[dict[Header, int]] = {pair: i for i, pair in reversed(list(enumerate(HeaderTable.STATIC_TABLE, 1)))}
_STATIC_NAMES: Final[dict[bytes, int]] = {
    name: i for (name, _), i in sorted(_STATIC.items(), key=lambda item: -item[1])
}
NO_DYNAMIC_TABLE: Final = b"\x20"
"""Starts a connection's first block: dynamic table size update to 0 (RFC 7541, section 6.3).

Any size that the peer announces later is respected, too.
"""

USER_AGENT: Final = f"mxgateway-python grpc-python-grpclib/{GRPCLIB_VERSION} ({platform.system()}; Python {platform.python_version()})".encode()


_FINE_TIMEOUT: Final = 0.1
"""Seconds below which a timeout is sent in microseconds; above, milliseconds are exact to one percent."""
_TIMEOUT_UNITS: Final = ((b"m", 1e-3), (b"S", 1.0), (b"M", 60.0), (b"H", 3600.0))


class SecretBytes(Guarded, bytes):
    """Bytes that no repr shows; sent as never-indexed literals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"

    __str__ = __repr__


class RequestHeaders:
    """The header blocks of one client's requests, in the order of gRPC's PROTOCOL-HTTP2.

    Args:
        scheme: ``http`` or ``https``.
        authority: Host and port.
        keys: The API key in use; metadata cannot override it.
        metadata: Additional metadata of every call.
    """

    def __init__(self, scheme: str, authority: str, keys: Keys, metadata: Metadata) -> None:
        self._scheme = (b":scheme", scheme.encode())
        self._authority = (b":authority", authority.encode("ascii"))
        self._keys = keys
        self._number = keys.number
        self._metadata = metadata
        self._methods: dict[str, tuple[SecretBytes, SecretBytes]] = {}

    def block(self, path: str, timeout: bytes, metadata: Metadata = ()) -> SecretBytes:
        """Return the header block of one request.

        Args:
            path: ``/package.Service/Method``.
            timeout: The value of ``grpc-timeout``; empty for none.
            metadata: Additional metadata of this call.
        """
        if self._keys.number != self._number:
            self._number = self._keys.number
            self._methods.clear()
        start, rest = self._methods.get(path) or self._encode(path)
        deadline = _encode_header(b"grpc-timeout", timeout) if timeout else b""
        additional = encode_headers(call_metadata(None, metadata)) if metadata else b""
        return SecretBytes(b"%b%b%b%b" % (start, deadline, rest, additional))

    def _encode(self, path: str) -> tuple[SecretBytes, SecretBytes]:
        start = [(b":method", b"POST"), self._scheme, (b":path", path.encode()), self._authority, (b"te", b"trailers")]
        rest = [
            (b"content-type", b"application/grpc"),
            (b"user-agent", USER_AGENT),
            *call_metadata(self._keys.current, self._metadata),
        ]
        blocks = SecretBytes(encode_headers(start)), SecretBytes(encode_headers(rest))
        self._methods[path] = blocks
        return blocks


def encode_timeout(seconds: float) -> bytes:
    """Return the value of ``grpc-timeout``: at most eight digits, rounded up so that the gateway never times out first.

    Args:
        seconds: The time left until the call's deadline.

    Returns:
        The value; empty for more than eight digits of hours, which means no timeout.
    """
    if seconds < _FINE_TIMEOUT:
        return b"%du" % max(math.ceil(seconds * 1e6), 1)
    for unit, size in _TIMEOUT_UNITS:
        if (count := math.ceil(seconds / size)) < 10**8:
            return b"%d%b" % (count, unit)
    return b""


def call_metadata(key: ApiKey | None, metadata: Metadata) -> tuple[Header, ...]:
    """Return metadata as headers: the API key first, then the pairs."""
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in metadata]
    if key is not None:
        pairs.insert(0, (b"authorization", SecretBytes(key.authorization().encode("ascii"))))
    return tuple(pairs)


def encode_headers(headers: Iterable[Header]) -> bytes:
    """Return the header block of `headers`."""
    return b"".join([_literal(name, value) for name, value in headers])


@functools.lru_cache(maxsize=512)
def _encode_header(name: bytes, value: bytes) -> bytes:
    if index := _STATIC.get((name, value)):
        return _integer(0x80, 7, index)
    return _name(0x00, name) + _string(value)


def _literal(name: bytes, value: bytes) -> bytes:
    if type(value) is SecretBytes:
        return _name(0x10, name) + _string(value)
    return _encode_header(name, value)


def _name(pattern: int, name: bytes) -> bytes:
    index = _STATIC_NAMES.get(name)
    return _integer(pattern, 4, index) if index else bytes((pattern,)) + _string(name)


def _string(value: bytes) -> bytes:
    return _integer(0x00, 7, len(value)) + value


def _integer(pattern: int, bits: int, value: int) -> bytes:
    """Return an integer with a prefix of `bits` (RFC 7541, section 5.1) and the pattern of its representation."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((pattern | value,))
    out, value = bytearray((pattern | limit,)), value - limit
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
