"""A subscription that is taken over stays the other process's until all tags are there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import MxGatewayError, TagUpdate
from mxgateway.simulator import SimulatedGateway
from tests.client.support import connect, kinds, until
from tests.subscription.rig import consumed, options, publish, quiet_plant, tags_of

TAGS = tags_of(3)


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway(plant=quiet_plant(3)) as gateway:
        yield gateway


async def left_behind(gateway: SimulatedGateway) -> dict[str, Any]:
    """Return the state of a subscription that was closed with its session kept, and change every tag."""
    async with connect(gateway) as old, old.subscribe(TAGS, options()) as updates:
        async for update in updates:
            if isinstance(update, TagUpdate) and update.worker_sequence == len(TAGS):
                break
        state: dict[str, Any] = json.loads(json.dumps(updates.export_state()))
        await updates.aclose(keep_session=True)
    (session,) = gateway.sessions.values()
    await until(lambda: not session.events.is_attached)
    publish(gateway, TAGS, 7)
    return state


async def takes_everything_over(gateway: SimulatedGateway, state: dict[str, Any]) -> None:
    """Take over once more, and check that nothing was lost."""
    async with connect(gateway) as new, consumed(new.subscribe(resume_from=state, options=options())) as consumer:
        await until(lambda: consumer.values == dict.fromkeys(TAGS, 7))
        assert [update.worker_sequence for update in consumer.updates] == [4, 5, 6]
        assert consumer.gaps == []
    assert gateway.sessions == {}


async def test_a_take_over_that_fails_leaves_the_session_of_the_other_process_alone(gateway: SimulatedGateway) -> None:
    state = await left_behind(gateway)
    async with connect(gateway, retry=None) as new:
        gateway.fail_next("Invoke.Ping", Status.INTERNAL, "passing")
        with pytest.raises(MxGatewayError, match="passing"):
            await new.subscribe(resume_from=state, options=options()).__aenter__()
    assert len(gateway.sessions) == 1
    await takes_everything_over(gateway, state)


async def test_a_take_over_that_is_given_up_leaves_the_session_of_the_other_process_alone(
    gateway: SimulatedGateway,
) -> None:
    state = await left_behind(gateway)
    async with connect(gateway) as new:
        gateway.hold("Invoke.Ping")
        beginning = asyncio.create_task(new.subscribe(resume_from=state, options=options()).__aenter__())
        await until(lambda: "PING" in kinds(gateway))
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        gateway.release("Invoke.Ping")
    assert len(gateway.sessions) == 1
    await takes_everything_over(gateway, state)
