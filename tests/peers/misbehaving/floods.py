"""Floods: hundreds of thousands of frames that cost the sender next to nothing.

A flood ends with a proper response, so a tolerant client gets its answer; a strict one disconnects before.
"""

from __future__ import annotations

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.peers.http2.http2_frames import grpc_message, unknown_frame
from tests.peers.http2.http2_peer import RESPONSE, Http2Peer, Request
from tests.peers.http2.scripts import SAMPLE, misbehaviour, step

MANY = 100_000


@step
async def flood(peer: Http2Peer, request: Request, frame: Frame, count: int) -> None:
    """Send the same frame `count` times, as fast as the client takes it."""
    await peer.send_often(frame, count)


@misbehaviour
async def empty_data_flood(peer: Http2Peer, request: Request, count: int = 1_000_000, message: bytes = SAMPLE) -> None:
    """Send a million DATA frames without data between the headers and the message."""
    await peer.send(peer.headers(request.stream_id))
    await flood(DataFrame(request.stream_id), count)(peer, request)
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(peer.trailers(request.stream_id))


@misbehaviour
async def continuation_flood(peer: Http2Peer, request: Request, count: int = MANY, size: int = 64) -> None:
    """Send headers continued by `count` frames of `size` bytes that never end."""
    await peer.send(HeadersFrame(request.stream_id, peer.encoder.encode(list(RESPONSE))))
    accept_encoding = b"\x90"  # entry 16 of HPACK's static table, a whole header in one byte
    await flood(ContinuationFrame(request.stream_id, accept_encoding * size), count)(peer, request)


@misbehaviour
async def settings_flood(peer: Http2Peer, request: Request, count: int = MANY, message: bytes = SAMPLE) -> None:
    """Send many SETTINGS, each of which needs an answer, and then a proper response."""
    await flood(SettingsFrame(0, settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 100}), count)(peer, request)
    await peer.reply(request, message)


@misbehaviour
async def ping_flood(peer: Http2Peer, request: Request, count: int = MANY, message: bytes = SAMPLE) -> None:
    """Send many PINGs, each of which needs an answer, and then a proper response."""
    await flood(PingFrame(0, b"flooding"), count)(peer, request)
    await peer.reply(request, message)


@misbehaviour
async def rst_flood(peer: Http2Peer, request: Request, count: int = MANY, code: int = 0x8) -> None:
    """Send the headers, and reset the stream again and again."""
    await peer.send(peer.headers(request.stream_id))
    await flood(RstStreamFrame(request.stream_id, error_code=code), count)(peer, request)


@misbehaviour
async def window_update_flood(peer: Http2Peer, request: Request, count: int = MANY, message: bytes = SAMPLE) -> None:
    """Increase the connection's window byte by byte, and then send a proper response."""
    await flood(WindowUpdateFrame(0, window_increment=1), count)(peer, request)
    await peer.reply(request, message)


@misbehaviour
async def priority_flood(peer: Http2Peer, request: Request, count: int = MANY, message: bytes = SAMPLE) -> None:
    """Send PRIORITY frames and then a proper response."""
    await flood(PriorityFrame(request.stream_id, stream_weight=15), count)(peer, request)
    await peer.reply(request, message)


@misbehaviour
async def unknown_frame_flood(peer: Http2Peer, request: Request, count: int = MANY, message: bytes = SAMPLE) -> None:
    """Send empty frames of a type that HTTP/2 does not define, and then a proper response."""
    await flood(unknown_frame(0x42, 0, b""), count)(peer, request)
    await peer.reply(request, message)


@misbehaviour
async def informational_flood(peer: Http2Peer, request: Request, count: int = MANY, message: bytes = SAMPLE) -> None:
    """Send 1xx headers again and again, and then a proper response."""
    first = peer.headers(request.stream_id, [(b":status", b"103")])
    await peer.send(first)  # it enters the header table, so that the others are identical
    await flood(peer.headers(request.stream_id, [(b":status", b"103")]), count - 1)(peer, request)
    await peer.reply(request, message)
