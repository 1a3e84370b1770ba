"""Scripts for the HTTP/2 server, composed of steps; this module has the steps of a proper gRPC response.

A *script* plays one connection. A *step* is a part of it that answers one request; a function that is decorated with
`step` is called with the step's own arguments and returns it::

    Http2Server(in_turn(on_request(headers(), data(b"half"), rst()), answers(REPLY)))
    Http2Server(per_connection(on_request(goaway_unseen(), hang_up()), answers(REPLY)))
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec

from hyperframe.frame import Frame

from mxgateway.testing.network.sockets import reset
from tests.peers.http2.http2_frames import grpc_message
from tests.peers.http2.http2_peer import Header, Http2Peer, Request
from tests.peers.http2.http2_server import Script

P = ParamSpec("P")
Step = Callable[[Http2Peer, Request], Awaitable[None]]

SAMPLE = b"\x12\x05hello"
"""A protobuf message: the text "hello" in field 2, which is one of any reply and of an event."""

MISBEHAVIOURS: dict[str, Callable[[], Step]] = {}
"""Every misbehaviour by name. Without arguments each answers one request; see `misbehaviours`."""


def step(play: Callable[Concatenate[Http2Peer, Request, P], Awaitable[None]]) -> Callable[P, Step]:
    """Turn a function of peer, request and further arguments into a function of these arguments that returns a step."""

    @functools.wraps(play)
    def with_arguments(*args: P.args, **kwargs: P.kwargs) -> Step:
        async def bound(peer: Http2Peer, request: Request) -> None:
            await play(peer, request, *args, **kwargs)

        bound.__name__ = bound.__qualname__ = play.__name__
        return bound

    return with_arguments


def misbehaviour(play: Callable[Concatenate[Http2Peer, Request, P], Awaitable[None]]) -> Callable[P, Step]:
    """Turn a function into a step like `step`, and add it to MISBEHAVIOURS."""
    with_arguments = step(play)
    MISBEHAVIOURS[play.__name__] = with_arguments
    return with_arguments


# -- scripts


def on_request(*steps: Step) -> Script:
    """Play steps on the next complete request."""

    async def script(peer: Http2Peer) -> None:
        await several(*steps)(peer, await peer.request())

    return script


def on_headers(*steps: Step) -> Script:
    """Play steps on the next request as soon as its headers have arrived, while the client sends the body."""

    async def script(peer: Http2Peer) -> None:
        await several(*steps)(peer, await peer.begun_request())

    return script


def on_every_request(*steps: Step) -> Script:
    """Play steps on every further request, in sequence."""

    async def script(peer: Http2Peer) -> None:
        while True:
            await several(*steps)(peer, await peer.request())

    return script


def at_once(*steps: Step) -> Script:
    """Play steps right after the greeting, without a request; stream frames use stream 1, which is idle."""

    async def script(peer: Http2Peer) -> None:
        await several(*steps)(peer, Request(1, []))

    return script


def answers(*messages: bytes) -> Script:
    """Answer every further request with the same messages."""
    return on_every_request(reply(*messages))


def in_turn(*scripts: Script) -> Script:
    """Play scripts in sequence on the same connection."""

    async def script(peer: Http2Peer) -> None:
        for each in scripts:
            await each(peer)

    return script


def per_connection(*scripts: Script) -> Script:
    """Play the first script on the first connection and so on; the last one on all others."""

    async def script(peer: Http2Peer) -> None:
        await scripts[min(peer.number, len(scripts) - 1)](peer)

    return script


# -- steps of a proper response


def several(*steps: Step) -> Step:
    """Combine steps into one step."""

    async def bound(peer: Http2Peer, request: Request) -> None:
        for each in steps:
            await each(peer, request)

    return bound


@step
async def headers(
    peer: Http2Peer,
    request: Request,
    *more: Header,
    status: int = 200,
    content_type: bytes | None = b"application/grpc",
    end: bool = False,
) -> None:
    """Send the response's headers; `end` ends the stream."""
    fields = [(b":status", b"%d" % status)]
    if content_type is not None:
        fields.append((b"content-type", content_type))
    await peer.send(peer.headers(request.stream_id, [*fields, *more], end=end))


@step
async def message(peer: Http2Peer, request: Request, *messages: bytes) -> None:
    """Send gRPC messages, as the client's windows allow."""
    await peer.send_data(request.stream_id, b"".join(map(grpc_message, messages)))


@step
async def data(peer: Http2Peer, request: Request, data: bytes, *, end: bool = False) -> None:
    """Send any bytes in DATA frames, as the client's windows allow."""
    await peer.send_data(request.stream_id, data, end=end)


@step
async def trailers(peer: Http2Peer, request: Request, status: int = 0, *more: Header) -> None:
    """End the response with a gRPC status."""
    await peer.send(peer.trailers(request.stream_id, status, *more))


@step
async def reply(peer: Http2Peer, request: Request, *messages: bytes, status: int = 0) -> None:
    """Send a whole response."""
    await peer.reply(request, *messages, status=status)


@step
async def trailers_only(peer: Http2Peer, request: Request, status: int = 14, text: bytes = b"", *more: Header) -> None:
    """Answer with a gRPC status in a single HEADERS frame, as gRPC allows for errors."""
    fields = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-status", b"%d" % status)]
    if text:
        fields.append((b"grpc-message", text))
    await peer.send(peer.headers(request.stream_id, [*fields, *more], end=True))


@step
async def push_back(peer: Http2Peer, request: Request, milliseconds: int = 50, status: int = 14) -> None:
    """Answer with an error that says when to retry; a negative time means never."""
    wait = (b"grpc-retry-pushback-ms", b"%d" % milliseconds)
    await trailers_only(status, b"busy", wait)(peer, request)


# -- steps for arbitrary frames


@step
async def frames(peer: Http2Peer, request: Request, *frames: Frame) -> None:
    """Send frames as they are."""
    await peer.send(*frames)


@step
async def raw(peer: Http2Peer, request: Request, data: bytes) -> None:
    """Send bytes as they are."""
    await peer.send_bytes(data)


@step
async def ping(peer: Http2Peer, request: Request) -> None:
    """Send a PING and wait for its answer."""
    await peer.ping()


# -- steps that wait


@step
async def body_of(peer: Http2Peer, request: Request, size: int) -> None:
    """Wait until `size` bytes of the request's body have arrived."""
    await peer.until(lambda: len(request.body) >= size)


@step
async def until_reset(peer: Http2Peer, request: Request) -> None:
    """Wait until the client resets the stream."""
    await peer.until(lambda: request.stream_id in peer.resets)


@step
async def until_set(peer: Http2Peer, request: Request, event: asyncio.Event) -> None:
    """Wait for an event of the test."""
    await event.wait()


@step
async def telling(peer: Http2Peer, request: Request, event: asyncio.Event) -> None:
    """Notify the test that the script has reached this step."""
    event.set()


# -- steps that end the connection


@step
async def hang_up(peer: Http2Peer, request: Request) -> None:
    """Close the connection with FIN after the data sent."""
    peer.hang_up()


@step
async def reset_connection(peer: Http2Peer, request: Request) -> None:
    """Reset the connection."""
    reset(peer.writer.transport)
