from __future__ import annotations

from grpclib.const import Status

from mxgateway.simulator import ReceivedCall
from mxgateway.wire import which_one_of
from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import mxgw

KEYS = [
    "language", "operation", "sessionId", "serverHandle", "itemHandle", "eventCount", "events", "eventFamily",
    "workerSequence", "protocolStatus", "hresult", "statuses", "closeStatus", "durationMs", "tag", "value",
    "quality", "qualityText", "sourceTime", "ok", "error", "oldValue", "writtenValue",
]  # fmt: skip


async def test_it_reports_the_events_the_completion_of_the_write_and_the_close(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("smoke", "--item", TAG, "--type", "int32", "--value", "123", "--json")

    assert outcome.code == 0, outcome.err
    assert outcome.err == ""
    document = outcome.document
    assert list(document) == KEYS
    families = [event["family"] for event in document["events"]]
    assert families[0] == "MX_EVENT_FAMILY_ON_DATA_CHANGE"
    assert families[-1] == document["eventFamily"] == "MX_EVENT_FAMILY_ON_WRITE_COMPLETE"
    assert document["eventCount"] == len(families)
    assert document["workerSequence"] == document["events"][-1]["workerSequence"]
    assert (document["language"], document["operation"]) == ("python", "smoke")
    assert document["protocolStatus"] == "PROTOCOL_STATUS_CODE_OK"
    assert document["closeStatus"] == "SESSION_STATE_CLOSED"
    assert [document[key] for key in ("tag", "oldValue", "writtenValue", "ok")] == [TAG, 17, 123, True]
    assert not gateway.simulated.sessions


async def test_it_takes_everything_back_in_the_opposite_order(gateway: Gateway) -> None:
    await gateway.mxgw("smoke", "--item", TAG)

    assert [name_of(call) for call in gateway.simulated.received] == [
        "OpenSession", "register", "add_item", "StreamEvents", "advise", "un_advise", "remove_item", "unregister",
        "CloseSession",
    ]  # fmt: skip


async def test_it_closes_the_session_when_a_step_fails_and_reports_that_step(gateway: Gateway) -> None:
    gateway.simulated.fail_next("Invoke.Advise", Status.INTERNAL, "no advice")
    gateway.simulated.fail_next("Invoke.Unregister", Status.INTERNAL, "nor this")

    outcome = await gateway.mxgw("smoke", "--item", TAG, "--json")

    assert outcome.code == 64 + Status.INTERNAL.value
    assert outcome.out == ""
    assert "no advice" in outcome.error["message"]
    assert not gateway.simulated.sessions


async def test_events_that_do_not_come_are_waited_for_in_vain(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("smoke", "--item", "TestChildObject.SilentInt", "--timeout", "1.5", "--json")

    assert outcome.code == 20
    assert outcome.error["type"] == "TimedOut"
    assert "0 of 1 events of TestChildObject.SilentInt arrived within 1.5 s" in outcome.error["message"]
    assert not gateway.simulated.sessions


async def test_a_tag_that_does_not_exist_is_a_failure_with_the_report(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("smoke", "--item", "No.Such", "--json")

    assert outcome.code == 22
    assert outcome.document["statuses"][0]["category"] == "MX_STATUS_CATEGORY_CONFIGURATION_ERROR"
    assert "No.Such" in outcome.error["message"]


async def test_a_write_that_fails_on_completion_is_a_failure_with_the_report(gateway: Gateway) -> None:
    item = "TestChildObject.RefusedInt"
    outcome = await gateway.mxgw("smoke", "--item", item, "--type", "int32", "--value", "1", "--json")

    assert outcome.code == 22
    assert outcome.document["eventFamily"] == "MX_EVENT_FAMILY_ON_WRITE_COMPLETE"
    assert "the write" in outcome.error["message"]


async def test_several_events_can_be_asked_for() -> None:
    arguments = ("--item", "TestMachine_001.TestChangingInt", "--max-events", "2", "-ovalue")
    outcome = await mxgw("smoke", "--simulator", *arguments)

    assert (outcome.code, outcome.out) == (0, "2\n")


def name_of(call: ReceivedCall) -> str:
    return which_one_of(call.request.command, "payload") if call.method == "Invoke" else call.method
