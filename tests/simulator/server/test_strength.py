"""Many sessions, and clients that stop reading or vanish, leave nothing behind and harm nobody."""

from __future__ import annotations

import asyncio
import gc
import struct
from collections import Counter

from mxgateway.simulator import SimulatedGateway, SimulatorOptions, generated_plant
from mxgateway.testing import FaultProxy
from tests.simulator.conftest import Until
from tests.simulator.peer import PATIENCE, Peer, ok, take
from tests.simulator.server.wire import DATA, END_STREAM, MESSAGE, PREFACE, Wire, frame, settings, window_update

OF_A_SESSION = ("Session", "Worker", "Apartment", "EventQueue", "EventStream", "Item", "MxServer", "Call", "Task")
TAGS = ["TestChildObject.TestInt", "TestMachine_001.TestChangingInt", "Nowhere.Nothing"]
WIDE = PREFACE + settings((4, 2**31 - 1)) + window_update(0, 2**30)
"""A greeting of a client that takes any amount."""


def living() -> Counter[str]:
    """Count the objects that a session has."""
    gc.collect()
    return Counter(name for each in gc.get_objects() if (name := type(each).__name__) in OF_A_SESSION)


async def use(peer: Peer) -> None:
    """Use a session as a client does, and close it."""
    session = await peer.open()
    stream = await session.attach()
    ok(await session.on_server("subscribe_bulk", tag_addresses=TAGS))
    await take(stream, 3)
    ok(await session.on_server("add_buffered_item", item_definition=TAGS[1]))
    ok(await session.on_server("read_bulk", tag_addresses=TAGS))
    ok(await session.invoke("subscribe_alarms"))
    await peer.call("CloseSession", session_id=session.session_id)
    await stream.code()


async def test_sessions_that_were_closed_leave_no_object(gateway: SimulatedGateway, peer: Peer) -> None:
    for _ in range(5):
        await use(peer)
    before = living()
    for _ in range(50):
        await use(peer)
    async with asyncio.timeout(PATIENCE):
        while (grown := living() - before).total():
            await asyncio.sleep(0.01)
    assert not grown
    assert len(gateway.sessions) == 0


async def test_connections_that_come_and_go_leave_no_object(gateway: SimulatedGateway, until: Until) -> None:
    async def visit() -> None:
        async with Wire.open(gateway) as wire:
            wire.send(wire.request(1, wire.fields("TestConnection")), wire.headers(3))
            await wire.outcome(1)

    names = ("Connection", "Http2", "H2Stream", "Stream", "Valve", "Task")

    def there() -> Counter[str]:
        gc.collect()
        return Counter(name for each in gc.get_objects() if (name := type(each).__name__) in names)

    await visit()
    await until(lambda: gateway.connections == 0)
    before = there()
    for _ in range(50):
        await visit()
    await until(lambda: gateway.connections == 0)
    assert there() - before == Counter()


async def test_a_client_that_stops_reading_is_cut_in_time_and_the_others_are_served(until: Until) -> None:
    options = SimulatorOptions(idle_connection_timeout=1.0)
    async with (
        SimulatedGateway(plant=generated_plant(1000), options=options) as gateway,
        Wire.open(gateway, opening=WIDE, buffer=4096) as wire,
    ):
        wire.stop_reading()
        for stream in range(1, 40, 2):
            wire.send(wire.request(stream, wire.fields("DiscoverHierarchy")))
        async with Wire.open(gateway, opening=WIDE) as other:
            other.send(other.request(1, other.fields("DiscoverHierarchy")))
            assert (await other.outcome(1)).what == "0"
        await until(lambda: gateway.connections == 0)


async def test_a_client_that_is_cut_off_from_the_network_costs_its_queue_and_no_more(
    until: Until,
) -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(event_queue_limit=500)) as gateway,
        FaultProxy(gateway.port) as proxy,
        Peer(proxy.endpoint, gateway.api_key) as lost,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = await lost.open()
        stream = await session.attach()
        await session.advise("TestChildObject.TestBigString")
        await take(stream, 1)
        proxy.both.black_hole()
        other = await peer.open()
        await other.advise("TestChildObject.TestInt")
        [there] = [each for key, each in gateway.sessions.items() if key == session.session_id]
        text = "y" * 60_000
        for number in range(4000):
            gateway.set_tag("TestChildObject.TestBigString", text)
            if number % 50 == 0:
                await asyncio.sleep(0)
            if there.state.name != "READY":
                break
        assert there.state.name == "FAULTED"
        assert len(there.events) == 0, "the events of a session that has faulted are gone"
        ok(await other.invoke("ping"))


async def test_an_endless_message_ends_at_the_limit(gateway: SimulatedGateway) -> None:
    async with Wire.open(gateway) as wire:
        limit = gateway.options.message_limit
        wire.send(wire.headers(1), frame(DATA, 0, 1, struct.pack(">BI", 0, limit + 1)))
        assert (await wire.outcome(1)).what == "8"
        wire.send(wire.request(3))
        assert (await wire.outcome(3)).what == "0"
        # A byte at a time is no way to be expensive either.
        wire.send(wire.headers(5), *(frame(DATA, 0, 5, MESSAGE[:1]) for _ in MESSAGE), frame(DATA, END_STREAM, 5))
        assert (await wire.outcome(5)).what == "0"
