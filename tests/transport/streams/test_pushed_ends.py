"""How a pushed stream begins and ends: its closing, its opening, messages that cannot be read, defects of its receiver, ends that were announced."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame

from mxgateway import proto
from mxgateway.errors import (
    MxGatewayError,
    MxGatewayProtocolError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.errors.faults import ConnectionFault, MessageFault
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.transport.channel import Channel
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, Request
from tests.transport.pushing import BROKEN, Taker, data, fed, messages, no_answer, opened, pushed, to_event, turns
from tests.transport.rig import REPLY, channel_to, invoke
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


# -- closing


async def test_a_stream_that_is_closed_in_the_middle_of_a_read_is_reset_and_hears_nothing_more() -> None:
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
async def test_closing_resets_the_stream_at_once_and_tells_no_end(held: bool) -> None:
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


async def test_closing_the_client_in_the_middle_of_a_message_s_handing_over_ends_the_stream_once() -> None:
    async with fed() as (channel, line, peer):
        await opened(channel, taker := Taker(lambda _: channel.end()))
        line.feed(peer.headers(line.stream_id).serialize())
        line.feed(data(line.stream_id, messages(1, 1)))
        error = await taker.end()
        assert taker.taken == [1]
        assert isinstance(error, MxGatewayTransportError)
        assert "the client was closed" in error.message


# -- opening


@each_row("where", ["connecting", "turn", "window"])
@each_row("how", ["cancelled", "closed"])
async def test_opening_can_be_given_up_wherever_it_is_and_nothing_is_left(where: str, how: str) -> None:
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


async def test_a_request_that_cannot_be_sent_raises_and_tells_no_end() -> None:
    server = Http2Server(no_answer)
    async with server:
        endpoint = server

    channel = Channel([Endpoint.parse(endpoint.endpoint)], ClientOptions(plaintext=True, retry=None))
    stream = pushed(channel, taker := Taker())
    with pytest.raises(MxGatewayTransportError, match="nothing is listening"):
        await stream.open()
    assert taker.ends == []
    assert channel.stats().calls_failed == 1
    stream.close()
    assert channel.stats().calls_cancelled == 0
    await channel.aclose()


async def test_a_bound_ends_a_stream_that_brings_nothing() -> None:
    async with fed() as (channel, _, peer):
        await opened(channel, taker := Taker(), timeout=0.05)
        assert isinstance(await taker.end(), MxGatewayTimeoutError)
        await peer.until(lambda: peer.resets == {1: 8})


# -- what cannot be read, and defects


async def test_the_decoder_can_be_exchanged_in_mid_stream() -> None:
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


@each_row("together", [False, True])
@each_row(("bad", "text"), [(LONG, "exceeds the limit of 2000 bytes"), (BROKEN, "cannot be read")])
async def test_a_message_that_cannot_be_taken_ends_the_stream_behind_those_before_it(
    bad: bytes, text: str, together: bool
) -> None:
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


@each_row("together", [False, True])
@each_row("who", ["receiver", "receiver, as if cancelled", "decoder"])
async def test_a_defect_ends_its_own_stream_and_nothing_else(who: str, together: bool) -> None:
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


async def test_a_defect_while_the_end_is_told_is_reported_and_ends_no_other_call() -> None:
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


@each_row("how", ENDS)
@each_row("aborted", [False, True])
async def test_the_cause_of_an_end_tells_whether_it_was_announced_as_routine(how: str, aborted: bool) -> None:
    frames, polite, processed = ENDS[how]

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        headers = [peer.headers(request.stream_id)] if processed else []  # a reply that has begun was processed
        await peer.send(*headers, *frames(peer, request))
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
