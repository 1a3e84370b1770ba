"""A call leaves nothing to the garbage collector, however it ends: what it made is gone with the last reference."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import types
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

import mxgateway
from mxgateway import (
    ClientOptions,
    GatewayClient,
    MxAccessError,
    MxGatewayNotFoundError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    Session,
    SubscriptionState,
    TagUpdate,
    proto,
)
from tests.client.support import TAG, Item, advised, until
from tests.garbage import leave_alone_what_there_is
from tests.peers.gateway_process import GatewayProcess

ROUNDS: Final = 20
SOURCES: Final = str(Path(mxgateway.__file__).parent)


@dataclass
class Stage:
    """What the calls are made with; the gateway runs in another process."""

    gateway: GatewayProcess
    client: GatewayClient
    session: Session
    item: Item

    @property
    def options(self) -> ClientOptions:
        """How to connect."""
        return ClientOptions(api_key=self.gateway.api_key, plaintext=True)


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with GatewayProcess() as gateway:
        yield gateway


@pytest.fixture
async def stage(gateway: GatewayProcess) -> AsyncIterator[Stage]:
    options = ClientOptions(api_key=gateway.api_key, plaintext=True, retry=None)
    async with GatewayClient.connect(gateway.endpoint, options) as client, client.open_session() as session:
        yield Stage(gateway, client, session, await advised(session))


async def garbage_of(call: Callable[[Stage], Awaitable[object]], stage: Stage) -> Counter[str]:
    """Make a call some times and return what it leaves to the garbage collector, of ours."""
    leave_alone_what_there_is()
    for _ in range(ROUNDS):  # what is made once for all is made now
        await call(stage)
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            await call(stage)
        await asyncio.sleep(0.01)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return Counter(_name(each) for each in gc.garbage if _is_ours(each))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_ours(found: Any) -> bool:
    code = _code(found)
    return code.co_filename.startswith(SOURCES) if code is not None else type(found).__module__.startswith("mxgateway.")


def _name(found: Any) -> str:
    code = _code(found)
    return f"{type(found).__name__} {code.co_qualname}" if code is not None else type(found).__name__


def _code(found: Any) -> types.CodeType | None:
    """Return the code that a frame, a coroutine, a function and so on belongs to."""
    if isinstance(found, asyncio.Task):
        found = found.get_coro()
    for name in ("tb_frame", "f_code", "cr_code", "gi_code", "ag_code", "__func__", "__code__"):
        found = getattr(found, name, found) if not isinstance(found, types.CodeType) else found
    return found if isinstance(found, types.CodeType) else None


# --------------------------------------------------------------------------------------------------------------------
# Calls


async def succeeds(stage: Stage) -> None:
    await stage.session.ping()


async def writes(stage: Stage) -> None:
    await stage.session.write(*stage.item.pair, 1)


async def writes_and_waits(stage: Stage) -> None:
    await stage.session.write_confirmed(*stage.item.pair, 1)


async def is_refused_by_mxaccess(stage: Stage) -> None:
    for call in (stage.session.advise(1, 99), stage.session.write(1, 99, 1), stage.session.write_confirmed(1, 99, 1)):
        with contextlib.suppress(MxAccessError):
            await call
            raise AssertionError


async def ends_with_a_grpc_status(stage: Stage) -> None:
    with contextlib.suppress(MxGatewaySessionError):
        await stage.client.attach_session("session-1").ping()
        raise AssertionError


async def ends_with_its_bound(stage: Stage) -> None:
    for call in (stage.session.ping, lambda timeout: stage.session.write(*stage.item.pair, 1, timeout=timeout)):
        with contextlib.suppress(MxGatewayTimeoutError):
            await call(timeout=0.002)
            raise AssertionError


async def is_cancelled(stage: Stage) -> None:
    for call in (stage.session.ping(), stage.session.register("tests"), stage.session.write(*stage.item.pair, 1)):
        task = asyncio.create_task(call)
        await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
            raise AssertionError


async def ends_with_a_bound_of_the_callers_own(stage: Stage) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.002):
            await stage.session.ping()
        raise AssertionError


async def finds_nobody(stage: Stage) -> None:
    with contextlib.suppress(MxGatewayTransportError):
        await GatewayClient.connect("127.0.0.1:1", stage.options)
        raise AssertionError


async def reads_events(stage: Stage) -> None:
    async with stage.session.stream_events() as events:
        for value in range(3):
            stage.gateway.tell("set_tag", TAG, value)
            await anext(events)


async def reads_raw_events(stage: Stage) -> None:
    async with stage.client.open_session() as session:
        await advised(session)
        request = proto.StreamEventsRequest(session_id=session.session_id)
        async with stage.client.stream_events_raw(request) as events:
            await events.messages()


async def opens_a_session(stage: Stage) -> None:
    async with stage.client.open_session() as session, session.stream_events():
        await session.ping()


async def subscribes(stage: Stage) -> None:
    async with stage.session.subscribe([TAG]) as updates:
        async for update in updates:
            if isinstance(update, TagUpdate):
                break


async def subscribes_apart(stage: Stage) -> None:
    stage.client._opener._next_start = 0.0  # session openings are kept apart, which is nothing to wait for here
    updates = stage.client.subscribe([TAG])
    states = updates.states()
    async with updates:
        await updates.remove([TAG])
        await updates.add([TAG])
    assert [state async for state in states][-1] is SubscriptionState.CLOSED


async def asks_the_galaxy(stage: Stage) -> None:
    galaxy = stage.client.galaxy
    await galaxy.discover_hierarchy(page_size=3)
    await galaxy.tree(page_size=3)
    await galaxy.find("*.Level")
    await galaxy.browse(page_size=3)
    for prefetch in (0, 1):
        async with galaxy.iter_hierarchy(page_size=3, prefetch=prefetch) as objects:
            async for _ in objects:
                break


async def is_refused_by_the_galaxy(stage: Stage) -> None:
    galaxy = stage.client.galaxy
    (tank,) = await galaxy.browse(parent_tag_name="Area1", tag_name_glob="Tank01")
    tank.object.gobject_id = 999
    for call in (
        lambda: galaxy.discover_hierarchy(root_gobject_id=999),
        lambda: anext(galaxy.iter_hierarchy(root_gobject_id=999)),
        lambda: galaxy.browse(parent_gobject_id=999),
        tank.expand,
    ):
        with contextlib.suppress(MxGatewayNotFoundError):
            await call()
            raise AssertionError


async def gives_the_galaxy_up(stage: Stage) -> None:
    galaxy = stage.client.galaxy
    (area, *_) = await galaxy.browse()
    for call in (area.expand, galaxy.discover_hierarchy, galaxy.iter_hierarchy().next_page):
        task = asyncio.create_task(call())
        for _ in range(2):  # the request is on its way then, and surely not answered
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
            raise AssertionError


async def watches_deployments(stage: Stage) -> None:
    async with stage.client.galaxy.watch_deploy_events() as deployments:
        await anext(deployments)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.002):
                await anext(deployments)


async def keeps_an_alarm_board(stage: Stage) -> None:
    async with stage.client.alarm_board() as board, stage.client.stream_alarms() as feed:
        await anext(feed)
        await anext(board)
    with pytest.raises(MxAccessError):
        await stage.client.acknowledge_alarm("Galaxy!Area1.Nothing.HiHi")


HOLDING: Final = {ends_with_its_bound, is_cancelled, ends_with_a_bound_of_the_callers_own}
"""Calls for which the gateway has to hold its commands."""
CALLS: Final = [
    succeeds,
    writes,
    writes_and_waits,
    is_refused_by_mxaccess,
    ends_with_a_grpc_status,
    ends_with_its_bound,
    is_cancelled,
    ends_with_a_bound_of_the_callers_own,
    finds_nobody,
    reads_events,
    reads_raw_events,
    opens_a_session,
    subscribes,
    subscribes_apart,
    asks_the_galaxy,
    is_refused_by_the_galaxy,
    gives_the_galaxy_up,
    watches_deployments,
    keeps_an_alarm_board,
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_a_call_leaves_no_cyclic_garbage_when_it(stage: Stage, call: Callable[[Stage], Awaitable[None]]) -> None:
    if call in HOLDING:
        stage.gateway.tell("hold_commands")
    try:
        assert await garbage_of(call, stage) == {}
    finally:
        stage.gateway.tell("release_commands")


# --------------------------------------------------------------------------------------------------------------------
# Connections


async def lose_connection_without_a_call(stage: Stage) -> None:
    async with GatewayClient.connect(stage.gateway.endpoint, stage.options) as client:
        stage.gateway.tell("drop_connections")
        await until(lambda: client._channel.current is None)


async def lose_connection_in_a_call(stage: Stage) -> None:
    stage.gateway.tell("drop_connections_instead_of_replying", "Invoke.Ping")
    with contextlib.suppress(MxGatewayTransportError):
        await stage.session.ping()
        raise AssertionError


async def test_a_call_whose_connection_is_lost_leaves_no_more_than_the_connection(stage: Stage) -> None:
    """What a connection is made of knows each other, h2's own parts included; that is for the collector, and does not grow."""
    of_connections = await garbage_of(lose_connection_without_a_call, stage)
    garbage = await garbage_of(lose_connection_in_a_call, stage)
    assert set(garbage) <= set(of_connections)
    assert max(garbage.values()) <= ROUNDS
