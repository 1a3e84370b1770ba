"""What each call sends, as the gateway received it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    OpenSessionOptions,
    Secret,
    Session,
    Timestamp,
    proto,
    to_json_dict,
    to_mx_value,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.support import commands, requests

SERVER, ITEM = 11, 12
NOON = Timestamp.from_parts(1_704_110_400, 123_456_700)
INTEGER_5 = proto.MxValue(data_type=proto.MxDataType.INTEGER, variant_type="VT_I4", int32_value=5)
FLOAT_5 = proto.MxValue(data_type=proto.MxDataType.FLOAT, variant_type="VT_R4", float_value=5.0)
AT_NOON = proto.MxValue(data_type=proto.MxDataType.TIME, variant_type="VT_DATE", timestamp_value=NOON)
ITEM_FIELDS = {"server_handle": SERVER, "item_handle": ITEM}
NO_READING: dict[str, Any] = {"is_null": True, "data_type": proto.MxDataType.NO_DATA, "variant_type": "VT_EMPTY"}

USERS = {"current_user_id": 3, "verifier_user_id": 4}
GUID = "01234567-89ab-cdef-0123-456789abcdef"
SPARSE = proto.MxValue(
    data_type=proto.MxDataType.INTEGER,
    variant_type="VT_ARRAY|VT_I4",
    sparse_array_value=proto.MxSparseArray(
        element_data_type=proto.MxDataType.INTEGER,
        total_length=3,
        elements=[proto.MxSparseElement(2, INTEGER_5), proto.MxSparseElement(0, INTEGER_5)],
    ),
)

Call = Callable[..., Awaitable[Any]]

CALLS: dict[str, tuple[Callable[[Session], Callable[..., Awaitable[Any]]], tuple[Any, ...], dict[str, Any], str, Any]] = {
    # name: (method, arguments, keywords, kind, payload)
    "register": (lambda s: s.register, ("svc Ω",), {}, "REGISTER", proto.RegisterCommand(client_name="svc Ω")),
    "unregister": (lambda s: s.unregister, (SERVER,), {}, "UNREGISTER", proto.UnregisterCommand(server_handle=SERVER)),
    "add_item": (
        lambda s: s.add_item, (SERVER, "A.B[]"), {}, "ADD_ITEM",
        proto.AddItemCommand(server_handle=SERVER, item_definition="A.B[]"),
    ),
    "add_item2": (
        lambda s: s.add_item2, (SERVER, ".B", " A "), {}, "ADD_ITEM2",
        proto.AddItem2Command(server_handle=SERVER, item_definition=".B", item_context=" A "),
    ),
    "remove_item": (lambda s: s.remove_item, (SERVER, ITEM), {}, "REMOVE_ITEM", proto.RemoveItemCommand(**ITEM_FIELDS)),
    "advise": (lambda s: s.advise, (SERVER, ITEM), {}, "ADVISE", proto.AdviseCommand(**ITEM_FIELDS)),
    "unadvise": (lambda s: s.unadvise, (SERVER, ITEM), {}, "UN_ADVISE", proto.UnAdviseCommand(**ITEM_FIELDS)),
    "advise_supervisory": (
        lambda s: s.advise_supervisory, (SERVER, ITEM), {}, "ADVISE_SUPERVISORY",
        proto.AdviseSupervisoryCommand(**ITEM_FIELDS),
    ),
    "write": (
        lambda s: s.write, (SERVER, ITEM, 5), {}, "WRITE", proto.WriteCommand(**ITEM_FIELDS, value=INTEGER_5),
    ),
    "write with everything": (
        lambda s: s.write, (SERVER, ITEM, 5), {"user_id": 7, "data_type": proto.MxDataType.FLOAT}, "WRITE",
        proto.WriteCommand(**ITEM_FIELDS, value=FLOAT_5, user_id=7),
    ),
    "write of no value": (
        lambda s: s.write, (SERVER, ITEM, None), {}, "WRITE",
        proto.WriteCommand(**ITEM_FIELDS, value=proto.MxValue(**NO_READING)),
    ),
    "write of a message": (
        lambda s: s.write, (SERVER, ITEM, FLOAT_5), {}, "WRITE", proto.WriteCommand(**ITEM_FIELDS, value=FLOAT_5),
    ),
    "write2": (
        lambda s: s.write2, (SERVER, ITEM, 5, NOON), {"user_id": -1}, "WRITE2",
        proto.Write2Command(**ITEM_FIELDS, value=INTEGER_5, timestamp_value=AT_NOON, user_id=-1),
    ),
    "write_confirmed": (
        lambda s: s.write_confirmed, (SERVER, ITEM, 5), {"user_id": 7}, "WRITE",
        proto.WriteCommand(**ITEM_FIELDS, value=INTEGER_5, user_id=7),
    ),
    "add_buffered_item": (
        lambda s: s.add_buffered_item, (SERVER, ".B", " A "), {}, "ADD_BUFFERED_ITEM",
        proto.AddBufferedItemCommand(server_handle=SERVER, item_definition=".B", item_context=" A "),
    ),
    "set_buffered_update_interval": (
        lambda s: s.set_buffered_update_interval, (SERVER, 250), {}, "SET_BUFFERED_UPDATE_INTERVAL",
        proto.SetBufferedUpdateIntervalCommand(server_handle=SERVER, update_interval_milliseconds=250),
    ),
    "suspend": (lambda s: s.suspend, (SERVER, ITEM), {}, "SUSPEND", proto.SuspendCommand(**ITEM_FIELDS)),
    "activate": (lambda s: s.activate, (SERVER, ITEM), {}, "ACTIVATE", proto.ActivateCommand(**ITEM_FIELDS)),
    "write2 with everything": (
        lambda s: s.write2, (SERVER, ITEM, 5, NOON), {"user_id": 7, "data_type": proto.MxDataType.FLOAT}, "WRITE2",
        proto.Write2Command(**ITEM_FIELDS, value=FLOAT_5, timestamp_value=AT_NOON, user_id=7),
    ),
    "write_secured": (
        lambda s: s.write_secured, (SERVER, ITEM, 5), {"current_user_id": 3}, "WRITE_SECURED",
        proto.WriteSecuredCommand(**ITEM_FIELDS, current_user_id=3, verifier_user_id=3, value=INTEGER_5),
    ),
    "write_secured with everything": (
        lambda s: s.write_secured, (SERVER, ITEM, 5), {**USERS, "data_type": proto.MxDataType.FLOAT}, "WRITE_SECURED",
        proto.WriteSecuredCommand(**ITEM_FIELDS, **USERS, value=FLOAT_5),
    ),
    "write_secured2": (
        lambda s: s.write_secured2, (SERVER, ITEM, 5, NOON), {"current_user_id": 3}, "WRITE_SECURED2",
        proto.WriteSecured2Command(
            **ITEM_FIELDS, current_user_id=3, verifier_user_id=3, value=INTEGER_5, timestamp_value=AT_NOON
        ),
    ),
    "write_secured2 with everything": (
        lambda s: s.write_secured2, (SERVER, ITEM, 5, NOON), {**USERS, "data_type": proto.MxDataType.FLOAT},
        "WRITE_SECURED2",
        proto.WriteSecured2Command(**ITEM_FIELDS, **USERS, value=FLOAT_5, timestamp_value=AT_NOON),
    ),
    "write_confirmed with everything": (
        lambda s: s.write_confirmed, (SERVER, ITEM, 5), {"user_id": 7, "data_type": proto.MxDataType.FLOAT}, "WRITE",
        proto.WriteCommand(**ITEM_FIELDS, value=FLOAT_5, user_id=7),
    ),
    "write_array_elements": (
        lambda s: s.write_array_elements, (SERVER, ITEM, proto.MxDataType.INTEGER, 3, {2: 5, 0: 5}), {"user_id": 7},
        "WRITE", proto.WriteCommand(**ITEM_FIELDS, value=SPARSE, user_id=7),
    ),
    "authenticate_user": (
        lambda s: s.authenticate_user, (SERVER, "jane", Secret("p w")), {}, "AUTHENTICATE_USER",
        proto.AuthenticateUserCommand(server_handle=SERVER, verify_user="jane", verify_user_password="p w"),
    ),
    "archestra_user_to_id": (
        lambda s: s.archestra_user_to_id, (SERVER, uuid.UUID(GUID)), {}, "ARCHESTRA_USER_TO_ID",
        proto.ArchestrAUserToIdCommand(server_handle=SERVER, user_id_guid=GUID),
    ),
    "add_item_bulk": (
        lambda s: s.add_item_bulk, (SERVER, ["A.B[]", "A.B[]"]), {}, "ADD_ITEM_BULK",
        proto.AddItemBulkCommand(server_handle=SERVER, tag_addresses=["A.B[]", "A.B[]"]),
    ),
    "subscribe_bulk": (
        lambda s: s.subscribe_bulk, (SERVER, ("A", "B")), {}, "SUBSCRIBE_BULK",
        proto.SubscribeBulkCommand(server_handle=SERVER, tag_addresses=["A", "B"]),
    ),
    "advise_item_bulk": (
        lambda s: s.advise_item_bulk, (SERVER, [7, 5]), {}, "ADVISE_ITEM_BULK",
        proto.AdviseItemBulkCommand(server_handle=SERVER, item_handles=[7, 5]),
    ),
    "unadvise_item_bulk": (
        lambda s: s.unadvise_item_bulk, (SERVER, (7, 5)), {}, "UN_ADVISE_ITEM_BULK",
        proto.UnAdviseItemBulkCommand(server_handle=SERVER, item_handles=[7, 5]),
    ),
    "remove_item_bulk": (
        lambda s: s.remove_item_bulk, (SERVER, {7: 0, 5: 0}.keys()), {}, "REMOVE_ITEM_BULK",
        proto.RemoveItemBulkCommand(server_handle=SERVER, item_handles=[7, 5]),
    ),
    "unsubscribe_bulk": (
        lambda s: s.unsubscribe_bulk, (SERVER, range(5, 8)), {}, "UNSUBSCRIBE_BULK",
        proto.UnsubscribeBulkCommand(server_handle=SERVER, item_handles=[5, 6, 7]),
    ),
    "read_bulk": (
        lambda s: s.read_bulk, (SERVER, ["A", "B"]), {"timeout_ms": 250}, "READ_BULK",
        proto.ReadBulkCommand(server_handle=SERVER, tag_addresses=["A", "B"], timeout_ms=250),
    ),
    "write_bulk": (
        lambda s: s.write_bulk, (SERVER, [7, 5], [5, 5]), {"confirm": False, "user_id": [1, 2], "data_type": proto.MxDataType.FLOAT},
        "WRITE_BULK", proto.WriteBulkCommand(
            server_handle=SERVER,
            entries=[proto.WriteBulkEntry(7, FLOAT_5, 1), proto.WriteBulkEntry(5, FLOAT_5, 2)],
        ),
    ),
    "write2_bulk": (
        lambda s: s.write2_bulk, (SERVER, [7, 5], [5, None], NOON), {"confirm": False, "user_id": 7, "data_type": proto.MxDataType.FLOAT}, "WRITE2_BULK",
        proto.Write2BulkCommand(
            server_handle=SERVER,
            entries=[
                proto.Write2BulkEntry(7, FLOAT_5, AT_NOON, 7),
                proto.Write2BulkEntry(5, proto.MxValue(**NO_READING), AT_NOON, 7),
            ],
        ),
    ),
    "write_secured_bulk": (
        lambda s: s.write_secured_bulk, (SERVER, [7, 5], [5, 5]), {"confirm": False, "current_user_id": [3, 4], "verifier_user_id": 9, "data_type": proto.MxDataType.FLOAT}, "WRITE_SECURED_BULK",
        proto.WriteSecuredBulkCommand(
            server_handle=SERVER,
            entries=[
                proto.WriteSecuredBulkEntry(7, 3, 9, FLOAT_5), proto.WriteSecuredBulkEntry(5, 4, 9, FLOAT_5),
            ],
        ),
    ),
    "write_secured2_bulk": (
        lambda s: s.write_secured2_bulk, (SERVER, [7, 5], [5, 5], [NOON, NOON]),
        {"confirm": False, "current_user_id": 3, "verifier_user_id": [4, 5], "data_type": proto.MxDataType.FLOAT}, "WRITE_SECURED2_BULK",
        proto.WriteSecured2BulkCommand(
            server_handle=SERVER,
            entries=[
                proto.WriteSecured2BulkEntry(7, 3, 4, FLOAT_5, AT_NOON),
                proto.WriteSecured2BulkEntry(5, 3, 5, FLOAT_5, AT_NOON),
            ],
        ),
    ),
    "ping": (lambda s: s.ping, (), {}, "PING", proto.PingCommand()),
    "worker_info": (lambda s: s.worker_info, (), {}, "GET_WORKER_INFO", proto.GetWorkerInfoCommand()),
    "drain_events": (lambda s: s.drain_events, (), {}, "DRAIN_EVENTS", proto.DrainEventsCommand()),
    "drain_events of some": (
        lambda s: s.drain_events, (), {"max_events": 3}, "DRAIN_EVENTS", proto.DrainEventsCommand(max_events=3),
    ),
    "shutdown_worker": (lambda s: s.shutdown_worker, (), {}, "SHUTDOWN_WORKER", proto.ShutdownWorkerCommand()),
    "state": (lambda s: s.state, (), {}, "GET_SESSION_STATE", proto.GetSessionStateCommand()),
}  # fmt: skip


def test_every_keyword_of_a_method_is_in_one_of_its_calls() -> None:
    for method in {name.split()[0] for name in CALLS}:
        keywords = {
            name
            for name, parameter in inspect.signature(getattr(Session, method)).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY or parameter.default is not parameter.empty
        }
        given = {name for call in CALLS if call.split()[0] == method for name in CALLS[call][2]}
        assert given == keywords - {"timeout", "correlation_id"}, method


@pytest.mark.parametrize("name", CALLS)
async def test_each_method_of_a_session_sends_its_command(
    gateway: SimulatedGateway, session: Session, name: str
) -> None:
    method, arguments, keywords, kind, payload = CALLS[name]
    with contextlib.suppress(MxGatewayError):  # handles that do not exist; what counts is what was sent
        await method(session)(*arguments, **keywords)

    (request,) = commands(gateway)
    expected = proto.MxCommandRequest(
        session_id=session.session_id,
        client_correlation_id=request.client_correlation_id,
        command=proto.MxCommand(kind=proto.MxCommandKind.from_string(kind), **{kind.lower(): payload}),
    )
    assert request == expected
    assert to_json_dict(request) == to_json_dict(expected)


@pytest.mark.parametrize("name", CALLS)
async def test_a_correlation_id_is_passed_through_and_a_fresh_one_is_made_without(
    gateway: SimulatedGateway, session: Session, name: str
) -> None:
    method, arguments, keywords, _, _ = CALLS[name]
    for correlation_id in ("order-4711", "", ""):
        call = method(session)(*arguments, **keywords, correlation_id=correlation_id)
        outcome = (await asyncio.gather(call, return_exceptions=True))[0]
        if isinstance(outcome, MxGatewayError):
            assert outcome.correlation_id == commands(gateway)[-1].client_correlation_id

    first, second, third = [request.client_correlation_id for request in commands(gateway)]
    assert first == "order-4711"
    assert second
    assert third
    assert second != third


async def test_invoke_sends_any_command_of_the_contract(gateway: SimulatedGateway, session: Session) -> None:
    command = proto.MxCommand(
        kind=proto.MxCommandKind.SUSPEND, suspend=proto.SuspendCommand(server_handle=1, item_handle=2)
    )
    await session.invoke_raw(command, correlation_id="mine")
    await session.invoke_raw(command)

    first, second = commands(gateway)
    assert first == proto.MxCommandRequest(session.session_id, "mine", command)
    assert second.client_correlation_id not in ("", "mine")


async def test_every_call_of_a_session_has_a_correlation_id_of_its_own(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    async with client.open_session() as session:
        for _ in range(50):
            await session.ping()

    ids = [request.client_correlation_id for request in commands(gateway)]
    ids += [request.client_correlation_id for request in requests(gateway, "OpenSession")]
    ids += [request.client_correlation_id for request in requests(gateway, "CloseSession")]
    assert len(set(ids)) == 52
    assert all(ids)


OPENINGS: dict[str, tuple[dict[str, Any], proto.OpenSessionRequest]] = {
    "nothing": ({}, proto.OpenSessionRequest()),
    "keywords": (
        {"client_session_name": "svc", "requested_backend": "mxaccess-worker", "correlation_id": "c"},
        proto.OpenSessionRequest("mxaccess-worker", "svc", "c"),
    ),
    "seconds": ({"command_timeout": 2.5}, proto.OpenSessionRequest(command_timeout=timedelta(seconds=2.5))),
    "a timedelta": (
        {"command_timeout": timedelta(minutes=2)}, proto.OpenSessionRequest(command_timeout=timedelta(minutes=2)),
    ),
    "options": (
        {"options": OpenSessionOptions(client_session_name="svc", correlation_id="c")},
        proto.OpenSessionRequest(client_session_name="svc", client_correlation_id="c"),
    ),
    "options and a keyword": (
        {"options": OpenSessionOptions(client_session_name="svc", correlation_id="c"), "client_session_name": "other"},
        proto.OpenSessionRequest(client_session_name="other", client_correlation_id="c"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPENINGS)
async def test_open_session_sends_its_options(gateway: SimulatedGateway, client: GatewayClient, name: str) -> None:
    keywords, expected = OPENINGS[name]
    await client.open_session(**keywords)

    (request,) = requests(gateway, "OpenSession")
    assert request.client_correlation_id
    expected.client_correlation_id = expected.client_correlation_id or request.client_correlation_id
    assert request == expected


async def test_close_sends_the_session_and_a_correlation_id(gateway: SimulatedGateway, client: GatewayClient) -> None:
    session = await client.open_session()
    reply = await session.close(correlation_id="closing")
    raw = await client.close_session_raw(session.session_id, correlation_id="again")

    assert requests(gateway, "CloseSession") == [
        proto.CloseSessionRequest(session_id=session.session_id, client_correlation_id="closing"),
        proto.CloseSessionRequest(session_id=session.session_id, client_correlation_id="again"),
    ]
    assert reply.final_state == raw.final_state == proto.SessionState.CLOSED


@pytest.mark.parametrize("after", [0, 1, 2**63])
async def test_a_stream_asks_for_the_sequence_to_resume_after(
    gateway: SimulatedGateway, session: Session, after: int
) -> None:
    async with session.stream_events(after):
        await session.ping()

    assert requests(gateway, "StreamEvents") == [
        proto.StreamEventsRequest(session_id=session.session_id, after_worker_sequence=after)
    ]


async def test_the_raw_calls_send_the_message_as_it_is(gateway: SimulatedGateway, client: GatewayClient) -> None:
    opening = proto.OpenSessionRequest(client_session_name="raw", client_correlation_id="open")
    opened = await client.open_session_raw(opening)
    state = proto.MxCommand(
        kind=proto.MxCommandKind.GET_SESSION_STATE, get_session_state=proto.GetSessionStateCommand()
    )
    asking = proto.MxCommandRequest(opened.session_id, "state", state)
    assert (await client.invoke(asking)).session_state.state == proto.SessionState.READY
    assert (await client.invoke_raw(asking)).session_state.state == proto.SessionState.READY

    assert requests(gateway, "OpenSession") == [opening]
    assert commands(gateway) == [asking, asking]


async def test_the_bound_of_a_call_goes_with_it(gateway: SimulatedGateway, session: Session) -> None:
    await session.ping(timeout=7)
    await session.ping()
    await session.ping(timeout=float("inf"))

    with_bound, with_default, without = [call.header("grpc-timeout") for call in gateway.received][-3:]
    assert with_bound is not None
    assert 0 < seconds(with_bound) <= 7
    assert with_default is not None
    assert 7 < seconds(with_default) <= 30
    assert without is None


def seconds(header: str) -> float:
    return int(header[:-1]) * {"n": 1e-9, "u": 1e-6, "m": 1e-3, "S": 1.0, "M": 60.0, "H": 3600.0}[header[-1]]


async def test_a_stream_has_no_bound_unless_it_is_given_one(gateway: SimulatedGateway, session: Session) -> None:
    async with session.stream_events():
        await session.ping()

    (stream,) = [call for call in gateway.received if call.method == "StreamEvents"]
    assert stream.header("grpc-timeout") is None


async def test_a_time_with_all_its_digits_reaches_the_gateway(gateway: SimulatedGateway, session: Session) -> None:
    for time in (NOON, datetime(2024, 1, 1, 12, 0, tzinfo=UTC)):
        with pytest.raises(MxGatewayError):
            await session.write2(1, 2, 5, time)

    exact, rounded = [request.command.write2.timestamp_value for request in commands(gateway)]
    assert to_json_dict(exact)["timestampValue"] == "2024-01-01T12:00:00.123456700Z"
    assert rounded == to_mx_value(datetime(2024, 1, 1, 12, 0, tzinfo=UTC))
