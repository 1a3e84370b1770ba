"""What the tests of confirmed writes share."""

from __future__ import annotations

import asyncio
from typing import Any

from mxgateway import (
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.support import (
    WRITE_COMPLETE,
    Item,
    until,
)

WRONG = "no number"
"""What an integer attribute accepts and fails to take later."""


async def accepted(gateway: SimulatedGateway, session: Session, count: int, *, known: bool = False) -> None:
    """Wait until the gateway has accepted so many writes whose completion it holds.

    Args:
        gateway: The gateway.
        session: The session.
        count: How many.
        known: Whether to wait until the client knows: it has no call open but its one event stream.
    """
    await until(lambda: gateway.sessions[session.session_id].worker._writes_due == count)
    if known:
        await until(lambda: session._channel.stats().calls_open <= 1)


def confirm(session: Session, item: Item, value: Any, **keywords: Any) -> asyncio.Task[proto.MxEvent]:
    return asyncio.create_task(session.write_confirmed(*item.pair, value, **keywords))


async def completions(session: Session) -> dict[int, proto.MxStatusCategory]:
    """Return the completions that were kept, by sequence."""
    await session.ping()
    found = {}
    async with session.stream_events() as events:
        for _ in range(len(events._reader.queue)):
            event = await anext(events)
            if event.family == WRITE_COMPLETE:
                found[event.worker_sequence] = event.statuses[0].category
    return found
