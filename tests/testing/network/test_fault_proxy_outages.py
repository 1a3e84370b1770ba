"""What the fault proxy freezes, swallows, cuts off and resets, seen from plain sockets on both sides."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import pytest

from mxgateway.testing.network.fault_pipe import MOST_QUEUED
from mxgateway.testing.network.fault_proxy import FaultProxy, Pipe
from mxgateway.testing.network.sockets import PATIENCE, reset
from tests.testing.network.plain_sockets import SOON, WAYS, Target, connection, pair

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
        await sender.send(bytes(4 << 20))  # it is still being read
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
                async with asyncio.timeout(SOON if then in (Pipe.freeze, Pipe.black_hole) else PATIENCE):
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
