"""Every kind of command of the contract: how it is asked for, what the gateway receives, and what comes of it.

A row is made for a session that was prepared by `prepare`: handles, users and times are the same in every run.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

from mxgateway import proto
from mxgateway.wire.messages.betterproto_seam import Message
from tests.client.command_stage import (
    ALARM,
    ARRAY,
    AT_NOON,
    E_INVALIDARG,
    FLOAT_5,
    IDLE,
    INTEGER_5,
    INTEGER_17,
    ITEM,
    ITEM_FIELDS,
    NEXT,
    NOBODY,
    NOON,
    NOW,
    OPERATOR,
    OPERATOR_ID,
    OUT_OF_RANGE,
    SERVER,
    STATUS_OK,
    STATUS_PENDING,
    STATUS_UNKNOWN_TAG,
    SUPERVISOR,
    SUPERVISOR_ID,
    TAG,
    UNKNOWN_TAG,
    USER_FIELDS,
    Asked,
    Prepared,
    Row,
)


def _one(asked: Asked, payload: Message, result: Any, wrong: Asked, refused: Asked | None = None, **more: Any) -> Row:
    return Row(asked, payload, result, wrong, refused, **more)


def _item(
    method: str, payload: Callable[..., Message], handle: int = ITEM, result: Any = None, *, bare: bool = True
) -> Row:
    """A command on one item."""
    asked = Asked(method, (SERVER, handle))
    return Row(
        asked, payload(server_handle=SERVER, item_handle=handle), result,
        wrong=asked.with_arguments(SERVER, 0), refused=asked.with_arguments(SERVER, NOBODY), bare=bare,
    )  # fmt: skip


def _added(handle: int, tag: str) -> proto.SubscribeResult:
    return proto.SubscribeResult(server_handle=SERVER, tag_address=tag, item_handle=handle, was_successful=True)


def _failed(tag: str = "") -> proto.SubscribeResult:
    return proto.SubscribeResult(server_handle=SERVER, tag_address=tag, error_message=OUT_OF_RANGE)


def _tags_bulk(method: str, payload: Callable[..., Message]) -> Row:
    """A bulk of tags; the second of three has no name."""
    tags = [TAG, "TestChildObject.TestBool"]
    asked = Asked(method, (SERVER, tags))
    partly = asked.with_arguments(SERVER, [TAG, " ", UNKNOWN_TAG])
    return Row(
        asked, payload(server_handle=SERVER, tag_addresses=tags), [_added(NEXT, tags[0]), _added(NEXT + 1, tags[1])],
        wrong=asked.with_arguments(SERVER, [TAG, "a\0b"]),
        partly=(partly, [_added(NEXT, TAG), _failed(" "), _added(NEXT + 1, UNKNOWN_TAG)]),
    )  # fmt: skip


def _handles_bulk(method: str, payload: Callable[..., Message]) -> Row:
    """A bulk of items; the second of three is unknown."""
    first, last = _added(ITEM, TAG), _added(ARRAY, "TestChildObject.TestIntArray")
    asked = Asked(method, (SERVER, (ITEM, ARRAY)))
    return Row(
        asked, payload(server_handle=SERVER, item_handles=[ITEM, ARRAY]), [first, last],
        wrong=asked.with_arguments(SERVER, [ITEM, ITEM]),
        partly=(asked.with_arguments(SERVER, [ITEM, NOBODY, ARRAY]), [first, _failed(), last]),
    )  # fmt: skip


def _written(handle: int) -> proto.BulkWriteResult:
    return proto.BulkWriteResult(server_handle=SERVER, item_handle=handle, was_successful=True, hresult=0)


NOT_WRITTEN: Final = proto.BulkWriteResult(server_handle=SERVER, hresult=E_INVALIDARG, error_message=OUT_OF_RANGE)


def _write_bulk(
    method: str,
    payload: Callable[..., Message],
    entry: Callable[..., Message],
    timestamps: tuple[Any, ...],
    users: dict[str, Any],
) -> Row:
    """A bulk write; of three entries the first is not advised and the second unknown."""
    more: dict[str, Any] = {name: value for name, value in users.items() if isinstance(value, int)}
    times = {"timestamp_value": AT_NOON} if timestamps else {}
    entries = [
        entry(item_handle=handle, value=value, **{**more, **{name: ids[i] for name, ids in users.items() if name not in more}}, **times)
        for i, (handle, value) in enumerate([(ITEM, INTEGER_5), (ARRAY, INTEGER_17)])
    ]  # fmt: skip
    asked = Asked(method, (SERVER, [ITEM, ARRAY], [5, 17], *timestamps), users)
    single = {name: value if isinstance(value, int) else OPERATOR_ID for name, value in users.items()}
    return Row(
        asked, payload(server_handle=SERVER, entries=entries), [_written(ITEM), _written(ARRAY)],
        wrong=asked.with_arguments(SERVER, [ITEM, ARRAY], [5, float("nan")], *timestamps),
        partly=(
            Asked(method, (SERVER, [IDLE, NOBODY, ITEM], [1, 2, 3], *([NOON] if timestamps else [])), single),
            [NOT_WRITTEN, NOT_WRITTEN, _written(ITEM)],
        ),
    )  # fmt: skip


def _write(method: str, payload: Message, timestamps: tuple[Any, ...], keywords: dict[str, Any]) -> Row:
    asked = Asked(method, (SERVER, ITEM, 5, *timestamps), keywords)
    return Row(
        asked, payload, None, bare=True,
        wrong=asked.with_arguments(SERVER, ITEM, object(), *timestamps),
        refused=asked.with_arguments(SERVER, IDLE, 5, *timestamps),
    )  # fmt: skip


def _read(tag: str, **fields: Any) -> proto.BulkReadResult:
    return proto.BulkReadResult(server_handle=SERVER, tag_address=tag, source_timestamp=NOW, **fields)


def _read_bulk() -> Row:
    """One tag that is subscribed and one that is not; and one that the galaxy does not know between them."""
    tags = [TAG, "TestChildObject.TestBool"]
    yes = proto.MxValue(data_type=proto.MxDataType.BOOLEAN, variant_type="VT_BOOL", bool_value=True)
    no_value = proto.MxValue(data_type=proto.MxDataType.NO_DATA, variant_type="VT_EMPTY", is_null=True)
    good = {"was_successful": True, "quality": 192, "statuses": [STATUS_OK]}
    cached = _read(TAG, item_handle=ITEM, was_cached=True, value=INTEGER_17, **good)
    read = _read(tags[1], value=yes, **good)
    unknown = _read(
        UNKNOWN_TAG, value=no_value, statuses=[STATUS_UNKNOWN_TAG], error_message=STATUS_UNKNOWN_TAG.diagnostic_text
    )
    asked = Asked("read_bulk", (SERVER, tags), {"timeout_ms": 250})
    return Row(
        asked, proto.ReadBulkCommand(server_handle=SERVER, tag_addresses=tags, timeout_ms=250), [cached, read],
        wrong=asked.with_arguments(SERVER, tags, timeout_ms=-1),
        partly=(asked.with_arguments(SERVER, [TAG, UNKNOWN_TAG, tags[1]]), [cached, unknown, read]),
    )  # fmt: skip


def _worker(method: str, payload: Message, result: Any, **more: Any) -> Row:
    """A command without arguments; its bound is what can be wrong."""
    return Row(Asked(method), payload, result, wrong=Asked(method, (), {"timeout": 0}), **more)


def _worker_info(prepared: Prepared) -> proto.WorkerInfoReply:
    return proto.WorkerInfoReply(
        worker_process_id=prepared.gateway.sessions[prepared.session.session_id].worker.process_id,
        worker_version="1.0.0-simulated", mxaccess_version="20.1.000-simulated", started_at=NOW, pending_events=1,
    )  # fmt: skip


def _events(prepared: Prepared) -> list[proto.MxEvent]:
    values = proto.MxArray(
        element_data_type=proto.MxDataType.INTEGER, variant_type="VT_ARRAY|VT_I4", dimensions=[5],
        int32_values=proto.Int32Array([1, 2, 3, 4, 5]),
    )  # fmt: skip
    value = proto.MxValue(data_type=proto.MxDataType.INTEGER, variant_type="VT_ARRAY|VT_I4", array_value=values)
    event = proto.MxEvent(
        family=proto.MxEventFamily.ON_DATA_CHANGE, session_id=prepared.session.session_id, server_handle=SERVER,
        item_handle=ARRAY, value=value, quality=192, source_timestamp=NOW, statuses=[STATUS_OK], worker_sequence=2,
        worker_timestamp=NOW, gateway_receive_timestamp=NOW, on_data_change=proto.OnDataChangeEvent(),
    )  # fmt: skip
    return [event]


def _alarm(kind: str, body: Message, reply: Callable[[Prepared], dict[str, Any]], wrong: Message, **more: Any) -> Row:
    """A command that the worker's alarm feed needs: it goes through `invoke`, which returns the reply as it came."""

    def result(prepared: Prepared) -> proto.MxCommandReply:
        return proto.MxCommandReply(
            session_id=prepared.session.session_id,
            correlation_id=prepared.gateway.received[-1].request.client_correlation_id,
            kind=proto.MxCommandKind.from_string(kind),
            protocol_status=proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK),
            hresult=0,
            **reply(prepared),
        )

    def command(payload: Message) -> proto.MxCommand:
        arm: dict[str, Any] = {kind.lower(): payload}
        return proto.MxCommand(kind=proto.MxCommandKind.from_string(kind), **arm)

    return Row(Asked("invoke", (command(body),)), body, result, wrong=Asked("invoke", (command(wrong),)), **more)


def _no_payload(prepared: Prepared) -> dict[str, Any]:
    return {}


def _acknowledged(prepared: Prepared) -> dict[str, Any]:
    return {"acknowledge_alarm": proto.AcknowledgeAlarmReplyPayload(native_status=0)}


def _active_alarms(prepared: Prepared) -> dict[str, Any]:
    (snapshot,) = prepared.gateway.alarms.snapshots(ALARM)
    return {"query_active_alarms": proto.QueryActiveAlarmsReplyPayload(snapshots=[snapshot])}


NO_TEXT: Final[Any] = 5
"""What stands where a text belongs."""

ROWS: Final[dict[str, Row]] = {
    "REGISTER": _one(
        Asked("register", ("svc Ω",)), proto.RegisterCommand(client_name="svc Ω"), NEXT, Asked("register", ("a\0b",))
    ),
    "UNREGISTER": _one(
        Asked("unregister", (SERVER,)), proto.UnregisterCommand(server_handle=SERVER), None,
        Asked("unregister", (0,)), Asked("unregister", (NOBODY,)), bare=True,
    ),
    "ADD_ITEM": _one(
        Asked("add_item", (SERVER, UNKNOWN_TAG)),
        proto.AddItemCommand(server_handle=SERVER, item_definition=UNKNOWN_TAG), NEXT,
        Asked("add_item", (SERVER, b"A.B")), Asked("add_item", (SERVER, " ")),
    ),
    "ADD_ITEM2": _one(
        Asked("add_item2", (SERVER, "TestInt", " A ")),
        proto.AddItem2Command(server_handle=SERVER, item_definition="TestInt", item_context=" A "), NEXT,
        Asked("add_item2", (SERVER, "TestInt", None)), Asked("add_item2", (NOBODY, "TestInt", "A")),
    ),
    "REMOVE_ITEM": _item("remove_item", proto.RemoveItemCommand),
    "ADVISE": _item("advise", proto.AdviseCommand, IDLE),
    "UN_ADVISE": _item("unadvise", proto.UnAdviseCommand),
    "ADVISE_SUPERVISORY": _item("advise_supervisory", proto.AdviseSupervisoryCommand),
    "ADD_BUFFERED_ITEM": _one(
        Asked("add_buffered_item", (SERVER, "TestInt", "TestChildObject")),
        proto.AddBufferedItemCommand(server_handle=SERVER, item_definition="TestInt", item_context="TestChildObject"),
        NEXT, Asked("add_buffered_item", (SERVER, "\ud800", "")), Asked("add_buffered_item", (SERVER, " ", "")),
    ),
    "SET_BUFFERED_UPDATE_INTERVAL": _one(
        Asked("set_buffered_update_interval", (SERVER, 250)),
        proto.SetBufferedUpdateIntervalCommand(server_handle=SERVER, update_interval_milliseconds=250), None,
        Asked("set_buffered_update_interval", (SERVER, -1)), Asked("set_buffered_update_interval", (NOBODY, 250)), bare=True,
    ),
    "SUSPEND": _item("suspend", proto.SuspendCommand, result=STATUS_PENDING, bare=False),
    "ACTIVATE": _item("activate", proto.ActivateCommand, result=STATUS_OK, bare=False),
    "WRITE": _write(
        "write", proto.WriteCommand(**ITEM_FIELDS, value=FLOAT_5, user_id=7),
        (), {"user_id": 7, "data_type": proto.MxDataType.FLOAT},
    ),
    "WRITE2": _write(
        "write2", proto.Write2Command(**ITEM_FIELDS, value=INTEGER_5, timestamp_value=AT_NOON, user_id=-1),
        (NOON,), {"user_id": -1},
    ),
    "WRITE_SECURED": _write(
        "write_secured", proto.WriteSecuredCommand(**ITEM_FIELDS, **USER_FIELDS, value=INTEGER_5), (), USER_FIELDS
    ),
    "WRITE_SECURED2": _write(
        "write_secured2",
        proto.WriteSecured2Command(
            **ITEM_FIELDS, current_user_id=OPERATOR_ID, verifier_user_id=OPERATOR_ID, value=INTEGER_5, timestamp_value=AT_NOON
        ),
        (NOON,), {"current_user_id": OPERATOR_ID},
    ),
    "AUTHENTICATE_USER": _one(
        Asked("authenticate_user", (SERVER, "OPERATOR", OPERATOR.password)),
        proto.AuthenticateUserCommand(
            server_handle=SERVER, verify_user="OPERATOR", verify_user_password=OPERATOR.password
        ),
        OPERATOR_ID, Asked("authenticate_user", (SERVER, "operator", "a\0b")),
        Asked("authenticate_user", (NOBODY, "operator", OPERATOR.password)),
    ),
    "ARCHESTRA_USER_TO_ID": _one(
        Asked("archestra_user_to_id", (SERVER, uuid.UUID(SUPERVISOR.guid))),
        proto.ArchestrAUserToIdCommand(server_handle=SERVER, user_id_guid=SUPERVISOR.guid), SUPERVISOR_ID,
        Asked("archestra_user_to_id", (SERVER, "nobody")), Asked("archestra_user_to_id", (NOBODY, SUPERVISOR.guid)),
    ),
    "ADD_ITEM_BULK": _tags_bulk("add_item_bulk", proto.AddItemBulkCommand),
    "ADVISE_ITEM_BULK": _handles_bulk("advise_item_bulk", proto.AdviseItemBulkCommand),
    "REMOVE_ITEM_BULK": _handles_bulk("remove_item_bulk", proto.RemoveItemBulkCommand),
    "UN_ADVISE_ITEM_BULK": _handles_bulk("unadvise_item_bulk", proto.UnAdviseItemBulkCommand),
    "SUBSCRIBE_BULK": _tags_bulk("subscribe_bulk", proto.SubscribeBulkCommand),
    "UNSUBSCRIBE_BULK": _handles_bulk("unsubscribe_bulk", proto.UnsubscribeBulkCommand),
    "SUBSCRIBE_ALARMS": _alarm(
        "SUBSCRIBE_ALARMS",
        proto.SubscribeAlarmsCommand(
            subscription_expression=r"\\Galaxy!Area1", watch_list=[proto.AlarmSubtagTarget(active_subtag="a")],
            failover=proto.AlarmFailoverConfig(consecutive_failure_threshold=3),
        ),
        _no_payload, proto.SubscribeAlarmsCommand(subscription_expression=NO_TEXT), bare=True,
    ),
    "UNSUBSCRIBE_ALARMS": _alarm(
        "UNSUBSCRIBE_ALARMS", proto.UnsubscribeAlarmsCommand(), _no_payload, NO_TEXT, bare=True,
    ),
    "ACKNOWLEDGE_ALARM": _alarm(
        "ACKNOWLEDGE_ALARM",
        proto.AcknowledgeAlarmCommand(
            alarm_guid=str(uuid.uuid5(uuid.NAMESPACE_OID, ALARM)), comment="seen", operator_user="me",
            operator_node="n", operator_domain="d", operator_full_name="f",
        ),
        _acknowledged, proto.AcknowledgeAlarmCommand(alarm_guid=NO_TEXT), arm="acknowledge_alarm",
    ),
    "QUERY_ACTIVE_ALARMS": _alarm(
        "QUERY_ACTIVE_ALARMS", proto.QueryActiveAlarmsCommand(alarm_filter_prefix=ALARM), _active_alarms,
        proto.QueryActiveAlarmsCommand(alarm_filter_prefix=NO_TEXT),
    ),
    "ACKNOWLEDGE_ALARM_BY_NAME": _alarm(
        "ACKNOWLEDGE_ALARM_BY_NAME",
        proto.AcknowledgeAlarmByNameCommand(
            alarm_name="Tank01.Hi", provider_name="Galaxy", group_name="Area1", comment="seen", operator_user="me",
            operator_node="n", operator_domain="d", operator_full_name="f",
        ),
        _acknowledged, proto.AcknowledgeAlarmByNameCommand(alarm_name=NO_TEXT), arm="acknowledge_alarm",
    ),
    "WRITE_BULK": _write_bulk(
        "write_bulk", proto.WriteBulkCommand, proto.WriteBulkEntry, (), {"user_id": [7, -1]}
    ),
    "WRITE2_BULK": _write_bulk(
        "write2_bulk", proto.Write2BulkCommand, proto.Write2BulkEntry, (NOON,), {"user_id": 7}
    ),
    "WRITE_SECURED_BULK": _write_bulk(
        "write_secured_bulk", proto.WriteSecuredBulkCommand, proto.WriteSecuredBulkEntry, (), USER_FIELDS
    ),
    "WRITE_SECURED2_BULK": _write_bulk(
        "write_secured2_bulk", proto.WriteSecured2BulkCommand, proto.WriteSecured2BulkEntry, ([NOON, NOON],),
        {"current_user_id": [OPERATOR_ID, SUPERVISOR_ID], "verifier_user_id": [SUPERVISOR_ID, OPERATOR_ID]},
    ),
    "READ_BULK": _read_bulk(),
    "PING": _worker("ping", proto.PingCommand(), None, bare=True),
    "GET_SESSION_STATE": _worker(
        "state", proto.GetSessionStateCommand(), proto.SessionStateReply(state=proto.SessionState.READY),
        arm="session_state",
    ),
    "GET_WORKER_INFO": _worker("worker_info", proto.GetWorkerInfoCommand(), _worker_info, arm="worker_info"),
    "DRAIN_EVENTS": _one(
        Asked("drain_events", (3,)), proto.DrainEventsCommand(max_events=3), _events, Asked("drain_events", (-1,))
    ),
    "SHUTDOWN_WORKER": _worker("shutdown_worker", proto.ShutdownWorkerCommand(), None, bare=True),
}  # fmt: skip
"""By the name of the kind."""

BULKS: Final = [kind for kind, row in ROWS.items() if row.partly is not None]
NOT_ONE_COMMAND: Final = frozenset(
    {
        "close",
        "disown",
        "invoke",
        "invoke_raw",
        "own",
        "read",
        "stream_events",
        "subscribe",
        "write_array_elements",
        "write_confirmed",
        "write_tags",
    }
)
"""The session's methods that stand for no kind, or for one that has a method of its own already."""


def title(kind: str) -> str:
    """Return how the simulated gateway's switches name a kind."""
    return "Invoke." + "".join(part.title() for part in kind.split("_"))
