"""Rules on sessions that start, run commands and come to an end, where no other file has them."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway, SimulatorOptions
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, Peer, PeerSession, integer, ok, refused, take
from tests.simulator.server.wire import ACK, PING, Wire

READY = CONTRACT.number("SESSION_STATE_READY")


async def test_the_commands_of_a_session_run_one_after_another_and_those_of_two_side_by_side(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer, session: PeerSession, until: Until
) -> None:
    session.server = ok(await session.invoke("register", client_name="svc")).register.server_handle
    apartment = gateway.sessions[session.session_id].worker.apartment
    fields = {"tag_addresses": ["TestChildObject.SilentInt"], "timeout_ms": 5000}
    reading = asyncio.create_task(session.on_server("read_bulk", **fields))
    await until(lambda: len(apartment) == 1)
    behind = asyncio.create_task(session.invoke("ping"))
    await until(lambda: len(apartment) == 2)
    ok(await (await peer.open()).invoke("ping"))
    assert not reading.done()
    assert not behind.done()
    await until(lambda: clock.next_due <= 5)
    clock.advance(5)
    ok(await behind)
    assert reading.done()


async def test_a_session_that_starts_goes_through_its_states_and_takes_neither_commands_nor_streams(
    until: Until,
) -> None:
    clock = ManualClock()
    async with (
        SimulatedGateway(clock=clock, options=SimulatorOptions(worker_start_time=4.0)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        opening = asyncio.create_task(peer.call("OpenSession"))
        await until(lambda: len(gateway.sessions) == 1)
        session = PeerSession(peer, next(iter(gateway.sessions)))
        seen = []
        for _ in range(4):
            seen.append(ok(await session.invoke("get_session_state")).session_state.state)
            assert (await peer.invoke_fails(session.session_id, "ping")).code() is grpc.StatusCode.FAILED_PRECONDITION
            assert await session.events().code() is grpc.StatusCode.FAILED_PRECONDITION
            clock.advance(1)
        await opening
        seen.append(ok(await session.invoke("get_session_state")).session_state.state)
        names = ("STARTING_WORKER", "WAITING_FOR_PIPE", "HANDSHAKING", "INITIALIZING_WORKER", "READY")
        assert seen == [CONTRACT.number(f"SESSION_STATE_{name}") for name in names]


async def test_the_state_of_a_session_is_known_while_its_worker_answers_nothing(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession, until: Until
) -> None:
    gateway.hold_commands()
    behind = asyncio.create_task(peer.invoke_fails(session.session_id, "ping"))
    await until(lambda: len(gateway.sessions[session.session_id].worker.apartment) == 1)
    assert ok(await session.invoke("get_session_state")).session_state.state == READY
    await peer.call("CloseSession", session_id=session.session_id)
    assert (await behind).code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_leases_are_looked_at_every_30_seconds(gateway: SimulatedGateway, clock: ManualClock, peer: Peer) -> None:
    clock.advance(10)
    session = await peer.open()
    clock.advance(1800)
    assert session.session_id in gateway.sessions, "its lease is over since no time"
    clock.advance(19)
    assert session.session_id in gateway.sessions
    clock.advance(1)
    assert session.session_id not in gateway.sessions


async def test_the_handle_of_what_is_gone_can_be_given_again(gateway: SimulatedGateway, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    ok(await session.on_server("remove_item", item_handle=item))
    await session.drain()
    gateway.sessions[session.session_id].worker.give_again(item)
    assert await session.advise("Tank01.Level") == item
    gateway.set_tag("TestChildObject.TestInt", 99)
    [event] = await session.drain()
    assert (event.item_handle, event.value.float_value) == (item, 50.0)


async def test_a_worker_that_hangs_leaves_its_stream_without_events_and_without_an_end(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession, until: Until
) -> None:
    stream = await session.attach()
    await session.advise("TestChildObject.TestInt")
    await take(stream, 1)
    gateway.sessions[session.session_id].hang()
    gateway.set_tag("TestChildObject.TestInt", 99)
    silent = asyncio.create_task(stream.read())
    hanging = asyncio.create_task(peer.invoke_fails(session.session_id, "ping"))
    await until(lambda: len(gateway.sessions[session.session_id].worker.apartment) == 1)
    assert ok(await session.invoke("get_session_state")).session_state.state == READY
    assert not silent.done()
    assert not hanging.done()
    await peer.call("CloseSession", session_id=session.session_id)
    assert (await hanging).code() is grpc.StatusCode.FAILED_PRECONDITION
    assert await silent is grpc.aio.EOF


async def test_an_operation_complete_follows_a_suspend_or_an_activate_and_nothing_else(
    clock: ManualClock, session: PeerSession
) -> None:
    item = await session.advise("TestChildObject.TestInt")
    for arm, fields in (
        ("write", {"value": integer(5)}), ("advise_supervisory", {}), ("un_advise", {}), ("activate", {}), ("remove_item", {}),
    ):  # fmt: skip
        ok(await session.on_server(arm, item_handle=item, **fields))
    ok(await session.on_server("unregister"))
    clock.advance(1)
    complete = CONTRACT.number("MX_EVENT_FAMILY_OPERATION_COMPLETE")
    assert complete not in {event.family for event in await session.drain()}


@pytest.mark.parametrize("arm", ["add_item2", "add_buffered_item"])
async def test_the_context_of_an_item_is_passed_as_it_is(
    gateway: SimulatedGateway, session: PeerSession, arm: str
) -> None:
    context = " TestChildObject . "
    reply = ok(await session.on_server(arm, item_definition="TestInt", item_context=context))
    handle = getattr(reply, arm).item_handle
    worker = gateway.sessions[session.session_id].worker
    assert worker.item(session.server, handle).context == context


async def test_success_is_a_com_number_minus_one_for_a_native_ok_and_pending_and_else_zero(
    session: PeerSession,
) -> None:
    good, unknown, refusing = [
        await session.advise(tag)
        for tag in ("TestChildObject.TestInt", "Nowhere.Nothing", "TestChildObject.RefusedInt")
    ]
    suspended = ok(await session.on_server("suspend", item_handle=good)).suspend.status
    ok(await session.on_server("write", item_handle=refusing, value=integer(1)))
    await session.invoke("ping")
    first, nothing, _, complete = await session.drain()
    assert (first.item_handle, nothing.item_handle) == (good, unknown)
    found = [suspended, *first.statuses, *nothing.statuses, *complete.statuses]
    assert [status.success for status in found] == [-1, -1, 0, 0]


async def test_an_mxaccess_failure_is_a_reply_with_the_status_ok(session: PeerSession) -> None:
    reply = refused(await session.invoke("advise", server_handle=1, item_handle=1))
    assert reply.HasField("hresult")


async def test_the_gateway_sends_no_pings() -> None:
    async with (
        SimulatedGateway(options=SimulatorOptions(idle_connection_timeout=0.1)) as gateway,
        Wire.open(gateway) as wire,
    ):
        seen = []
        while (frame := await wire.read()) is not None:
            seen.append(frame)
        assert seen, "it was greeted"
        assert [frame for frame in seen if frame.kind == PING and not frame.flags & ACK] == []
