"""The gateway's limit on streams: calls above it wait for their turn, and no turn is lost."""

import asyncio

import pytest
from hyperframe.frame import SettingsFrame

from tests.peers.http2.raw_peers import Http2Peer, Http2Server
from tests.transport.rig import REPLY, channel_to, invoke

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def limit(streams: int) -> dict[int, int]:
    return {SettingsFrame.MAX_CONCURRENT_STREAMS: streams}


async def test_calls_above_the_limit_wait_for_their_turn() -> None:
    async def script(peer: Http2Peer) -> None:
        open_requests = [await peer.request() for _ in range(3)]
        for _ in range(17):
            await peer.reply(open_requests.pop(0), REPLY)
            open_requests.append(await peer.request())
        for request in open_requests:
            await peer.reply(request, REPLY)

    async with Http2Server(script, settings=limit(3)) as server, channel_to(server) as channel:
        replies = await asyncio.gather(*[invoke(channel) for _ in range(20)])
        assert [reply.diagnostic_message for reply in replies] == ["answered"] * 20
        assert server.connections == 1
        assert server.peers[0].most_concurrent == 3


async def test_a_higher_limit_lets_waiting_calls_go_at_once() -> None:
    async def script(peer: Http2Peer) -> None:
        requests = [await peer.request()]
        await peer.send(SettingsFrame(0, settings=limit(5)))
        requests += [await peer.request() for _ in range(4)]
        for request in requests:
            await peer.reply(request, REPLY)

    async with Http2Server(script, settings=limit(1)) as server, channel_to(server) as channel:
        await asyncio.gather(*[invoke(channel) for _ in range(5)])
        assert server.peers[0].most_concurrent == 5


async def test_the_turn_of_a_call_that_is_cancelled_goes_to_the_next() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.serve(REPLY)

    async with Http2Server(script, settings=limit(1)) as server, channel_to(server) as channel:

        async def first() -> None:
            await invoke(channel)
            second.cancel()  # in the very step in which its turn has come

        leading = asyncio.create_task(first())
        await asyncio.sleep(0)
        second = asyncio.create_task(invoke(channel))
        third = asyncio.create_task(invoke(channel))
        await leading
        assert (await third).diagnostic_message == "answered"
        assert second.cancelled()
        assert len(server.peers[0].requests) == 2


async def test_the_turn_of_a_call_that_is_cancelled_while_the_transport_is_full_goes_to_the_next() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.serve(REPLY)

    async with Http2Server(script, settings=limit(1)) as server, channel_to(server) as channel:
        connection = await channel.ready()

        async def first() -> None:
            await invoke(channel)
            connection.pause_writing()  # as the transport does when the peer does not read

        leading = asyncio.create_task(first())
        await asyncio.sleep(0)
        second, third = (asyncio.create_task(invoke(channel)) for _ in range(2))
        await leading
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        connection.resume_writing()
        assert (await third).diagnostic_message == "answered"
        assert second.cancelled()
        assert len(server.peers[0].requests) == 2


async def test_a_call_that_is_cancelled_while_it_waits_is_never_sent() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await cancelled.wait()
        await peer.reply(request, REPLY)
        await peer.serve(REPLY)

    cancelled = asyncio.Event()
    async with Http2Server(script, settings=limit(1)) as server, channel_to(server) as channel:
        first = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        second = asyncio.create_task(invoke(channel, "never"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        cancelled.set()
        await first
        await invoke(channel)
        assert not any(b"never" in request.body for request in server.peers[0].requests)


async def test_calls_that_wait_are_served_in_the_order_in_which_they_came() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.serve(REPLY)

    async with Http2Server(script, settings=limit(1)) as server, channel_to(server) as channel:

        async def greedy() -> None:
            for _ in range(20):  # asks for the next turn in the very step in which it gives one back
                await invoke(channel, "greedy")

        leading = asyncio.create_task(greedy())
        await asyncio.sleep(0)
        await invoke(channel, "patient")
        assert not leading.done()
        await leading
        bodies = [request.body for request in server.peers[0].requests]
        assert [b"patient" in body for body in bodies[:3]] == [False, True, False]


async def test_a_lower_limit_holds_back_new_calls_until_enough_have_ended() -> None:
    lowered = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        requests = [await peer.request() for _ in range(3)]
        await peer.send(SettingsFrame(0, settings=limit(1)))
        lowered.set()
        for request in requests:
            await peer.reply(request, REPLY)
        await peer.reply(await peer.request(), REPLY)

    async with Http2Server(script, settings=limit(3)) as server, channel_to(server) as channel:
        early = [asyncio.create_task(invoke(channel)) for _ in range(3)]
        await lowered.wait()
        await asyncio.gather(*early, invoke(channel))
        assert len(server.peers[0].requests) == 4
