"""Streams and connections that end too early: RST_STREAM and GOAWAY at every point of a response."""

from __future__ import annotations

from hyperframe.frame import GoAwayFrame, RstStreamFrame

from tests.peers.http2.http2_frames import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    NO_ERROR,
    REFUSED_STREAM,
    grpc_message,
)
from tests.peers.http2.http2_peer import Http2Peer, Request
from tests.peers.http2.scripts import SAMPLE, misbehaviour

HIGHEST_STREAM = 2**31 - 1


# -- RST_STREAM


@misbehaviour
async def rst(peer: Http2Peer, request: Request, code: int = CANCEL) -> None:
    """Reset the stream immediately."""
    await peer.send(RstStreamFrame(request.stream_id, error_code=code))


@misbehaviour
async def refuse_stream(peer: Http2Peer, request: Request) -> None:
    """Reset the stream as not processed."""
    await rst(REFUSED_STREAM)(peer, request)


@misbehaviour
async def rst_after_header(peer: Http2Peer, request: Request, code: int = INTERNAL_ERROR) -> None:
    """Send the headers and reset the stream."""
    await peer.send(peer.headers(request.stream_id))
    await rst(code)(peer, request)


@misbehaviour
async def rst_during_data(
    peer: Http2Peer, request: Request, code: int = INTERNAL_ERROR, message: bytes = SAMPLE
) -> None:
    """Send the headers and half of a message, and reset the stream."""
    await peer.send(peer.headers(request.stream_id))
    data = grpc_message(message)
    await peer.send_data(request.stream_id, data[: (len(data) + 1) // 2])
    await rst(code)(peer, request)


@misbehaviour
async def rst_after_data(
    peer: Http2Peer, request: Request, code: int = INTERNAL_ERROR, message: bytes = SAMPLE
) -> None:
    """Send the headers and a whole message, and reset the stream instead of sending trailers."""
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, grpc_message(message))
    await rst(code)(peer, request)


@misbehaviour
async def rst_after_trailers(peer: Http2Peer, request: Request, code: int = NO_ERROR, message: bytes = SAMPLE) -> None:
    """Send a proper response and reset the stream, like servers that want no more of the request."""
    await peer.reply(request, message)
    await rst(code)(peer, request)


# -- GOAWAY


@misbehaviour
async def goaway(
    peer: Http2Peer,
    request: Request,
    code: int = NO_ERROR,
    reason: bytes = b"",
    last_stream_id: int | None = None,
) -> None:
    """Send GOAWAY; by default this request is the last one processed."""
    last = request.stream_id if last_stream_id is None else last_stream_id
    await peer.send(GoAwayFrame(0, last_stream_id=last, error_code=code, additional_data=reason))


@misbehaviour
async def goaway_unseen(peer: Http2Peer, request: Request, code: int = NO_ERROR, reason: bytes = b"") -> None:
    """Send GOAWAY with a last stream before this request: it was not processed."""
    await goaway(code, reason, max(0, request.stream_id - 2))(peer, request)


@misbehaviour
async def goaway_then_reply(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send GOAWAY and still answer this request properly."""
    await goaway()(peer, request)
    await peer.reply(request, message)


@misbehaviour
async def goaway_in_reply(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Send GOAWAY in the middle of the message, and finish the response."""
    data = grpc_message(message)
    await peer.send(peer.headers(request.stream_id))
    await peer.send_data(request.stream_id, data[:3])
    await goaway()(peer, request)
    await peer.send_data(request.stream_id, data[3:])
    await peer.send(peer.trailers(request.stream_id))


@misbehaviour
async def goaway_then_hang_up(peer: Http2Peer, request: Request) -> None:
    """Send GOAWAY that includes this request, and close the connection without an answer."""
    await goaway()(peer, request)
    peer.hang_up()


@misbehaviour
async def graceful_goaway(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Close gracefully, as gRPC servers do: a GOAWAY for the largest stream id, PING, then the final GOAWAY."""
    await goaway(last_stream_id=HIGHEST_STREAM)(peer, request)
    await peer.ping()
    newest = max((begun.stream_id for begun in peer.begun), default=request.stream_id)
    await goaway(last_stream_id=newest)(peer, request)
    await peer.reply(request, message)


@misbehaviour
async def rising_goaway(peer: Http2Peer, request: Request) -> None:
    """Send a second GOAWAY with a higher last stream than the first, which HTTP/2 forbids."""
    await goaway_unseen()(peer, request)
    await goaway()(peer, request)


@misbehaviour
async def too_many_pings(peer: Http2Peer, request: Request) -> None:
    """Close the connection as gRPC servers do after too many keepalive PINGs."""
    await goaway(ENHANCE_YOUR_CALM, b"too_many_pings")(peer, request)
    peer.hang_up()
