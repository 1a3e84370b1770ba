"""A large reply holds nobody up: others have their turn while it is decoded, its bounds hold, and what is too much of it is refused."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mxgateway import proto
from mxgateway.errors import MxGatewayProtocolError, MxGatewayTimeoutError
from mxgateway.errors.faults import MessageTooLargeFault
from mxgateway.transport.channel import Channel
from mxgateway.transport.streams.reply_stream import TURN
from mxgateway.transport.streams.stream import OpenStream
from mxgateway.wire import encode
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.pushing import Taker, opened
from tests.transport.rig import channel_to, event, invoke, sequences, stream
from tests.transport.rows import each_row
from tests.wire.decode.test_steps import HOSTILE, results

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

TOO_MANY = "a reply has more elements than the limit of 3000 (max_decoded_elements)"
BUSY = results(b"\x20\x01", 400_000)
"""A regular reply that takes the better part of a second."""


def answers(*bodies: bytes) -> Callable[[Http2Peer], Awaitable[None]]:
    async def script(peer: Http2Peer) -> None:
        stream_id = (await peer.request()).stream_id
        await peer.send(peer.headers(stream_id))
        for body in bodies:
            await peer.send_data(stream_id, grpc_message(body))
        await peer.send(peer.trailers(stream_id))
        await peer.request()

    return script


async def turns_until(done: asyncio.Future[Any]) -> int:
    """Return how many turns others have until something is done."""
    count = 0
    while not done.done():
        await asyncio.sleep(0)
        count += 1
    return count


async def test_others_have_their_turn_while_a_large_reply_is_decoded() -> None:
    async with Http2Server(answers(BUSY), credits=True) as server, channel_to(server, call_timeout=60) as channel:
        await channel.ready()
        call = asyncio.ensure_future(invoke(channel))
        began = time.process_time()
        turns = await turns_until(call)
        assert len((await call).read_bulk.results) == 400_000
        assert turns > (time.process_time() - began) / (10 * TURN)


async def decoding(channel: Channel) -> OpenStream[Any]:
    """Wait until the reply to the only call is being decoded, and return its stream."""
    assert channel.current is not None
    while True:
        for each in channel.current.streams.values():
            if each._steps is not None:
                return each
        await asyncio.sleep(0)


async def test_the_bound_of_a_call_holds_while_its_reply_is_decoded() -> None:
    async with Http2Server(answers(BUSY), credits=True) as server, channel_to(server) as channel:
        await channel.ready()
        call = asyncio.ensure_future(invoke(channel, timeout=60))
        reply = await decoding(channel)
        while not reply.ended:
            await asyncio.sleep(0)
        assert reply._steps is not None
        reply.expire_at(0.0)
        with pytest.raises(MxGatewayTimeoutError):
            await call
        assert channel.current is not None


async def test_a_call_that_is_cancelled_while_its_reply_is_decoded_ends_at_once() -> None:
    async with Http2Server(answers(BUSY), credits=True) as server, channel_to(server) as channel:
        await channel.ready()
        call = asyncio.ensure_future(invoke(channel, timeout=60))
        await decoding(channel)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert channel.reply_limits.decoding == 0


async def test_what_there_is_of_a_reply_is_gone_with_its_call_and_leaves_no_cyclic_garbage() -> None:
    async with Http2Server(answers(BUSY), credits=True) as server, channel_to(server) as channel:
        await channel.ready()
        call = asyncio.ensure_future(invoke(channel, timeout=60))
        parts = weakref.ref((await decoding(channel))._steps)
        gc.collect()
        gc.disable()
        try:
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            del call
            assert parts() is None
        finally:
            gc.enable()


async def test_large_replies_share_the_turns() -> None:
    async def script(peer: Http2Peer) -> None:
        for _ in range(5):
            stream_id = (await peer.request()).stream_id
            await peer.send(peer.headers(stream_id))
            await peer.send_data(stream_id, grpc_message(results(b"\x20\x01", 100_000)))
            await peer.send(peer.trailers(stream_id))
        await peer.request()

    async with Http2Server(script, credits=True) as server, channel_to(server, call_timeout=60) as channel:
        await channel.ready()
        replies = await asyncio.gather(*(invoke(channel) for _ in range(5)))
        assert [len(reply.read_bulk.results) for reply in replies] == [100_000] * 5
        assert channel.reply_limits.decoding == 0


@each_row("name", HOSTILE)
async def test_a_reply_of_too_many_elements_is_one_that_is_too_large(name: str) -> None:
    async with (
        Http2Server(answers(HOSTILE[name]()), credits=True) as server,
        channel_to(server, max_decoded_elements=3000, call_timeout=60) as channel,
    ):
        with pytest.raises(MxGatewayProtocolError) as caught:
            await invoke(channel)
        assert TOO_MANY in caught.value.message
        assert isinstance(caught.value.__cause__, MessageTooLargeFault)


async def test_messages_around_a_large_one_keep_their_places_in_a_stream() -> None:
    bodies = [event(1), event(2, padding=300_000), event(3), event(4, padding=40_000), event(5)]
    async with Http2Server(answers(*bodies), credits=True) as server, channel_to(server) as channel:
        assert await sequences(stream(channel)) == [1, 2, 3, 4, 5]
        assert channel.stats().messages_received == 5


async def test_messages_around_a_large_one_keep_their_places_when_they_are_pushed() -> None:
    bodies = [event(1), event(2, padding=300_000), event(3), event(4, padding=40_000), event(5)]
    async with Http2Server(answers(*bodies), credits=True) as server, channel_to(server) as channel:
        await opened(channel, taker := Taker())
        assert await taker.end() is None
        assert taker.taken == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("is_pushed", [False, True], ids=["read", "pushed"])
async def test_a_message_of_too_many_elements_ends_the_stream_behind_those_before_it(is_pushed: bool) -> None:
    statuses = [proto.MxStatusProxy(success=-1)] * 4000
    bodies = [event(1), encode(proto.MxEvent(worker_sequence=2, statuses=statuses)), event(3)]
    async with (
        Http2Server(answers(*bodies), credits=True) as server,
        channel_to(server, max_decoded_elements=3000) as channel,
    ):
        if is_pushed:
            await opened(channel, taker := Taker())
            error = await taker.end()
            assert taker.taken == [1]
        else:
            taken = []
            with pytest.raises(MxGatewayProtocolError) as caught:
                async with stream(channel) as call:
                    async for each in call:
                        taken.append(each.worker_sequence)
            error = caught.value
            assert taken == [1]
        assert isinstance(error, MxGatewayProtocolError)
        assert TOO_MANY in error.message


async def test_a_small_message_is_counted_too_where_few_elements_are_accepted() -> None:
    reply = encode(proto.MxCommandReply(statuses=[proto.MxStatusProxy()] * 50))
    for limit, is_taken in ((50, True), (49, False)):
        async with Http2Server(answers(reply)) as server, channel_to(server, max_decoded_elements=limit) as channel:
            if is_taken:
                assert len((await invoke(channel)).statuses) == 50
            else:
                with pytest.raises(MxGatewayProtocolError, match="max_decoded_elements"):
                    await invoke(channel)
