"""What the tests of the watch have in common: deploying, and reading what is told of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from mxgateway import (
    DeployWatch,
    RecoveryOptions,
    proto,
)
from mxgateway.simulator import ManualClock, SimulatedGateway
from mxgateway.wire import has_field
from tests.client.support import PATIENCE, requests

QUICK = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02, rejected_backoff=0.02)


async def take(watch: DeployWatch, count: int) -> list[Any]:
    """Read some."""
    async with asyncio.timeout(PATIENCE):
        return [await anext(watch) for _ in range(count)]


async def event(watch: DeployWatch) -> proto.DeployEvent:
    """Read one, which must be an event."""
    (found,) = await take(watch, 1)
    assert isinstance(found, proto.DeployEvent)
    return found


def deploy(gateway: SimulatedGateway, clock: ManualClock, times: int = 1) -> None:
    """Deploy, each time a second later."""
    for _ in range(times):
        clock.advance(1)
        gateway.deploy()


def attached(gateway: SimulatedGateway) -> int:
    return len(gateway.galaxy._watchers)


def asked(gateway: SimulatedGateway) -> list[datetime | None]:
    """Return what each request of a watch names as the last deployment that it has seen."""
    return [
        request.last_seen_deploy_time if has_field(request, "last_seen_deploy_time") else None
        for request in requests(gateway, "WatchDeployEvents")
    ]
