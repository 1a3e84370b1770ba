"""Iterators beside each other, and one that begins when the stream ends."""

from __future__ import annotations

import asyncio

import pytest
from grpclib import GRPCError
from grpclib.const import Status

from mxgateway import MxGatewayError, MxGatewaySessionError
from tests.client.support import until
from tests.events.support import TAG, Site
from tests.subscription.rig import publish


@pytest.mark.parametrize("resume", [False, True])
async def test_an_iterator_that_is_not_read_starves_no_other(
    world: Site, monkeypatch: pytest.MonkeyPatch, *, resume: bool
) -> None:
    monkeypatch.setattr("mxgateway.events.stream.QUEUE_LIMIT", 100)
    monkeypatch.setattr("mxgateway.events.stream.QUEUE_LIMIT_BESIDE_OTHERS", 200)
    await world.advised()
    session = world.session
    async with asyncio.timeout(10), session.stream_events() as unread, session.stream_events(resume=resume) as read:
        for value in range(500):
            publish(world.gateway, [TAG], value)
            while (await anext(read)).worker_sequence < world.there.events.last_sequence:
                pass  # it keeps up, so only the other one has too many
        with pytest.raises(MxGatewaySessionError, match="events wait in the iterator"):
            while True:
                await anext(unread)


async def test_the_gateway_waits_while_no_iterator_is_read(world: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mxgateway.events.stream.QUEUE_LIMIT", 100)
    await world.advised()
    session = world.session
    async with asyncio.timeout(10), session.stream_events() as first, session.stream_events() as second:
        for value in range(500):
            publish(world.gateway, [TAG], value)
            await asyncio.sleep(0)
        await until(session.pump._readers.hold)
        for events in (first, second):
            while (await anext(events)).worker_sequence < 300:
                pass


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("end", [Status.NOT_FOUND, None], ids=["lost", "closed"])
async def test_an_iterator_that_begins_in_the_moment_in_which_the_session_ends_is_told_so(
    world: Site, monkeypatch: pytest.MonkeyPatch, end: Status | None, after: int, *, resume: bool
) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    publish(world.gateway, [TAG], 7)  # what nobody reads is kept
    pump, begin = world.session.pump, asyncio.Event()
    await until(lambda: pump.newest == world.there.events.last_sequence)

    async def read() -> None:
        await begin.wait()
        async with world.session.stream_events(after, resume=resume) as events:
            async for _ in events:
                pass

    def ended(error: MxGatewayError | None) -> None:
        begin.set()
        type(pump).ended(pump, error)

    reading = asyncio.create_task(read())
    monkeypatch.setattr(pump, "ended", ended)
    if end is None:
        world.there.events.close()
    else:
        world.there.events.interrupt(GRPCError(end, "gone"))
    with pytest.raises(MxGatewayError):
        await asyncio.wait_for(reading, 5)
