"""A pushed stream that is held hands over nothing and loses nothing, and stops its peer at the window."""

import asyncio

import pytest
from hyperframe.frame import RstStreamFrame, WindowUpdateFrame

from mxgateway.errors import (
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.transport.streams.stream import STREAM_WINDOW
from tests.client.support import until
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.pushing import Taker, data, fed, messages, opened, turns
from tests.transport.rig import channel_to, event
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


# -- holds


async def test_a_held_stream_gets_nothing_until_it_is_resumed() -> None:
    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker(lambda taker: len(taker.batches) > 1))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        for number in range(2, 6):
            line.feed(data(line.stream_id, messages(number, number)))
            await turns()
        assert taker.taken == [1]
        stream.resume()
        assert taker.taken == [1]  # not in the middle of what its caller does
        await turns()
        assert taker.batches == [[1], [2, 3, 4, 5]]
        stream.resume()
        stream.resume()
        await turns()
        line.feed(data(line.stream_id, messages(6, 6)))
        assert taker.taken == [1, 2, 3, 4, 5, 6]


async def test_an_end_behind_held_messages_waits_for_them() -> None:
    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker(lambda taker: len(taker.batches) > 1))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        line.feed(data(line.stream_id, messages(2, 2)) + peer.trailers(line.stream_id).serialize())
        await turns()
        assert (taker.taken, taker.ends) == ([1], [])
        stream.resume()
        await turns()
        assert (taker.taken, taker.ends) == ([1, 2], [None])


async def test_an_end_with_nothing_held_before_it_is_told_during_the_hold() -> None:
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker(lambda _: False))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        line.feed(peer.trailers(line.stream_id).serialize())
        assert (taker.taken, taker.ends) == ([1], [None])


@each_row("how", ["reset", "status", "lost", "deadline", "client closed"])
async def test_an_error_behind_held_messages_waits_for_them(how: str) -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        await peer.send_data(request.stream_id, messages(1, 1))
        await first.wait()
        await peer.send_data(request.stream_id, messages(2, 3))
        await held.wait()
        if how == "reset":
            await peer.send(RstStreamFrame(request.stream_id, error_code=2))
        elif how == "status":
            await peer.send(peer.trailers(request.stream_id, 5))
        elif how == "lost":
            peer.writer.transport.abort()

    first, held = asyncio.Event(), asyncio.Event()
    async with Http2Server(script) as server, channel_to(server) as channel:
        taker = Taker(lambda taker: len(taker.taken) > 1)
        stream = await opened(channel, taker, timeout=0.2 if how == "deadline" else None)
        connection = channel.current
        assert connection is not None
        await taker.until(lambda: bool(taker.taken))
        first.set()
        reply = connection.streams[1]
        await until(lambda: reply.unread > 0)
        held.set()
        if how == "client closed":
            channel.end()
        await until(lambda: reply.failed or reply.ended)
        await turns()
        assert taker.ends == []
        stream.resume()
        error = await taker.end()
        assert taker.taken == [1, 2, 3]
        expected = {
            "reset": MxGatewayTransportError, "status": MxGatewaySessionError, "lost": MxGatewayTransportError,
            "deadline": MxGatewayTimeoutError, "client closed": MxGatewayTransportError,
        }  # fmt: skip
        assert isinstance(error, expected[how])
        assert error.__cause__ is not None
        assert channel.stats().calls_failed == 1


async def test_the_beginning_of_the_closing_ends_a_held_stream_at_once() -> None:
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker(lambda _: False))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        line.feed(data(line.stream_id, messages(2, 2)))
        await turns()
        channel.begin_closing()
        await turns()
        assert taker.taken == [1]
        (error,) = taker.ends
        assert isinstance(error, MxGatewayTransportError)
        assert "the client was closed" in str(error)


async def test_a_held_stream_stops_the_peer_at_its_window_and_a_resumed_one_lets_it_go_on() -> None:
    size, count = 100_000, 100  # more than two windows
    stopped = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        stream_id = request.stream_id
        await peer.send(peer.headers(stream_id))
        sending = asyncio.ensure_future(peer.send_data(stream_id, messages(1, count, padding=size)))
        while peer.window(stream_id) > 0:
            await asyncio.sleep(0)
        stopped.set()
        await sending
        await peer.send(peer.trailers(stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel:
        stream = await opened(channel, taker := Taker(lambda taker: len(taker.batches) > 1))
        await stopped.wait()
        (reply,) = (await channel.ready()).streams.values()
        await until(lambda: reply.unread > STREAM_WINDOW - 6 * size)  # what the first read has brought was credited
        assert len(taker.batches) == 1
        await turns(20)
        assert reply.unread <= STREAM_WINDOW
        stream.resume()
        assert await taker.end() is None
        assert taker.taken == list(range(1, count + 1))


async def test_a_message_larger_than_the_window_that_begins_during_a_hold_comes_when_the_stream_is_resumed() -> None:
    large, begun = grpc_message(event(2, padding=2 * STREAM_WINDOW)), 100

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        await peer.send_data(request.stream_id, messages(1, 1) + large[:begun])
        await peer.send_data(request.stream_id, large[begun:])
        await peer.send(peer.trailers(request.stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel:
        stream = await opened(channel, taker := Taker(lambda taker: len(taker.batches) > 1))
        await taker.until(lambda: bool(taker.taken))
        (reply,) = (await channel.ready()).streams.values()
        await until(lambda: reply.unread >= STREAM_WINDOW - begun - len(messages(1, 1)))
        stream.resume()
        assert await taker.end() is None
        assert taker.taken == [1, 2]


async def test_single_events_are_credited_so_that_a_stream_never_stands_still() -> None:
    padding, count = 9_000, 1_500  # three windows, each event in a read of its own

    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize())
        sent = 0
        for number in range(1, count + 1):
            frame = data(line.stream_id, messages(number, number, padding=padding))
            line.feed(frame)
            sent += len(frame) - 9
            if number % 50 == 0:
                await turns()
        await peer.until(lambda: len(peer.frames(WindowUpdateFrame)) >= 3 * sent // STREAM_WINDOW)
        assert taker.taken == list(range(1, count + 1))
        updates = peer.frames(WindowUpdateFrame)
        for stream_id in (0, line.stream_id):
            credited = sum(each.window_increment for each in updates[1:] if each.stream_id == stream_id)
            assert sent - STREAM_WINDOW // 2 <= credited <= sent


async def test_more_than_the_window_during_a_hold_ends_the_connection() -> None:
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker(lambda _: False))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        chunk = data(line.stream_id, grpc_message(event(2, padding=200_000)))
        for _ in range(STREAM_WINDOW // 200_000 + 1):
            line.feed(chunk)
        assert line.connection.closed
        assert "more than the flow-control window allows" in str(line.connection.fault)
        assert taker.ends == []  # what was held is still there
