"""A simulated gateway in the test's own loop, for commands that run as processes beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mxgateway.simulator import SimulatedGateway, SimulatedKey, SimulatorOptions
from tests.cli.gateway import KEY, Gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    options = SimulatorOptions(record_limit=20_000)  # a benchmark makes some thousand calls
    async with SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], options=options) as simulated:
        yield Gateway(simulated)
