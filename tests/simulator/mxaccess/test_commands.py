from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.rows import each_row
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, E_INVALIDARG, Peer, PeerSession, command, ok, refused

KIND = "MX_COMMAND_KIND_"


async def test_a_reply_names_its_session_its_kind_and_the_callers_correlation_id(
    peer: Peer, session: PeerSession
) -> None:
    request = {**command(session.session_id, "ping"), "client_correlation_id": "abc-1"}
    reply = ok(await peer.call("Invoke", **request))
    assert reply.session_id == session.session_id
    assert reply.correlation_id == "abc-1"
    assert reply.kind == CONTRACT.number(f"{KIND}PING")
    assert reply.HasField("hresult")
    assert reply.hresult == 0


async def test_register_add_advise_and_the_way_back(session: PeerSession) -> None:
    server = ok(await session.invoke("register", client_name="svc")).register.server_handle
    first = ok(await session.invoke("add_item", server_handle=server, item_definition="TestChildObject.TestInt"))
    second = ok(
        await session.invoke(
            "add_item2", server_handle=server, item_definition="TestInt", item_context="TestChildObject"
        )
    )
    handles = {server, first.add_item.item_handle, second.add_item2.item_handle}
    assert len(handles) == 3, "a client that mixes handles up is found out"
    assert min(handles) > 0
    for item in (first.add_item.item_handle, second.add_item2.item_handle):
        on_item = {"server_handle": server, "item_handle": item}
        for arm in ("advise", "advise_supervisory", "un_advise", "remove_item"):
            reply = ok(await session.invoke(arm, **on_item))
            assert reply.WhichOneof("payload") is None
    assert ok(await session.invoke("unregister", server_handle=server)).WhichOneof("payload") is None


async def test_ping_and_the_buffered_interval_answer_with_a_bare_ok(session: PeerSession) -> None:
    assert ok(await session.invoke("ping")).WhichOneof("payload") is None
    reply = ok(await session.on_server("set_buffered_update_interval", update_interval_milliseconds=250))
    assert reply.WhichOneof("payload") is None


ON_UNKNOWN_SERVER = [
    ("unregister", {}),
    ("add_item", {"item_definition": "TestChildObject.TestInt"}),
    ("add_item2", {"item_definition": "TestInt", "item_context": "TestChildObject"}),
    ("add_buffered_item", {"item_definition": "TestChildObject.TestInt"}),
    ("set_buffered_update_interval", {"update_interval_milliseconds": 100}),
    ("authenticate_user", {"verify_user": "operator"}),
    ("archestra_user_to_id", {"user_id_guid": "x"}),
]
ON_UNKNOWN_ITEM = [
    *((arm, {}) for arm in ("remove_item", "advise", "un_advise", "advise_supervisory", "suspend", "activate")),
    ("write", {"value": {"int32_value": 1}}),
    ("write2", {"value": {"int32_value": 1}, "timestamp_value": {"timestamp_value": {}}}),
    ("write_secured", {"value": {"int32_value": 1}}),
    ("write_secured2", {"value": {"int32_value": 1}, "timestamp_value": {"timestamp_value": {}}}),
]


@each_row(("arm", "fields"), ON_UNKNOWN_SERVER + ON_UNKNOWN_ITEM)
@each_row("handle", [0, -1, 999, 2**31 - 1])
async def test_an_unknown_server_handle_is_an_invalid_argument_of_mxaccess(
    session: PeerSession, arm: str, fields: dict[str, Any], handle: int
) -> None:
    reply = refused(await session.invoke(arm, server_handle=handle, **fields))
    assert reply.hresult == E_INVALIDARG
    assert "Value does not fall within the expected range" in reply.diagnostic_message
    assert reply.WhichOneof("payload") is None


@each_row(("arm", "fields"), ON_UNKNOWN_ITEM)
async def test_an_unknown_item_handle_is_an_invalid_argument_of_mxaccess(
    session: PeerSession, arm: str, fields: dict[str, Any]
) -> None:
    reply = refused(await session.on_server(arm, item_handle=999, **fields))
    assert reply.hresult == E_INVALIDARG


async def test_handles_of_one_session_mean_nothing_in_another(peer: Peer, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    other = await peer.open()
    refused(await other.invoke("advise", server_handle=session.server, item_handle=item))


async def test_an_item_belongs_to_the_server_handle_that_added_it(session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    other = ok(await session.invoke("register", client_name="other")).register.server_handle
    assert refused(await session.invoke("un_advise", server_handle=other, item_handle=item)).hresult == E_INVALIDARG


async def test_unregister_drops_all_items_of_its_server_and_no_other(
    gateway: SimulatedGateway, clock: ManualClock, session: PeerSession
) -> None:
    await session.advise("TestChildObject.TestInt")
    buffered = {"item_definition": "TestChildObject.TestInt"}
    ok(await session.on_server("add_buffered_item", **buffered))
    other = ok(await session.invoke("register", client_name="other")).register.server_handle
    kept = ok(await session.invoke("add_item", server_handle=other, item_definition="Tank01.Level"))
    on_kept = {"server_handle": other, "item_handle": kept.add_item.item_handle}
    ok(await session.invoke("unregister", server_handle=session.server))
    await session.drain()
    gateway.set_tag("TestChildObject.TestInt", 5)
    clock.advance(10)
    assert await session.drain() == []
    [result] = ok(
        await session.invoke("read_bulk", server_handle=other, tag_addresses=["TestChildObject.TestInt"])
    ).read_bulk.results
    assert not result.was_cached
    ok(await session.invoke("advise", **on_kept))
    assert len(await session.drain()) == 1


@pytest.mark.parametrize("arm", ["unregister", "remove_item"])
async def test_what_is_dropped_cannot_be_dropped_again(session: PeerSession, arm: str) -> None:
    item = await session.add("TestChildObject.TestInt")
    fields = {"item_handle": item} if arm == "remove_item" else {}
    ok(await session.on_server(arm, **fields))
    assert refused(await session.on_server(arm, **fields)).hresult == E_INVALIDARG


async def test_an_empty_reference_is_refused(session: PeerSession) -> None:
    assert refused(await session.on_server("add_item", item_definition=" ")).hresult == E_INVALIDARG


@pytest.mark.parametrize(("kind", "title"), [("MX_COMMAND_KIND_UNSPECIFIED", "Unspecified"), (9999, "9999")])
async def test_an_unsupported_kind_is_an_invalid_request_as_data(
    peer: Peer, session: PeerSession, kind: object, title: str
) -> None:
    reply = await peer.call("Invoke", session_id=session.session_id, command={"kind": kind})
    assert reply.protocol_status.code == CONTRACT.number("PROTOCOL_STATUS_CODE_INVALID_REQUEST")
    assert reply.protocol_status.message == f"Unsupported MXAccess command kind {title}"
    assert not reply.hresult


async def test_a_request_without_a_command_or_with_the_wrong_payload_is_malformed(
    peer: Peer, session: PeerSession
) -> None:
    failure = await peer.fails("Invoke", session_id=session.session_id)
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    wrong = {"kind": f"{KIND}REGISTER", "ping": {}}
    failure = await peer.fails("Invoke", session_id=session.session_id, command=wrong)
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
    failure = await peer.fails("Invoke", session_id=session.session_id, command={"kind": f"{KIND}REGISTER"})
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_write_without_a_value_is_malformed(peer: Peer, session: PeerSession) -> None:
    item = await session.advise("TestChildObject.TestInt")
    failure = await peer.invoke_fails(session.session_id, "write", server_handle=session.server, item_handle=item)
    assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_session_state_is_told(session: PeerSession) -> None:
    state = ok(await session.invoke("get_session_state")).session_state
    assert state.state == CONTRACT.number("SESSION_STATE_READY")
    assert state.fault_message == ""


async def test_the_worker_info_tells_process_versions_start_and_what_waits(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    await session.advise("TestChildObject.TestInt")
    info = ok(await session.invoke("get_worker_info")).worker_info
    assert info.worker_process_id == gateway.sessions[session.session_id].worker.process_id
    assert info.worker_version
    assert info.mxaccess_version
    assert info.started_at.ToNanoseconds() == gateway.clock.now_ns()
    assert info.pending_events == 1
    assert info.pending_commands == 0


async def test_shutdown_of_the_worker_answers_and_ends_the_session_and_its_stream(
    peer: Peer, session: PeerSession
) -> None:
    stream = await session.attach()
    assert ok(await session.invoke("shutdown_worker")).WhichOneof("payload") is None
    assert await stream.code() is grpc.StatusCode.OK
    for arm in ("ping", "get_worker_info", "drain_events", "shutdown_worker"):
        failure = await peer.invoke_fails(session.session_id, arm)
        assert failure.code() is grpc.StatusCode.FAILED_PRECONDITION, arm
        assert "shut down" in failure.details()
    state = ok(await session.invoke("get_session_state")).session_state
    assert state.state == CONTRACT.number("SESSION_STATE_CLOSED")
    assert state.fault_message == "the worker was shut down"
    assert ok(await peer.call("CloseSession", session_id=session.session_id)).final_state == state.state


async def test_what_waits_behind_the_shutdown_of_the_worker_is_not_carried_out(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession, until: Until
) -> None:
    gateway.hold_commands()
    worker = gateway.sessions[session.session_id].worker
    shutdown = asyncio.create_task(session.invoke("shutdown_worker"))
    await until(lambda: len(worker.apartment) == 1)
    behind = asyncio.create_task(peer.invoke_fails(session.session_id, "register", client_name="late"))
    await until(lambda: len(worker.apartment) == 2)
    gateway.release_commands()
    ok(await shutdown)
    assert (await behind).code() is grpc.StatusCode.FAILED_PRECONDITION
    assert worker.servers == {}


async def test_every_kind_of_the_contract_is_supported(session: PeerSession) -> None:
    kinds = [name.removeprefix(KIND).lower() for name in CONTRACT.names(KIND)]
    needs_value = {"write", "write2", "write_secured", "write_secured2"}
    for arm in kinds:
        if arm in ("unspecified", "shutdown_worker"):
            continue
        reply = await session.invoke(arm, **({"value": {"int32_value": 1}} if arm in needs_value else {}))
        assert reply.protocol_status.code != CONTRACT.number("PROTOCOL_STATUS_CODE_INVALID_REQUEST"), arm
        assert reply.kind == CONTRACT.number(f"{KIND}{arm.upper()}")
