"""A subscription to many tags for a long time: faults at random, a consumer that stalls at random, and everything is right in the end.

The short form is one of the tests; ``make soak`` runs the long one: 10,000 tags, a million events.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from mxgateway import Overflow
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.client.support import connect, until
from tests.subscription.fault_world import CONTINUOUS, REBUILT, Fault, Load, World
from tests.subscription.faults import FAULTS, noted
from tests.subscription.rig import account, check_books, consumed, options, quiet_plant, tags_of

EVENTS: Final = int(os.environ.get("MXGATEWAY_SOAK_EVENTS", "8000"))
LONG: Final = EVENTS >= 100_000
TAGS: Final = tags_of(10_000 if LONG else 400)
FAULT_EVERY: Final = 3.0 if LONG else 0.25
"""Seconds between the end of a fault and the next one."""
LEGS: Final = 4
"""Parts of the soak; between them everything comes to rest and is looked at."""
PATIENCE: Final = 120.0
SEED: Final = int(os.environ.get("MXGATEWAY_SOAK_SEED", "1"))


def test_a_subscription_survives_a_soak(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")  # the long form would keep too many
    monkeypatch.setattr("mxgateway.commands.session.opener.OPEN_INTERVAL", 0.0)
    monkeypatch.setattr("mxgateway.subscription.supervisor.TAKEN_BOUND", 0.5)
    asyncio.run(soak(random.Random(SEED)))
    assert [record.getMessage() for record in caplog.records] == []


def dealt(chance: random.Random) -> Iterator[Fault]:
    """Return faults at random, in turn such that the stream survives, such that the session does not, and any.

    They are those that need no options of their own; those that only keepalive notices take seconds each.
    """
    suitable = [
        fault for fault in FAULTS if not fault.simulator and not fault.subscription and (LONG or not fault.client)
    ]
    resumed = [fault for fault in suitable if CONTINUOUS in fault.outcomes]
    rebuilt = [fault for fault in suitable if REBUILT in fault.outcomes]
    while True:
        for kind in (resumed, rebuilt, suitable):
            yield chance.choice(kind)


async def soak(chance: random.Random) -> None:
    before = asyncio.all_tasks()
    pings = {"keepalive_time": 2.0, "keepalive_timeout": 2.0}
    async with (
        SimulatedGateway(plant=quiet_plant(len(TAGS)), options=SimulatorOptions(record_limit=10)) as gateway,
        FaultProxy(gateway.port, seed=SEED) as proxy,
        connect(gateway, endpoint=proxy.endpoint, **pings) as client,
        consumed(
            client.subscribe(TAGS, options(Overflow.LATEST_PER_TAG)), pause=stalls(chance), keep=False
        ) as consumer,
    ):
        world = World(gateway, proxy, consumer, Load(gateway, TAGS, 100, 0.01, 0))
        objects, faults = [], dealt(chance)
        for leg in range(1, LEGS + 1):
            with noted(world.pauses):
                await under_faults(world, chance, faults, EVENTS * leg // LEGS)
            world.pauses.clear()
            await comes_to_rest(world)
            objects.append(await count_objects())
        check_flat(objects)
        stats = consumer.subscription.stats()
        assert stats.rebuilds > 0
        assert stats.reconnects > 0
        print(f"{stats}, objects after each leg {objects}")
    for _ in range(5):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def under_faults(world: World, chance: random.Random, faults: Iterator[Fault], events: int) -> None:
    """Let tags change up to a number of events, and things go wrong meanwhile."""
    world.load.limit = events
    loading = asyncio.create_task(world.load.run())
    try:
        while not loading.done():
            fault = next(faults)
            world.load.held = False
            async with asyncio.timeout(PATIENCE):
                await fault.inject(world)
                await until(lambda: world.is_connected, patience=PATIENCE)
            await asyncio.wait([loading], timeout=chance.uniform(0.5, 1.5) * FAULT_EVERY)
        await loading
    finally:
        loading.cancel()


async def comes_to_rest(world: World) -> None:
    """Wait until the consumer knows everything, and check it."""
    await until(lambda: world.is_connected and world.unexplained == 0, patience=PATIENCE)
    await until(lambda: world.subscription.stats().queued == 0, patience=PATIENCE)
    await until(lambda: world.consumer.values == world.values, patience=PATIENCE)
    account(world.subscription, world.gateway, world.consumer.gaps)
    check_books(world.consumer)
    assert world.consumer.error is None


def stalls(chance: random.Random) -> Callable[[], float | None]:
    """Return when the consumer stalls: seldom, for up to a fifth of a second."""
    return lambda: chance.uniform(0.0, 0.2) if chance.random() < 0.001 else None


CACHES = 3_000
"""Objects that caches of bounded size may still take after the first leg; what grows with events or faults is more than that by far."""


async def count_objects() -> int:
    """Return how many objects the process has when nothing happens."""
    for _ in range(3):
        await asyncio.sleep(0.01)
        gc.collect()
    return len(gc.get_objects())


def check_flat(objects: list[int]) -> None:
    """Check that a soak leaves nothing that grows with events or faults: the first leg fills what is bounded."""
    assert objects[-1] <= objects[0] + CACHES, objects
