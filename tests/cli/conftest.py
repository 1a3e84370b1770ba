"""A simulated gateway in the test's own loop, for commands that run as processes beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, Gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)]) as simulated:
        yield Gateway(simulated)
