"""A reply is the same whatever the DATA frames are that carry it; bytes that are no reply are refused."""

import pytest
from hyperframe.frame import DataFrame, Frame

from mxgateway.errors import GrpcStatus, MxGatewayProtocolError, MxGatewayTransportError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.rig import REPLY, channel_to, event, invoke, sequences, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def test_a_reply_cut_into_single_bytes_is_read() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        for byte in grpc_message(REPLY):
            await peer.send(DataFrame(stream_id, bytes([byte])))
        await peer.send(peer.trailers(stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_the_socket_may_cut_frames_anywhere() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        frames: list[Frame] = [
            peer.headers(stream_id),
            DataFrame(stream_id, grpc_message(REPLY)),
            peer.trailers(stream_id),
        ]
        for byte in b"".join(frame.serialize() for frame in frames):
            await peer.send_bytes(bytes([byte]))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_many_messages_in_one_frame_and_one_message_in_many_frames_keep_their_order() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        messages = b"".join(grpc_message(event(i, padding=i % 7)) for i in range(1, 201))
        await peer.send(peer.headers(stream_id), DataFrame(stream_id, messages[:1500]))
        for start in range(1500, len(messages), 11):
            await peer.send(DataFrame(stream_id, messages[start : start + 11]))
        await peer.send(peer.trailers(stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert await sequences(stream(channel)) == list(range(1, 201))


async def test_padding_is_no_part_of_a_message() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        data = grpc_message(REPLY)
        await peer.send(
            peer.headers(stream_id),
            DataFrame(stream_id, data[:3], pad_length=255, flags=["PADDED"]),
            DataFrame(stream_id, b"", pad_length=17, flags=["PADDED"]),
            DataFrame(stream_id, data[3:], pad_length=0, flags=["PADDED"]),
            peer.trailers(stream_id),
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_padding_longer_than_its_frame_ends_the_connection() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        await peer.send_bytes(bytes([0, 0, 2, 0, 0x8, 0, 0, 0, stream_id, 200, 0]))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="padding of a frame"):
            await invoke(channel)


async def test_an_empty_message_is_a_message() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), b"")

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).session_id == ""


async def test_a_content_length_does_not_hide_the_reply() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        data = grpc_message(REPLY)
        length = (b"content-length", b"%d" % len(data))
        await peer.send(
            peer.headers(request.stream_id, [(b":status", b"200"), (b"content-type", b"application/grpc"), length]),
            DataFrame(request.stream_id, data),
            peer.trailers(request.stream_id),
        )
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


@pytest.mark.parametrize("messages", [(), (REPLY, REPLY)], ids=["none", "two"])
async def test_a_unary_call_has_one_reply(messages: tuple[bytes, ...]) -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), *messages)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="a unary call was answered with"):
            await invoke(channel)


async def test_a_unary_call_does_not_swallow_an_endless_answer() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        while not peer.resets:
            await peer.send_data(stream_id, grpc_message(REPLY) * 100)

    async with Http2Server(script) as server, channel_to(server, call_timeout=None) as channel:
        with pytest.raises(MxGatewayProtocolError, match="a unary call was answered with"):
            await invoke(channel)


async def test_a_reply_larger_than_the_limit_is_refused_on_its_prefix() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        prefix = b"\0" + (2**32 - 1).to_bytes(4, "big")
        await peer.send(peer.headers(request.stream_id), DataFrame(request.stream_id, prefix))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="4294967295 bytes exceeds the limit of 16777216 bytes"):
            await invoke(channel)
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


async def test_the_limit_itself_is_accepted_and_messages_before_a_larger_one_are_delivered() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        messages = grpc_message(event(1)) + grpc_message(event(2, padding=1000))
        await peer.send(peer.headers(stream_id), DataFrame(stream_id, messages))

    limit = len(event(2, padding=1000))
    async with Http2Server(script) as server, channel_to(server, max_receive_bytes=limit - 1) as channel:
        call = stream(channel)
        assert (await anext(call)).worker_sequence == 1
        with pytest.raises(MxGatewayProtocolError, match="exceeds the limit"):
            await anext(call)
    async with (
        Http2Server(script) as server,
        channel_to(server, max_receive_bytes=limit) as channel,
        stream(channel) as call,
    ):
        assert [(await anext(call)).worker_sequence for _ in range(2)] == [1, 2]


async def test_a_compressed_reply_is_refused() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(
            peer.headers(stream_id), DataFrame(stream_id, grpc_message(REPLY, compressed=1)), peer.trailers(stream_id)
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="marked compressed"):
            await invoke(channel)


async def test_bytes_that_are_no_message_are_refused_and_the_connection_lives_on() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), b"\xff\xff\xff\xff")
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="a reply cannot be read"):
            await invoke(channel)
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


async def test_a_reply_that_ends_in_the_middle_of_a_message_is_refused() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(
            peer.headers(stream_id), DataFrame(stream_id, grpc_message(REPLY)[:-1]), peer.trailers(stream_id)
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayProtocolError, match="middle of a message"):
            await invoke(channel)


@pytest.mark.parametrize("data", [grpc_message(REPLY), b""], ids=["after a message", "without a message"])
async def test_an_end_of_stream_without_trailers_is_no_success(data: bytes) -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id), DataFrame(stream_id, data, flags=["END_STREAM"]))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTransportError, match="ended without a gRPC status") as caught:
            await invoke(channel)
        assert caught.value.grpc_status is GrpcStatus.UNKNOWN


async def test_a_connection_lost_before_the_trailers_is_no_success() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id), DataFrame(stream_id, grpc_message(REPLY)))
        peer.writer.close()

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTransportError, match="closed the connection") as caught:
            await invoke(channel)
        assert (caught.value.grpc_status, caught.value.phase, caught.value.retryable) == (
            GrpcStatus.UNAVAILABLE, "stream", True,
        )  # fmt: skip
