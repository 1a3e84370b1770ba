"""HTTP/2 frames (RFC 9113, section 4) as far as the transport handles them itself.

h2 handles the connection's control frames. DATA frames are split off before it, because they are the bulk of a subscription and h2
spends more time on one of them than decoding the event in it takes; GOAWAY is split off because h2 closes the whole connection on it, also for the streams that
the server still finishes; unknown types are dropped, as the RFC demands.
"""

from __future__ import annotations

import struct
from typing import Final

HEADER_SIZE: Final = 9
MAX_FRAME_SIZE: Final = 256 * 1024
"""What we accept in one frame. A hierarchy page or a bulk reply then needs few of them; 16 KiB, the default, is the least allowed."""

DATA: Final = 0x0
HEADERS: Final = 0x1
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
GOAWAY: Final = 0x7
CONTINUATION: Final = 0x9
LAST_KNOWN_TYPE: Final = CONTINUATION

END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8

_HEADER: Final = struct.Struct("!HBBBL")
_STREAM_ID: Final = 0x7FFF_FFFF
_GOAWAY: Final = struct.Struct("!LL")
_WINDOW_UPDATE: Final = struct.Struct("!HBBBLL")

FrameHeader = tuple[int, int, int, int]
"""Payload length in bytes, type, flags, stream id."""


class FrameError(Exception):
    """The bytes are no valid frame."""


def parse_header(buffer: bytes, position: int) -> FrameHeader:
    """Return the frame header that starts at `position`; the buffer holds all of it."""
    high, low, kind, flags, stream_id = _HEADER.unpack_from(buffer, position)
    return (high << 8) | low, kind, flags, stream_id & _STREAM_ID


def unpad(payload: bytes) -> bytes:
    """Return the payload of a PADDED frame without its padding.

    Raises:
        FrameError: The padding is longer than the frame.
    """
    if not payload or payload[0] >= len(payload):
        raise FrameError("the padding of a DATA frame is longer than the frame")
    return payload[1 : len(payload) - payload[0]]


def parse_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """Return the last stream id, the error code and the debug data of a GOAWAY frame.

    Raises:
        FrameError: The frame is too short.
    """
    if len(payload) < _GOAWAY.size:
        raise FrameError("a GOAWAY frame is too short")
    last_stream_id, code = _GOAWAY.unpack_from(payload)
    return last_stream_id & _STREAM_ID, code, payload[_GOAWAY.size :]


def end_of_stream(stream_id: int) -> bytes:
    """Return an empty DATA frame that ends a stream."""
    return _HEADER.pack(0, 0, DATA, END_STREAM, stream_id)


def window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame; stream 0 is the connection."""
    return _WINDOW_UPDATE.pack(0, 4, 0x8, 0, stream_id, increment)
