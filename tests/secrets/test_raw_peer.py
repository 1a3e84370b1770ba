"""A peer that breaks every rule and repeats the caller's API key meanwhile: in bytes, headers and farewells. No frame and no text shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame

from mxgateway import MxGatewayError
from tests.peers.http2.raw_peers import RESPONSE, Header, Http2Peer, Http2Server, grpc_message
from tests.rows import each_row
from tests.secrets.awkward import Everything, ways_out
from tests.transport.rig import channel_to, invoke

KEY = "odd;key'with\"marks-0123456789"
"""No shape tells that it is one: only its own client can know it."""


class Given:
    """Where the test keeps the key, so that its own variables do not show it."""

    key = KEY

    def __repr__(self) -> str:
        return "<a key>"


Misbehaviour = Callable[[Http2Peer, int], Awaitable[None]]


def literal(stream_id: int, *headers: Header, end: bool = True) -> HeadersFrame:
    """Return a header block that is not compressed, so that its bytes are its text."""
    block = b"".join(b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value for name, value in headers)
    return HeadersFrame(stream_id, block, flags=["END_HEADERS", *(["END_STREAM"] if end else [])])


def answers(*headers: Header) -> Misbehaviour:
    async def script(peer: Http2Peer, stream_id: int) -> None:
        await peer.send(literal(stream_id, *headers))

    return script


def sends(data: bytes, *, headers: tuple[Header, ...] = RESPONSE) -> Misbehaviour:
    async def script(peer: Http2Peer, stream_id: int) -> None:
        await peer.send(literal(stream_id, *headers, end=False))
        await peer.send_data(stream_id, data, end=True)

    return script


def frame(make: Callable[[int], Frame]) -> Misbehaviour:
    async def script(peer: Http2Peer, stream_id: int) -> None:
        await peer.send(make(stream_id))

    return script


async def hangs_up(peer: Http2Peer, stream_id: int) -> None:
    await peer.send_bytes(KEY.encode() * 3)
    peer.hang_up()


RAW = KEY.encode()
MISBEHAVIOURS: dict[str, Misbehaviour] = {
    "a status": answers(*RESPONSE, (b"grpc-status", b"13"), (b"grpc-message", RAW)),
    "a status that is none": answers(*RESPONSE, (b"grpc-status", RAW), (b"grpc-message", RAW)),
    "an HTTP status": answers((b":status", RAW)),
    "a content type": answers((b":status", b"200"), (b"content-type", RAW)),
    "a header of HTTP/1": answers(*RESPONSE, (b"connection", RAW)),
    "a forbidden name": answers(*RESPONSE, (RAW, b"x")),
    "a forbidden value": answers(*RESPONSE, (b"x", RAW + b"\n")),
    "a pseudo-header": answers(*RESPONSE, (b":path", RAW)),
    "a message that is none": sends(grpc_message(b"\x0a\x7f" + RAW)),
    "a text that is none": sends(grpc_message(b"\x0a\x04\xff\xff\xff\xff" + b"\x12" + bytes((len(RAW),)) + RAW)),
    "a compressed message": sends(b"\x01" + grpc_message(RAW)[1:]),
    "two messages": sends(grpc_message(b"\x0a" + bytes((len(RAW),)) + RAW) * 2),
    "half a message": sends(grpc_message(RAW * 2)[:-5]),
    "a message beyond the limit": sends(grpc_message(b"\x0a\x7f" + RAW * 300)),
    "an HTML page": sends(b"<html>" + RAW, headers=((b":status", b"502"), (b"content-type", b"text/html"))),
    "a farewell": frame(lambda _: GoAwayFrame(0, last_stream_id=0, error_code=2, additional_data=RAW)),
    "a frame of nobody": frame(lambda _: literal(99, *RESPONSE, (b"x", RAW))),
    "bytes that are no frame": hangs_up,
}  # fmt: skip


def shows_key(text: str) -> bool:
    """Tell whether a text shows the key, as it is or as a repr of text or bytes has it."""
    return any(form in text for form in (KEY, repr(KEY)[1:-1], repr(RAW)[2:-1], "0123456789"))


@each_row("name", MISBEHAVIOURS)
async def test_no_way_out_shows_a_key_that_a_peer_repeats_while_it_breaks_the_rules(name: str) -> None:
    async def script(peer: Http2Peer) -> None:
        while True:
            await MISBEHAVIOURS[name](peer, (await peer.request()).stream_id)

    given = Given()
    with Everything() as log:
        async with (
            Http2Server(script) as server,
            channel_to(server, api_key=given.key, retry=None, max_receive_bytes=4000) as channel,
        ):
            with pytest.raises(MxGatewayError) as caught:
                await invoke(channel, timeout=2.0)
            leaks = [where for where, text in ways_out(caught.value) if shows_key(text)]
            assert not shows_key(repr(channel.stats()))
    assert leaks == []
    assert not shows_key(log.text)
