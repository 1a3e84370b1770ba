"""A pytest plugin: a simulated gateway as a fixture.

Load it in the top-level ``conftest.py``, or in a test module::

    pytest_plugins = ["mxgateway.testing"]

    async def test_something(simulated_gateway):
        async with GatewayClient.connect(
            simulated_gateway.endpoint, api_key=simulated_gateway.api_key, plaintext=True
        ) as client:
            ...

It needs pytest and pytest-asyncio, which the package itself does not depend on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from mxgateway.simulator import SimulatedGateway


@pytest_asyncio.fixture
async def simulated_gateway() -> AsyncIterator[SimulatedGateway]:
    """A simulated gateway for this test, with the small plant, on a free local port."""
    from mxgateway.simulator import SimulatedGateway

    async with SimulatedGateway() as gateway:
        yield gateway
