"""Frames that a client must ignore, and frames that it must reject."""

from __future__ import annotations

from collections.abc import Iterable

from hyperframe.frame import (
    AltSvcFrame,
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    SettingsFrame,
)

from tests.peers.http2.http2_frames import LEAST_FRAME_SIZE, grpc_message, header_frames, raw_frame, unknown_frame
from tests.peers.http2.http2_peer import RESPONSE, Http2Peer, Request
from tests.peers.http2.scripts import SAMPLE, misbehaviour, step

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ALTSVC, ORIGIN = 0xA, 0xC
END_STREAM, END_HEADERS, PADDED = 0x1, 0x4, 0x8

IDLE = 1000
"""Distance from the request's stream to a stream that nobody has opened."""


# -- to be ignored


@step
async def interspersed(peer: Http2Peer, request: Request, noise: Iterable[Frame], message: bytes = SAMPLE) -> None:
    """Send a proper response with `noise` before, between and after its frames."""
    noise, data = list(noise), grpc_message(message)
    await peer.send(*noise, peer.headers(request.stream_id), *noise)
    await peer.send_data(request.stream_id, data[:3])
    await peer.send(*noise)
    await peer.send_data(request.stream_id, data[3:])
    await peer.send(*noise, peer.trailers(request.stream_id), *noise)


@misbehaviour
async def unknown_frames(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response among frames of types that HTTP/2 does not define, on all kinds of streams."""
    streams = (0, request.stream_id, request.stream_id + IDLE)
    noise = [unknown_frame(kind, stream, b"payload") for kind in (0xB, 0x42, 0xFF) for stream in streams]
    await interspersed(noise, message)(peer, request)


@misbehaviour
async def altsvc(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response among ALTSVC frames, for an origin and for the stream."""
    field = b'h2="elsewhere.plant:443"; ma=60'
    noise = [AltSvcFrame(0, origin=b"https://gw.plant", field=field), AltSvcFrame(request.stream_id, field=field)]
    await interspersed(noise, message)(peer, request)


@misbehaviour
async def origin(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response among ORIGIN frames."""
    await interspersed([unknown_frame(ORIGIN, 0, b"\x00\x10https://gw.plant")], message)(peer, request)


@misbehaviour
async def priorities(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response among PRIORITY frames, for this stream and for one that is idle."""
    streams = (request.stream_id, request.stream_id + IDLE)
    noise = [PriorityFrame(stream, depends_on=0, stream_weight=15) for stream in streams]
    await interspersed(noise, message)(peer, request)


@misbehaviour
async def unasked_acknowledgements(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response among unsolicited PING acknowledgements."""
    await interspersed([PingFrame(0, b"unasked!", flags=["ACK"])], message)(peer, request)


@misbehaviour
async def unknown_settings(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response among settings that HTTP/2 does not define."""
    await interspersed([SettingsFrame(0, settings={0x99: 7, 0xF0: 2**32 - 1})], message)(peer, request)


@misbehaviour
async def pings_while_replying(peer: Http2Peer, request: Request, *messages: bytes) -> None:
    """Send a proper response with a PING before each of its parts, and wait for each answer."""
    await peer.ping()
    await peer.send(peer.headers(request.stream_id))
    for message in messages or (SAMPLE,):
        await peer.ping()
        await peer.send_data(request.stream_id, grpc_message(message))
    await peer.ping()
    await peer.send(peer.trailers(request.stream_id))
    await peer.ping()


# -- valid but rare


@misbehaviour
async def padded_reply(peer: Http2Peer, request: Request, message: bytes = SAMPLE, padding: int = 255) -> None:
    """Send a proper response whose HEADERS and DATA are padded; one DATA frame is padding alone."""
    stream_id, data = request.stream_id, grpc_message(message)
    headers, trailers = peer.headers(stream_id), peer.trailers(stream_id)
    for frame in (headers, trailers):
        frame.flags.add("PADDED")
        frame.pad_length = padding
    parts = [DataFrame(stream_id, part, pad_length=padding, flags=["PADDED"]) for part in (data[:3], b"", data[3:])]
    await peer.send(headers, *parts, trailers)


@misbehaviour
async def priority_on_headers(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response whose HEADERS carry a priority."""
    headers, trailers = peer.headers(request.stream_id), peer.trailers(request.stream_id)
    for frame in (headers, trailers):
        frame.flags.add("PRIORITY")
        frame.stream_weight = 200
    await peer.send(headers)
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(trailers)


@misbehaviour
async def continued_headers(peer: Http2Peer, request: Request, message: bytes = SAMPLE, size: int = 1) -> None:
    """Send a proper response whose header blocks come in CONTINUATION frames of `size` bytes."""
    stream_id = request.stream_id
    await peer.send(*header_frames(stream_id, peer.encoder.encode(list(RESPONSE)), size=size))
    await peer.send_data(stream_id, grpc_message(message))
    trailers = peer.encoder.encode([(b"grpc-status", b"0")])
    await peer.send(*header_frames(stream_id, trailers, end=True, size=size))


@misbehaviour
async def single_bytes(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response whose DATA frames hold one byte each, with empty frames in between."""
    await peer.send(peer.headers(request.stream_id))
    for byte in grpc_message(message):
        await peer.send_data(request.stream_id, bytes([byte]))
        await peer.send(DataFrame(request.stream_id))
    await peer.send(peer.trailers(request.stream_id))


@misbehaviour
async def end_on_empty_data(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send headers and a message, and end the stream by an empty DATA frame without trailers."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(DataFrame(request.stream_id, flags=["END_STREAM"]))


# -- on the wrong stream


@misbehaviour
async def push_promise(peer: Http2Peer, request: Request) -> None:
    """Send PUSH_PROMISE, although the client disabled push."""
    block = peer.encoder.encode([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"x"), (b":path", b"/")])
    await peer.send(PushPromiseFrame(request.stream_id, promised_stream_id=2, data=block, flags=["END_HEADERS"]))


@misbehaviour
async def data_on_idle_stream(peer: Http2Peer, request: Request) -> None:
    """Send DATA on a stream that nobody has opened."""
    await peer.send(DataFrame(request.stream_id + IDLE, b"surprise"))


@misbehaviour
async def headers_on_idle_stream(peer: Http2Peer, request: Request) -> None:
    """Send response headers on a stream that nobody has opened."""
    await peer.send(peer.headers(request.stream_id + IDLE))


@misbehaviour
async def headers_on_even_stream(peer: Http2Peer, request: Request) -> None:
    """Send response headers on a stream that only a push could have opened."""
    await peer.send(peer.headers(2))


@misbehaviour
async def rst_on_idle_stream(peer: Http2Peer, request: Request) -> None:
    """Reset a stream that nobody has opened."""
    await peer.send_bytes(raw_frame(RST_STREAM, request.stream_id + IDLE, bytes(4)))


@misbehaviour
async def window_update_on_idle_stream(peer: Http2Peer, request: Request) -> None:
    """Send a WINDOW_UPDATE for a stream that nobody has opened."""
    await peer.send_bytes(raw_frame(WINDOW_UPDATE, request.stream_id + IDLE, (1).to_bytes(4, "big")))


@misbehaviour
async def data_on_connection(peer: Http2Peer, request: Request) -> None:
    """Send DATA on stream 0."""
    await peer.send_bytes(raw_frame(DATA, 0, b"surprise"))


@misbehaviour
async def headers_on_connection(peer: Http2Peer, request: Request) -> None:
    """Send response headers on stream 0."""
    await peer.send_bytes(raw_frame(HEADERS, 0, peer.encoder.encode(list(RESPONSE)), flags=END_HEADERS))


@misbehaviour
async def rst_on_connection(peer: Http2Peer, request: Request) -> None:
    """Reset stream 0."""
    await peer.send_bytes(raw_frame(RST_STREAM, 0, bytes(4)))


@misbehaviour
async def settings_on_stream(peer: Http2Peer, request: Request) -> None:
    """Send SETTINGS on a stream."""
    await peer.send_bytes(raw_frame(SETTINGS, request.stream_id))


@misbehaviour
async def ping_on_stream(peer: Http2Peer, request: Request) -> None:
    """Send a PING on a stream."""
    await peer.send_bytes(raw_frame(PING, request.stream_id, bytes(8)))


@misbehaviour
async def goaway_on_stream(peer: Http2Peer, request: Request) -> None:
    """Send GOAWAY on a stream."""
    await peer.send_bytes(raw_frame(GOAWAY, request.stream_id, bytes(8)))


# -- malformed


@misbehaviour
async def oversize_data(peer: Http2Peer, request: Request) -> None:
    """Send a complete DATA frame one byte larger than the client accepts."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_bytes(raw_frame(DATA, request.stream_id, bytes(max(peer.max_frame_size, LEAST_FRAME_SIZE) + 1)))


@misbehaviour
async def oversize_frame(peer: Http2Peer, request: Request, kind: int = DATA, length: int = 2**24 - 1) -> None:
    """Announce a frame of 16 MiB, and send the first KiB of it."""
    await peer.send_bytes(raw_frame(kind, request.stream_id, bytes(1024), length=length))


@misbehaviour
async def misshapen_frame(peer: Http2Peer, request: Request, kind: int = RST_STREAM, size: int = 3) -> None:
    """Send a frame with an invalid size; valid are RST_STREAM 4, PING 8, WINDOW_UPDATE 4, SETTINGS 6n, PRIORITY 5."""
    stream_id = 0 if kind in (SETTINGS, PING, GOAWAY) else request.stream_id
    await peer.send_bytes(raw_frame(kind, stream_id, bytes(size)))


@misbehaviour
async def settings_acknowledgement_with_payload(peer: Http2Peer, request: Request) -> None:
    """Acknowledge SETTINGS with a payload."""
    await peer.send_bytes(raw_frame(SETTINGS, 0, bytes(6), flags=0x1))


@misbehaviour
async def padding_too_long(peer: Http2Peer, request: Request) -> None:
    """Send a DATA frame whose padding is longer than the frame."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_bytes(raw_frame(DATA, request.stream_id, b"\xc8\x00", flags=PADDED))


@misbehaviour
async def broken_header_block(peer: Http2Peer, request: Request) -> None:
    """Send headers that HPACK cannot decode."""
    await peer.send_bytes(raw_frame(HEADERS, request.stream_id, b"\xff\xff\xff\xff\xff\xff", flags=END_HEADERS))


@misbehaviour
async def data_within_headers(peer: Http2Peer, request: Request) -> None:
    """Send DATA between HEADERS and the CONTINUATION that ends the block."""
    block = peer.encoder.encode(list(RESPONSE))
    await peer.send(
        HeadersFrame(request.stream_id, block[:1]),
        DataFrame(request.stream_id, b"data"),
        ContinuationFrame(request.stream_id, block[1:], flags=["END_HEADERS"]),
    )


@misbehaviour
async def lone_continuation(peer: Http2Peer, request: Request) -> None:
    """Send a CONTINUATION without HEADERS."""
    block = peer.encoder.encode(list(RESPONSE))
    await peer.send(ContinuationFrame(request.stream_id, block, flags=["END_HEADERS"]))
