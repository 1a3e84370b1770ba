"""What the tests of opening sessions share: a slow gateway in virtual time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from mxgateway import (
    GatewayClient,
    OpenSessionOptions,
    Session,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import connect, requests
from tests.client.virtual_time import LoopClock, run

SLOW = SimulatorOptions(worker_start_time=4.0)


@asynccontextmanager
async def plant(
    options: SimulatorOptions | None = None, **fields: Any
) -> AsyncIterator[tuple[SimulatedGateway, GatewayClient]]:
    """A gateway and a client of it, in virtual time."""
    async with SimulatedGateway(options=options, clock=LoopClock()) as gateway, connect(gateway, **fields) as client:
        yield gateway, client


def now() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Let a test run in virtual time."""

    def test_in_virtual_time(**arguments: Any) -> None:
        run(test(**arguments))

    whole: Any = test_in_virtual_time
    whole.__name__ = test.__name__
    whole.__signature__ = inspect.signature(test)
    return test_in_virtual_time


def opening(client: GatewayClient, name: str = "") -> asyncio.Task[Session]:
    """Begin to open a session as a subscription does."""
    return asyncio.create_task(client._opener.open(OpenSessionOptions(client_session_name=name)))


def names(gateway: SimulatedGateway) -> list[str]:
    """Return the names of the sessions that were asked for."""
    return [request.client_session_name for request in requests(gateway, "OpenSession")]
