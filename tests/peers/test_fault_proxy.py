"""The fault proxy does what each fault's name says, to plain sockets of asyncio on both sides, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.peers.fault_pipe import MOST_QUEUED
from tests.peers.fault_proxy import Direction, FaultProxy, Pipe
from tests.peers.sockets import reset

WAYS = ["to_server", "to_client"]
SOON = 0.05
"""Seconds in which what must not arrive would have arrived."""


@dataclass
class End:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(SOON):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


class Target:
    """A server of plain asyncio behind a proxy."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[End] = asyncio.Queue()
        self.ends: list[End] = []
        self.port = 0

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.append(End(reader, writer))
        self.accepted.put_nowait(self.ends[-1])


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    target = Target()
    server = await asyncio.start_server(target.take, "127.0.0.1", 0, limit=1 << 22)
    target.port = server.sockets[0].getsockname()[1]
    yield target
    server.close()
    for end in target.ends:
        end.writer.transport.abort()
    await server.wait_closed()


@pytest.fixture
async def proxy(target: Target) -> AsyncIterator[FaultProxy]:
    before = asyncio.all_tasks()
    async with FaultProxy(target.port, seed=1) as proxy:
        yield proxy
    left = {task for task in asyncio.all_tasks() - before if not task.done()} - {asyncio.current_task()}
    assert left == set()
    assert proxy.connections == []
    await asyncio.sleep(0)
    gc.collect()  # an unclosed socket warns, and warnings are errors


@asynccontextmanager
async def connection(proxy: FaultProxy) -> AsyncIterator[End]:
    """Give the client's end of a connection to the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield End(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def pair(proxy: FaultProxy, target: Target, way: str = "to_server") -> AsyncIterator[tuple[End, End, Direction]]:
    """Give both ends of a connection, the one that sends in the given direction first, and the direction."""
    async with connection(proxy) as client:
        server = await target.accepted.get()
        direction: Direction = getattr(proxy, way)
        yield (client, server, direction) if way == "to_server" else (server, client, direction)


# -- without a fault


async def test_everything_arrives_in_both_directions_at_once(proxy: FaultProxy, target: Target) -> None:
    data = os.urandom(8 << 20)

    async def send(end: End) -> None:
        await end.send(data)
        end.writer.write_eof()

    async def digest(end: End) -> bytes:
        seen = hashlib.sha256()
        while chunk := await end.reader.read(1 << 16):
            seen.update(chunk)
        return seen.digest()

    async with pair(proxy, target) as (client, server, _):
        results = await asyncio.gather(send(client), send(server), digest(client), digest(server))
        await proxy.until_idle()
    assert set(results[2:]) == {hashlib.sha256(data).digest()}
    assert proxy.to_server.forwarded == proxy.to_client.forwarded == proxy.to_server.received == len(data)
    assert proxy.both.forwarded == 2 * len(data)


@pytest.mark.parametrize("way", WAYS)
async def test_a_receiver_that_does_not_read_holds_the_sender_back(proxy: FaultProxy, target: Target, way: str) -> None:
    size = 64 << 20
    async with pair(proxy, target, way) as (sender, receiver, direction):
        receiver.reader._transport.pause_reading()  # type: ignore[attr-defined]
        sending = asyncio.create_task(sender.send(bytes(size)))
        before = -1
        while direction.received > before:
            before = direction.received
            await asyncio.sleep(SOON)
        assert not sending.done()
        assert direction.received < size
        receiver.reader._transport.resume_reading()  # type: ignore[attr-defined]
        seen = 0
        while seen < size:
            seen += len(await receiver.reader.read(1 << 20))
        await sending


@pytest.mark.parametrize("way", WAYS)
async def test_a_half_that_is_closed_leaves_the_other_half_open(proxy: FaultProxy, target: Target, way: str) -> None:
    async with pair(proxy, target, way) as (sender, receiver, _):
        sender.writer.write(b"last words")
        sender.writer.write_eof()
        assert await receiver.reader.read() == b"last words"
        await receiver.send(b"answer")
        assert await sender.receive(6) == b"answer"
        receiver.writer.close()
        assert await sender.reader.read() == b""
        await proxy.until_idle()


@pytest.mark.parametrize("way", WAYS)
async def test_a_reset_of_one_end_reaches_the_other(proxy: FaultProxy, target: Target, way: str) -> None:
    async with pair(proxy, target, way) as (sender, receiver, _):
        await sender.send(b"x")
        assert await receiver.receive(1) == b"x"
        reset(sender.writer.transport)
        with pytest.raises(ConnectionResetError):
            await receiver.receive(1)
        await proxy.until_idle()


async def test_a_target_that_refuses_resets_the_client() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with FaultProxy(nobody.getsockname()[1]) as proxy, connection(proxy) as client:
            with pytest.raises(ConnectionResetError):
                await client.receive(1)
            assert (proxy.accepted, proxy.connected) == (1, 0)


async def test_new_connections_go_to_the_target_of_the_moment(proxy: FaultProxy, target: Target) -> None:
    other = Target()
    async with await asyncio.start_server(other.take, "127.0.0.1", 0) as server, pair(proxy, target) as (near, far, _):
        proxy.target_port = server.sockets[0].getsockname()[1]
        async with connection(proxy) as client:
            await client.send(b"new")
            assert await (await other.accepted.get()).receive(3) == b"new"
            await near.send(b"old")
            assert await far.receive(3) == b"old"
        for end in other.ends:
            end.writer.transport.abort()


# -- slow networks


@pytest.mark.parametrize("way", WAYS)
async def test_latency_holds_every_byte_back_and_the_end_as_well(proxy: FaultProxy, target: Target, way: str) -> None:
    loop = asyncio.get_running_loop()
    async with pair(proxy, target, way) as (sender, receiver, direction):
        direction.delay(0.05)
        begin = loop.time()
        await sender.send(b"late")
        assert await receiver.receive(4) == b"late"
        assert loop.time() - begin >= 0.049
        begin = loop.time()
        sender.writer.write_eof()
        assert await receiver.reader.read() == b""
        assert loop.time() - begin >= 0.049
        await receiver.send(b"the other way is as fast as ever")


@pytest.mark.parametrize("way", WAYS)
async def test_jitter_keeps_the_order(proxy: FaultProxy, target: Target, way: str) -> None:
    async with pair(proxy, target, way) as (sender, receiver, direction):
        direction.delay(0.0, jitter=0.01)
        for number in range(50):
            await sender.send(number.to_bytes(2, "big"))
            await asyncio.sleep(0)
        direction.delay(0.0)
        await sender.send(b"end")
        received = await receiver.receive(103)
        assert received == b"".join(number.to_bytes(2, "big") for number in range(50)) + b"end"


def delays(seed: int) -> list[float]:
    """Return when ten chunks are due behind a proxy of a seed, as the pipe drew it."""

    async def draw() -> list[float]:
        async with FaultProxy(1, seed=seed) as proxy:
            pipe = proxy.to_client.pipe()
            pipe.delay(0.0, jitter=1000.0)
            drawn = []
            for _ in range(10):
                begin = asyncio.get_running_loop().time()
                pipe._queue.clear()
                pipe.feed(b"x")
                drawn.append(pipe._queue[0][0] - begin)
            pipe.stop()
            return drawn

    return asyncio.run(draw())


def test_jitter_is_drawn_from_the_seed() -> None:
    assert delays(1) == pytest.approx(delays(1), abs=1.0)
    assert delays(1) != pytest.approx(delays(2), abs=1.0)


@pytest.mark.parametrize("way", WAYS)
async def test_a_narrow_band_takes_its_time_and_loses_nothing(proxy: FaultProxy, target: Target, way: str) -> None:
    loop = asyncio.get_running_loop()
    data = os.urandom(5000)
    async with pair(proxy, target, way) as (sender, receiver, direction):
        direction.bandwidth(50_000)
        begin = loop.time()
        await sender.send(data)
        assert await receiver.receive(len(data)) == data
        assert loop.time() - begin >= 0.08  # 5,000 bytes less the last 10 ms
        direction.bandwidth(None)
        await sender.send(data)
        assert await receiver.receive(len(data)) == data


class Pieces(asyncio.Protocol):
    """Notes what each read of a socket gives."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)


@pytest.mark.parametrize("size", [1, 3])
async def test_slices_arrive_one_by_one(proxy: FaultProxy, target: Target, size: int) -> None:
    loop = asyncio.get_running_loop()
    data = os.urandom(300)
    proxy.to_client.slices(size, on="new")
    transport, client = await loop.create_connection(Pieces, "127.0.0.1", proxy.port)
    server = await target.accepted.get()
    await server.send(data)
    await proxy.to_client.until_forwarded(len(data))
    while len(b"".join(client.pieces)) < len(data):
        await asyncio.sleep(0)
    transport.abort()
    assert b"".join(client.pieces) == data
    assert [len(piece) for piece in client.pieces[:20]] == [size] * 20


# -- freeze and black hole


@pytest.mark.parametrize("way", WAYS)
async def test_a_frozen_direction_forwards_nothing_and_loses_nothing_when_it_thaws(
    proxy: FaultProxy, target: Target, way: str
) -> None:
    async with pair(proxy, target, way) as (sender, receiver, direction):
        direction.freeze()
        await sender.send(b"kept")
        sender.writer.write_eof()
        await direction.until_received(4)
        assert await receiver.hears_nothing()
        await receiver.send(b"the other way")
        assert await sender.receive(13) == b"the other way"
        direction.thaw()
        assert await receiver.reader.read() == b"kept"


@pytest.mark.parametrize("way", WAYS)
async def test_a_freeze_in_the_middle_of_a_flood_loses_nothing(proxy: FaultProxy, target: Target, way: str) -> None:
    data = os.urandom(16 << 20)
    async with pair(proxy, target, way) as (sender, receiver, direction):
        sending = asyncio.create_task(sender.send(data))
        reading = asyncio.create_task(receiver.receive(len(data)))
        for step in range(1, 6):
            await direction.until_forwarded(step * len(data) // 8)
            direction.freeze()
            forwarded = direction.forwarded
            await asyncio.sleep(0.01)
            assert direction.forwarded == forwarded
            direction.thaw()
        assert await reading == data
        await sending


@pytest.mark.parametrize("way", WAYS)
async def test_a_frozen_direction_takes_no_more_than_a_buffer_full(proxy: FaultProxy, target: Target, way: str) -> None:
    async with pair(proxy, target, way) as (sender, _, direction):
        direction.freeze()
        sending = asyncio.create_task(sender.send(bytes(64 << 20)))
        await direction.until_received(MOST_QUEUED)
        await asyncio.sleep(SOON)
        assert direction.received < 2 * MOST_QUEUED
        assert not sending.done()
        sending.cancel()


async def test_a_frozen_network_hides_that_the_client_has_left(proxy: FaultProxy, target: Target) -> None:
    async with pair(proxy, target) as (client, server, _):
        proxy.both.freeze()
        (link,) = proxy.connections
        assert not link.client_has_left
        client.writer.close()
        await proxy.until(lambda: link.client_has_left)
        assert await server.hears_nothing()
        proxy.both.thaw()
        assert await server.reader.read() == b""


@pytest.mark.parametrize("way", WAYS)
async def test_a_reset_is_kept_in_a_frozen_network_as_well(proxy: FaultProxy, target: Target, way: str) -> None:
    async with pair(proxy, target, way) as (sender, receiver, _):
        proxy.both.freeze()
        reset(sender.writer.transport)
        assert await receiver.hears_nothing()
        proxy.both.thaw()
        with pytest.raises(ConnectionResetError):
            await receiver.receive(1)


async def test_a_connection_that_is_made_while_frozen_reaches_the_target_after_the_thaw(
    proxy: FaultProxy, target: Target
) -> None:
    proxy.both.freeze()
    async with connection(proxy) as client:
        await client.send(b"hello")
        await proxy.to_server.until_received(5)
        assert (proxy.accepted, proxy.connected, target.accepted.qsize()) == (1, 0, 0)
        proxy.both.thaw()
        server = await target.accepted.get()
        assert await server.receive(5) == b"hello"
        await server.send(b"there")
        assert await client.receive(5) == b"there"


@pytest.mark.parametrize("way", WAYS)
async def test_a_black_hole_swallows_one_direction_and_keeps_the_sockets_open(
    proxy: FaultProxy, target: Target, way: str
) -> None:
    async with pair(proxy, target, way) as (sender, receiver, direction):
        direction.black_hole()
        await sender.send(bytes(4 << 20))  # it goes on being read
        await direction.until_received(4 << 20)
        sender.writer.write_eof()
        assert await receiver.hears_nothing()
        assert direction.forwarded == 0
        await receiver.send(b"the other way")
        assert await sender.receive(13) == b"the other way"
        direction.heal()
        assert await receiver.hears_nothing()


async def test_a_black_hole_accepts_new_connections_and_the_target_never_hears_of_them(
    proxy: FaultProxy, target: Target
) -> None:
    async with pair(proxy, target) as (old_client, old_server, _):
        proxy.both.black_hole(on="new")
        async with connection(proxy) as client:
            await client.send(b"is anybody there?")
            await proxy.to_server.until_received(17)
            assert await client.hears_nothing()
        await old_client.send(b"still")
        assert await old_server.receive(5) == b"still"
        assert (proxy.accepted, proxy.connected) == (2, 1)
        proxy.both.heal()
        async with pair(proxy, target) as (client, server, _):
            await client.send(b"healed")
            assert await server.receive(6) == b"healed"


# -- ends


@pytest.mark.parametrize("way", WAYS)
async def test_a_half_close_sends_fin_and_leaves_the_other_direction(
    proxy: FaultProxy, target: Target, way: str
) -> None:
    async with pair(proxy, target, way) as (sender, receiver, direction):
        await sender.send(b"before")
        await direction.until_forwarded(6)
        direction.half_close()
        assert await receiver.reader.read() == b"before"
        await sender.send(b"after")
        await receiver.send(b"the other way")
        assert await sender.receive(13) == b"the other way"
        receiver.writer.close()
        assert await sender.reader.read() == b""
        sender.writer.close()
        await proxy.until_idle()


async def test_a_reset_is_seen_by_both_ends(proxy: FaultProxy, target: Target) -> None:
    async with pair(proxy, target) as (client, server, _):
        proxy.reset_all()
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                await end.receive(1)
        await proxy.until_idle()


async def test_a_blocking_socket_sees_a_real_rst(proxy: FaultProxy, target: Target) -> None:
    def receive() -> bytes:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            return client.recv(1)

    proxy.to_client.reset(on="new")
    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(receive)


@pytest.mark.parametrize("way", WAYS)
async def test_a_reset_of_the_receiver_alone_is_hidden_from_the_sender(
    proxy: FaultProxy, target: Target, way: str
) -> None:
    async with pair(proxy, target, way) as (sender, receiver, direction):
        direction.reset_receiver()
        with pytest.raises(ConnectionResetError):
            await receiver.receive(1)
        await sender.send(b"into the void")
        assert await sender.hears_nothing()
        assert len(proxy.connections) == 1
        sender.writer.close()
        await proxy.until_idle()


async def test_a_close_is_a_fin_for_both_ends(proxy: FaultProxy, target: Target) -> None:
    async with pair(proxy, target) as (client, server, _):
        await client.send(b"x" * 100_000)
        assert await server.receive(100_000)
        proxy.connections[0].close()
        assert await client.reader.read() == await server.reader.read() == b""
        await proxy.until_idle()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 3 << 20])
async def test_a_limit_forwards_exactly_so_many_bytes_before_the_reset(
    proxy: FaultProxy, target: Target, way: str, size: int
) -> None:
    received = bytearray()
    data = os.urandom(4 << 20)
    async with pair(proxy, target, way) as (sender, receiver, direction):
        direction.limit(size, then=Pipe.reset)
        sending = asyncio.create_task(sender.send(data))
        with pytest.raises(ConnectionResetError):
            while chunk := await receiver.reader.read(1 << 20):
                received += chunk
        assert bytes(received) == data[:size]
        assert direction.forwarded == size
        await asyncio.wait([sending])
        sending.exception()


async def test_a_limit_may_be_followed_by_every_fault(proxy: FaultProxy, target: Target) -> None:
    async def after(then: Callable[[Pipe], None]) -> tuple[bytes, str]:
        async with pair(proxy, target) as (sender, receiver, direction):
            direction.limit(3, then=then, on="current")
            await sender.send(b"abcdef")
            first = await receiver.receive(3)
            try:
                async with asyncio.timeout(SOON):
                    return first, repr(await receiver.reader.read())
            except (TimeoutError, ConnectionResetError) as fault:
                return first, type(fault).__name__

    assert await after(Pipe.freeze) == (b"abc", "TimeoutError")
    assert await after(Pipe.black_hole) == (b"abc", "TimeoutError")
    assert await after(Pipe.half_close) == (b"abc", "b''")
    assert await after(Pipe.close) == (b"abc", "b''")
    assert await after(Pipe.reset) == (b"abc", "ConnectionResetError")
    assert await after(Pipe.reset_receiver) == (b"abc", "ConnectionResetError")


async def test_a_freeze_behind_a_limit_thaws_without_loss(proxy: FaultProxy, target: Target) -> None:
    async with pair(proxy, target) as (sender, receiver, direction):
        direction.limit(3, then=Pipe.freeze)
        await sender.send(b"abcdef")
        assert await receiver.receive(3) == b"abc"
        assert await receiver.hears_nothing()
        direction.heal()
        assert await receiver.receive(3) == b"def"


async def test_a_limit_counts_for_each_new_connection_alone(proxy: FaultProxy, target: Target) -> None:
    proxy.to_server.limit(4, then=Pipe.close, on="new")
    for _ in range(3):
        async with pair(proxy, target) as (client, server, _direction):
            await client.send(b"abcdef")
            assert await server.reader.read() == b"abcd"
    assert proxy.to_server.forwarded == 12


# -- which connections


async def test_a_fault_is_for_the_current_connections_the_new_ones_or_all(proxy: FaultProxy, target: Target) -> None:
    async with pair(proxy, target) as (_, first, direction):
        direction.freeze(on="current")
        async with pair(proxy, target) as (_, second, _direction):
            assert [link.to_server.frozen for link in proxy.connections] == [True, False]
            direction.thaw()
            direction.freeze(on="new")
            assert [link.to_server.frozen for link in proxy.connections] == [False, False]
            async with connection(proxy):
                await proxy.until_accepted(3)
                assert [link.to_server.frozen for link in proxy.connections] == [False, False, True]
                direction.freeze()
                assert all(link.to_server.frozen for link in proxy.connections)
                assert not any(link.to_client.frozen for link in proxy.connections)
                direction.thaw(on="current")
                assert not any(link.to_server.frozen for link in proxy.connections)
        assert await first.hears_nothing()
        assert second is not first


async def test_refused_connections_are_refused_and_live_ones_go_on(proxy: FaultProxy, target: Target) -> None:
    port = proxy.port
    async with pair(proxy, target) as (client, server, _):
        await proxy.refuse()
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
        await client.send(b"live")
        assert await server.receive(4) == b"live"
        await proxy.accept()
        async with pair(proxy, target) as (client, server, _direction):
            await client.send(b"again")
            assert await server.receive(5) == b"again"
    assert (proxy.port, proxy.accepted) == (port, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port is free while connections are refused")
async def test_the_port_is_nobody_elses_while_connections_are_refused(proxy: FaultProxy) -> None:
    await proxy.refuse()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", proxy.port))
    await proxy.accept()


# -- nothing is left


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
async def test_closing_the_proxy_closes_every_socket_whatever_its_state(target: Target) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    async with FaultProxy(target.port) as proxy:
        clients = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(6)]
        await proxy.until(lambda: proxy.connected == 6)
        for link, fault in zip(
            proxy.connections,
            [Pipe.freeze, Pipe.black_hole, Pipe.half_close, Pipe.reset_receiver, Pipe.heal, Pipe.thaw],
            strict=True,
        ):
            fault(link.to_client)
        proxy.both.freeze(on="new")
        clients.append(await asyncio.open_connection("127.0.0.1", proxy.port))
        await proxy.until_accepted(7)
    for _, writer in clients:
        writer.transport.abort()
    for end in target.ends:
        end.writer.transport.abort()
    await asyncio.sleep(0)
    assert descriptors() == before


async def test_closing_the_proxy_gives_up_a_connection_that_is_being_made() -> None:
    async with FaultProxy(9, host="192.0.2.1") as proxy, connection(proxy):
        await proxy.until_accepted(1)
    assert (proxy.connected, proxy.connections) == (0, [])


async def test_waiting_for_what_never_comes_fails(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.peers.sockets.PATIENCE", 0.01)
    with pytest.raises(TimeoutError):
        await proxy.until_accepted(1)
