"""A pushed stream hands over every message, in order, in the call that has read it; a hold, an end, a close and a fault leave nothing out and nobody waiting."""

import asyncio
import random

import pytest
from hyperframe.frame import DataFrame, Frame

from mxgateway import proto
from mxgateway.calling.rpcs import STREAM_EVENTS
from mxgateway.errors import (
    MxGatewayTransportError,
)
from mxgateway.errors.faults import ConnectionFault
from mxgateway.simulator import SimulatedGateway
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.pushed_stream import PushedStream
from mxgateway.transport.streams import reply_stream
from mxgateway.transport.streams.reply_stream import FEW_AT_ONCE, MOST_AT_ONCE
from mxgateway.transport.streams.stream import STREAM_WINDOW
from mxgateway.wire import encode
from tests.client.support import change, connect, until
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.pushing import Taker, data, fed, messages, opened, pushed, to_event, turns
from tests.transport.rig import REPLY, channel_to, event, invoke
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


# -- what comes, comes whole and in order


async def test_events_are_handed_over_in_order_and_then_the_end() -> None:
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


async def test_a_read_is_handed_over_in_the_very_call_that_brings_it() -> None:
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize())
        for number in range(1, 11):
            line.feed(data(line.stream_id, messages(number, number)))
            assert taker.taken == list(range(1, number + 1))
        line.feed(data(line.stream_id, messages(11, 20), messages(21, 30), messages(31, 31)))
        assert taker.batches[10:] == [list(range(11, 32))]


@pytest.mark.parametrize("runs", ["single", "joined", "split"])
async def test_every_cut_of_the_bytes_gives_the_same_events(runs: str) -> None:
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


@each_row("seed", range(40))
async def test_holds_and_resumes_at_random_lose_and_double_nothing(seed: int) -> None:
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


async def test_the_simulated_gateway_s_events_arrive_one_by_one_and_in_bursts() -> None:
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
            await taker.until(lambda: len(taker.taken) == number)  # noqa: B023 - called within the iteration
        change(gateway, range(30, 501))
        await taker.until(lambda: len(taker.taken) == 500)
        assert taker.taken == list(range(1, 501))
        gateway.drop_connections(politely=True)
        error = await taker.end()
        assert isinstance(error, MxGatewayTransportError)
        assert isinstance(error.__cause__, ConnectionFault)
        assert error.__cause__.polite
        await until(lambda: not channel._connections or channel.current is None)


# -- beside other calls


async def test_a_reply_behind_a_thousand_events_of_the_same_read_wakes_its_caller_first() -> None:
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
        reply: list[Frame] = [peer.headers(reply_id), DataFrame(reply_id, grpc_message(REPLY)), peer.trailers(reply_id)]
        line.feed(data(events_id, messages(1, 1000)) + b"".join(frame.serialize() for frame in reply))
        assert len(taker.taken) == FEW_AT_ONCE
        await caller
        assert taken_when_answered[0] <= 3 * FEW_AT_ONCE
        await taker.until(lambda: len(taker.taken) == 1000)
        assert taker.taken == list(range(1, 1001))
        assert max(map(len, taker.batches)) == FEW_AT_ONCE


async def test_two_streams_of_one_connection_take_turns() -> None:
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


async def test_one_turn_hands_over_no_more_however_many_reads_wait() -> None:
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


async def test_a_million_empty_messages_are_taken_in_steps() -> None:
    async with fed() as (channel, line, peer):
        stream = await opened(channel, taker := Taker())
        line.feed(peer.headers(line.stream_id).serialize())
        line.feed(data(line.stream_id, bytes(5 * 40_000)))
        assert 0 < len(taker.taken) <= 2 * MOST_AT_ONCE
        await taker.until(lambda: len(taker.taken) == 40_000)
        assert max(map(len, taker.batches)) == MOST_AT_ONCE
        stream.close()


async def test_messages_that_take_long_are_handed_over_in_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
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
