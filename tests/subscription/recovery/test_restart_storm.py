"""Fifty subscriptions come back after a restart of their gateway without a storm of openings, and leave no session behind."""

from __future__ import annotations

import asyncio
import bisect
from typing import Final

import pytest

from mxgateway import GatewayClient, MxGatewayError, Subscription
from mxgateway.options.tracing import CallInfo
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import connect
from tests.client.virtual_time import LoopClock, run
from tests.subscription.rig import is_connected, quiet_plant, tags_of

SUBSCRIPTIONS: Final = 50
AWAY: Final = 60.0
"""Seconds that the gateway is gone."""
LONGEST_BACKOFF: Final = 30.0
APART: Final = 0.5
"""Seconds between two openings."""
LONG_ENOUGH: Final = 600.0


class Openings:
    """Takes note of when each OpenSession was sent."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def call_started(self, info: CallInfo) -> _Trace | None:
        return _Trace(self.times) if info.method.endswith("/OpenSession") else None

    @property
    def most_in_a_second(self) -> int:
        """How many were sent within one second, at the most."""
        times = sorted(self.times)
        return max(bisect.bisect_left(times, time + 0.999) - index for index, time in enumerate(times))


class _Trace:
    def __init__(self, times: list[float]) -> None:
        self._times = times

    def message_sent(self, size: int) -> None:
        self._times.append(asyncio.get_running_loop().time())

    def messages_received(self, count: int) -> None:
        pass

    def retrying(self, error: MxGatewayError, delay: float) -> None:
        pass

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None:
        pass


async def all_connected(subscriptions: list[Subscription]) -> float:
    """Return the time at which all subscriptions are connected."""
    async with asyncio.timeout(LONG_ENOUGH):
        while not all(map(is_connected, subscriptions)):
            await asyncio.sleep(0.25)
    return asyncio.get_running_loop().time()


async def storm(worker_start_time: float) -> None:
    options = SimulatorOptions(worker_start_time=worker_start_time)
    openings = Openings()
    gateway = SimulatedGateway(plant=quiet_plant(1), options=options, clock=LoopClock())
    async with gateway, connect(gateway, tracer=openings) as client:
        subscriptions = await begun(client)
        await gateway.stop()
        await asyncio.sleep(AWAY)
        assert not any(map(is_connected, subscriptions))
        openings.times.clear()
        await gateway.start()
        back = asyncio.get_running_loop().time()
        took = await all_connected(subscriptions) - back

        assert took <= SUBSCRIPTIONS * max(worker_start_time, APART) + LONGEST_BACKOFF
        assert openings.most_in_a_second <= 2
        assert len(openings.times) == SUBSCRIPTIONS, "every opening has led to a session"
        await asyncio.sleep(LONG_ENOUGH)
        assert len(gateway.sessions) == len(openings.times) == SUBSCRIPTIONS
        await client.close()
        assert not gateway.sessions


async def begun(client: GatewayClient) -> list[Subscription]:
    """Return subscriptions that are connected; openings take turns at the beginning as well."""
    subscriptions = [client.subscribe(tags_of(1)) for _ in range(SUBSCRIPTIONS)]
    begin = asyncio.get_running_loop().time()
    await asyncio.gather(*(each.__aenter__() for each in subscriptions))
    assert asyncio.get_running_loop().time() - begin >= (SUBSCRIPTIONS - 1) * APART
    return subscriptions


@pytest.mark.parametrize("worker_start_time", [0.0, 1.0, 4.0])
def test_fifty_subscriptions_are_back_soon_after_a_restart_with_two_openings_a_second_at_most(
    worker_start_time: float,
) -> None:
    run(storm(worker_start_time))
