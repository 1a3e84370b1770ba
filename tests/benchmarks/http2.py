"""The minimal HTTP/2 for a client with one event stream: bytes to send, and frames to split."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from mxgateway.transport.http2 import frames

WINDOW: Final = 2**30
"""The initial window for the server: larger than any stream here."""
STREAM: Final = 1
_DEFAULT_WINDOW: Final = 65_535
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_INITIAL_WINDOW_SIZE: Final = 4
_HEADERS: Final = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/mxaccess_gateway.v1.MxAccessGateway/StreamEvents"),
    (b":authority", b"localhost"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
)

Frame = tuple[int, int, bytes]
"""Type, flags and payload."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Return an encoded frame."""
    return struct.pack("!HBBBL", len(payload) >> 8, len(payload) & 255, kind, flags, stream_id) + payload


def opening() -> bytes:
    """Return the connection preface, with a window that never limits the server."""
    settings = frame(frames.SETTINGS, 0, 0, struct.pack("!HL", _INITIAL_WINDOW_SIZE, WINDOW))
    return _PREFACE + settings + frames.window_update(0, WINDOW - _DEFAULT_WINDOW)


def request() -> bytes:
    """Return a call of StreamEvents with an empty request."""
    headers = b"".join(_literal(*header) for header in _HEADERS)
    return frame(frames.HEADERS, frames.END_HEADERS, STREAM, headers) + frame(
        frames.DATA, frames.END_STREAM, STREAM, bytes(5)
    )


def reply_due(kind: int, flags: int, payload: bytes) -> bytes:
    """Return the acknowledgement of a PING or of SETTINGS; nothing for any other frame."""
    if flags & frames.ACK:
        return b""
    if kind == frames.PING:
        return frame(frames.PING, frames.ACK, 0, payload)
    return frame(frames.SETTINGS, frames.ACK, 0, b"") if kind == frames.SETTINGS else b""


class Splitter:
    """Splits received bytes into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def frames_of(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames completed by `data`; the rest waits for more bytes."""
        buffer = self._rest + data if self._rest else data
        position, size = 0, len(buffer)
        while size - position >= frames.HEADER_SIZE:
            length, kind, flags, _ = frames.parse_header(buffer, position)
            start = position + frames.HEADER_SIZE
            end = start + length
            if end > size:
                break
            position = end
            yield kind, flags, buffer[start:end]
        self._rest = buffer[position:]


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header for the block, neither indexed nor compressed (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
