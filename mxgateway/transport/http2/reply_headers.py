"""Header blocks of replies: from the wire to a mapping, checked once for each block that differs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mxgateway.errors.faults import PeerFault
from mxgateway.transport.http2.grpclib_seam import HpackDecoder, HpackError
from mxgateway.transport.http2.header_logs import redact_headers

Headers = dict[bytes, bytes]
"""One reply's headers or trailers; of a repeated name the last one counts. Shared between replies: never changed."""

MAX_HEADER_LIST: Final = 32 * 1024
"""The largest header list accepted, in bytes; the gateway accepts as much."""
MAX_FRAMES_OF_BLOCK: Final = 64
"""The most frames that one header block may take; an empty CONTINUATION costs the peer nothing."""
MOST_KNOWN_BLOCKS: Final = 64
"""Blocks that the decoder remembers; a gateway sends two or three."""

_NAME: Final = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_FORBIDDEN_IN_VALUE: Final = re.compile(rb"[\0\r\n]")
_OF_HTTP1: Final = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


class HeaderBlockError(Exception):
    """The block cannot be decoded; the compression state is lost with it."""


class ReplyHeaderDecoder:
    """Decodes the header blocks of one connection, the same block only once.

    A gateway's replies carry the same few headers. Once they stand in the dynamic table each reply's block is the same handful of index bytes, and
    stays what it means until the table changes.
    """

    def __init__(self) -> None:
        redact_headers()
        self._hpack = HpackDecoder(max_header_list_size=MAX_HEADER_LIST)
        self._known: dict[bytes, Headers | PeerFault] = {}

    def decode(self, block: bytes) -> Headers:
        """Return the headers of a block.

        Raises:
            PeerFault: They break a rule of HTTP/2; the connection may go on.
            HeaderBlockError: The block cannot be decoded, or the list is too large; the connection may not go on.
        """
        result = self._known.get(block)
        if result is None:
            result = self._decode(block)
        if isinstance(result, PeerFault):
            raise PeerFault(str(result))
        return result

    def _decode(self, block: bytes) -> Headers | PeerFault:
        table = self._hpack.header_table
        entries, size = table.dynamic_entries, table.maxsize
        first, count = entries[0] if entries else None, len(entries)
        try:
            pairs = self._hpack.decode(block, raw=True)
        except HpackError as error:
            text = str(error).partition(": <")[0]  # behind it stands a memory address
            raise HeaderBlockError(f"a header block cannot be decoded ({type(error).__name__}: {text})") from error
        result = _checked([(bytes(name), bytes(value)) for name, value in pairs])
        # Every entry that is added becomes the first one, so this is the same table only with the same first entry.
        changed = (entries[0] if entries else None) is not first or len(entries) != count
        if changed or size != table.maxsize or len(self._known) >= MOST_KNOWN_BLOCKS:
            self._known.clear()
        else:
            self._known[block] = result
        return result


def _checked(pairs: Iterable[tuple[bytes, bytes]]) -> Headers | PeerFault:
    """Return headers as a mapping, or the rule of RFC 9113, section 8.2 and 8.3, that they break."""
    headers: Headers = {}
    regular = False
    for name, value in pairs:
        if not _NAME.fullmatch(name) or _FORBIDDEN_IN_VALUE.search(value):
            return PeerFault(f"the gateway sent a header that HTTP/2 forbids ({name[:100]!r})")
        if name in _OF_HTTP1:
            return PeerFault(f"the gateway sent a header of HTTP/1 ({name.decode()})")
        if name.startswith(b":"):
            if regular or name != b":status" or name in headers:
                return PeerFault(f"the gateway sent the pseudo-header {name.decode()} where none belongs")
        else:
            regular = True
        headers[name] = value
    return headers
