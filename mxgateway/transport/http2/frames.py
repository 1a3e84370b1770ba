"""HTTP/2 frames (RFC 9113, sections 4 and 6), as far as the transport handles them itself.

h2 handles SETTINGS only. It would spend more time on any other frame than decoding its event takes, and half of the
total cost of a unary call. It would also close the connection on GOAWAY, even for streams that the server still
finishes.
"""

from __future__ import annotations

import struct
from typing import Final

HEADER_SIZE: Final = 9
MAX_FRAME_SIZE: Final = 256 * 1024
"""The largest frame accepted, in bytes.

A hierarchy page or a bulk reply then needs few frames. 16 KiB, the default, is the minimum.
"""

DATA: Final = 0x0
HEADERS: Final = 0x1
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY_FLAG: Final = 0x20

MAX_WINDOW: Final = 0x7FFF_FFFF
"""The largest flow-control window (section 6.9.1)."""
MAX_STREAM_ID: Final = 0x7FFF_FFFF

HEADER: Final = struct.Struct("!HBBBL")
"""A frame header: the length's upper two bytes and its lowest, type, flags, stream id with a reserved bit."""
HEADER_AND_PREFIX: Final = struct.Struct("!HBHLBL")
"""A DATA frame's header and the prefix of the gRPC message in it.

The length's upper two bytes and its lowest, type and flags in one number, stream id with a reserved bit; the compressed
flag, and the message's length.
"""
LOW_31: Final = 0x7FFF_FFFF
"""The top bit of a stream id or an increment is reserved."""
_NUMBER: Final = struct.Struct("!L")
_GOAWAY: Final = struct.Struct("!LL")
_WITH_NUMBER: Final = struct.Struct("!HBBBLL")
_PRIORITY_SIZE: Final = 5
PING_SIZE: Final = 8
SETTING_SIZE: Final = 6
_LAST_SETTING: Final = 0x9  # the highest identifier that an RFC defines (RFC 9218, section 2.1)

FrameHeader = tuple[int, int, int, int]
"""Payload length in bytes, type, flags, stream id."""


class FrameError(Exception):
    """The bytes are not a valid frame."""


def parse_header(buffer: bytes, position: int) -> FrameHeader:
    """Return the frame header at `position`; the buffer must contain all of it."""
    high, low, kind, flags, stream_id = HEADER.unpack_from(buffer, position)
    return (high << 8) | low, kind, flags, stream_id & LOW_31


def unpad(payload: bytes) -> bytes:
    """Return the payload of a PADDED frame without its padding.

    Raises:
        FrameError: The padding is longer than the frame.
    """
    if not payload or payload[0] >= len(payload):
        raise FrameError("the padding of a frame is longer than the frame")
    return payload[1 : len(payload) - payload[0]]


def header_fragment(payload: bytes, flags: int) -> bytes:
    """Return the part of a header block in a HEADERS frame, without padding and the obsolete priority.

    Raises:
        FrameError: The frame is too short for its flags.
    """
    if flags & PADDED:
        payload = unpad(payload)
    if not flags & PRIORITY_FLAG:
        return payload
    if len(payload) < _PRIORITY_SIZE:
        raise FrameError("a HEADERS frame is too short for its priority")
    return payload[_PRIORITY_SIZE:]


def parse_number(payload: bytes, name: str) -> int:
    """Return the 32-bit number that is a frame's whole payload, such as RST_STREAM's error code.

    Raises:
        FrameError: The frame has another size.
    """
    if len(payload) != _NUMBER.size:
        raise FrameError(f"a {name} frame has {len(payload)} bytes instead of {_NUMBER.size}")
    number: int = _NUMBER.unpack(payload)[0]
    return number


def parse_increment(payload: bytes) -> int:
    """Return the increment of a WINDOW_UPDATE frame (31 bits).

    Raises:
        FrameError: The frame has another size.
    """
    return parse_number(payload, "WINDOW_UPDATE") & LOW_31


def check_settings(flags: int, payload: bytes) -> None:
    """Check that the payload of a SETTINGS frame has complete settings, and that of an acknowledgement none.

    Raises:
        FrameError: It does not.
    """
    if flags & ACK and payload:
        raise FrameError(f"a SETTINGS acknowledgement has {len(payload)} bytes of settings")
    if len(payload) % SETTING_SIZE:
        raise FrameError(f"a SETTINGS frame has {len(payload)} bytes, not a multiple of {SETTING_SIZE}")


def parse_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """Return the last stream id, the error code and the debug data of a GOAWAY frame.

    Raises:
        FrameError: The frame is too short.
    """
    if len(payload) < _GOAWAY.size:
        raise FrameError("a GOAWAY frame is too short")
    last_stream_id, code = _GOAWAY.unpack_from(payload)
    return last_stream_id & LOW_31, code, payload[_GOAWAY.size :]


def defined_settings(payload: bytes) -> bytes:
    """Return the checked payload of a SETTINGS frame without undefined identifiers: h2 would keep each forever."""
    settings = (payload[start : start + SETTING_SIZE] for start in range(0, len(payload), SETTING_SIZE))
    return b"".join(setting for setting in settings if int.from_bytes(setting[:2], "big") <= _LAST_SETTING)


def headers(stream_id: int, block: bytes, max_frame_size: int) -> bytes:
    """Return the frames for a request's header block; the stream stays open."""
    if len(block) <= max_frame_size:
        return _frame(len(block), HEADERS, END_HEADERS, stream_id) + block
    pieces = [block[start : start + max_frame_size] for start in range(0, len(block), max_frame_size)]
    kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
    flags = [0] * (len(pieces) - 1) + [END_HEADERS]
    return b"".join(
        _frame(len(piece), kind, flag, stream_id) + piece
        for piece, kind, flag in zip(pieces, kinds, flags, strict=True)
    )


def data(stream_id: int, chunk: bytes, *, end: bool) -> bytes:
    """Return a DATA frame."""
    return _frame(len(chunk), DATA, END_STREAM if end else 0, stream_id) + chunk


def window_update(stream_id: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame; stream 0 is the connection."""
    return _WITH_NUMBER.pack(0, _NUMBER.size, WINDOW_UPDATE, 0, stream_id, increment)


def settings(stream_id: int, flags: int, payload: bytes) -> bytes:
    """Return a SETTINGS frame."""
    return _frame(len(payload), SETTINGS, flags, stream_id) + payload


def ping(opaque: bytes, *, ack: bool = False) -> bytes:
    """Return a PING frame, or the answer to one; `opaque` has 8 bytes."""
    return _frame(len(opaque), PING, ACK if ack else 0, 0) + opaque


def rst_stream(stream_id: int, code: int) -> bytes:
    """Return a RST_STREAM frame."""
    return _WITH_NUMBER.pack(0, _NUMBER.size, RST_STREAM, 0, stream_id, code)


def _frame(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    return HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream_id)
