"""A peer that only keeps us busy is given up before it costs much, and a busy honest one is never taken for it."""

import asyncio
import contextlib
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from mxgateway.errors import GrpcStatus, MxGatewayProtocolError
from mxgateway.transport.http2 import floods, frames
from mxgateway.transport.streams.reply_stream import MOST_AT_ONCE, ReplyLimits, ReplyStream
from tests.peers.http2.raw_peers import ClientGone, Http2Peer, Http2Server, grpc_message, unknown_frame
from tests.transport.rig import REPLY, channel_to, event, invoke, sequences, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

OVER, OPEN = 1, 3
"""The streams of a call that has been answered, and of one that waits."""
MILLION = 1_000_000
TOO_MUCH = 8 << 20
"""Bytes that no flood may cost us: the peer in the same process is counted along."""
BATCH = 2000
"""Frames that are sent in one write."""


@contextlib.contextmanager
def memory_bounded(limit: int) -> Iterator[None]:
    """Fail when more than `limit` bytes are allocated at any time of the block."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < limit


async def flood(peer: Http2Peer, frame: Frame | bytes, count: int = MILLION) -> None:
    """Send a frame again and again until the client has gone."""
    data = frame if isinstance(frame, bytes) else frame.serialize()
    for _ in range(0, count, BATCH):
        await peer.send_bytes(data * BATCH)
    raise AssertionError(f"the client has borne {count} frames")


Flood = Callable[[Http2Peer], Frame | bytes]


def padded(peer: Http2Peer) -> Frame:
    return DataFrame(OPEN, b"", pad_length=4, flags=["PADDED"])


def endless_block(peer: Http2Peer) -> bytes:
    raw = HeadersFrame(OPEN, b"").serialize()
    return raw + ContinuationFrame(OPEN, b"").serialize() * 100


FLOODS: dict[str, Flood] = {
    "PING": lambda peer: PingFrame(0, b"flooding"),
    "PING answers that nobody asked for": lambda peer: PingFrame(0, b"flooding", flags=["ACK"]),
    "SETTINGS": lambda peer: SettingsFrame(0),
    "SETTINGS that change": lambda peer: SettingsFrame(0, settings={0x3: 100, 0x4: 65_535}),
    "SETTINGS acknowledgements": lambda peer: SettingsFrame(0, flags=["ACK"]),
    "RST_STREAM": lambda peer: RstStreamFrame(OVER, error_code=8),
    "empty DATA": lambda peer: DataFrame(OPEN, b""),
    "DATA of nothing but padding": padded,
    "empty DATA of a call that is over": lambda peer: DataFrame(OVER, b"", flags=["END_STREAM"]),
    "empty DATA between bytes": lambda peer: DataFrame(OPEN, b"\0").serialize() + DataFrame(OPEN, b"").serialize() * 20,
    "unknown frames": lambda peer: unknown_frame(0x42, 0, b""),
    "PRIORITY": lambda peer: PriorityFrame(OPEN, stream_weight=15),
    "1xx HEADERS": lambda peer: peer.headers(OPEN, [(b":status", b"103")]),
    "HEADERS of a call that is over": lambda peer: peer.headers(OVER),
    "WINDOW_UPDATE of the connection": lambda peer: WindowUpdateFrame(0, window_increment=1),
    "WINDOW_UPDATE of a call": lambda peer: WindowUpdateFrame(OPEN, window_increment=1),
    "WINDOW_UPDATE of a call that is over": lambda peer: WindowUpdateFrame(OVER, window_increment=1),
    "GOAWAY": lambda peer: GoAwayFrame(0, last_stream_id=2**31 - 1),
    "CONTINUATION": endless_block,
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_ends_the_connection_costs_little_and_the_next_call_works(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floods, "MAX_NOISE", 10_000)  # a fifth, to be there sooner

    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), REPLY)
        if len(server.peers) > 1:
            await peer.serve(REPLY)
        waiting = await peer.request()
        assert waiting.stream_id == OPEN
        if "DATA" in name:
            await peer.send(peer.headers(OPEN), DataFrame(OPEN, b"\0\0\xff\xff\xff"))  # a message of 16 MiB begins
        await flood(peer, FLOODS[name](peer))

    async with Http2Server(script) as server, channel_to(server, call_timeout=60.0) as channel:
        await invoke(channel)
        with memory_bounded(TOO_MUCH), pytest.raises(MxGatewayProtocolError) as caught:
            await invoke(channel)
        assert caught.value.grpc_status is GrpcStatus.INTERNAL
        assert not caught.value.retryable
        if name != "CONTINUATION":
            assert "floods the connection with useless frames" in caught.value.message
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 2


async def test_a_flood_between_calls_ends_the_connection_as_well() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), REPLY)
        if len(server.peers) == 1:
            await flood(peer, PingFrame(0, b"flooding"))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        await invoke(channel)
        await (await channel.ready()).lost.wait()
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 2


async def test_a_peer_that_asks_and_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "MAX_NOISE", 10**9)  # asking alone is not what ends it here

    async def script(peer: Http2Peer) -> None:
        await peer.request()
        if len(server.peers) > 1:
            await peer.send(peer.headers(1), DataFrame(1, grpc_message(REPLY)), peer.trailers(1))
            return
        # The system keeps as little as it can of what we send.
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ours = connection._socket.get_extra_info("socket")  # type: ignore[union-attr]
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            await flood(peer, PingFrame(0, b"and now?"))
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async with Http2Server(script) as server, channel_to(server, call_timeout=60.0) as channel:
        connection = await channel.ready()
        with (
            memory_bounded(TOO_MUCH),
            pytest.raises(MxGatewayProtocolError, match="requests answers and does not read them"),
        ):
            await invoke(channel)
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_settings_that_nobody_has_defined_take_no_memory() -> None:
    def settings(first: int) -> bytes:
        payload = b"".join(code.to_bytes(2, "big") + bytes(4) for code in range(first, first + 13_000))
        return frames.settings(0, 0, payload)

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        for first in range(10, 39_000, 13_000):
            await peer.send_bytes(settings(first))
        await peer.reply(request, REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        await channel.ready()
        with memory_bounded(4 << 20):
            assert (await invoke(channel)).diagnostic_message == "answered"


class Unlimited(ReplyStream[bytes]):
    """A reply whose peer needs no credit, and whose messages are made in one go, whatever their size."""

    def __init__(self, limits: ReplyLimits) -> None:
        super().__init__(bytes, limits, _no_steps)
        self.at_once_limit = limits.max_bytes

    def credit(self, size: int) -> None:
        pass


def _no_steps(data: bytes, most: int) -> NoReturn:
    raise AssertionError(f"{len(data)} bytes are decoded in steps")


def test_a_message_in_pieces_of_two_bytes_takes_little_more_than_its_size() -> None:
    size = 1 << 18
    reply = Unlimited(ReplyLimits(size, size))
    reply.receive_data([b"\0" + size.to_bytes(4, "big")], 5)
    assert reply._take() == []
    with memory_bounded(4 * size):
        for _ in range(size // 16):
            reply.receive_data([number.to_bytes(2, "big") for number in range(8)], 16)
        (message,) = reply._take()
    assert message == b"".join(number.to_bytes(2, "big") for number in range(8)) * (size // 16)


def test_a_million_empty_messages_are_not_made_at_once() -> None:
    reply = Unlimited(ReplyLimits(10, 10))
    reply.receive_data([bytes(5 * 10_000)] * 10, 500_000)
    taken = []
    while batch := reply._take():
        taken.append(len(batch))
    assert sum(taken) == 100_000
    assert max(taken) == MOST_AT_ONCE


# -- what honest peers do


async def test_two_window_updates_and_a_ping_for_every_message_are_no_flood() -> None:
    count = 100_000

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        about = b"".join(
            frame.serialize()
            for frame in (
                WindowUpdateFrame(0, window_increment=1),
                WindowUpdateFrame(request.stream_id, window_increment=1),
                PingFrame(0, b"measure!"),
                DataFrame(request.stream_id, grpc_message(event(1))),
            )
        )
        for _ in range(0, count, 100):
            await peer.send_bytes(about * 100)
        await peer.send(peer.trailers(request.stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel:
        assert len(await sequences(stream(channel))) == count
        assert server.connections == 1


async def test_frames_that_hold_many_messages_make_up_for_what_comes_with_them() -> None:
    messages, at_once = 200_000, 1000

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        data = DataFrame(request.stream_id, grpc_message(event(1, padding=40)) * at_once)
        size = data.flow_controlled_length
        updates = WindowUpdateFrame(0, window_increment=1).serialize() * at_once
        for _ in range(messages // at_once):
            await peer.until(lambda: min(peer.connection_window, peer.window(request.stream_id)) >= size)
            await peer.send(data)
            await peer.send_bytes(updates)
        await peer.send(peer.trailers(request.stream_id))

    async with Http2Server(script) as server, channel_to(server) as channel:
        seen = 0
        async with stream(channel) as call:
            while batch := await call.messages():
                seen += len(batch)
        assert seen == messages


async def test_what_is_still_on_its_way_of_a_call_that_was_given_up_is_no_flood() -> None:
    async def script(peer: Http2Peer) -> None:
        given_up = await peer.request()
        await peer.send(peer.headers(given_up.stream_id))
        await peer.until(lambda: bool(peer.resets))
        late = DataFrame(given_up.stream_id, grpc_message(b"")).serialize()
        for _ in range(60):
            await peer.send_bytes(late * 1000)
        await peer.send(peer.trailers(given_up.stream_id))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        call = stream(channel)
        await call.open()
        await call.aclose()
        assert (await invoke(channel)).diagnostic_message == "answered"
        assert server.connections == 1


async def test_many_small_calls_with_all_that_comes_with_them_are_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "MAX_NOISE", 100)

    async def script(peer: Http2Peer) -> None:
        extra = [WindowUpdateFrame(0, window_increment=9), PingFrame(0, b"measure!")]
        with contextlib.suppress(ClientGone):
            while True:
                request = await peer.request()
                await peer.send(*extra, WindowUpdateFrame(request.stream_id, window_increment=9))
                await peer.reply(request, REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        for _ in range(300):
            await invoke(channel)
        assert server.connections == 1


async def test_a_peer_that_reads_slowly_what_we_send_is_not_accused_of_asking_too_much() -> None:
    size, count = 900_000, 12
    filled = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        await peer.send(WindowUpdateFrame(0, window_increment=2**30))
        first = await peer.request()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await peer.reply(first, REPLY)
        await filled.wait()
        for _ in range(20):
            await peer.send(PingFrame(0, b"and now?"), SettingsFrame(0))
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.serve(REPLY)

    wide = {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1, SettingsFrame.MAX_FRAME_SIZE: 2**24 - 1}
    async with Http2Server(script, settings=wide) as server, channel_to(server, call_timeout=30.0) as channel:
        await invoke(channel)
        connection = await channel.ready()
        calls = [asyncio.create_task(invoke(channel, "x" * size)) for _ in range(count)]
        await asyncio.sleep(0)
        # A read in the very turn in which the calls have begun: what they send leaves with the answer.
        assert len(connection._unsent) > count
        protocol = connection._transport.get_protocol()
        assert isinstance(protocol, asyncio.Protocol)
        protocol.data_received(PingFrame(0, b"at once!").serialize())
        assert connection._transport.get_write_buffer_size() > 4 << 20
        filled.set()
        for reply in await asyncio.gather(*calls):
            assert reply.diagnostic_message == "answered"
        assert server.connections == 1


def test_noise_counts_within_its_period_only() -> None:
    guard = floods.FloodGuard(0.0)
    for second in range(1000):
        guard.useless(floods.MAX_NOISE // 11, "PING", float(second))
    assert guard.noise <= floods.MAX_NOISE
