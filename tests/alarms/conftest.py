"""A gateway whose alarms change when a test changes them, over real TCP, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway import GatewayClient
from mxgateway.simulator import ManualClock, SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.alarms.rig import alarm_plant
from tests.client.support import connect


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def gateway(clock: ManualClock) -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(plant=alarm_plant(), clock=clock) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: SimulatedGateway) -> AsyncIterator[GatewayClient]:
    async with connect(gateway) as client:
        yield client


@pytest.fixture
async def proxy(gateway: SimulatedGateway) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(gateway.port) as proxy:
        yield proxy
        proxy.both.heal()


@pytest.fixture
async def proxied(gateway: SimulatedGateway, proxy: FaultProxy) -> AsyncIterator[GatewayClient]:
    """A client whose connection may be struck."""
    async with connect(gateway, endpoint=proxy.endpoint) as client:
        yield client
