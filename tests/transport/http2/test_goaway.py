"""GOAWAY: what the gateway still finishes is finished, the rest is known to be unseen and sent again, new calls go elsewhere."""

import asyncio

import pytest
from hyperframe.frame import GoAwayFrame

from mxgateway.errors import MxGatewayTransportError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.rig import REPLY, channel_to, event, invoke, sequences, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def test_streams_up_to_the_last_one_finish_and_those_above_are_sent_again_elsewhere() -> None:
    first_is_done = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        if len(server.peers) > 1:
            await peer.serve(REPLY)
        requests = [await peer.request() for _ in range(2)]
        await peer.send(GoAwayFrame(0, last_stream_id=requests[0].stream_id))
        await first_is_done.wait()
        await peer.reply(requests[0], REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        first = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        second = asyncio.create_task(invoke(channel))
        assert (await second).diagnostic_message == "answered"
        assert not first.done()
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 2
        first_is_done.set()
        assert (await first).diagnostic_message == "answered"
        await server.peers[0].until_gone()
        assert not server.peers[0].resets  # the gateway has given the second one up by itself
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 2


async def test_a_graceful_goaway_in_two_steps_ends_nothing_that_the_gateway_finishes() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(GoAwayFrame(0, last_stream_id=2**31 - 1))
        await peer.send(GoAwayFrame(0, last_stream_id=request.stream_id))
        await peer.reply(request, event(1), event(2))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert await sequences(stream(channel)) == [1, 2]


async def test_a_goaway_on_an_idle_connection_closes_it_and_the_next_call_makes_another() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), REPLY)
        await peer.send(GoAwayFrame(0, last_stream_id=1, additional_data=b"idle for 130 s"))

    async with Http2Server(script) as server, channel_to(server) as channel:
        await invoke(channel)
        await server.peers[0].until_gone()
        await invoke(channel)
        assert server.connections == 2


async def test_a_goaway_with_an_error_tells_its_name_and_reason() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.send(GoAwayFrame(0, last_stream_id=0, error_code=0xB, additional_data=b"too_many_pings"))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTransportError, match="GOAWAY ENHANCE_YOUR_CALM, too_many_pings"):
            await invoke(channel)


async def test_a_connection_that_is_closed_after_goaway_fails_what_was_unfinished() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(GoAwayFrame(0, last_stream_id=request.stream_id), peer.headers(request.stream_id))
        await peer.send_data(request.stream_id, grpc_message(event(1)))
        peer.writer.close()

    async with Http2Server(script) as server, channel_to(server) as channel:
        call = stream(channel)
        assert (await anext(call)).worker_sequence == 1
        with pytest.raises(MxGatewayTransportError, match="closed the connection after GOAWAY NO_ERROR") as caught:
            await anext(call)
        assert "did not see" not in str(caught.value)


async def test_a_call_that_meets_the_end_of_its_connection_before_it_is_sent_takes_the_next_one() -> None:
    async def script(peer: Http2Peer) -> None:
        if len(server.peers) > 1:
            await peer.serve(REPLY)
        occupying = await peer.request()
        await peer.send(peer.headers(occupying.stream_id))
        await go_away.wait()
        await peer.send(GoAwayFrame(0, last_stream_id=occupying.stream_id))

    go_away = asyncio.Event()
    one_stream = {0x3: 1}
    async with Http2Server(script, settings=one_stream) as server, channel_to(server) as channel:
        occupying = stream(channel)
        await occupying.open()
        waiting = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)  # it waits for a free stream now
        go_away.set()
        assert (await waiting).diagnostic_message == "answered"
        assert server.connections == 2
        await occupying.aclose()


async def test_a_goaway_too_short_to_be_one_ends_the_connection() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.send_bytes(bytes([0, 0, 4, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]))

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTransportError, match="GOAWAY frame is too short"):
            await invoke(channel)
