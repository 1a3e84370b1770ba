"""Hand-made frames that hyperframe lacks: gRPC's, and forbidden ones."""

from __future__ import annotations

import struct

from hyperframe.frame import ContinuationFrame, ExtensionFrame, Frame, HeadersFrame

LEAST_FRAME_SIZE = 16_384
"""Bytes that every peer accepts in one frame."""

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
INTERNAL_ERROR = 0x2
REFUSED_STREAM = 0x7
CANCEL = 0x8
ENHANCE_YOUR_CALM = 0xB


def grpc_message(message: bytes, *, compressed: int = 0) -> bytes:
    """Return a message with gRPC's prefix."""
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


def unknown_frame(kind: int, stream_id: int, payload: bytes) -> ExtensionFrame:
    """Return a frame of a type that HTTP/2 does not define."""
    frame = ExtensionFrame(kind, stream_id, body=payload)
    frame.body_len = len(payload)
    return frame


def raw_frame(kind: int, stream_id: int, payload: bytes = b"", *, flags: int = 0, length: int | None = None) -> bytes:
    """Return any frame, even one that HTTP/2 forbids; `length` is the length in its header."""
    size = len(payload) if length is None else length
    return struct.pack(">HBBBL", size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def header_frames(stream_id: int, block: bytes, *, end: bool = False, size: int = LEAST_FRAME_SIZE) -> list[Frame]:
    """Return a header block as HEADERS and as many CONTINUATION frames as necessary."""
    pieces = [block[i : i + size] for i in range(0, len(block), size)] or [b""]
    frames: list[HeadersFrame | ContinuationFrame] = [HeadersFrame(stream_id, pieces[0])]
    frames += [ContinuationFrame(stream_id, piece) for piece in pieces[1:]]
    if end:
        frames[0].flags.add("END_STREAM")
    frames[-1].flags.add("END_HEADERS")
    return list(frames)
