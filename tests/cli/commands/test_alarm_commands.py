"""The commands about alarms, as processes: what they write, how long they wait, and with which code they end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import proto
from mxgateway.simulator import Scope, SimulatedGateway, SimulatedKey
from tests.cli.gateway import KEY, Gateway
from tests.cli.in_process import mxgw
from tests.cli.process import Outcome, finish, start
from tests.client.support import until

HIHI, HI = "Galaxy!Area1.Tank01.HiHi", "Galaxy!Area1.Tank01.Hi"
AREA1 = ("--filter-prefix", "Galaxy!Area1")


@pytest.fixture
def raised(gateway: Gateway) -> Gateway:
    """A gateway with two active alarms in Area1, one of them acknowledged."""
    gateway.simulated.set_tag("Tank01.Level", 95.0)
    gateway.simulated.alarms.acknowledge(HI, "seen", "me")
    return gateway


def sent(gateway: Gateway, method: str) -> list[Any]:
    return [call.request for call in gateway.simulated.received if call.method == method]


@asynccontextmanager
async def streaming(gateway: Gateway, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run stream-alarms, and enter the block when its feed is open."""
    process = await start("stream-alarms", *AREA1, "--plaintext", *arguments, env=gateway.env)
    try:
        await until(lambda: gateway.simulated.alarms._feeds, patience=30)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


# -- stream-alarms


async def test_a_bounded_json_feed_is_one_document(raised: Gateway) -> None:
    outcome = await raised.mxgw("stream-alarms", *AREA1, "--max-messages", "4", "--timeout", "20", "--json")

    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert list(document) == ["operation", "filterPrefix", "messageCount", "correlationId", "messages"]
    assert (document["operation"], document["filterPrefix"], document["messageCount"]) == (
        "stream-alarms", "Galaxy!Area1", 4,
    )  # fmt: skip
    assert [next(iter(message)) for message in document["messages"]] == [
        "activeAlarm", "activeAlarm", "snapshotComplete", "providerStatus",
    ]  # fmt: skip
    first = document["messages"][0]["activeAlarm"]
    assert first["alarmFullReference"] == HIHI
    assert first["currentState"] == "ALARM_CONDITION_STATE_ACTIVE"
    assert first["currentValue"]["floatValue"] == 95.0
    assert sent(raised, "StreamAlarms") == [proto.StreamAlarmsRequest(document["correlationId"], "Galaxy!Area1")]
    assert outcome.err == ""


async def test_json_lines_tell_the_transitions_as_they_come(gateway: Gateway) -> None:
    async with streaming(gateway, "--max-messages", "5", "-o", "jsonl") as process:
        gateway.simulated.alarms.raise_alarm(HI)
        gateway.simulated.alarms.acknowledge(HI, "seen", "me")
        gateway.simulated.alarms.clear_alarm(HI)
        outcome = await finish(process)

    assert outcome.code == 0, outcome.err
    kinds = [line["transition"]["transitionKind"] for line in outcome.lines[2:]]
    assert kinds == [f"ALARM_TRANSITION_KIND_{kind}" for kind in ("RAISE", "ACKNOWLEDGE", "CLEAR")]
    assert outcome.lines[3]["transition"]["operatorUser"] == "me"
    await until(lambda: not gateway.simulated.alarms._feeds)


async def test_a_table_shows_what_operators_want_to_know(raised: Gateway) -> None:
    outcome = await raised.mxgw("stream-alarms", *AREA1, "--max-messages", "4")

    heading, first, second, complete, provider = outcome.out.splitlines()
    assert heading.split() == ["time", "kind", "severity", "alarm", "value", "limit", "text"]
    assert first.split()[1:] == ["active", "900", HIHI, "95.0", "90.0", "Level", "very", "high"]
    assert second.split()[1:4] == ["acknowledged", "500", HI]
    assert second.endswith('me "seen"')
    assert complete.strip() == "snapshot complete"
    assert provider.split()[1:] == ["provider", "alarmmgr"]


async def test_the_format_value_is_one_line_for_what_has_happened(gateway: Gateway) -> None:
    async with streaming(gateway, "--max-messages", "4", "-o", "value") as process:
        gateway.simulated.alarms.raise_alarm(HI)
        gateway.simulated.alarms.fail_over(degraded=True, reason="gone")
        outcome = await finish(process)
    assert outcome.out == f"snapshot complete\nprovider alarmmgr\nraise {HI}\nprovider subtag\n"


async def test_missing_messages_at_the_time_limit_are_exit_code_20_with_what_came(raised: Gateway) -> None:
    outcome = await raised.mxgw("stream-alarms", *AREA1, "--max-messages", "10", "--timeout", "2", "--json")

    assert outcome.code == 20
    assert outcome.document["messageCount"] == 4
    assert "4 of 10 messages arrived within 2 s" in outcome.error["message"]


async def test_without_a_number_the_time_limit_is_the_end(raised: Gateway) -> None:
    outcome = await raised.mxgw("stream-alarms", *AREA1, "--timeout", "2", "--json")

    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.lines) == 4


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals to one process")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_ends_the_feed_first(gateway: Gateway, number: signal.Signals, code: int) -> None:
    async with streaming(gateway) as process:
        assert process.stdout is not None
        await process.stdout.readline()
        process.send_signal(number)
        outcome = await finish(process)

    assert (outcome.code, outcome.err) == (code, "")
    await until(lambda: not gateway.simulated.alarms._feeds)


async def test_a_fault_that_lasts_leaves_a_record_and_the_exit_code_of_its_status(gateway: Gateway) -> None:
    async with streaming(gateway, "-o", "jsonl") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        gateway.simulated.fail_next("StreamAlarms", Status.UNAUTHENTICATED, times=2)
        gateway.simulated.drop_connections()
        outcome = await finish(process)

    assert outcome.code == 64 + Status.UNAUTHENTICATED.value
    assert outcome.lines[-1]["disconnect"]["grpcStatus"] == "UNAUTHENTICATED"


async def test_a_feed_that_brings_nothing_leaves_no_document(gateway: Gateway) -> None:
    gateway.simulated.fail_next("StreamAlarms", Status.INTERNAL, "no")
    outcome = await gateway.mxgw("stream-alarms", "--max-messages", "1", "--json")

    assert (outcome.code, outcome.out) == (64 + Status.INTERNAL.value, "")


# -- query-active-alarms


async def test_the_active_alarms_are_one_document(raised: Gateway) -> None:
    outcome = await raised.mxgw("query-active-alarms", *AREA1, "--json")

    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert list(document) == ["operation", "filterPrefix", "alarmCount", "correlationId", "alarms"]
    assert (document["operation"], document["alarmCount"]) == ("query-active-alarms", 2)
    states = {alarm["alarmFullReference"]: alarm["currentState"] for alarm in document["alarms"]}
    assert states == {HIHI: "ALARM_CONDITION_STATE_ACTIVE", HI: "ALARM_CONDITION_STATE_ACTIVE_ACKED"}


async def test_the_active_alarms_are_lines_rows_or_references(raised: Gateway) -> None:
    lines = await raised.mxgw("query-active-alarms", *AREA1, "-o", "jsonl")
    table = await raised.mxgw("query-active-alarms", *AREA1)
    references = await raised.mxgw("query-active-alarms", *AREA1, "-o", "value")

    assert [line["alarmFullReference"] for line in lines.lines] == [HIHI, HI]
    assert [row.split()[1] for row in table.out.splitlines()] == ["kind", "active", "acknowledged"]
    assert references.out == f"{HIHI}\n{HI}\n"


@pytest.mark.parametrize(
    ("form", "out"), [("jsonl", ""), ("value", ""), ("table", "time "), ("json", '"alarmCount": 0')]
)
async def test_no_active_alarm_is_no_failure(gateway: Gateway, form: str, out: str) -> None:
    outcome = await gateway.mxgw("query-active-alarms", *AREA1, "-o", form)

    assert (outcome.code, outcome.err) == (0, "")
    assert out in outcome.out
    assert bool(outcome.out) is bool(out)


async def test_a_query_that_fails_has_the_exit_code_of_its_status(gateway: Gateway) -> None:
    gateway.simulated.fail_next("QueryActiveAlarms", Status.INTERNAL, "no")
    outcome = await gateway.mxgw("query-active-alarms", "--json")

    assert (outcome.code, outcome.out) == (64 + Status.INTERNAL.value, "")


# -- acknowledge-alarm


async def acknowledge(gateway: Gateway, reference: str, *arguments: str) -> Outcome:
    return await gateway.mxgw("acknowledge-alarm", "--reference", reference, *arguments)


async def test_an_alarm_is_acknowledged(raised: Gateway) -> None:
    outcome = await acknowledge(raised, HIHI, "--comment", "ok", "--operator", "me", "--json")

    assert outcome.code == 0, outcome.err
    (request,) = sent(raised, "AcknowledgeAlarm")
    assert outcome.document == {
        "operation": "acknowledge-alarm",
        "reference": HIHI,
        "hresult": 0,
        "diagnosticMessage": "",
        "protocolStatus": {"code": "PROTOCOL_STATUS_CODE_OK"},
        "correlationId": request.client_correlation_id,
    }
    assert (request.comment, request.operator_user) == ("ok", "me")
    alarm = raised.simulated.alarms.alarm(HIHI)
    assert (alarm.is_acknowledged, alarm.operator, alarm.comment) == (True, "me", "ok")


async def test_an_alarm_is_acknowledged_by_its_guid(raised: Gateway) -> None:
    guid = raised.simulated.alarms.alarm(HIHI).guid
    outcome = await acknowledge(raised, f"{{{guid}}}", "-o", "value")

    assert (outcome.code, outcome.out) == (0, f"{guid}\n")
    assert raised.simulated.alarms.alarm(HIHI).is_acknowledged


@pytest.mark.parametrize(
    ("reference", "words"),
    [("Tank01.HiHi", "has no '!' after a provider"), ("Galaxy!Area1", "has no '.' and tag"), ("", "is empty")],
)
async def test_a_bad_reference_is_a_usage_error_and_nothing_is_sent(
    gateway: Gateway, reference: str, words: str
) -> None:
    outcome = await acknowledge(gateway, reference, "--json")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.error["type"] == "UsageError"
    assert words in outcome.error["message"]
    assert not gateway.simulated.received


async def test_what_the_provider_refuses_has_the_exit_code_of_mxaccess(gateway: Gateway) -> None:
    outcome = await acknowledge(gateway, HI, "--json")

    assert (outcome.code, outcome.out) == (22, "")
    assert (outcome.error["type"], outcome.error["hresult"]) == ("MxAccessError", 0x80040201 - 2**32)
    assert "did not acknowledge" in outcome.error["message"]


async def test_a_lost_reply_is_told_as_in_doubt_and_not_repeated(raised: Gateway) -> None:
    raised.simulated.fail_next("AcknowledgeAlarm", Status.UNAVAILABLE, "gone", times=5)
    outcome = await acknowledge(raised, HIHI)

    assert outcome.code == 64 + Status.UNAVAILABLE.value
    assert "it is unknown whether the alarm was acknowledged" in outcome.err
    assert len(sent(raised, "AcknowledgeAlarm")) == 1


@pytest.mark.parametrize(
    ("arguments", "scope"),
    [
        (("stream-alarms",), "events:read"),
        (("query-active-alarms",), "events:read"),
        (("acknowledge-alarm", "--reference", HIHI), "invoke:write"),
    ],
)
async def test_a_key_that_may_not_is_refused_with_the_scope_that_it_lacks(
    arguments: tuple[str, ...], scope: str
) -> None:
    key = SimulatedKey.parse(KEY, scopes=frozenset(Scope) - {Scope(scope)})
    async with SimulatedGateway(api_keys=[key]) as simulated:
        outcome = await mxgw(*arguments, "--plaintext", "--json", env=Gateway(simulated).env)

    assert outcome.code == 64 + Status.PERMISSION_DENIED.value
    assert scope in outcome.error["message"]
    assert outcome.error["type"] == "MxGatewayAuthorizationError"


async def test_text_from_the_plant_reaches_no_terminal_uncleaned(raised: Gateway) -> None:
    raised.simulated.alarms.acknowledge(HIHI, "red \x1b[31m", "me\nyou")
    outcome = await raised.mxgw("query-active-alarms", *AREA1)

    assert "\x1b" not in outcome.out
    assert len(outcome.out.splitlines()) == 3
