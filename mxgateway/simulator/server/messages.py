"""The messages of a call on its HTTP/2 stream, and how a call is refused as unprocessed."""

from __future__ import annotations

import struct
import weakref
from collections.abc import Iterable
from typing import Any, Final, cast

from grpclib.protocol import Stream
from h2.errors import ErrorCodes

from mxgateway.simulator.server.frames import Headers, Http2

# Most bytes written before the limit of unsent bytes is checked again: a peer may accept frames of 16 MiB.
_PIECE: Final = 64 * 1024

_PREFIX: Final = struct.Struct(">BI")
# The frame header: 8 bytes, type GOAWAY, no flags, stream 0.
_GOAWAY: Final = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00"

leaving: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""Connections that have sent GOAWAY and continue with older streams only."""


class CompressedMessageError(Exception):
    """A message is marked as compressed, but no compression was negotiated."""


def goaway_frame(last: int) -> bytes:
    """Return a GOAWAY frame without an error. h2 would send nothing more after one that it sends itself.

    Args:
        last: The last stream that is answered.
    """
    return _GOAWAY + struct.pack(">II", last, ErrorCodes.NO_ERROR)


async def send_reply(stream: Stream, headers: Headers, message: bytes, trailers: Headers) -> None:
    """Send headers, one message and trailers, in one write if flow control allows.

    Raises:
        STREAM_GONE: The stream has ended.
    """
    data = _PREFIX.pack(0, len(message)) + message
    await stream.connection.write_ready.wait()
    h2 = cast(Http2, stream._h2_connection)
    assert stream.id is not None
    if len(data) > min(h2.local_flow_control_window(stream.id), h2.max_outbound_frame_size, _PIECE):
        await stream.send_headers(list(headers))
        await _send_data(stream, data)
        await stream.send_headers(list(trailers), end_stream=True)
        return
    h2.send_reply(stream.id, headers, data, trailers)
    stream._transport.write(h2.data_to_send())


async def send_messages(stream: Stream, messages: Iterable[bytes]) -> None:
    """Send messages, as many per frame as fit.

    Raises:
        STREAM_GONE: The stream has ended.
    """
    data = b"".join(part for message in messages for part in (_PREFIX.pack(0, len(message)), message))
    await _send_data(stream, data)


async def _send_data(stream: Stream, data: bytes) -> None:
    for start in range(0, len(data), _PIECE):
        await stream.send_data(data[start : start + _PIECE])


def refuse_unprocessed(stream: Stream, *, goaway: bool) -> None:
    """Refuse a request in a way that tells the client that nothing was processed.

    Args:
        stream: The request's stream.
        goaway: Send GOAWAY with a last stream before this one: older streams of the connection continue, newer ones are
            not answered. Only the newest stream can be refused this way; otherwise the refusal is RST_STREAM with
            REFUSED_STREAM.
    """
    assert stream.id is not None
    if not goaway or stream.id != stream._h2_connection.highest_inbound_stream_id:
        stream.reset_nowait(ErrorCodes.REFUSED_STREAM)
        return
    leaving.add(stream.connection)
    stream._transport.write(goaway_frame(max(stream.id - 2, 0)))


async def read_message(stream: Stream, limit: int) -> bytes | None:
    """Read one message; None if the stream ends before or within it.

    Args:
        stream: The request's stream.
        limit: Largest message in bytes.

    Raises:
        ValueError: The message is larger.
        CompressedMessageError: The message is compressed.
    """
    try:
        prefix = await stream.recv_data(_PREFIX.size)
        if not prefix:
            return None
        is_compressed, length = _PREFIX.unpack(prefix)
        if is_compressed:
            raise CompressedMessageError
        if length > limit:
            raise ValueError(length)
        return await stream.recv_data(length)
    except AssertionError:
        # Raised by grpclib's buffer if the stream ends within the requested bytes.
        return None
