"""An acknowledgement is sent once; what became of it is told exactly, also when nobody knows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    AlarmReference,
    GatewayClient,
    MxAccessError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayMalformedReplyError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.alarms.rig import HIHI
from tests.client.support import connect, in_words, requests, until

Reply = proto.AcknowledgeAlarmReply
OK = proto.ProtocolStatus(code=proto.ProtocolStatusCode.OK)
DOUBT = "it is unknown whether the alarm was acknowledged"


@pytest.fixture
def active(gateway: SimulatedGateway) -> str:
    gateway.alarms.raise_alarm(HIHI)
    return HIHI


async def test_an_alarm_is_acknowledged_by_its_full_reference(
    gateway: SimulatedGateway, client: GatewayClient, active: str
) -> None:
    done = await client.acknowledge_alarm(f" {active} ", comment="seen", operator="me", correlation_id="order-4711")

    assert gateway.alarms.alarm(active).is_acknowledged
    assert requests(gateway, "AcknowledgeAlarm") == [
        proto.AcknowledgeAlarmRequest("order-4711", active, comment="seen", operator_user="me")
    ]
    assert (done.reference, done.hresult) == (AlarmReference(None, "Galaxy", "Area1", "Tank1.HiHi"), 0)
    assert (done.correlation_id, done.diagnostic) == ("order-4711", "")
    assert done.reply.protocol_status == OK
    (alarm,) = await client.query_active_alarms()
    assert (alarm.is_acknowledged, alarm.operator, alarm.comment) == (True, "me", "seen")


async def test_an_alarm_is_acknowledged_by_its_guid(
    gateway: SimulatedGateway, client: GatewayClient, active: str
) -> None:
    guid = gateway.alarms.alarm(active).guid
    for reference in (guid, f"{{{guid}}}", guid.hex.upper(), AlarmReference(guid)):
        done = await client.acknowledge_alarm(reference)
        assert done.reference == AlarmReference(guid)
    sent = [request.alarm_full_reference for request in requests(gateway, "AcknowledgeAlarm")]
    assert sent == [str(guid)] * 4
    assert gateway.alarms.alarm(active).is_acknowledged


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("Tank01.HiHi", "the alarm reference 'Tank01.HiHi' is not a GUID and has no '!' after a provider"),
        ("", "the alarm reference '' is empty"),
        (AlarmReference(), "has no provider"),
        (None, "reference is None"),
    ],
)
async def test_a_malformed_reference_is_refused_before_anything_is_sent(
    gateway: SimulatedGateway, client: GatewayClient, reference: Any, words: str
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError) as caught:
        await client.acknowledge_alarm(reference)
    assert in_words(caught.value, words, "nothing was sent")
    assert caught.value.grpc_status is None
    assert not gateway.received


async def test_wrong_arguments_are_refused_before_anything_is_sent(
    gateway: SimulatedGateway, client: GatewayClient, active: str
) -> None:
    bad: list[dict[str, Any]] = [
        {"comment": "a\0"}, {"comment": None}, {"operator": "\ud800"}, {"operator": 5}, {"timeout": 0}, {"timeout": "1"},
        {"correlation_id": "\0"},
    ]  # fmt: skip
    for keywords in bad:
        with pytest.raises(MxGatewayInvalidRequestError, match=next(iter(keywords))):
            await client.acknowledge_alarm(active, **keywords)
    assert not gateway.received


@pytest.mark.parametrize(
    ("reference", "hresult", "words"),
    [
        ("Galaxy!Area1.Tank1.Hi", 0x80040201 - 2**32, "0x80040201"),
        ("Galaxy!Area1.Tank1.Nothing", 0x80070057 - 2**32, "0x80070057 E_INVALIDARG"),
        ("01234567-89ab-cdef-0123-456789abcdef", 0x80070057 - 2**32, "0x80070057 E_INVALIDARG"),
    ],
)
async def test_what_the_alarm_provider_refuses_raises_with_its_hresult_in_words(
    gateway: SimulatedGateway, client: GatewayClient, active: str, reference: str, hresult: int, words: str
) -> None:
    with pytest.raises(MxAccessError) as caught:
        await client.acknowledge_alarm(reference, correlation_id="order-4711")
    error = caught.value
    assert error.hresult == hresult
    assert in_words(error, f"MXAccess refused the acknowledgement of {reference}", words, "did not acknowledge")
    assert (error.correlation_id, error.phase, error.grpc_status) == ("order-4711", "reply", None)
    assert isinstance(error.reply, proto.AcknowledgeAlarmReply)
    assert error.reply.hresult == hresult

    raw = await client.acknowledge_alarm_raw(proto.AcknowledgeAlarmRequest("order-4711", reference))
    assert raw == error.reply


STATUS = proto.MxStatusProxy(category=proto.MxStatusCategory.SECURITY_ERROR, detail=321, diagnostic_text="Denied.")
FAILURE = proto.ProtocolStatus(code=proto.ProtocolStatusCode.MXACCESS_FAILURE, message="not today")
NATIVE_FAILURES = {
    "a positive result": (Reply(protocol_status=OK, hresult=1), "0x00000001"),
    "a negative result": (Reply(protocol_status=OK, hresult=-55), "0xFFFFFFC9"),
    "a status": (Reply(protocol_status=OK, hresult=0, status=STATUS), "detail 321"),
    "the protocol's word for it": (Reply(protocol_status=FAILURE), "not today"),
}


@pytest.mark.parametrize("name", NATIVE_FAILURES)
async def test_every_way_to_tell_a_native_failure_raises(
    gateway: SimulatedGateway, client: GatewayClient, active: str, name: str
) -> None:
    reply, words = NATIVE_FAILURES[name]
    gateway.reply_override("AcknowledgeAlarm", lambda _: reply)
    with pytest.raises(MxAccessError) as caught:
        await client.acknowledge_alarm(active)
    assert words in str(caught.value)
    assert caught.value.statuses == ((STATUS,) if name == "a status" else ())


NO_SUCCESS = {
    "nothing": Reply(),
    "a result without a protocol status": Reply(hresult=0),
    "a protocol status without a result": Reply(protocol_status=OK),
}


@pytest.mark.parametrize("name", NO_SUCCESS)
async def test_a_reply_that_does_not_tell_the_outcome_is_no_success(
    gateway: SimulatedGateway, client: GatewayClient, active: str, name: str
) -> None:
    gateway.reply_override("AcknowledgeAlarm", lambda _: NO_SUCCESS[name])
    with pytest.raises(MxGatewayMalformedReplyError) as caught:
        await client.acknowledge_alarm(active)
    assert caught.value.reply == NO_SUCCESS[name]


async def test_a_good_status_stands_for_a_result(gateway: SimulatedGateway, client: GatewayClient, active: str) -> None:
    good = proto.MxStatusProxy(success=-1, category=proto.MxStatusCategory.OK)
    gateway.reply_override("AcknowledgeAlarm", lambda _: Reply(protocol_status=OK, status=good))
    assert (await client.acknowledge_alarm(active)).hresult is None


async def test_the_gateways_own_refusal_of_a_reference_is_an_invalid_request(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="is neither a GUID nor"):
        await client.acknowledge_alarm_raw(proto.AcknowledgeAlarmRequest(alarm_full_reference="HiHi"))


# -- never twice


async def test_a_lost_reply_leaves_the_outcome_in_doubt_and_nothing_is_repeated(
    gateway: SimulatedGateway, active: str
) -> None:
    async with FaultProxy(gateway.port) as proxy, connect(gateway, endpoint=proxy.endpoint) as client:
        proxy.to_client.freeze()
        call = asyncio.create_task(client.acknowledge_alarm(active, timeout=20))
        await until(lambda: gateway.alarms.alarm(active).is_acknowledged)
        proxy.reset_all()
        with pytest.raises(MxGatewayTransportError) as caught:
            await call
    assert in_words(caught.value, DOUBT, "check the alarm's state before you acknowledge again")
    assert len(requests(gateway, "AcknowledgeAlarm")) == 1


async def test_time_that_runs_out_leaves_the_outcome_in_doubt(gateway: SimulatedGateway, active: str) -> None:
    async with FaultProxy(gateway.port) as proxy, connect(gateway, endpoint=proxy.endpoint) as client:
        proxy.to_client.freeze()
        with pytest.raises(MxGatewayTimeoutError) as caught:
            await client.acknowledge_alarm(active, timeout=0.05)
        proxy.both.heal()
    assert in_words(caught.value, DOUBT)
    assert "session" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "in_doubt"),
    [
        (Status.UNAVAILABLE, True),
        (Status.DEADLINE_EXCEEDED, True),
        (Status.INTERNAL, True),
        (Status.UNKNOWN, True),
        (Status.PERMISSION_DENIED, False),
        (Status.UNAUTHENTICATED, False),
        (Status.INVALID_ARGUMENT, False),
        (Status.UNIMPLEMENTED, False),
    ],
)
async def test_a_status_leaves_doubt_where_it_may_have_come_behind_the_acknowledgement(
    gateway: SimulatedGateway, client: GatewayClient, active: str, status: Status, in_doubt: bool
) -> None:
    gateway.fail_next("AcknowledgeAlarm", status, "no", times=5)
    with pytest.raises(MxGatewayError) as caught:
        await client.acknowledge_alarm(active)
    assert (DOUBT in str(caught.value)) is in_doubt
    assert caught.value.grpc_status is not None
    assert caught.value.grpc_status.value == status.value
    assert caught.value.__cause__ is not None
    assert len(requests(gateway, "AcknowledgeAlarm")) == 1


async def test_what_was_never_sent_leaves_no_doubt(gateway: SimulatedGateway, client: GatewayClient) -> None:
    await gateway.stop()
    with pytest.raises(MxGatewayTransportError) as caught:
        await client.acknowledge_alarm(HIHI, timeout=5)
    assert DOUBT not in str(caught.value)
    await gateway.start()
