"""The fault proxy forwards everything without faults, slows down what it should, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import sys

import pytest

from mxgateway.testing.network.fault_proxy import FaultProxy, Pipe
from mxgateway.testing.network.sockets import reset
from tests.testing.network.plain_sockets import SOON, WAYS, End, Target, connection, pair

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
    await proxy.both.until_forwarded(2 * len(data))
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
    """Return when ten chunks are due behind a proxy with a seed, as drawn by the pipe."""

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
    """Records each read of a socket."""

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
    monkeypatch.setattr("mxgateway.testing.network.sockets.PATIENCE", 0.01)
    with pytest.raises(TimeoutError):
        await proxy.until_accepted(1)
