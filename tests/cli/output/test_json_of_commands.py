"""The exact JSON of every command that talks to a gateway: keys, their order, values."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.gateway import TAG, Gateway
from tests.cli.golden import golden
from tests.cli.in_process import mxgw
from tests.rows import each_row

OWN_ITEM = ("--item", TAG)
HANDLES = ("--server-handle", "1", "--item-handle", "2")
SESSION = {"sessionId": "<sessionId>"}
ITEM = {**SESSION, "serverHandle": 1, "itemHandle": 2}
TAGGED = {**ITEM, "tag": TAG}
TAIL = {"correlationId": "<correlationId>"}
GOOD_STATUS = {
    "success": -1,
    "category": "MX_STATUS_CATEGORY_OK",
    "detectedBy": "MX_STATUS_SOURCE_RESPONDING_LMX",
}


def completion(sequence: str) -> dict[str, Any]:
    return {
        "family": "MX_EVENT_FAMILY_ON_WRITE_COMPLETE",
        **TAGGED,
        "statuses": [GOOD_STATUS],
        "workerSequence": sequence,
        "workerTimestamp": "<workerTimestamp>",
        "gatewayReceiveTimestamp": "<gatewayReceiveTimestamp>",
        "hresult": 0,
        "onWriteComplete": {},
    }


OWN_SESSION_COMMANDS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (
        ("open-session",),
        {
            "operation": "open-session",
            **SESSION,
            "backendName": "mxaccess-worker",
            "workerProcessId": "<workerProcessId>",
            "workerProtocolVersion": 1,
            "capabilities": ["unary-acknowledge-alarm", "server-stream-active-alarms"],
            "defaultCommandTimeout": "30s",
            "protocolStatus": {"code": "PROTOCOL_STATUS_CODE_OK"},
            "gatewayProtocolVersion": 3,
            **TAIL,
        },
    ),
    (
        ("close-session",),
        {
            "operation": "close-session",
            **SESSION,
            "finalState": "SESSION_STATE_CLOSED",
            "protocolStatus": {"code": "PROTOCOL_STATUS_CODE_OK"},
            **TAIL,
        },
    ),
    (
        ("session-state",),
        {"operation": "session-state", **SESSION, "state": "SESSION_STATE_READY", "faultMessage": "", **TAIL},
    ),
    (("ping",), {"operation": "ping", **SESSION, "durationMs": "<durationMs>", **TAIL}),
    (("register", "--client-name", "python-client"), {"operation": "register", **SESSION, "serverHandle": 1, **TAIL}),
    (("unregister",), {"operation": "unregister", **SESSION, "serverHandle": 1, **TAIL}),
    (("add-item", *OWN_ITEM), {"operation": "add-item", **TAGGED, **TAIL}),
    (
        ("add-item2", "--item", "TestInt", "--context", "TestChildObject"),
        {"operation": "add-item2", **ITEM, "tag": "TestInt", "context": "TestChildObject", **TAIL},
    ),
    (("remove-item", *OWN_ITEM), {"operation": "remove-item", **TAGGED, **TAIL}),
    (("advise", *OWN_ITEM), {"operation": "advise", **TAGGED, **TAIL}),
    (("unadvise", *OWN_ITEM), {"operation": "unadvise", **TAGGED, **TAIL}),
    (("advise-supervisory", *OWN_ITEM), {"operation": "advise-supervisory", **TAGGED, **TAIL}),
    (
        ("write", *OWN_ITEM, "--type", "int32", "--value", "-123"),
        {"operation": "write", **TAGGED, "oldValue": 17, "value": -123, "confirmed": False, "event": None, **TAIL},
    ),
    (
        ("write", *OWN_ITEM, "--type", "int32", "--value", "123", "--confirm"),
        {
            "operation": "write",
            **TAGGED,
            "oldValue": 17,
            "value": 123,
            "confirmed": True,
            "event": completion("2"),
            **TAIL,
        },
    ),
    (
        ("write2", *OWN_ITEM, "--type", "int32", "--value", "5", "--timestamp", "2026-03-01T08:30:00.1234567Z"),
        {
            "operation": "write2",
            **TAGGED,
            "oldValue": 17,
            "value": 5,
            "confirmed": False,
            "timestamp": "2026-03-01T08:30:00.1234567Z",
            **TAIL,
        },
    ),
    (
        ("stream-events", *OWN_ITEM, "--max-events", "1"),
        {
            "operation": "stream-events",
            **SESSION,
            "eventCount": 1,
            "lastWorkerSequence": "1",
            "events": [
                {
                    "family": "MX_EVENT_FAMILY_ON_DATA_CHANGE",
                    **TAGGED,
                    "value": {"dataType": "MX_DATA_TYPE_INTEGER", "variantType": "VT_I4", "int32Value": 17},
                    "quality": 192,
                    "sourceTimestamp": "<sourceTimestamp>",
                    "statuses": [GOOD_STATUS],
                    "workerSequence": "1",
                    "workerTimestamp": "<workerTimestamp>",
                    "gatewayReceiveTimestamp": "<gatewayReceiveTimestamp>",
                    "onDataChange": {},
                }
            ],
        },
    ),
    (
        ("stream-alarms", "--filter-prefix", "Galaxy!Area1", "--max-messages", "2"),
        {
            "operation": "stream-alarms",
            "filterPrefix": "Galaxy!Area1",
            "messageCount": 2,
            **TAIL,
            "messages": [
                {"snapshotComplete": True},
                {"providerStatus": {"mode": "ALARM_PROVIDER_MODE_ALARMMGR", "since": "<since>"}},
            ],
        },
    ),
    (
        ("query-active-alarms", "--filter-prefix", "Galaxy!Area1"),
        {
            "operation": "query-active-alarms",
            "filterPrefix": "Galaxy!Area1",
            "alarmCount": 0,
            **TAIL,
            "alarms": [],
        },
    ),
    (
        ("acknowledge-alarm", "--reference", "Galaxy!TankYard.Tank02.Lo", "--comment", "ok", "--operator", "me"),
        {
            "operation": "acknowledge-alarm",
            "reference": "Galaxy!TankYard.Tank02.Lo",
            "hresult": 0,
            "diagnosticMessage": "",
            "protocolStatus": {"code": "PROTOCOL_STATUS_CODE_OK"},
            **TAIL,
        },
    ),
]


@each_row(("arguments", "expected"), OWN_SESSION_COMMANDS)
async def test_a_command_with_the_simulator_writes_exactly_this_document(
    arguments: tuple[str, ...], expected: dict[str, Any]
) -> None:
    outcome = await mxgw(*arguments, "--simulator", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    # As text, so that the order of the keys counts.
    assert json.dumps(golden(outcome.document), indent=1) == json.dumps(expected, indent=1)


async def test_the_steps_of_a_pipeline_share_an_open_session(gateway: Gateway) -> None:
    opened = await gateway.mxgw("open-session", "-o", "value")
    session = ("--session-id", opened.out.strip())

    async def step(*arguments: str) -> str:
        outcome = await gateway.mxgw(arguments[0], *session, *arguments[1:], "-o", "value")
        assert outcome.code == 0, outcome.err
        return outcome.out.strip()

    assert await step("register", "--client-name", "python-client") == "1"
    assert await step("add-item", "--server-handle", "1", "--item", TAG) == "2"
    assert await step("advise", *HANDLES) == "2"
    assert await step("stream-events", "--max-events", "1") == "17"
    assert await step("write", *HANDLES, "--type", "int32", "--value", "123", "--confirm") == "true"
    assert await step("session-state") == "SESSION_STATE_READY"
    assert await step("unadvise", *HANDLES) == "2"
    assert await step("remove-item", *HANDLES) == "2"
    assert await step("unregister", "--server-handle", "1") == "1"
    assert await step("close-session") == "SESSION_STATE_CLOSED"
    assert await step("close-session") == "SESSION_STATE_CLOSED"
    assert not gateway.simulated.sessions


async def test_a_write_that_fails_later_is_exit_code_22_when_its_confirmation_was_asked_for() -> None:
    arguments = ("--item", "TestChildObject.RefusedInt", "--type", "int32", "--value", "1", "--simulator", "--json")

    accepted = await mxgw("write", *arguments)
    confirmed = await mxgw("write", *arguments, "--confirm")

    assert accepted.code == 0
    assert confirmed.code == 22
    assert confirmed.error["type"] == "MxAccessError"
    assert confirmed.error["statuses"]


async def test_the_result_carries_the_correlation_id_that_the_gateway_has_seen(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("ping", "--json")

    [ping] = [call.request for call in gateway.simulated.received if call.method == "Invoke"]
    assert outcome.document["correlationId"] == ping.client_correlation_id


async def test_the_version_is_a_document_of_fixed_keys() -> None:
    import mxgateway
    from mxgateway.client import PROTOCOL_VERSION

    outcome = await mxgw("version", "--json")

    assert list(outcome.document) == [
        "operation", "name", "version", "language", "pythonVersion", "pythonImplementation", "platform",
        "gatewayProtocolVersion",
        "contractFingerprint",
    ]  # fmt: skip
    assert outcome.document["version"] == mxgateway.__version__
    assert outcome.document["gatewayProtocolVersion"] == PROTOCOL_VERSION


async def test_another_protocol_version_of_the_gateway_is_warned_about(gateway: Gateway) -> None:
    def newer(reply: Any) -> Any:
        reply.gateway_protocol_version = 4
        return reply

    gateway.simulated.reply_override("OpenSession", newer, times=2)
    left_open = await gateway.mxgw("open-session")
    own = await gateway.mxgw("ping", "--json")

    assert left_open.code == own.code == 0
    assert "speaks gateway protocol 4, this client implements 3" in left_open.err
    assert "gateway protocol 4" in json.loads(own.err)["warning"]["message"]
