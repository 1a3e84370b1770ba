"""The rules of HTTP/2 streams that the transport keeps by itself: what breaks one ends the call or the connection, never in success."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from mxgateway.errors import MxGatewayProtocolError
from mxgateway.transport.http2.reply_headers import MAX_FRAMES_OF_BLOCK
from tests.peers.http2.raw_peers import RESPONSE, Http2Peer, Http2Server, grpc_message, raw_frame
from tests.transport.rig import REPLY, channel_to, invoke
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

PROTOCOL_ERROR, FLOW_CONTROL_ERROR = 0x1, 0x3

Misdeed = Callable[[Http2Peer, int], list[Frame]]


def begun(peer: Http2Peer, stream_id: int, headers: tuple[tuple[bytes, bytes], ...] = RESPONSE) -> HeadersFrame:
    """Return a HEADERS frame whose block goes on."""
    frame = peer.headers(stream_id, headers)
    frame.flags.discard("END_HEADERS")
    return frame


@each_row(
    ("misdeed", "text"),
    [
        (lambda peer, id_: [peer.headers(id_, [(b"content-type", b"application/grpc")])], "without :status"),
        (lambda peer, id_: [peer.headers(id_), peer.headers(id_, [(b"a", b"b")])], "only data or trailers"),
        (lambda peer, id_: [peer.headers(id_), peer.headers(id_, end=True)], "pseudo-header :status"),
        (lambda peer, id_: [peer.headers(id_, [*RESPONSE, (b"connection", b"close")])], "header of HTTP/1"),
        (lambda peer, id_: [DataFrame(id_, grpc_message(REPLY))], "data before headers"),
        (lambda peer, id_: [WindowUpdateFrame(id_, window_increment=2**31 - 1)], "more than HTTP/2 allows"),
        (lambda peer, id_: [WindowUpdateFrame(id_, window_increment=0)], "window update of 0 for the call"),
    ],
)
async def test_a_malformed_reply_ends_its_call_and_no_other(misdeed: Misdeed, text: str) -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(*misdeed(peer, stream_id))
        await peer.until(lambda: stream_id in peer.resets)
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match=text):
            await invoke(channel)
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


@each_row(
    ("misdeed", "text"),
    [
        (lambda peer, id_: [WindowUpdateFrame(0, window_increment=2**31 - 1)], "more than HTTP/2 allows"),
        (lambda peer, id_: [WindowUpdateFrame(0, window_increment=0)], "window update of 0 for the connection"),
        (
            lambda peer, id_: [
                WindowUpdateFrame(id_, window_increment=2**31 - 1 - 65_535),
                SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 100_000}),
            ],
            "more than HTTP/2 allows",
        ),
        (lambda peer, id_: [SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31})], "broke HTTP/2"),
        (lambda peer, id_: [SettingsFrame(0, settings={SettingsFrame.MAX_FRAME_SIZE: 100})], "broke HTTP/2"),
        (lambda peer, id_: [RstStreamFrame(77, error_code=0)], "stream 77, which was never opened"),
        (lambda peer, id_: [WindowUpdateFrame(2, window_increment=1)], "stream 2, which was never opened"),
        (lambda peer, id_: [peer.headers(id_ + 2)], "which was never opened"),
        (lambda peer, id_: [ContinuationFrame(id_, b"", flags=["END_HEADERS"])], "that it had not started"),
        (lambda peer, id_: [begun(peer, id_), ContinuationFrame(id_ + 2, b"")], "that it had not started"),
        (lambda peer, id_: [begun(peer, id_), DataFrame(id_, b"")], "interrupted a header block"),
        (lambda peer, id_: [begun(peer, id_), peer.headers(id_)], "interrupted a header block"),
        (lambda peer, id_: [begun(peer, id_), *[ContinuationFrame(id_, b"")] * MAX_FRAMES_OF_BLOCK], "beyond the limit"),
        (lambda peer, id_: [begun(peer, id_), *[ContinuationFrame(id_, b"\0" * 16_384)] * 3], "beyond the limit"),
        (lambda peer, id_: [HeadersFrame(id_, b"\xff\xff\xff\xff\xff\xff", flags=["END_HEADERS"])], "cannot be decoded"),
    ],
)  # fmt: skip
async def test_what_breaks_the_connections_rules_ends_it_with_a_goodbye(misdeed: Misdeed, text: str) -> None:
    async def script(peer: Http2Peer) -> None:
        if len(server.peers) > 1:
            await peer.serve(REPLY)
        stream_id = (await peer.request()).stream_id
        await peer.send(*misdeed(peer, stream_id))
        goodbyes.append(await peer.frame(GoAwayFrame))

    goodbyes: list[GoAwayFrame] = []
    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match=text):
            await invoke(channel)
        await server.peers[0].until_gone()
        assert [goodbye.error_code != 0 for goodbye in goodbyes] == [True]
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 2


@pytest.mark.parametrize(("increment", "code"), [(0, PROTOCOL_ERROR), (2**31 - 1, FLOW_CONTROL_ERROR)])
async def test_the_peer_is_told_what_is_wrong_with_a_calls_window_while_the_request_waits_for_it(
    increment: int, code: int
) -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.begun_request()
        await peer.until(lambda: len(request.body) == 65_535)
        await peer.send(WindowUpdateFrame(0, window_increment=1 << 20))
        await peer.send(*[WindowUpdateFrame(request.stream_id, window_increment=increment)] * 2)
        await peer.until(lambda: bool(peer.resets))
        codes.append(peer.resets[request.stream_id])
        await peer.reply(await peer.request(), REPLY)

    codes: list[int] = []
    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="window"):
            await invoke(channel, "x" * 200_000)
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert codes == [code]
        assert len(server.peers[0].frames(RstStreamFrame)) == 1


@pytest.mark.parametrize(
    ("kind", "payload"), [(0x4, b""), (0x6, bytes(8)), (0x7, bytes(8))], ids=["SETTINGS", "PING", "GOAWAY"]
)
async def test_a_frame_of_the_connection_on_a_stream_is_no_frame_of_the_connection(kind: int, payload: bytes) -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.send_bytes(raw_frame(kind, 1, payload))
        await peer.until_gone()

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="on stream 1 instead of the connection"):
            await invoke(channel)


async def test_a_header_block_in_several_frames_is_put_together() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        whole = peer.headers(stream_id, [*RESPONSE, (b"x-long", b"y" * 3000)])
        block, whole.data = whole.data, b""
        whole.flags.discard("END_HEADERS")
        pieces = [ContinuationFrame(stream_id, block[start : start + 100]) for start in range(0, len(block), 100)]
        pieces[-1].flags.add("END_HEADERS")
        await peer.send(whole, *pieces)
        await peer.send_data(stream_id, grpc_message(REPLY))
        await peer.send(peer.trailers(stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_a_window_that_shrinks_below_zero_is_waited_for() -> None:
    async def script(peer: Http2Peer) -> None:
        sizes: Callable[[], int] = lambda: sum(len(frame.data) for frame in peer.frames(DataFrame))  # noqa: E731
        await peer.until(lambda: sizes() == 65_535)
        await peer.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}))
        await peer.send(WindowUpdateFrame(0, window_increment=100_000), WindowUpdateFrame(1, window_increment=65_535))
        await peer.frame(SettingsFrame)
        assert sizes() == 65_535  # the window is 0 again: nothing was sent on the credit that only made up for the debt
        await peer.send(WindowUpdateFrame(1, window_increment=100_000))
        await peer.reply(await peer.request(), REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel, "x" * 100_000)).diagnostic_message == "answered"


async def test_frames_that_come_byte_by_byte_are_put_together() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        parts = peer.headers(stream_id), DataFrame(stream_id, grpc_message(REPLY)), peer.trailers(stream_id)
        for byte in b"".join(part.serialize() for part in parts):
            await peer.send_bytes(bytes([byte]))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"
