"""Decodes and checks the header blocks of replies; equal blocks only once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Final

from mxgateway.errors.faults import PeerFault
from mxgateway.transport.http2.grpclib_seam import HpackDecoder, HpackError

Headers = dict[bytes, bytes]
"""One reply's headers or trailers; the last of a repeated name counts. Shared between replies: never changed."""

MAX_HEADER_LIST: Final = 32 * 1024
"""The largest header list accepted, in bytes; the gateway accepts as much."""
MAX_FRAMES_OF_BLOCK: Final = 64
"""The maximum number of frames in one header block; an empty CONTINUATION costs the peer nothing."""
MAX_CACHED_BLOCKS: Final = 64
"""The maximum number of blocks in the decoder's cache; a gateway sends two or three."""

_NAME: Final = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_FORBIDDEN_IN_VALUE: Final = re.compile(rb"[\0\r\n]")
_OF_HTTP1: Final = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


_LOGGERS: Final = ("hpack", "hpack.hpack", "hpack.table")


class HeaderBlockError(Exception):
    """The block cannot be decoded; the compression state is lost."""


class ReplyHeaderDecoder:
    """Decodes the header blocks of one connection, each distinct block only once.

    A gateway's replies have the same few headers. Once these are in the dynamic table, each reply's block is the same
    few index bytes, whose meaning stays the same until the table changes.
    """

    def __init__(self) -> None:
        _redact_logs()
        self._hpack = HpackDecoder(max_header_list_size=MAX_HEADER_LIST)
        self._known: dict[bytes, Headers | PeerFault] = {}

    def decode(self, block: bytes) -> Headers:
        """Return the headers of a block.

        Raises:
            PeerFault: They break a rule of HTTP/2; the connection may continue.
            HeaderBlockError: The block cannot be decoded, or the list is too large; the connection must end.
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
            text = str(error).partition(": <")[0]  # a memory address follows it
            raise HeaderBlockError(f"a header block cannot be decoded ({type(error).__name__}: {text})") from error
        result = _checked([(bytes(name), bytes(value)) for name, value in pairs])
        # A new entry becomes the first one, so the table is unchanged only if its first entry is.
        changed = (entries[0] if entries else None) is not first or len(entries) != count
        if changed or size != table.maxsize or len(self._known) >= MAX_CACHED_BLOCKS:
            self._known.clear()
        else:
            self._known[block] = result
        return result


def _checked(pairs: Iterable[tuple[bytes, bytes]]) -> Headers | PeerFault:
    """Return headers as a mapping, or the fault if they break a rule of RFC 9113, sections 8.2 and 8.3."""
    headers: Headers = {}
    regular = False
    for name, value in pairs:
        if not _NAME.fullmatch(name) or _FORBIDDEN_IN_VALUE.search(value):
            return PeerFault(f"the gateway sent a header that HTTP/2 forbids ({name[:100]!r})")
        if name in _OF_HTTP1:
            return PeerFault(f"the gateway sent a header of HTTP/1 ({name.decode()})")
        if name.startswith(b":"):
            if regular or name != b":status" or name in headers:
                return PeerFault(f"the gateway sent the pseudo-header {name.decode()} where it is not allowed")
        else:
            regular = True
        headers[name] = value
    return headers


def _redact_logs() -> None:
    """Keep decoded headers out of hpack's DEBUG logs, whatever levels are set: they may repeat a key or a password."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_without_headers)


def _without_headers(record: logging.LogRecord) -> bool:
    """Pass every record on with its numbers, but without names, values and bytes: any of them may be a secret."""
    args = record.args if isinstance(record.args, tuple) else ()
    record.args = tuple(each if isinstance(each, int) else "..." for each in args)
    return True
