"""A simulated gateway in the test's own loop, for commands that run as processes beside it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from mxgateway.simulator import ControlServer, SimulatedGateway, SimulatedKey, SimulatorOptions
from tests.cli.gateway import KEY, Gateway


@pytest.fixture(autouse=True, scope="session")
def hang_up_is_not_ignored() -> Iterator[None]:
    """Let the commands get SIGHUP, also where the tests run under nohup: an ignored signal stays ignored in children."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    options = SimulatorOptions(record_limit=20_000)  # a benchmark makes some thousand calls
    async with (
        SimulatedGateway(api_keys=[SimulatedKey.parse(KEY)], options=options) as simulated,
        ControlServer(simulated) as control,
    ):
        yield Gateway(simulated, control)
