"""A gateway whose plant is quiet, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway import (
    GatewayClient,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.support import connect
from tests.subscription.rig import quiet_plant


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(plant=quiet_plant(20)) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: SimulatedGateway) -> AsyncIterator[GatewayClient]:
    async with connect(gateway) as client:
        yield client
