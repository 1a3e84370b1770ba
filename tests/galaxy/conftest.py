"""A gateway over real TCP with the small plant, and a client of its galaxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway import DeployWatch, GalaxyRepositoryClient, GatewayClient
from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.client.support import connect
from tests.galaxy.deployments import QUICK


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def gateway(clock: ManualClock) -> AsyncIterator[SimulatedGateway]:
    """A gateway whose time stands still until the test moves it."""
    async with SimulatedGateway(clock=clock) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: SimulatedGateway) -> AsyncIterator[GatewayClient]:
    async with connect(gateway) as client:
        yield client


@pytest.fixture
def galaxy(client: GatewayClient) -> GalaxyRepositoryClient:
    return client.galaxy


@pytest.fixture
async def watch(galaxy: GalaxyRepositoryClient) -> AsyncIterator[DeployWatch]:
    """A watch that comes back quickly."""
    async with galaxy.watch_deploy_events(recovery=QUICK) as watch:
        yield watch
