"""A pushed stream hands over every message, in order, in the call that has read it; a hold, an end, a close and a fault leave nothing out and nobody waiting."""

import asyncio
import contextlib
import gc
import random
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, RstStreamFrame, WindowUpdateFrame

from mxgateway import proto
from mxgateway.calling.rpcs import STREAM_EVENTS
from mxgateway.errors import (
    MxGatewayError,
    MxGatewayProtocolError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.errors.faults import ConnectionFault, MessageFault
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.options.tracing import CallInfo, CallTrace
from mxgateway.simulator import SimulatedGateway
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.pushed_stream import PushedStream
from mxgateway.transport.channel import Channel
from mxgateway.transport.http2.connection import STREAM_WINDOW
from mxgateway.transport.streams import reply_stream
from mxgateway.transport.streams.reply_stream import FEW_AT_ONCE, MOST_AT_ONCE
from mxgateway.wire import decode, encode
from tests.client.support import change, connect, until
from tests.peers.raw_peers import DEFAULT_WINDOW, Http2Peer, Http2Server, Request, grpc_message
from tests.transport.pushing import Fed, Taker, messages, no_answer, opened, pushed, turns
from tests.transport.rig import REPLY, channel_to, event, invoke

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def to_event(data: bytes) -> proto.MxEvent:
    return decode(proto.MxEvent, data)


def data(stream_id: int, *pieces: bytes) -> bytes:
    """Return DATA frames."""
    return b"".join(DataFrame(stream_id, piece).serialize() for piece in pieces)


@contextlib.asynccontextmanager
async def fed(**options: Any) -> AsyncIterator[tuple[Channel, Fed, Http2Peer]]:
    """Give a channel whose connection the test feeds by hand, and the peer at its other end, which answers nothing."""
    async with Http2Server(no_answer) as server, channel_to(server, **options) as channel:
        await channel.ready()
        yield channel, Fed(channel), server.peers[0]


# -- what comes, comes whole and in order


async def test_events_are_handed_over_in_order_and_then_the_end():
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), *map(event, range(1, 301)))

    async with Http2Server(script) as server, channel_to(server) as channel:
        stream = await opened(channel, taker := Taker())
        assert await taker.end() is None
        assert taker.taken == list(range(1, 301))
        assert (stats := channel.stats()).calls_succeeded == 1
        assert stats.messages_received == 300
        stream.close()
        assert channel.stats().calls_cancelled == 0


async def test_a_read_is_handed_over_in_the_very_call_that_brings_it():
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize())
        for number in range(1, 11):
            line.feed(data(line.stream_id, messages(number, number)))
            assert taker.taken == list(range(1, number + 1))
        line.feed(data(line.stream_id, messages(11, 20), messages(21, 30), messages(31, 31)))
        assert taker.batches[10:] == [list(range(11, 32))]


@pytest.mark.parametrize("runs", ["single", "joined", "split"])
async def test_every_cut_of_the_bytes_gives_the_same_events(runs: str):
    def conversation(peer: Http2Peer, stream_id: int) -> bytes:
        body = messages(1, 4, padding=3) + grpc_message(b"") + messages(6, 7)
        pieces = {
            "single": [messages(1, 1, padding=3), *(messages(n, n) for n in range(2, 5)), grpc_message(b""), messages(6, 7)],
            "joined": [body],
            "split": [body[at : at + 7] for at in range(0, len(body), 7)],
        }[runs]  # fmt: skip
        begin = peer.headers(stream_id).serialize()  # one after the other: they share a compression state
        return begin + data(stream_id, *pieces) + peer.trailers(stream_id).serialize()

    async with fed() as (channel, line, peer):
        cut, size = 0, 1
        while cut <= size:
            await opened(channel, taker := Taker())
            whole = conversation(peer, line.stream_id)
            size = len(whole)
            step = cut or 1  # first byte by byte, then with one cut
            starts = range(0, size, step) if not cut else (0, cut)
            for start, end in zip(starts, [*starts[1:], size], strict=True):
                if whole[start:end]:
                    line.feed(whole[start:end])
            assert taker.taken == [1, 2, 3, 4, 0, 6, 7], cut
            assert taker.ends == [None]
            cut += 1
        assert not line.connection.streams


@pytest.mark.parametrize("seed", range(40))
async def test_holds_and_resumes_at_random_lose_and_double_nothing(seed: int):
    chance = random.Random(seed)
    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker(lambda _: chance.random() < 0.6))
        whole = peer.headers(line.stream_id).serialize()
        first = 1
        while first <= 400:
            last = min(400, first + chance.choice([0, 0, 0, 1, 5, 90]))
            body = messages(first, last, padding=chance.choice([0, 0, 40]))
            at = chance.randrange(len(body)) if chance.random() < 0.3 else 0
            whole += data(line.stream_id, *([body[:at], body[at:]] if at else [body]))
            first = last + 1
        whole += peer.trailers(line.stream_id).serialize()
        while whole:
            size = chance.choice([1, 9, 14, 60, 1000])
            piece, whole = whole[:size], whole[size:]
            line.feed(piece)
            if chance.random() < 0.3:
                stream.resume()
            if chance.random() < 0.3:
                await asyncio.sleep(0)
        while not taker.ends:
            stream.resume()
            await asyncio.sleep(0)
        assert taker.taken == list(range(1, 401))
        assert taker.ends == [None]
        assert line.connection.uncredited < STREAM_WINDOW


async def test_the_simulated_gateway_s_events_arrive_one_by_one_and_in_bursts():
    async with SimulatedGateway() as gateway, connect(gateway) as client, client.open_session() as session:
        server = await session.register("push")
        item = await session.add_item(server, "TestChildObject.TestInt")
        await session.advise(server, item)
        channel = client._channel
        request = proto.StreamEventsRequest(session_id=session.session_id)

        taker = Taker()
        stream = PushedStream(channel, STREAM_EVENTS, request, CallOptions(), taker)
        await stream.open()
        await taker.until(lambda: len(taker.taken) == 1)
        for number in range(2, 30):
            change(gateway, [number])
            await taker.until(lambda number=number: len(taker.taken) == number)  # type: ignore[misc]
        change(gateway, range(30, 501))
        await taker.until(lambda: len(taker.taken) == 500)
        assert taker.taken == list(range(1, 501))
        gateway.drop_connections(politely=True)
        error = await taker.end()
        assert isinstance(error, MxGatewayTransportError)
        assert isinstance(error.__cause__, ConnectionFault)
        assert error.__cause__.polite
        await until(lambda: not channel._connections or channel.current is None)


# -- holds


async def test_a_held_stream_gets_nothing_until_it_is_resumed():
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


async def test_an_end_behind_held_messages_waits_for_them():
    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker(lambda taker: len(taker.batches) > 1))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        line.feed(data(line.stream_id, messages(2, 2)) + peer.trailers(line.stream_id).serialize())
        await turns()
        assert (taker.taken, taker.ends) == ([1], [])
        stream.resume()
        await turns()
        assert (taker.taken, taker.ends) == ([1, 2], [None])


async def test_an_end_with_nothing_held_before_it_is_told_during_the_hold():
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker(lambda _: False))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        line.feed(peer.trailers(line.stream_id).serialize())
        assert (taker.taken, taker.ends) == ([1], [None])


@pytest.mark.parametrize("how", ["reset", "status", "lost", "deadline", "client closed"])
async def test_an_error_behind_held_messages_waits_for_them(how: str):
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


async def test_the_beginning_of_the_closing_ends_a_held_stream_at_once():
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


async def test_a_held_stream_stops_the_peer_at_its_window_and_a_resumed_one_lets_it_go_on():
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


async def test_single_events_are_credited_so_that_a_stream_never_stands_still():
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


async def test_more_than_the_window_during_a_hold_ends_the_connection():
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker(lambda _: False))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        chunk = data(line.stream_id, grpc_message(event(2, padding=200_000)))
        for _ in range(STREAM_WINDOW // 200_000 + 1):
            line.feed(chunk)
        assert line.connection.closed
        assert "more than the flow-control window allows" in str(line.connection.fault)
        assert taker.ends == []  # what was held is still there


# -- beside other calls


async def test_a_reply_behind_a_thousand_events_of_the_same_read_wakes_its_caller_first():
    async with fed() as (channel, line, peer):
        taken_when_answered = []

        async def call() -> None:
            await invoke(channel)
            taken_when_answered.append(len(taker.taken))

        await opened(channel, taker := Taker())
        events_id = line.stream_id
        caller = asyncio.create_task(call())
        await turns()
        line.feed(peer.headers(events_id).serialize())
        reply_id = line.stream_id
        reply = [peer.headers(reply_id), DataFrame(reply_id, grpc_message(REPLY)), peer.trailers(reply_id)]
        line.feed(data(events_id, messages(1, 1000)) + b"".join(frame.serialize() for frame in reply))
        assert len(taker.taken) == FEW_AT_ONCE
        await caller
        assert taken_when_answered[0] <= 3 * FEW_AT_ONCE
        await taker.until(lambda: len(taker.taken) == 1000)
        assert taker.taken == list(range(1, 1001))
        assert max(map(len, taker.batches)) == FEW_AT_ONCE


async def test_two_streams_of_one_connection_take_turns():
    async with fed() as (channel, line, peer):
        order: list[int] = []
        ids = []
        for number in range(2):
            await opened(channel, Taker(lambda _, number=number: order.append(number)))  # type: ignore[misc]
            ids.append(line.stream_id)
        for stream_id in ids:
            line.feed(peer.headers(stream_id).serialize())
        line.feed(b"".join(data(stream_id, messages(1, 640)) for stream_id in ids))
        while len(order) < 20:
            await asyncio.sleep(0)
        assert order == [0, 1] * 10


async def test_one_turn_hands_over_no_more_however_many_reads_wait():
    async with fed() as (channel, line, peer):
        await opened(channel, Taker())
        await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize())
        for first in range(1, 1000, 200):
            line.feed(data(line.stream_id, messages(first, first + 199)))
        assert len(taker.taken) == FEW_AT_ONCE
        while (before := len(taker.taken)) < 1000:
            await asyncio.sleep(0)
            assert len(taker.taken) < before + 2 * FEW_AT_ONCE
        assert taker.taken == list(range(1, 1001))


async def test_a_million_empty_messages_are_taken_in_steps():
    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize())
        line.feed(data(line.stream_id, bytes(5 * 40_000)))
        assert 0 < len(taker.taken) <= 2 * MOST_AT_ONCE
        await taker.until(lambda: len(taker.taken) == 40_000)
        assert max(map(len, taker.batches)) == MOST_AT_ONCE
        stream.close()


async def test_messages_that_take_long_are_handed_over_in_several_turns(monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr(reply_stream, "thread_time", lambda: now)

    def slow(message: bytes) -> proto.MxEvent:
        nonlocal now
        now += reply_stream.LONGEST_TURN / 4
        return to_event(message)

    body = b"".join(
        grpc_message(encode(proto.MxEvent(worker_sequence=number, session_id="s" * 2 * reply_stream.BETWEEN_LOOKS)))
        for number in range(1, 31)
    )
    async with fed() as (channel, line, peer):
        stream = pushed(channel, taker := Taker(), slow)
        await stream.open()
        line.feed(peer.headers(line.stream_id).serialize())
        line.feed(data(line.stream_id, body))
        before, numbers = 0, list(range(1, 31))
        while before < 30:
            assert before < len(taker.taken) <= before + 6
            before = len(taker.taken)
            await asyncio.sleep(0)
        assert taker.taken == numbers
        stream.close()


# -- closing


async def test_a_stream_that_is_closed_in_the_middle_of_a_read_is_reset_and_hears_nothing_more():
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id), DataFrame(request.stream_id, messages(1, 2)))
        await peer.send(DataFrame(request.stream_id, messages(3, 4)), peer.trailers(request.stream_id))
        await peer.serve(REPLY)

    def close(taker: Taker) -> bool:
        stream.close()
        stream.close()
        stream.resume()
        return bool(len(taker.batches) % 2)

    async with Http2Server(script) as server, channel_to(server) as channel:
        stream = pushed(channel, taker := Taker(close))
        await stream.open()
        await taker.until(lambda: bool(taker.taken))
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert len(taker.batches) == 1
        assert taker.ends == []
        stats = channel.stats()
        assert (stats.calls_cancelled, stats.calls_succeeded, stats.calls_failed) == (1, 1, 0)
        (peer,) = server.peers
        assert not (await channel.ready()).streams
        assert peer.resets in ({1: 8}, {})  # nothing is reset that the peer had ended already


@pytest.mark.parametrize("held", [False, True])
async def test_closing_resets_the_stream_at_once_and_tells_no_end(held: bool):
    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker(lambda _: not held))
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 1)))
        line.feed(data(line.stream_id, messages(2, 2)))
        stream.close()
        assert not line.connection.streams
        await peer.until(lambda: peer.resets == {1: 8})
        line.feed(data(1, messages(3, 3)) + peer.trailers(1).serialize())
        await turns()
        assert taker.taken == ([1] if held else [1, 2])
        assert taker.ends == []


async def test_closing_the_client_in_the_middle_of_a_message_s_handing_over_ends_the_stream_once():
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker(lambda _: channel.end()))
        line.feed(peer.headers(line.stream_id).serialize())
        line.feed(data(line.stream_id, messages(1, 1)))
        error = await taker.end()
        assert taker.taken == [1]
        assert isinstance(error, MxGatewayTransportError)
        assert "the client was closed" in error.message


# -- opening


@pytest.mark.parametrize("where", ["connecting", "turn", "window"])
@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_opening_can_be_given_up_wherever_it_is_and_nothing_is_left(where: str, how: str):
    async def script(peer: Http2Peer) -> None:
        await peer.until_gone()

    settings = {0x3: 1} if where == "turn" else {0x4: 3} if where == "window" else {}
    async with Http2Server(script, settings=settings) as server, channel_to(server) as channel:
        occupying = None
        if where != "connecting":
            await channel.ready()
        if where == "turn":
            occupying = await opened(channel, Taker())
        stream = pushed(channel, taker := Taker())
        if where == "window":
            stream._start[2].session_id = "session-1"
        opening = asyncio.create_task(stream.open())
        await turns(2)
        assert not opening.done()
        if how == "cancelled":
            opening.cancel()
        else:
            stream.close()
        await asyncio.wait([opening])
        assert opening.cancelled() == (how == "cancelled")
        if how == "closed":
            assert isinstance(error := opening.exception(), MxGatewayTransportError)
            assert "the stream was closed" in error.message
        assert channel.stats().calls_cancelled == 1
        connection = await channel.ready()
        assert len(connection.streams) == (occupying is not None)
        assert taker.ends == []
        if occupying is not None:
            occupying.close()


async def test_a_request_that_cannot_be_sent_raises_and_tells_no_end():
    server = Http2Server(no_answer)
    async with server:
        endpoint = server

    channel = Channel(Endpoint.parse(endpoint.endpoint), ClientOptions(plaintext=True, retry=None))
    stream = pushed(channel, taker := Taker())
    with pytest.raises(MxGatewayTransportError, match="nothing is listening"):
        await stream.open()
    assert taker.ends == []
    assert channel.stats().calls_failed == 1
    stream.close()
    assert channel.stats().calls_cancelled == 0
    await channel.aclose()


async def test_a_bound_ends_a_stream_that_brings_nothing():
    async with fed() as (channel, _, peer):
        await opened(channel, taker := Taker(), timeout=0.05)
        assert isinstance(await taker.end(), MxGatewayTimeoutError)
        await peer.until(lambda: peer.resets == {1: 8})


# -- what cannot be read, and defects


async def test_the_decoder_can_be_exchanged_in_mid_stream():
    def twice(raw: bytes) -> proto.MxEvent:
        message = to_event(raw)
        message.worker_sequence *= 2
        return message

    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize() + data(line.stream_id, messages(1, 2)))
        half = data(line.stream_id, messages(3, 3))
        line.feed(half[:-2])
        stream.decode = twice
        assert stream.decode is twice
        line.feed(half[-2:])
        line.feed(data(line.stream_id, messages(4, 4)))
        stream.decode = to_event
        line.feed(data(line.stream_id, messages(5, 5)))
        assert taker.taken == [1, 2, 6, 8, 5]


LONG = messages(3, 3, padding=3000)
BROKEN = grpc_message(b"\xff\xff\xff")


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one read"])
@pytest.mark.parametrize(("bad", "text"), [(LONG, "exceeds the limit of 2000 bytes"), (BROKEN, "cannot be read")])
async def test_a_message_that_cannot_be_taken_ends_the_stream_behind_those_before_it(
    bad: bytes, text: str, together: bool
):
    async with fed(max_receive_bytes=2000) as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize())
        if together:
            line.feed(data(line.stream_id, messages(1, 2) + bad + messages(4, 5)))
        else:
            line.feed(data(line.stream_id, messages(1, 1)))
            line.feed(data(line.stream_id, messages(2, 2)))
            line.feed(data(line.stream_id, bad))
            line.feed(data(line.stream_id, messages(4, 5)))
        error = await taker.end()
        assert isinstance(error, MxGatewayProtocolError)
        assert isinstance(error.__cause__, MessageFault)
        assert text in error.message
        assert taker.taken == [1, 2]
        assert channel.stats().messages_received == 2
        await peer.until(lambda: peer.resets == {1: 8})
        assert not line.connection.closed


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one read"])
@pytest.mark.parametrize("who", ["receiver", "receiver, as if cancelled", "decoder"])
async def test_a_defect_ends_its_own_stream_and_nothing_else(who: str, together: bool):
    def fail(taker: Taker) -> None:
        if 2 in taker.taken:
            raise asyncio.CancelledError if "cancelled" in who else ZeroDivisionError("a defect")

    def fail_to_decode(raw: bytes) -> proto.MxEvent:
        message = to_event(raw)
        if who == "decoder" and message.worker_sequence == 2:
            raise ZeroDivisionError("a defect")
        return message

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id), DataFrame(request.stream_id, messages(1, 1)))
        if together:
            await peer.send_data(request.stream_id, messages(2, 3))
        else:
            for number in range(2, 4):
                await peer.send_data(request.stream_id, messages(number, number))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        taker = Taker(fail if who != "decoder" else None)
        stream = pushed(channel, taker, fail_to_decode)
        await stream.open()
        error = await taker.end()
        assert isinstance(error, MxGatewayTransportError)
        assert ("CancelledError" if "cancelled" in who else "ZeroDivisionError") in error.message
        assert 1 in taker.taken
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1
        await server.peers[0].until(lambda: server.peers[0].resets == {1: 8})


async def test_a_defect_while_the_end_is_told_is_reported_and_ends_no_other_call():
    class Careless(Taker):
        def ended(self, error: MxGatewayError | None, /) -> None:
            super().ended(error)
            raise ZeroDivisionError("a defect")

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    try:
        async with fed() as (channel, line, peer):
            await opened(channel, Careless())
            line.feed(peer.headers(1).serialize() + peer.trailers(1).serialize())
            assert isinstance(reported[0]["exception"], ZeroDivisionError)
            assert not line.connection.closed
            assert not line.connection.streams
    finally:
        asyncio.get_running_loop().set_exception_handler(None)


# -- polite ends

Ends = Callable[[Http2Peer, Request], list[Frame]]
ENDS: dict[str, tuple[Ends, bool, bool]] = {
    "announced, then closed": (lambda _, request: [GoAwayFrame(0, last_stream_id=request.stream_id)], True, True),
    "announced in two steps": (
        lambda _, request: [GoAwayFrame(0, last_stream_id=2**31 - 1), GoAwayFrame(0, last_stream_id=request.stream_id)],
        True, True,
    ),
    "refused politely": (lambda _, __: [GoAwayFrame(0, last_stream_id=0)], True, False),
    "refused with an error": (lambda _, __: [GoAwayFrame(0, last_stream_id=0, error_code=2)], False, False),
    "announced with an error": (
        lambda _, request: [GoAwayFrame(0, last_stream_id=request.stream_id, error_code=11)], False, True,
    ),
    "politely at first, then with an error": (
        lambda _, request: [
            GoAwayFrame(0, last_stream_id=request.stream_id), GoAwayFrame(0, last_stream_id=request.stream_id, error_code=2),
        ],
        False, True,
    ),
    "without a word": (lambda _, __: [], False, True),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("aborted", [False, True], ids=["closed", "reset"])
async def test_the_cause_of_an_end_tells_whether_it_was_announced_as_routine(how: str, aborted: bool):
    frames, polite, processed = ENDS[how]

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id), *frames(peer, request))
        await peer.send(DataFrame(request.stream_id, messages(1, 3)))  # it runs for a while
        if aborted:
            await taken.wait()
            peer.writer.transport.abort()
        else:
            peer.writer.close()

    taken = asyncio.Event()
    async with Http2Server(script) as server, channel_to(server) as channel:
        await opened(channel, taker := Taker(lambda _: taken.set()))
        if not processed:
            taken.set()
        error = await taker.end()
        assert error is not None
        assert isinstance(cause := error.__cause__, ConnectionFault)
        assert (cause.polite, cause.processed) == (polite, processed)
        assert taker.taken == ([1, 2, 3] if processed else [])


# -- counts and traces


class Trace(CallTrace):
    def __init__(self) -> None:
        self.received, self.ends = 0, 0

    def message_sent(self, size: int) -> None:
        pass

    def messages_received(self, count: int) -> None:
        self.received += count

    def retrying(self, error: MxGatewayError, delay: float) -> None:
        pass

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None:
        self.ends += 1


class Tracer:
    def __init__(self) -> None:
        self.trace = Trace()

    def call_started(self, info: CallInfo) -> CallTrace:
        return self.trace


@pytest.mark.parametrize("traced", [False, True])
async def test_messages_are_counted_and_told_to_the_tracer_once(traced: bool):
    tracer = Tracer()
    async with fed(**({"tracer": tracer} if traced else {})) as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(1).serialize() + data(1, messages(1, 5)))
        for number in range(6, 9):
            line.feed(data(1, messages(number, number)))
        line.feed(data(1, messages(9, 30)) + peer.trailers(1).serialize())
        assert taker.ends == [None]
        assert channel.stats().messages_received == 30
        assert (tracer.trace.received, tracer.trace.ends) == ((30, 1) if traced else (0, 0))


# -- what it costs


async def test_an_event_that_comes_alone_takes_few_calls_from_the_socket_to_the_receiver():
    raw = to_event(event(1))
    async with fed() as (channel, line, peer):
        taker = Taker()
        received: list[proto.MxEvent] = []
        taker.receive = lambda messages, /: received.extend(messages) or True  # type: ignore[assignment, func-returns-value]
        await pushed(channel, taker, lambda _: raw).open()
        line.feed(peer.headers(1).serialize() + data(1, messages(1, 1)))
        frames = [data(1, messages(number, number)) for number in range(2, 102)]
        calls = 0

        def count(frame: object, kind: str, argument: object) -> None:
            nonlocal calls
            calls += kind in ("call", "c_call")

        feed = line.protocol.data_received  # type: ignore[attr-defined]
        sys.setprofile(count)
        for frame in frames:
            feed(frame)
        sys.setprofile(None)
        assert len(received) == 101
        assert calls / len(frames) <= 12  # four of them are of the decoder and the receiver above, and of this test


async def test_a_long_run_of_single_events_keeps_nothing():
    async with fed() as (channel, line, peer):
        taker = Taker()
        taker.receive = lambda messages, /: True  # type: ignore[assignment, misc]
        stream = await opened(channel, taker)
        line.feed(peer.headers(1).serialize() + data(1, messages(1, 1)))
        frame = data(1, messages(2, 2))
        for _ in range(1000):
            line.feed(frame)
        gc.collect()
        before = sys.getallocatedblocks()
        for number in range(20_000):
            line.feed(frame)
            if number % 1000 == 0:
                await asyncio.sleep(0)
        assert sys.getallocatedblocks() - before < 500
        stream.close()


@pytest.mark.parametrize("how", ["ended", "closed", "failed", "undecodable", "defect"])
async def test_a_stream_leaves_nothing_to_the_garbage_collector(how: str):
    async with fed() as (channel, line, peer):

        async def one() -> None:
            def receive(taker: Taker) -> None:
                if how == "defect":
                    raise ZeroDivisionError

            stream = await opened(channel, taker := Taker(receive))
            stream_id = line.stream_id
            line.feed(peer.headers(stream_id).serialize() + data(stream_id, messages(1, 3)))
            if how == "ended":
                line.feed(peer.trailers(stream_id).serialize())
            elif how == "failed":
                line.feed(RstStreamFrame(stream_id, error_code=2).serialize())
            elif how == "undecodable":
                line.feed(data(stream_id, BROKEN))
            await turns()
            assert len(taker.ends) == (how != "closed")
            taker.ends.clear()  # the traceback of a defect of its own leads back to the receiver
            stream.close()

        for _ in range(3):
            await one()
        await turns()
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                await one()
            await turns()
            assert gc.collect() < 10
        finally:
            gc.enable()


async def test_the_collector_does_not_run_while_many_events_are_decoded():
    statuses = [proto.MxStatusProxy(detail=number) for number in range(100)]

    body = b"".join(
        grpc_message(encode(proto.MxEvent(worker_sequence=number, statuses=statuses))) for number in range(64)
    )
    runs: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        runs.append(phase)

    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(1).serialize())
        assert len(body) < DEFAULT_WINDOW * 4
        frames = data(1, *(body[at : at + 16_384] for at in range(0, len(body), 16_384)))
        gc.collect()
        gc.callbacks.append(note)
        try:
            line.feed(frames)
        finally:
            gc.callbacks.remove(note)
        assert len(taker.taken) == 64
        assert len(runs) <= 2
