"""A call that nobody reads holds back its own stream and nothing else, and no message is too large for the window."""

import asyncio

import pytest
from hyperframe.frame import DataFrame, SettingsFrame, WindowUpdateFrame

from mxgateway.errors import MxGatewayProtocolError
from mxgateway.transport.http2.connection import CONNECTION_WINDOW
from mxgateway.transport.streams.stream import STREAM_WINDOW
from tests.peers.http2.raw_peers import ClientGone, Http2Peer, Http2Server, grpc_message
from tests.transport.rig import REPLY, channel_to, event, invoke, sequences, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

BIG = event(1, padding=1 << 18)


async def flood(peer: Http2Peer, stream_id: int) -> None:
    """Send messages until the client resets the stream."""
    while stream_id not in peer.resets:
        await peer.send_data(stream_id, grpc_message(BIG))


async def test_the_announced_windows_are_those_that_are_kept() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), REPLY)
        assert peer.initial_window == STREAM_WINDOW
        assert peer.connection_window + len(grpc_message(REPLY)) == CONNECTION_WINDOW

    async with Http2Server(script) as server, channel_to(server) as channel:
        await invoke(channel)


async def test_a_stream_that_nobody_reads_stops_at_its_window_and_starves_no_other_call() -> None:
    stopped = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        unread = (await peer.request()).stream_id
        await peer.send(peer.headers(unread))
        while peer.window(unread) > 0:
            await peer.send_data(unread, b"\0" * min(peer.window(unread), 1 << 20))
        stopped.set()
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel, stream(channel) as unread:
        await unread.open()
        await stopped.wait()
        for _ in range(20):
            await invoke(channel)
        (peer,) = server.peers
        assert peer.window(1) == 0
        assert not [frame for frame in peer.frames(WindowUpdateFrame) if frame.stream_id == 1]


async def test_many_unread_streams_together_leave_room_for_a_call() -> None:
    unread_streams = 2 * CONNECTION_WINDOW // STREAM_WINDOW

    async def script(peer: Http2Peer) -> None:
        for _ in range(unread_streams):
            stream_id = (await peer.request()).stream_id
            await peer.send(peer.headers(stream_id))
            await peer.send_data(stream_id, b"\0" * STREAM_WINDOW)
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        calls = [stream(channel) for _ in range(unread_streams)]
        for call in calls:
            await call.open()
        assert (await invoke(channel)).diagnostic_message == "answered"
        for call in calls:
            await call.aclose()


async def test_a_stream_goes_on_when_it_is_read_after_all() -> None:
    count = 3 * STREAM_WINDOW // len(BIG)

    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), *[BIG] * count)

    async with Http2Server(script) as server, channel_to(server) as channel, stream(channel) as call:
        await call.open()
        await server.peers[0].until(lambda: server.peers[0].frames(DataFrame) != [])
        seen = 0
        async for _ in call:
            seen += 1
        assert seen == count


async def test_a_slow_stream_does_not_hold_back_a_fast_one() -> None:
    count = 3 * STREAM_WINDOW // len(BIG)

    async def script(peer: Http2Peer) -> None:
        slow, fast = await peer.request(), await peer.request()
        await peer.send(peer.headers(slow.stream_id))
        flooding = asyncio.create_task(flood(peer, slow.stream_id))
        await peer.reply(fast, *[BIG] * count)
        await asyncio.wait([flooding])

    async with Http2Server(script) as server, channel_to(server) as channel:
        slow, fast = stream(channel), stream(channel)
        await slow.open()
        await fast.open()
        assert (await anext(slow)).worker_sequence == 1
        assert await sequences(fast) == [1] * count
        assert (await anext(slow)).worker_sequence == 1
        await slow.aclose()


async def test_a_reply_does_not_wait_until_every_message_before_it_is_read() -> None:
    count, seen = 20_000, 0

    async def script(peer: Http2Peer) -> None:
        events, call = await peer.request(), await peer.request()
        await peer.send(peer.headers(events.stream_id))
        await peer.send_data(events.stream_id, grpc_message(event(1)) * count)
        await peer.reply(call, REPLY)
        await peer.send(peer.trailers(events.stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel, stream(channel) as call:
        await call.open()
        answered = asyncio.create_task(invoke(channel))
        seen_before = []
        answered.add_done_callback(lambda _: seen_before.append(seen))
        while batch := await call.messages():
            seen += len(batch)
        await answered
    assert seen == count
    assert seen_before[0] < count // 4


async def test_what_was_read_makes_room_before_the_rest_is_read() -> None:
    count = STREAM_WINDOW // (1 << 14) - 1
    one = grpc_message(event(1, padding=1 << 14))

    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        await peer.send(*[DataFrame(stream_id, one) for _ in range(count)])
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel, stream(channel) as call:
        read = len(await call.messages())
        await invoke(channel)  # by now all is here
        while read < count // 2:
            read += len(await call.messages())
        (peer,) = server.peers
        await asyncio.wait_for(peer.until(lambda: peer.window(1) >= STREAM_WINDOW // 4), 10)
        assert read < count
        assert len(await call.messages()) > 0


@pytest.mark.parametrize("size", [STREAM_WINDOW - 5, STREAM_WINDOW, 15 << 20])
async def test_a_message_larger_than_the_window_passes(size: int) -> None:
    message = event(1, padding=size)

    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), message)
        await peer.reply(await peer.request(), message, message)

    async with Http2Server(script) as server, channel_to(server, call_timeout=None) as channel:
        for expected in ([1], [1, 1]):
            assert await sequences(stream(channel)) == expected


async def test_a_request_larger_than_the_peers_windows_is_sent_as_they_open() -> None:
    text = "x" * 300_000

    async def script(peer: Http2Peer) -> None:
        while not peer.frames(DataFrame):
            await peer.until(lambda: bool(peer.frames(DataFrame)))
        while sum(len(frame.data) for frame in peer.frames(DataFrame)) < 300_000:
            await peer.send(
                WindowUpdateFrame(0, window_increment=20_000), WindowUpdateFrame(1, window_increment=10_000)
            )
            seen = len(peer.received)
            await peer.until(lambda: len(peer.received) > seen)  # noqa: B023 - called within the iteration
        request = await peer.request()
        assert text.encode() in request.message
        await peer.reply(request, REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert (await invoke(channel, text)).diagnostic_message == "answered"
        assert max(len(frame.data) for frame in server.peers[0].frames(DataFrame)) <= 16_384


async def test_a_window_that_opens_by_a_settings_frame_lets_the_request_go_on() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.until(lambda: sum(len(frame.data) for frame in peer.frames(DataFrame)) == 1000)
        await peer.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}))
        await peer.reply(await peer.request(), REPLY)

    async with (
        Http2Server(script, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 1000}) as server,
        channel_to(server) as channel,
    ):
        assert (await invoke(channel, "x" * 5000)).diagnostic_message == "answered"


async def test_an_early_answer_ends_a_request_that_waits_for_the_window() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.until(lambda: bool(peer.frames(DataFrame)))
        await peer.send(peer.headers(1), peer.trailers(1, 8, (b"grpc-message", b"too large")))
        await peer.until(lambda: 1 in peer.resets)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(Exception, match="too large"):
            await invoke(channel, "x" * 300_000)


async def test_an_early_answer_ends_a_request_that_waits_for_the_transport() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.send(WindowUpdateFrame(0, window_increment=2**30))
        await peer.until(lambda: bool(peer.frames(DataFrame)))
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await filled.wait()
        await peer.send(peer.headers(1), peer.trailers(1, 8, (b"grpc-message", b"too large")))
        await answered.wait()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]

    filled, answered = asyncio.Event(), asyncio.Event()
    wide = {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1}
    async with Http2Server(script, settings=wide) as server, channel_to(server, max_send_bytes=1 << 26) as channel:
        connection = await channel.ready()
        while connection.send_window < 2**30:
            await asyncio.sleep(0)
        call = asyncio.create_task(invoke(channel, "x" * (40 << 20)))
        while connection.write_ready.is_set() or connection.send_window > 2**30 - (1 << 20):
            await asyncio.sleep(0.001)
        filled.set()
        with pytest.raises(Exception, match="too large"):
            await call
        assert not connection.write_ready.is_set()  # the peer has still not read
        answered.set()


async def test_a_peer_that_sends_more_than_the_window_is_refused() -> None:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        chunk = DataFrame(stream_id, b"\0" * peer.max_frame_size)
        with pytest.raises((ClientGone, ConnectionError)):
            for _ in range(STREAM_WINDOW // peer.max_frame_size + 1):
                await peer.send(chunk)
            await peer.until(lambda: False)

    async with Http2Server(script) as server, channel_to(server) as channel, stream(channel) as call:
        await call.open()
        await server.peers[0].until_gone()
        with pytest.raises(MxGatewayProtocolError, match="flow-control window"):
            while True:
                await call.messages()
