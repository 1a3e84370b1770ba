"""A gateway over real TCP, a client of it, a session, and an item that is advised."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway import (
    GatewayClient,
    Session,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.support import (
    Item,
    advised,
    connect,
)


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway() as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: SimulatedGateway) -> AsyncIterator[GatewayClient]:
    async with connect(gateway) as client:
        yield client


@pytest.fixture
async def session(client: GatewayClient) -> AsyncIterator[Session]:
    async with client.open_session(client_session_name="tests") as session:
        yield session


@pytest.fixture
async def item(session: Session) -> Item:
    return await advised(session)


@pytest.fixture
def no_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mxgateway.commands.tags.LINGER", 0.01)
    monkeypatch.setattr("mxgateway.commands.item_cache.LINGER", 0.01)
