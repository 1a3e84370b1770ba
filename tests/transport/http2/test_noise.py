"""Whatever a peer sends after its greeting, calls end in an error of the tree and nothing escapes to the loop."""

import asyncio
import random
from typing import Any

import pytest

from mxgateway.errors import MxGatewayError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, unknown_frame
from tests.transport.rig import REPLY, channel_to, invoke, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

ROUNDS = 300


def noise(chance: random.Random, peer: Http2Peer, stream_id: int) -> bytes:
    """Return a few frames of any type, some of them nearly right."""
    pieces = []
    for _ in range(chance.randint(1, 6)):
        payload = chance.randbytes(chance.choice([0, 1, 4, 5, 8, 9, 30]))
        kind, flags = chance.randint(0, 11), chance.choice([0, 1, 4, 5, 8, 9, 255])
        target = chance.choice([0, stream_id, stream_id, stream_id + 2, 2, 2**31 - 1])
        frame = unknown_frame(kind, target, payload).serialize()
        pieces.append(frame[:4] + bytes([flags]) + frame[5:])
        if chance.random() < 0.3:
            pieces.append(peer.headers(stream_id, end=chance.random() < 0.3).serialize())
    return b"".join(pieces)


@each_row("seed", range(4))
async def test_noise_ends_a_call_in_an_error_of_the_tree(seed: int) -> None:
    chance = random.Random(seed)

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send_bytes(noise(chance, peer, request.stream_id))
        peer.writer.close()

    escaped: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: escaped.append(context))
    async with Http2Server(script) as server, channel_to(server) as channel:
        for _ in range(ROUNDS):
            with pytest.raises(MxGatewayError) as caught:
                await (invoke(channel) if chance.random() < 0.5 else drain(channel))
            assert "report it" not in str(caught.value), caught.value.__cause__
            assert str(caught.value).isprintable()
    assert escaped == []


async def drain(channel: Any) -> None:
    async with stream(channel) as call:
        while await call.messages():
            pass
    raise MxGatewayError("the stream happened to end")


async def test_the_next_call_after_noise_succeeds() -> None:
    chance = random.Random(99)

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        if len(server.peers) == 1:
            await peer.send_bytes(noise(chance, peer, request.stream_id))
            peer.writer.close()
        else:
            await peer.reply(request, REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayError):
            await invoke(channel)
        assert (await invoke(channel)).diagnostic_message == "answered"
