"""A client belongs to the event loop and the process that connected it: any other use is refused before anything is sent."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mxgateway import GatewayClient, MxGatewayError, MxGatewayUsageError, Session
from mxgateway.simulator import SimulatedGateway
from tests.client.public_calls import CALLS
from tests.client.stage import Call, Stage, set_stage
from tests.client.support import connect
from tests.garbage import leave_alone_what_there_is

MAKING_A_CLIENT = ("GatewayClient.connect", "GalaxyRepositoryClient.connect")
USES = [call for call in CALLS if call.name not in MAKING_A_CLIENT]
can_fork = hasattr(os, "fork")

Begin = Callable[[], Coroutine[Any, Any, object]]


@pytest.fixture(autouse=True)
def older_objects_left_alone() -> None:
    """Let a forked child collect what the test has made, and not go through the whole test run."""
    leave_alone_what_there_is()


def outcome(begin: Begin) -> str:
    """Return how a call ends in a loop of its own."""

    async def attempt() -> str:
        try:
            async with asyncio.timeout(5):
                return f"returned {await begin()!r}"
        except MxGatewayError as error:
            return f"{type(error).__name__}: {error}"

    return asyncio.run(attempt())


async def in_a_thread(begin: Begin) -> str:
    """Return how a call ends in the loop of another thread."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(outcome(begin)))
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.002)
    return found[0]


async def in_a_child(begin: Begin) -> str:
    """Return how a call ends in a forked child, which then collects its garbage."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            asyncio._set_running_loop(None)
            os.write(write, outcome(begin).encode())
            gc.collect()
        finally:
            os._exit(0)
    os.close(write)
    try:
        return (await asyncio.to_thread(os.read, read, 10_000)).decode()
    finally:
        os.close(read)
        await asyncio.to_thread(os.waitpid, child, 0)


async def quiet(gateway: SimulatedGateway) -> None:
    """Wait until nothing more comes of what the preparation does in the background."""
    count = -1
    while count != len(gateway.received):
        count = len(gateway.received)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("call", USES, ids=lambda call: call.name)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_every_public_call_is_refused_elsewhere_and_works_on_at_home(
    gateway: SimulatedGateway, client: GatewayClient, call: Call
) -> None:
    stage: Stage = await set_stage(gateway, client)
    stage.prepared = await call.prepare(stage)
    await quiet(gateway)
    kept = [(each, len(each)) for each in (stage.streams, stage.subscriptions, stage.feeds)]
    before = len(gateway.received)
    assert await in_a_thread(lambda: call.begin(stage)) == (
        "MxGatewayUsageError: nothing was sent: this client belongs to another event loop; pass the call to that loop "
        "with asyncio.run_coroutine_threadsafe(), or connect a client in this one"
    )
    if can_fork:
        assert await in_a_child(lambda: call.begin(stage)) == (
            "MxGatewayUsageError: nothing was sent: this client belongs to another process, this is a fork of it; "
            "connect a new client in this process"
        )
    assert len(gateway.received) == before
    for made, count in kept:
        del made[count:]
    await asyncio.create_task(call.begin(stage))
    await call.afterwards(stage)
    await stage.close()


async def test_waking_is_a_public_call_as_well(gateway: SimulatedGateway, client: GatewayClient) -> None:
    stage = await set_stage(gateway, client)
    for waking in (stage.subscription(stage.session).wake, stage.board().wake):

        async def wake(waking: Callable[[], None] = waking) -> None:
            waking()

        assert "another event loop" in await in_a_thread(wake)
    await stage.close()


def test_a_client_of_an_ended_loop_says_so() -> None:
    made: list[tuple[GatewayClient, Session, Any]] = []

    async def first() -> None:
        async with SimulatedGateway() as gateway:
            client = await connect(gateway)
            session = await client.open_session()
            made.append((client, session, session.stream_events()))

    asyncio.run(first())
    client, session, events = made.pop()
    for begin in (client.close, session.close, session.ping, client.query_active_alarms, events.__anext__):
        assert outcome(begin) == (
            "MxGatewayUsageError: nothing was sent: this client belongs to an event loop that has ended; "
            "connect, use and close a client inside one asyncio.run()"
        )


async def test_a_forgotten_await_is_named(gateway: SimulatedGateway, client: GatewayClient) -> None:
    for opening in (connect(gateway), client.open_session()):
        with pytest.raises(AttributeError, match=r"'ping' is used on the result of .* before it is opened: await that"):
            opening.ping()  # type: ignore[union-attr]
        assert not hasattr(opening, "close")


@pytest.mark.skipif(not can_fork, reason="only POSIX has fork")
def test_a_forked_child_that_runs_the_same_loop_writes_nothing() -> None:
    """Also not what was about to be written at the time of the fork."""
    loop = asyncio.new_event_loop()
    gateway = SimulatedGateway()
    loop.run_until_complete(gateway.start())
    client = loop.run_until_complete(connect(gateway)._open_it())
    (connection,) = client._channel._connections
    connection.write(b"not whole")
    child = os.fork()
    if child == 0:
        try:
            connection.flush()
            connection.shut_down(ConnectionError("over"))
            with pytest.raises(MxGatewayUsageError):
                loop.run_until_complete(client.close())
        except BaseException:  # noqa: BLE001 - a child never goes on with the tests
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    connection._unsent.clear()
    assert loop.run_until_complete(client.galaxy.test_connection())
    loop.run_until_complete(client.close())
    loop.run_until_complete(gateway.stop())
    loop.close()
