"""Session and client close once, whoever asks and however often, and hide no exception."""

from __future__ import annotations

import asyncio
import gc

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import advised, connect, is_streaming, requests, until
from tests.peers.http2.raw_peers import RawServer, silent

# -- once


async def test_fifty_callers_close_a_session_once_and_all_get_the_reply(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    replies = await asyncio.gather(*(session.close() for _ in range(50)))
    replies.append(await session.close())

    assert len(requests(gateway, "CloseSession")) == 1
    assert {reply.final_state for reply in replies} == {proto.SessionState.CLOSED}


async def test_fifty_callers_close_a_client_once(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    sessions = [await client.open_session() for _ in range(3)]
    await asyncio.gather(*(client.close() for _ in range(50)))
    await client.close()

    assert len(requests(gateway, "CloseSession")) == 3
    assert all(session.closed for session in sessions)
    await until(lambda: gateway.connections == 0)
    assert repr(client) == f"<GatewayClient of {gateway.endpoint}, closed>"


@pytest.mark.parametrize("what", ["session", "client"])
async def test_a_cancelled_caller_does_not_stop_the_closing(gateway: SimulatedGateway, what: str) -> None:
    client = await connect(gateway)
    session = await client.open_session()
    closable: Session | GatewayClient = session if what == "session" else client
    closing = asyncio.create_task(closable.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    await closable.close()
    assert session.session_id not in gateway.sessions
    assert len(requests(gateway, "CloseSession")) == 1
    await client.close()


async def test_a_task_that_is_cancelled_in_the_block_closes_its_session(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with client.open_session():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not gateway.sessions


async def test_closing_a_client_closes_its_sessions_and_no_others(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as owner:
        theirs = await owner.open_session()
        client = await connect(gateway)
        mine = await client.open_session()
        raw = await client.open_session_raw(proto.OpenSessionRequest())
        attached = client.attach_session(theirs.session_id)
        await attached.ping()
        await client.close()

        assert set(gateway.sessions) == {theirs.session_id, raw.session_id}
        assert mine.closed
        assert not attached.closed
        await theirs.ping()


async def test_a_session_that_was_closed_is_not_closed_again_by_its_client(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client, client.open_session():
        pass

    assert len(requests(gateway, "CloseSession")) == 1


async def test_leaving_the_block_of_an_attached_session_ends_its_streams_and_nothing_else(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    owner = await client.open_session()
    async with client.attach_session(owner.session_id) as session:
        item = await advised(session)
        await session.write_confirmed(*item.pair, 1)
        assert is_streaming(gateway, owner)
    await owner.ping()

    assert not is_streaming(gateway, owner)
    assert not requests(gateway, "CloseSession")


async def test_a_session_that_the_gateway_does_not_know_any_more_counts_as_closed(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client, client.open_session() as session:
        await gateway.restart()
        reply = await session.close()

    assert reply.final_state == proto.SessionState.CLOSED


async def test_a_close_that_has_failed_can_be_tried_again(gateway: SimulatedGateway, client: GatewayClient) -> None:
    session = await client.open_session()
    gateway.fail_next("CloseSession", Status.INTERNAL, "no close today", times=2)
    for _ in range(2):
        with pytest.raises(MxGatewayTransportError, match="no close today"):
            await session.close()
        assert session.closed
    for _ in range(2):
        assert (await session.close()).final_state == proto.SessionState.CLOSED

    assert not gateway.sessions
    assert len(requests(gateway, "CloseSession")) == 3


async def test_callers_of_a_close_that_fails_share_the_attempt_and_each_has_an_exception_of_its_own(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    gateway.fail_next("CloseSession", Status.INTERNAL, "no close today")
    errors = await asyncio.gather(*(session.close() for _ in range(20)), return_exceptions=True)

    assert len(requests(gateway, "CloseSession")) == 1
    assert {str(error) for error in errors} == {str(errors[0])}
    assert "no close today" in str(errors[0])
    assert len({id(error) for error in errors}) == 20
    assert len({id(error.__traceback__) for error in errors if isinstance(error, MxGatewayError)}) == 20
    await session.close()


async def test_a_close_that_ran_out_of_time_can_be_tried_again_with_more(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    session = await client.open_session()
    gateway.hold("CloseSession")
    with pytest.raises(MxGatewayTimeoutError):
        await session.close(timeout=0.05)
    closing = asyncio.create_task(session.close())
    await until(lambda: len(requests(gateway, "CloseSession")) == 2)
    gateway.release("CloseSession")
    await closing
    assert not gateway.sessions


async def test_nobody_has_to_look_at_a_close_that_fails(gateway: SimulatedGateway, client: GatewayClient) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    session = await client.open_session()
    gateway.fail_next("CloseSession", Status.INTERNAL, "no close today")
    closing = asyncio.create_task(session.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    await until(lambda: requests(gateway, "CloseSession"))
    await client.open_session_raw(proto.OpenSessionRequest())
    gc.collect()
    assert not complaints


# -- afterwards, and meanwhile


async def test_a_closed_client_refuses_everything(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    await client.close()
    before = len(gateway.received)
    for call in (
        client.open_session().__aenter__(),
        client.open_session_raw(proto.OpenSessionRequest()),
        client.attach_session("session-1").ping(),
        anext(client.attach_session("session-1").stream_events()),
        anext(client.stream_events_raw(proto.StreamEventsRequest(session_id="session-1"))),
    ):
        with pytest.raises(MxGatewayTransportError, match="client is closed"):
            await call
    assert len(gateway.received) == before


async def test_closing_a_client_ends_the_calls_and_streams_under_way(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as owner:
        session_id = (await owner.open_session()).session_id
        client = await connect(gateway)
        session = client.attach_session(session_id)
        gateway.hold_commands()
        ping = asyncio.create_task(session.ping())
        events = asyncio.create_task(anext(session.stream_events()))
        await until(lambda: gateway.sessions[session_id].events.is_attached)
        await client.close()

        for task in (ping, events):
            with pytest.raises(MxGatewayTransportError, match="the client was closed"):
                await task


async def test_a_session_that_opens_while_its_client_closes_is_closed_and_nobody_waits_for_it() -> None:
    # One call at a time: the first session's CloseSession waits until the second session is open.
    options = SimulatorOptions(streams_per_connection=1, worker_start_time=0.05)
    async with SimulatedGateway(options=options) as gateway:
        client = await connect(gateway)
        first = await client.open_session()
        opening = asyncio.create_task(client.open_session().__aenter__())
        await until(lambda: len(requests(gateway, "OpenSession")) == 2)
        closing = asyncio.create_task(client.close())
        with pytest.raises(MxGatewayTransportError, match="the client is closed"):
            await opening
        assert not closing.done()
        await closing

        assert first.closed
        assert len(requests(gateway, "CloseSession")) == 2
        assert not gateway.sessions


# -- nothing is left


async def test_nothing_is_left_when_the_client_has_closed(gateway: SimulatedGateway) -> None:
    before = asyncio.all_tasks()
    for _ in range(3):
        async with connect(gateway) as client, client.open_session() as session:
            item = await advised(session)
            await session.write_confirmed(*item.pair, 1)
            async with session.stream_events() as events:
                await anext(events)
            async for _event in session.stream_events(1):
                break
            reader = asyncio.create_task(anext(session.stream_events()))
            await session.ping()
        await asyncio.wait([reader])
        reader.exception()
        await until(lambda: gateway.connections == 0)
        assert own_tasks(before) == set()
        assert client._channel._connections == set()


async def test_nothing_is_left_of_a_client_whose_gateway_has_gone(gateway: SimulatedGateway) -> None:
    before = asyncio.all_tasks()
    client = await connect(gateway)
    session = await client.open_session()
    events = session.stream_events()
    await events.__aenter__()
    await gateway.stop()
    with pytest.raises(MxGatewayError):
        await anext(events)
    await client.close()

    assert own_tasks(before) == set()


def own_tasks(before: set[asyncio.Task[object]]) -> set[asyncio.Task[object]]:
    """Return the tasks that were made since, without the gateway's own."""
    return {
        task
        for task in asyncio.all_tasks() - before
        if not task.get_name().startswith(("apartment of ", "call from ")) and not task.done()
    }


async def test_abandoning_a_connect_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with RawServer(silent) as server:
        for _ in range(3):
            attempt = asyncio.ensure_future(GatewayClient.connect(server.endpoint, plaintext=True).__aenter__())
            connections = server.connections
            await until(lambda: server.connections > connections)  # noqa: B023 - called within the iteration
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
        await server.all_gone()
    assert own_tasks(before) == set()
