"""The main job, end to end, over real TCP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mxgateway import GatewayClient, GrpcStatus, MxGatewaySessionError, Session, Timestamp, from_mx_value, proto
from mxgateway.simulator import SimulatedGateway
from tests.client.support import DATA_CHANGE, TAG, WRITE_COMPLETE, advised, connect, kinds

EXACT = Timestamp.from_parts(1_704_110_400, 123_456_700)


async def test_the_main_job_from_open_to_close(gateway: SimulatedGateway) -> None:
    gateway.set_tag(TAG, 17)
    async with connect(gateway) as client, client.open_session(client_session_name="svc") as session:
        assert session.session_id in gateway.sessions
        server = await session.register("svc")
        item = await session.add_item(server, TAG)
        async with session.stream_events() as events:
            await session.advise(server, item)
            first = await anext(events)
            await session.write(server, item, 42, user_id=0)
            completed = await anext(events)
            changed = await anext(events)
        await session.unadvise(server, item)
        await session.remove_item(server, item)
        await session.unregister(server)

    assert [event.family for event in (first, completed, changed)] == [DATA_CHANGE, WRITE_COMPLETE, DATA_CHANGE]
    assert [event.worker_sequence for event in (first, completed, changed)] == [1, 2, 3]
    assert {(event.session_id, event.server_handle, event.item_handle) for event in (first, completed, changed)} == {
        (session.session_id, server, item)
    }
    assert (from_mx_value(first.value), first.quality) == (17, 192)
    assert (from_mx_value(changed.value), changed.quality) == (42, 192)
    assert completed.hresult == 0
    assert [status.category for status in completed.statuses] == [proto.MxStatusCategory.OK]
    assert kinds(gateway) == ["REGISTER", "ADD_ITEM", "ADVISE", "WRITE", "UN_ADVISE", "REMOVE_ITEM", "UNREGISTER"]
    assert not gateway.sessions
    assert session.closed


async def test_a_session_tells_what_the_gateway_said_when_it_opened(client: GatewayClient) -> None:
    session = await client.open_session()

    assert session.session_id.startswith("session-")
    assert session.capabilities == ("unary-acknowledge-alarm", "server-stream-active-alarms")
    assert session.gateway_protocol_version == 3
    assert repr(session) == f"<Session {session.session_id} at {client.endpoint}>"
    await session.close()
    assert repr(session).endswith(", closed>")


async def test_the_command_timeout_reaches_the_gateway(gateway: SimulatedGateway, client: GatewayClient) -> None:
    session = await client.open_session(command_timeout=2.5)

    assert gateway.sessions[session.session_id].command_timeout == 2.5


async def test_an_item_is_added_within_a_context(gateway: SimulatedGateway, session: Session) -> None:
    gateway.set_tag(TAG, 5)
    server = await session.register("svc")
    item = await session.add_item2(server, "TestInt", "TestChildObject")
    async with session.stream_events() as events:
        await session.advise(server, item)
        event = await anext(events)

    assert (event.item_handle, from_mx_value(event.value)) == (item, 5)


async def test_a_supervisory_item_records_who_wrote(gateway: SimulatedGateway, session: Session) -> None:
    server = await session.register("svc")
    item = await session.add_item(server, TAG)
    await session.advise_supervisory(server, item)
    await session.write_confirmed(server, item, 1, user_id=9)

    assert gateway.tag(TAG).last_user_id == 9


async def test_a_write_with_its_time_keeps_every_digit(session: Session) -> None:
    item = await advised(session)
    async with session.stream_events() as events:
        await anext(events)
        for time in (EXACT, datetime(2023, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)):
            await session.write2(*item.pair, 5, time)
            completed, changed = await anext(events), await anext(events)
            assert completed.family == WRITE_COMPLETE
            assert changed.source_timestamp == time
            assert isinstance(changed.source_timestamp, Timestamp)
            assert changed.source_timestamp.nanosecond == getattr(time, "nanosecond", 0)


async def test_ping_and_state_answer(session: Session) -> None:
    await session.ping()
    state = await session.state()

    assert state.state == proto.SessionState.READY
    assert state.fault_message == ""


async def test_the_state_of_a_faulted_session_tells_why(gateway: SimulatedGateway, session: Session) -> None:
    gateway.crash_worker(session.session_id, "the worker crashed")
    state = await session.state()

    assert state.state == proto.SessionState.FAULTED
    assert "the worker crashed" in state.fault_message


async def test_one_client_serves_many_sessions_over_one_connection(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    sessions = [await client.open_session() for _ in range(10)]
    items = [await advised(session) for session in sessions]

    assert len({session.session_id for session in sessions}) == 10
    for number, (session, item) in enumerate(zip(sessions, items, strict=True)):
        event = await session.write_confirmed(*item.pair, number)
        assert event.session_id == session.session_id
    assert gateway.connections == 1


async def test_a_session_is_attached_by_its_id_and_left_open(gateway: SimulatedGateway, client: GatewayClient) -> None:
    owner = await client.open_session()
    async with connect(gateway) as other:
        async with other.attach_session(owner.session_id) as session:
            assert (session.capabilities, session.gateway_protocol_version) == ((), 0)
            item = await advised(session)
            assert (await session.write_confirmed(*item.pair, 3)).family == WRITE_COMPLETE
        assert not session.closed

    await owner.ping()


async def test_an_attached_session_can_be_closed_by_its_own_call(client: GatewayClient) -> None:
    owner = await client.open_session()
    reply = await client.attach_session(owner.session_id).close()

    assert reply.final_state == proto.SessionState.CLOSED
    with pytest.raises(MxGatewaySessionError) as caught:
        await owner.ping()
    assert caught.value.grpc_status is GrpcStatus.FAILED_PRECONDITION
