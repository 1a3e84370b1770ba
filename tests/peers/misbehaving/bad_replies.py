"""Misbehaviours in the response: valid frames, but invalid HTTP or gRPC.

Each is one step. If it leaves the stream open, the next step of the script continues it.
"""

from __future__ import annotations

from mxgateway.testing.network.sockets import reset
from tests.peers.http2.http2_frames import grpc_message, header_frames
from tests.peers.http2.http2_peer import RESPONSE, Header, Http2Peer, Request
from tests.peers.http2.scripts import SAMPLE, headers, misbehaviour

PAGE = b"<html><body>Service Unavailable</body></html>"
NOT_ASCII = "Werk Süd, café".encode("latin-1")


# -- no gRPC


@misbehaviour
async def http_error(peer: Http2Peer, request: Request, status: int = 503, *more: Header, page: bytes = PAGE) -> None:
    """Answer like a proxy without a gateway: an HTTP status and an HTML page."""
    fields = [(b":status", b"%d" % status), (b"content-type", b"text/html"), *more]
    await peer.send(peer.headers(request.stream_id, fields, end=not page))
    await peer.send_data(request.stream_id, page, end=True)


@misbehaviour
async def too_many_requests(peer: Http2Peer, request: Request) -> None:
    """Answer HTTP 429 with a retry-after."""
    await http_error(429, (b"retry-after", b"1"), page=b"")(peer, request)


@misbehaviour
async def content_type(
    peer: Http2Peer, request: Request, value: bytes | None = b"text/html", message: bytes = SAMPLE
) -> None:
    """Send a proper response with another content type; None omits the header."""
    await headers(content_type=value)(peer, request)
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(peer.trailers(request.stream_id))


@misbehaviour
async def no_http_status(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a response without :status."""
    await _response(peer, request, [(b"content-type", b"application/grpc")], message)


@misbehaviour
async def malformed_http_status(
    peer: Http2Peer, request: Request, value: bytes = b"2OO", message: bytes = SAMPLE
) -> None:
    """Send a response whose :status is not a number."""
    await _response(peer, request, [(b":status", value), (b"content-type", b"application/grpc")], message)


# -- the gRPC status


@misbehaviour
async def missing_status(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """End with trailers without grpc-status."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(peer.headers(request.stream_id, [(b"x-trailer", b"1")], end=True))


@misbehaviour
async def malformed_status(
    peer: Http2Peer, request: Request, value: bytes = b"not a number", message: bytes = SAMPLE
) -> None:
    """End with a grpc-status that is not a number, or is unknown."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(peer.headers(request.stream_id, [(b"grpc-status", value)], end=True))


@misbehaviour
async def trailers_only_without_status(peer: Http2Peer, request: Request) -> None:
    """Answer with HEADERS alone, without grpc-status."""
    await peer.send(peer.headers(request.stream_id, end=True))


@misbehaviour
async def end_without_trailers(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """End the stream on the DATA frame, without trailers."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message), end=True)


@misbehaviour
async def lost_before_trailers(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Close the connection after a complete message, before the trailers."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message))
    peer.hang_up()


# -- messages


@misbehaviour
async def half_message(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send half of a message, and then nothing."""
    await peer.send(peer.headers(request.stream_id))
    data = grpc_message(message)
    await peer.send_data(request.stream_id, data[: (len(data) + 1) // 2])


@misbehaviour
async def ends_in_message(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send half of a message and trailers that say OK."""
    await half_message(message)(peer, request)
    await peer.send(peer.trailers(request.stream_id))


@misbehaviour
async def reset_in_message(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send half of a message and end the connection with RST once the client has it."""
    await half_message(message)(peer, request)
    await peer.ping()
    reset(peer.writer.transport)


@misbehaviour
async def huge_prefix(peer: Http2Peer, request: Request, length: int = 2**32 - 1) -> None:
    """Announce a message of 4 GiB, and send the first 16 KiB of it."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, b"\0" + length.to_bytes(4, "big") + bytes(1 << 14))


@misbehaviour
async def compressed_message(
    peer: Http2Peer, request: Request, message: bytes = SAMPLE, encoding: bytes | None = None, flag: int = 1
) -> None:
    """Send a message with the compressed flag set although no compression was negotiated."""
    more = [] if encoding is None else [(b"grpc-encoding", encoding)]
    await peer.send(peer.headers(request.stream_id, [*RESPONSE, *more]))
    await peer.send_data(request.stream_id, grpc_message(message, compressed=flag))
    await peer.send(peer.trailers(request.stream_id))


@misbehaviour
async def unknown_encoding(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a message compressed with an unknown encoding."""
    await compressed_message(message, encoding=b"x-unheard-of")(peer, request)


@misbehaviour
async def no_message(peer: Http2Peer, request: Request) -> None:
    """Answer OK without any message."""
    await peer.reply(request)


@misbehaviour
async def two_messages(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Answer OK with two messages."""
    await peer.reply(request, message, message)


@misbehaviour
async def undecodable_message(peer: Http2Peer, request: Request, message: bytes = b"\xff\xff\xff") -> None:
    """Answer OK with a message that is not valid protobuf."""
    await peer.reply(request, message)


# -- headers


@misbehaviour
async def informational(peer: Http2Peer, request: Request, *statuses: int, message: bytes = SAMPLE) -> None:
    """Send 1xx headers before a proper response; by default 100, 102 and 103."""
    for status in statuses or (100, 102, 103):
        fields = [(b":status", b"%d" % status), (b"link", b"</style.css>; rel=preload")]
        await peer.send(peer.headers(request.stream_id, fields))
    await peer.reply(request, message)


@misbehaviour
async def non_ascii_header(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response with bytes above 0x7F in a header and in a trailer."""
    odd = (b"x-plant", NOT_ASCII)
    await _response(peer, request, [*RESPONSE, odd], message, odd)


@misbehaviour
async def non_ascii_status_message(peer: Http2Peer, request: Request, status: int = 9) -> None:
    """Answer with an error whose grpc-message holds bytes above 0x7F and a broken percent-encoding."""
    text = (b"grpc-message", NOT_ASCII + b" %zz %e4%")
    await peer.send(peer.headers(request.stream_id), peer.trailers(request.stream_id, status, text))


@misbehaviour
async def upper_case_header(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a response with an upper-case header name."""
    await _response(peer, request, [*RESPONSE, (b"X-Plant", b"1")], message)


@misbehaviour
async def connection_header(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a response with a header that HTTP/2 forbids."""
    await _response(peer, request, [*RESPONSE, (b"connection", b"keep-alive")], message)


@misbehaviour
async def header_list_too_large(peer: Http2Peer, request: Request, size: int = 1 << 20) -> None:
    """Send response headers of `size` bytes, in as many frames as necessary."""
    fields = [*RESPONSE, *((b"x-fill-%d" % i, b"~" * 4000) for i in range(size // 4000))]
    await peer.send(*header_frames(request.stream_id, peer.encoder.encode(fields, huffman=False)))


@misbehaviour
async def trailers_too_large(peer: Http2Peer, request: Request, size: int = 1 << 20, message: bytes = SAMPLE) -> None:
    """Send a proper response whose trailers are of `size` bytes."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message))
    fields = [(b"grpc-status", b"0"), *((b"x-fill-%d" % i, b"~" * 4000) for i in range(size // 4000))]
    await peer.send(*header_frames(request.stream_id, peer.encoder.encode(fields, huffman=False), end=True))


@misbehaviour
async def header_bomb(peer: Http2Peer, request: Request, size: int = 64 << 20) -> None:
    """Send headers that are small on the wire and `size` bytes when decompressed."""
    name, value = b"x-bomb", b"~" * 4000
    block = peer.encoder.encode([*RESPONSE, (name, value)])
    newest_entry = b"\xbe"  # index 62, the first of the dynamic table
    block += newest_entry * (size // (len(name) + len(value) + 32))
    await peer.send(*header_frames(request.stream_id, block))


# -- order


@misbehaviour
async def data_before_headers(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Start with DATA, then send the headers and the trailers."""
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(peer.headers(request.stream_id), peer.trailers(request.stream_id))


@misbehaviour
async def data_after_end(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response and one more message."""
    await peer.reply(request, message)
    await peer.send_data(request.stream_id, grpc_message(message))


@misbehaviour
async def headers_after_end(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send a proper response and its trailers again."""
    await peer.reply(request, message)
    await peer.send(peer.trailers(request.stream_id))


@misbehaviour
async def trailers_without_end(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send trailers that do not end the stream."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(peer.headers(request.stream_id, [(b"grpc-status", b"0")]))


async def _response(
    peer: Http2Peer, request: Request, fields: list[Header], message: bytes, *more_trailers: Header
) -> None:
    await peer.send(peer.headers(request.stream_id, fields))
    await peer.send_data(request.stream_id, grpc_message(message))
    await peer.send(peer.trailers(request.stream_id, 0, *more_trailers))
