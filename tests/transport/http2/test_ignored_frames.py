"""What a client need not know of is passed over: the call goes on as if it had not been there."""

import pytest
from hyperframe.frame import (
    AltSvcFrame,
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    SettingsFrame,
)

from mxgateway.errors import MxGatewayProtocolError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, Request, grpc_message, unknown_frame
from tests.transport.rig import REPLY, channel_to, invoke
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

UNKNOWN = [unknown_frame(kind, stream_id, b"payload") for kind in (0xB, 0x42, 0xFF) for stream_id in (0, 1, 99)]


@each_row(
    "frame",
    [
        *UNKNOWN,
        AltSvcFrame(0, origin=b"https://gw.plant", field=b'h2="other:443"'),
        AltSvcFrame(1, field=b'h2="other:443"'),
        unknown_frame(0xC, 0, b"\x00\x05https"),
        PriorityFrame(1, depends_on=0, stream_weight=15),
        SettingsFrame(0, settings={0x3: 100, 0x4: 1 << 20, 0x99: 7}),
        PingFrame(0, b"12345678"),
        PingFrame(0, b"unasked!", flags=["ACK"]),
        SettingsFrame(0, flags=["ACK"]),
    ],
)
async def test_a_frame_of_no_interest_is_ignored_wherever_it_comes(frame: Frame) -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        data = grpc_message(REPLY)
        parts: list[Frame] = [
            peer.headers(stream_id),
            DataFrame(stream_id, data[:9]),
            DataFrame(stream_id, data[9:]),
            peer.trailers(stream_id),
        ]
        for part in parts:
            await peer.send(frame, part, frame)
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        for _ in range(2):
            assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


async def test_a_ping_is_answered_with_its_own_data() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(PingFrame(0, b"are you?"))
        answer = await peer.frame(PingFrame)
        assert "ACK" in answer.flags
        assert answer.opaque_data == b"are you?"
        await peer.reply(request, REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        await invoke(channel)


async def test_informational_responses_are_ignored() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        for status in (b"100", b"102", b"103"):
            await peer.send(peer.headers(request.stream_id, [(b":status", status), (b"link", b"</x>")]))
        await peer.reply(request, REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_a_header_block_may_be_continued() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        block = peer.headers(request.stream_id).data
        await peer.send(
            HeadersFrame(request.stream_id, block[:1]),
            ContinuationFrame(request.stream_id, block[1:4]),
            ContinuationFrame(request.stream_id, block[4:], flags=["END_HEADERS"]),
            DataFrame(request.stream_id, grpc_message(REPLY)),
            peer.trailers(request.stream_id),
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


@each_row(
    "frame",
    [
        DataFrame(1, b"data"),
        DataFrame(3, b"data"),
        GoAwayFrame(0, last_stream_id=1),
        PingFrame(0, b"12345678"),
        unknown_frame(0x42, 0, b""),
    ],
)
async def test_a_frame_within_a_header_block_ends_the_connection(frame: Frame) -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        block = peer.headers(request.stream_id).data
        await peer.send(
            HeadersFrame(request.stream_id, block[:1]),
            frame,
            ContinuationFrame(request.stream_id, block[1:], flags=["END_HEADERS"]),
            DataFrame(request.stream_id, grpc_message(REPLY)),
            peer.trailers(request.stream_id),
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError):
            await invoke(channel)


async def test_a_header_that_is_not_ascii_is_ignored() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        odd = (b"x-plant", "Werk Süd".encode("latin-1"))
        await peer.send(
            peer.headers(stream_id, [(b":status", b"200"), (b"content-type", b"application/grpc"), odd]),
            DataFrame(stream_id, grpc_message(REPLY)),
            peer.trailers(stream_id, 0, odd),
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_server_push_is_switched_off_and_a_push_ends_the_connection() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        (settings,) = [frame for frame in peer.frames(SettingsFrame) if "ACK" not in frame.flags]
        assert settings.settings[SettingsFrame.ENABLE_PUSH] == 0
        promised = peer.encoder.encode([(b":method", b"GET"), (b":path", b"/")])
        await peer.send(PushPromiseFrame(stream_id, promised_stream_id=2, data=promised, flags=["END_HEADERS"]))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="sent PUSH_PROMISE"):
            await invoke(channel)


async def test_data_for_a_call_that_was_given_up_is_ignored() -> None:
    async def script(peer: Http2Peer) -> None:
        given_up = await peer.request()
        await peer.send(peer.headers(given_up.stream_id))
        await peer.until(lambda: bool(peer.resets))
        await late_answer(peer, given_up)
        await peer.serve(REPLY)

    async def late_answer(peer: Http2Peer, request: Request) -> None:
        await peer.send(
            DataFrame(request.stream_id, grpc_message(REPLY), pad_length=9, flags=["PADDED"]),
            DataFrame(request.stream_id, b"more", flags=[]),
            peer.trailers(request.stream_id),
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        await channel.ready()
        with pytest.raises(TimeoutError):
            await invoke(channel, timeout=0.05)
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


async def test_data_on_a_stream_that_was_never_opened_ends_the_connection() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.send(DataFrame(77, b"surprise"))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="on stream 77, which was never opened"):
            await invoke(channel)
