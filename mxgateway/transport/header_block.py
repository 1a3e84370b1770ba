"""Request headers, and the encoder that puts them on the wire.

hpack's own encoder logs every header that it adds to its table at DEBUG level, the API key among them, and Huffman-codes in Python. This one never logs, keeps no
dynamic table (RFC 7541, section 6.2.2: literals without indexing; 6.2.3 for the key: never indexed), and remembers what a header looks like.
"""

from __future__ import annotations

import functools
import math
import platform
from collections.abc import Iterable
from typing import Any, Final

from mxgateway.credentials import ApiKey
from mxgateway.transport.grpclib_seam import GRPCLIB_VERSION, HeaderTable, HpackDecoder

Header = tuple[bytes, bytes]

_STATIC: Final[dict[Header, int]] = {pair: i for i, pair in reversed(list(enumerate(HeaderTable.STATIC_TABLE, 1)))}
_STATIC_NAMES: Final[dict[bytes, int]] = {
    name: i for (name, _), i in sorted(_STATIC.items(), key=lambda item: -item[1])
}
_NO_DYNAMIC_TABLE: Final = b"\x20"
"""Dynamic table size update to 0 (RFC 7541, section 6.3): whatever size the peer announces later, this encoder already obeys it."""

MOST_KNOWN_BLOCKS: Final = 64
"""Blocks that the decoder remembers; a gateway sends two or three."""

USER_AGENT: Final = f"mxgateway-python grpc-python-grpclib/{GRPCLIB_VERSION} ({platform.system()}; Python {platform.python_version()})".encode()


_FINE_TIMEOUT: Final = 0.1
"""Seconds below which a bound is told in microseconds; above, milliseconds differ from it by less than a hundredth."""
_TIMEOUT_UNITS: Final = ((b"m", 1e-3), (b"S", 1.0), (b"M", 60.0), (b"H", 3600.0))


class SecretBytes(bytes):
    """Bytes that no repr shows; they are sent never indexed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"

    __str__ = __repr__


def request_headers(
    *, scheme: str, authority: str, path: str, timeout: bytes, metadata: Iterable[Header]
) -> list[Header]:
    """Return the headers of one request in the order that gRPC's PROTOCOL-HTTP2 gives.

    Args:
        scheme: ``http`` or ``https``.
        authority: Host and port.
        path: ``/package.Service/Method``.
        timeout: The value of ``grpc-timeout``; empty for none.
        metadata: What `call_metadata` made.
    """
    headers = [
        (b":method", b"POST"),
        (b":scheme", scheme.encode()),
        (b":path", path.encode()),
        (b":authority", authority.encode("ascii")),
        (b"te", b"trailers"),
    ]
    if timeout:
        headers.append((b"grpc-timeout", timeout))
    headers += [(b"content-type", b"application/grpc"), (b"user-agent", USER_AGENT)]
    headers += metadata
    return headers


def encode_timeout(seconds: float) -> bytes:
    """Return the value of ``grpc-timeout``: at most eight digits, rounded up so that the gateway never gives up first.

    Args:
        seconds: What is left of the call's bound.

    Returns:
        The value; empty for more than eight digits of hours, which is no bound.
    """
    if seconds < _FINE_TIMEOUT:
        return b"%du" % max(math.ceil(seconds * 1e6), 1)
    for unit, size in _TIMEOUT_UNITS:
        if (count := math.ceil(seconds / size)) < 10**8:
            return b"%d%b" % (count, unit)
    return b""


def call_metadata(key: ApiKey | None, *groups: Iterable[tuple[str, str]]) -> tuple[Header, ...]:
    """Return the metadata of one call: the API key first, then each group's pairs; nothing replaces the key."""
    pairs = [(name.encode("ascii"), value.encode("ascii")) for group in groups for name, value in group]
    if key is not None:
        pairs.insert(0, (b"authorization", SecretBytes(key.authorization().encode("ascii"))))
    return tuple(pairs)


class HeaderEncoder:
    """The encoder that takes hpack's place in an h2 connection."""

    header_table_size: int = 4096
    """Set by h2 when the peer announces a size; of no consequence without a dynamic table."""

    def __init__(self) -> None:
        self._prefix = _NO_DYNAMIC_TABLE

    def encode(self, headers: Iterable[Header], huffman: bool = True) -> bytes:
        """Return the header block of `headers`; `huffman` is accepted for h2's sake and not used."""
        prefix, self._prefix = self._prefix, b""
        return prefix + b"".join([_literal(name, value) for name, value in headers])


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
    """Return an integer with a prefix of `bits` (RFC 7541, section 5.1) under the pattern of its representation."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((pattern | value,))
    out, value = bytearray((pattern | limit,)), value - limit
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class RememberingDecoder(HpackDecoder):
    """hpack's decoder, which does not decode the same block twice.

    A gateway's replies carry the same few headers. Once they stand in the dynamic table each reply's block is the same handful of index bytes, and
    stays what it means until the table changes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, Iterable[Header]] = {}

    def decode(self, data: bytes, raw: bool = False) -> Iterable[Any]:
        """Return the headers of a block; as hpack does, errors included."""
        key = bytes(data)
        known = self._known.get(key) if raw else None
        if known is not None:
            return known
        entries, size = self.header_table.dynamic_entries, self.header_table.maxsize
        first, count = entries[0] if entries else None, len(entries)
        headers = super().decode(data, raw)
        # Every entry that is added becomes the first one, so this is the same table only with the same first entry.
        changed = (entries[0] if entries else None) is not first or len(entries) != count
        if changed or size != self.header_table.maxsize or len(self._known) >= MOST_KNOWN_BLOCKS:
            self._known.clear()
        elif raw:
            self._known[key] = headers
        return headers
