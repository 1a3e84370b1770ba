"""Giving a call up resets its stream, and only its stream; who waited is freed."""

import asyncio

import pytest
from hyperframe.frame import DataFrame, HeadersFrame

from mxgateway.errors import MxGatewayInvalidRequestError, MxGatewayTransportError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, RawServer, grpc_message, silent
from tests.transport.rig import REPLY, channel_to, event, invoke, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

CANCEL = 0x8


async def test_cancelling_a_unary_call_resets_its_stream_and_the_connection_lives_on() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.until(lambda: bool(peer.resets))
        assert peer.resets == {1: CANCEL}
        await peer.serve(REPLY)

    arrived = asyncio.Event()
    async with Http2Server(script) as server, channel_to(server) as channel:
        call = asyncio.create_task(invoke(channel))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


async def test_a_users_own_timeout_comes_out_as_it_is() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        task = asyncio.current_task()
        await channel.ready()
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await invoke(channel)
        assert type(caught.value) is TimeoutError
        assert task is not None
        assert task.cancelling() == 0
        assert (await invoke(channel)).diagnostic_message == "answered"


@pytest.mark.parametrize("read_first", [False, True], ids=["before the first message", "after the first message"])
async def test_closing_a_stream_resets_it_before_the_close_returns(read_first: bool) -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id), DataFrame(request.stream_id, grpc_message(event(1))))
        after = await peer.request()
        assert peer.resets == {request.stream_id: CANCEL}
        await peer.reply(after, REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        call = stream(channel)
        await call.open()
        if read_first:
            assert (await anext(call)).worker_sequence == 1
        await call.aclose()
        await call.aclose()
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert [each async for each in call] == []
        assert server.connections == 1


async def test_closing_a_stream_frees_the_task_that_waits_for_its_next_message() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        arrived.set()

    arrived = asyncio.Event()
    async with Http2Server(script) as server, channel_to(server) as channel:
        call = stream(channel)
        waiting = asyncio.create_task(call.messages())
        await arrived.wait()
        await call.aclose()
        assert await waiting == []


async def test_a_stream_that_is_closed_while_it_waits_for_its_turn_ends_without_a_trace() -> None:
    async def script(peer: Http2Peer) -> None:
        occupying = await peer.request()
        await closed.wait()
        await peer.reply(occupying, REPLY)
        await peer.serve(REPLY)

    closed = asyncio.Event()
    async with Http2Server(script, settings={0x3: 1}) as server, channel_to(server) as channel:
        occupying = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        call = stream(channel)
        reading = asyncio.create_task(call.messages())
        await asyncio.sleep(0)
        await call.aclose()
        closed.set()
        await occupying
        assert await reading == []
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_closing_a_stream_that_waits_for_its_turn_frees_its_reader_at_once_and_sends_nothing() -> None:
    async def script(peer: Http2Peer) -> None:
        occupying = await peer.request()
        await closed.wait()
        await peer.reply(occupying, REPLY)
        await peer.serve(REPLY)

    closed = asyncio.Event()
    async with Http2Server(script, settings={0x3: 1}) as server, channel_to(server) as channel:
        occupying = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        call = stream(channel)
        reading = asyncio.create_task(call.messages())
        await asyncio.sleep(0)
        await call.aclose()
        assert await reading == []
        assert reading.cancelling() == 0
        assert not occupying.done()
        closed.set()
        await occupying
        await invoke(channel)
        assert [frame.stream_id for frame in server.peers[0].frames(HeadersFrame)] == [1, 3]
        assert server.peers[0].resets == {}
        assert channel.stats().calls_cancelled == 1


async def test_a_second_reader_is_refused_also_while_the_stream_is_being_opened() -> None:
    async def script(peer: Http2Peer) -> None:
        occupying = await peer.request()
        await refused.wait()
        await peer.reply(occupying, REPLY)
        await peer.reply(await peer.request(), event(7))

    refused = asyncio.Event()
    async with Http2Server(script, settings={0x3: 1}) as server, channel_to(server) as channel:
        occupying = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        call = stream(channel)
        reading = asyncio.create_task(call.messages())
        await asyncio.sleep(0)
        for second in (call.messages, call.open):
            with pytest.raises(MxGatewayInvalidRequestError, match="another task is already reading this stream"):
                await second()
        refused.set()
        assert len(await reading) == 1
        await occupying
        await call.aclose()
        assert len(server.peers[0].requests) == 2


async def test_a_read_that_is_cancelled_while_the_stream_waits_for_its_turn_can_be_repeated() -> None:
    async def script(peer: Http2Peer) -> None:
        occupying = await peer.request()
        await cancelled.wait()
        await peer.reply(occupying, REPLY)
        await peer.reply(await peer.request(), event(1))

    cancelled = asyncio.Event()
    async with Http2Server(script, settings={0x3: 1}) as server, channel_to(server) as channel:
        occupying = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        async with stream(channel) as call:
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await anext(call)
            cancelled.set()
            await occupying
            assert [each.worker_sequence async for each in call] == [1]
        assert channel.stats().calls_open == 0
        assert channel.stats().calls_cancelled == 0  # it was not given up: the third read went on with it
        assert len(server.peers[0].requests) == 2


async def test_a_stream_that_was_never_read_sends_nothing() -> None:
    async def script(peer: Http2Peer) -> None:
        assert (await peer.request()).stream_id == 1
        await peer.send(peer.headers(1), DataFrame(1, grpc_message(REPLY)), peer.trailers(1))

    async with Http2Server(script) as server, channel_to(server) as channel:
        unread = stream(channel)
        await unread.aclose()
        assert await unread.messages() == []
        await invoke(channel)


async def test_a_reader_can_wait_for_a_message_with_a_bound_of_its_own_and_read_on() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        await given_up.wait()
        await peer.send(DataFrame(request.stream_id, grpc_message(event(7))))

    given_up = asyncio.Event()
    async with Http2Server(script) as server, channel_to(server) as channel, stream(channel) as call:
        await call.open()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(call), 0.05)
        given_up.set()
        assert (await anext(call)).worker_sequence == 7


async def test_closing_the_channel_frees_every_call_that_waits() -> None:
    async def script(peer: Http2Peer) -> None:
        for _ in range(2):
            await peer.request()
        arrived.set()

    arrived = asyncio.Event()
    async with Http2Server(script, settings={0x3: 2}) as server, channel_to(server) as channel:
        calls = [
            asyncio.create_task(invoke(channel)),
            asyncio.create_task(stream(channel).messages()),
            asyncio.create_task(invoke(channel)),
        ]
        await arrived.wait()
        await channel.aclose()
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, MxGatewayTransportError)
            assert "client was closed" in error.message or "client is closed" in error.message
        with pytest.raises(MxGatewayTransportError, match="client is closed"):
            await invoke(channel)


async def test_closing_the_channel_frees_a_call_that_waits_for_the_connection() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await silent(reader, writer)

    connected = asyncio.Event()
    async with RawServer(script) as server, channel_to(server) as channel:
        waiting = asyncio.create_task(invoke(channel))
        await connected.wait()
        await channel.aclose()
        with pytest.raises(MxGatewayTransportError, match="client was closed"):
            await waiting
