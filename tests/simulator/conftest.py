from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.simulator.peer import PATIENCE, Peer, PeerSession


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def gateway(clock: ManualClock) -> AsyncIterator[SimulatedGateway]:
    """A gateway whose time stands still until the test moves it."""
    async with SimulatedGateway(clock=clock) as gateway:
        yield gateway


@pytest.fixture
async def peer(gateway: SimulatedGateway) -> AsyncIterator[Peer]:
    async with Peer(gateway.endpoint, gateway.api_key) as peer:
        yield peer


@pytest.fixture
async def session(peer: Peer) -> PeerSession:
    return await peer.open()


Until = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Return what waits until a condition of the gateway holds."""

    async def wait(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            # The gateway runs in this very loop and has no event for everything that a test waits for.
            while not holds():
                await asyncio.sleep(0.001)

    return wait
