"""The alarm feed over real TCP: the contract's order, every field exactly, and whatever a newer gateway may add."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    ActiveAlarm,
    AlarmFeed,
    AlarmProviderStatus,
    AlarmTransition,
    GatewayClient,
    GrpcStatus,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    SnapshotComplete,
    Timestamp,
    proto,
)
from mxgateway.simulator import ManualClock, SimulatedGateway, SimulatedKey
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.alarms.rig import ELSEWHERE, HI, HIHI, alarm_plant, script
from tests.client.support import connect, requests, until

ALARMMGR, SUBTAG = proto.AlarmProviderMode.ALARMMGR, proto.AlarmProviderMode.SUBTAG
Kind = proto.AlarmTransitionKind


def now(clock: ManualClock) -> Timestamp:
    seconds, nanoseconds = divmod(clock.now_ns(), 10**9)
    return Timestamp.from_parts(seconds, nanoseconds)


async def take(feed: AlarmFeed, count: int) -> list[Any]:
    async with asyncio.timeout(10):
        return [await anext(feed) for _ in range(count)]


async def test_the_feed_tells_what_is_active_the_end_of_that_the_provider_and_then_every_transition(
    gateway: SimulatedGateway, client: GatewayClient, clock: ManualClock
) -> None:
    clock.advance(0.1234567)
    gateway.set_tag("Tank1.Level", 95.0)
    raised = now(clock)
    async with client.stream_alarms(HIHI) as feed:
        alarm, complete, provider = await take(feed, 3)
        clock.advance(1)
        gateway.alarms.acknowledge(HIHI, "seen", "me")
        acknowledged = now(clock)
        clock.advance(1)
        gateway.alarms.raise_alarm(HIHI)
        again = now(clock)
        clock.advance(1)
        gateway.set_tag("Tank1.Level", 50.0)
        gateway.set_tag("Tank1.Level", 99.5)
        transitions = await take(feed, 4)

    first = ActiveAlarm(
        reference=HIHI, source="Tank1.HiHi", type_name="HiHi", state=proto.AlarmConditionState.ACTIVE, severity=900,
        raised_at=raised, changed_at=raised, operator="", comment="", category="Process",
        description="Level very high", value=95.0, limit=90.0, degraded=False, provider=ALARMMGR,
    )  # fmt: skip
    assert alarm == first
    assert alarm.raised_at.nanosecond == 700
    assert complete == SnapshotComplete()
    assert (provider.mode, provider.degraded, provider.reason) == (ALARMMGR, False, "")
    assert provider.since is not None
    assert [each.kind for each in transitions] == [Kind.ACKNOWLEDGE, Kind.RETRIGGER, Kind.CLEAR, Kind.RAISE]
    ack, retrigger, clear, raise_ = transitions
    assert (ack.operator, ack.comment, ack.time, ack.raised_at) == ("me", "seen", acknowledged, raised)
    assert (retrigger.operator, retrigger.raised_at, retrigger.time) == ("", again, again)
    assert (clear.value, clear.raised_at, clear.time) == (50.0, again, now(clock))
    assert (raise_.value, raise_.limit, raise_.description) == (99.5, 90.0, "Level very high")


async def test_a_degraded_provider_tells_less_and_a_failover_is_told(
    gateway: SimulatedGateway, client: GatewayClient, clock: ManualClock
) -> None:
    gateway.alarms.raise_alarm(HIHI)
    async with client.stream_alarms() as feed:
        full = (await take(feed, 3))[0]
        clock.advance(5)
        gateway.alarms.fail_over(degraded=True, reason="the alarm manager is gone")
        gateway.alarms.acknowledge(HIHI, "seen", "me")
        status, acknowledged = await take(feed, 2)
    (poor,) = await client.query_active_alarms()

    assert status == AlarmProviderStatus(
        mode=SUBTAG, degraded=True, reason="the alarm manager is gone", since=now(clock)
    )
    assert isinstance(acknowledged, AlarmTransition)
    assert (acknowledged.degraded, acknowledged.operator, acknowledged.description) == (True, "", "")
    assert acknowledged.value is None
    assert poor == replace(
        full, state=proto.AlarmConditionState.ACTIVE_ACKED, changed_at=now(clock), degraded=True, provider=SUBTAG,
        type_name="", category="", description="", value=None, limit=None,
    )  # fmt: skip


async def test_a_prefix_leaves_out_other_alarms(gateway: SimulatedGateway, client: GatewayClient) -> None:
    gateway.alarms.raise_alarm(HIHI)
    gateway.alarms.raise_alarm(ELSEWHERE)
    async with client.stream_alarms("Galaxy!Area1.", correlation_id="order-4711") as feed:
        first, complete, _ = await take(feed, 3)
        gateway.alarms.clear_alarm(ELSEWHERE)
        gateway.alarms.raise_alarm(HI)
        (transition,) = await take(feed, 1)
    found = await client.query_active_alarms("Galaxy!Area2.", correlation_id="order-4712")

    assert (first.reference, complete, transition.reference) == (HIHI, SnapshotComplete(), HI)
    assert found == []
    assert requests(gateway, "StreamAlarms") == [proto.StreamAlarmsRequest("order-4711", "Galaxy!Area1.")]
    assert requests(gateway, "QueryActiveAlarms") == [
        proto.QueryActiveAlarmsRequest(client_correlation_id="order-4712", alarm_filter_prefix="Galaxy!Area2.")
    ]


async def test_the_query_returns_every_active_alarm_as_the_feed_tells_it(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    assert await client.query_active_alarms() == []
    for reference in (HIHI, HI, ELSEWHERE):
        gateway.alarms.raise_alarm(reference)
    gateway.alarms.acknowledge(HI, "ok", "me")
    async with client.stream_alarms() as feed:
        told = await take(feed, 3)
    found = await client.query_active_alarms()

    assert found == told
    assert [(alarm.is_active, alarm.is_acknowledged) for alarm in found] == [(True, False), (True, True), (True, False)]


async def test_what_this_client_does_not_know_breaks_nothing(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = proto.ActiveAlarmSnapshot(
        alarm_full_reference=HI,
        current_state=proto.AlarmConditionState.try_value(77),
        source_provider=proto.AlarmProviderMode.try_value(78),
        current_value=proto.MxValue(raw_data_type=99, raw_diagnostic="no such type", raw_value=b"\x01"),
    )
    transition = proto.OnAlarmTransitionEvent(alarm_full_reference=HI, transition_kind=Kind.try_value(79))
    status = proto.AlarmProviderStatus(mode=proto.AlarmProviderMode.try_value(80), reason="new")
    messages = [
        proto.AlarmFeedMessage(),  # as a payload that this client does not know arrives
        proto.AlarmFeedMessage(active_alarm=odd),
        proto.AlarmFeedMessage(snapshot_complete=False),
        proto.AlarmFeedMessage(snapshot_complete=True),
        proto.AlarmFeedMessage(provider_status=status),
        proto.AlarmFeedMessage(transition=transition),
    ]
    script(gateway, monkeypatch, *messages)
    async with client.stream_alarms() as feed:
        alarm, complete, provider, last = await take(feed, 4)

    assert (int(alarm.state), alarm.state.name, int(alarm.provider), alarm.is_active) == (77, None, 78, True)
    assert (alarm.raised_at, alarm.limit, str(alarm.value)) == (
        None,
        None,
        "unconverted value of MXAccess type 99: no such type",
    )
    assert complete == SnapshotComplete()
    assert (int(provider.mode), provider.since) == (80, None)
    assert (int(last.kind), last.kind.name) == (79, None)


async def test_the_epoch_is_a_time_and_an_unset_time_is_none(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = Timestamp.from_parts(0, 0)
    alarm = proto.ActiveAlarmSnapshot(alarm_full_reference=HI, original_raise_timestamp=epoch)
    monkeypatch.setattr(gateway.alarms, "snapshots", lambda prefix: [alarm])
    (found,) = await client.query_active_alarms()
    assert (found.raised_at, found.changed_at) == (epoch, None)


async def test_messages_returns_what_has_arrived_and_leaves_nothing_to_the_iterator(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    for reference in (HIHI, HI, ELSEWHERE):
        gateway.alarms.raise_alarm(reference)
    feed = client.stream_alarms()
    found: list[Any] = await take(feed, 1)
    async with asyncio.timeout(10):
        while len(found) < 5:
            found += await feed.messages()
    await feed.aclose()
    assert [type(each) for each in found] == [ActiveAlarm] * 3 + [SnapshotComplete, AlarmProviderStatus]
    assert await feed.messages() == []


async def test_the_raw_calls_bring_the_contracts_own_messages(gateway: SimulatedGateway, client: GatewayClient) -> None:
    gateway.alarms.raise_alarm(HIHI)
    async with client.stream_alarms_raw(proto.StreamAlarmsRequest(alarm_filter_prefix=HIHI)) as feed:
        first = await anext(feed)
    async with client.query_active_alarms_raw(proto.QueryActiveAlarmsRequest(alarm_filter_prefix=HIHI)) as query:
        alarms = [alarm async for alarm in query]
    assert alarms == gateway.alarms.snapshots(HIHI)
    assert [first.active_alarm] == alarms


# -- the end


async def test_a_feed_that_is_closed_is_closed_at_the_gateway(gateway: SimulatedGateway, client: GatewayClient) -> None:
    feed = client.stream_alarms()
    await take(feed, 2)
    assert len(gateway.alarms._feeds) == 1
    await feed.aclose()
    await feed.aclose()
    await until(lambda: not gateway.alarms._feeds)
    with pytest.raises(StopAsyncIteration):
        await anext(feed)


@pytest.mark.parametrize("how", ["reset", "stop", "goodbye"])
async def test_a_feed_ends_with_the_fault_that_has_ended_it(
    gateway: SimulatedGateway, client: GatewayClient, how: str
) -> None:
    async with FaultProxy(gateway.port) as proxy, connect(gateway, endpoint=proxy.endpoint) as through:
        async with through.stream_alarms() as feed:
            await take(feed, 2)
            if how == "reset":
                proxy.reset_all()
            elif how == "stop":
                await gateway.stop()
            else:
                gateway.drop_connections(politely=True)
            with pytest.raises(MxGatewayTransportError) as caught:
                await take(feed, 1)
            with pytest.raises(StopAsyncIteration):
                await anext(feed)
        if how == "stop":
            await gateway.start()
    assert caught.value.method == "MxAccessGateway/StreamAlarms"
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.UNAVAILABLE, MxGatewayTransportError),
        (Status.RESOURCE_EXHAUSTED, MxGatewayTransportError),
        (Status.PERMISSION_DENIED, MxGatewayAuthorizationError),
        (Status.DEADLINE_EXCEEDED, MxGatewayTimeoutError),
    ],
)
async def test_a_status_of_the_gateway_is_told_without_a_word_of_sessions(
    gateway: SimulatedGateway, client: GatewayClient, status: Status, expected: type[MxGatewayError]
) -> None:
    gateway.fail_next("StreamAlarms", status, "no")
    with pytest.raises(expected) as caught:
        await take(client.stream_alarms(), 1)
    assert type(caught.value) is expected
    assert caught.value.grpc_status is GrpcStatus(status.value)
    assert "session" not in str(caught.value)


async def test_the_bound_of_a_feed_ends_it(client: GatewayClient) -> None:
    async with client.stream_alarms(timeout=0.05) as feed:
        await take(feed, 2)
        with pytest.raises(MxGatewayTimeoutError):
            await take(feed, 1)


async def test_a_query_is_bounded_by_the_clients_call_timeout(gateway: SimulatedGateway) -> None:
    async with FaultProxy(gateway.port) as proxy:
        async with connect(gateway, endpoint=proxy.endpoint, call_timeout=0.05) as client:
            proxy.to_client.freeze()
            with pytest.raises(MxGatewayTimeoutError, match=r"within 0.05 s.*allow more time"):
                async with asyncio.timeout(10):
                    await client.query_active_alarms()
            proxy.both.heal()


async def test_a_query_is_tried_again_while_the_gateway_is_unavailable(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.alarms.raise_alarm(HI)
    gateway.fail_next("QueryActiveAlarms", Status.UNAVAILABLE, "starting")
    assert [alarm.reference for alarm in await client.query_active_alarms()] == [HI]
    assert client.stats().calls_retried == 1


async def test_a_key_without_the_scope_is_told_which() -> None:
    key = SimulatedKey(key_id="reader", scopes=frozenset())
    async with SimulatedGateway(plant=alarm_plant(), api_keys=[key, SimulatedKey(key_id="all")]) as gateway:
        async with connect(gateway, api_key=key.reveal()) as client:
            with pytest.raises(MxGatewayAuthorizationError) as caught:
                await client.query_active_alarms()
            assert caught.value.required_scope == "events:read"
            with pytest.raises(MxGatewayAuthorizationError) as caught:
                await take(client.stream_alarms(), 1)
            assert caught.value.required_scope == "events:read"
            with pytest.raises(MxGatewayAuthorizationError) as caught:
                await client.acknowledge_alarm(HI)
            assert caught.value.required_scope == "invoke:write"


async def test_wrong_arguments_are_refused_before_anything_is_sent(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    bad: list[dict[str, Any]] = [
        {"prefix": "a\0"},
        {"prefix": 5},
        {"prefix": None},
        {"timeout": -1},
        {"timeout": "5"},
        {"correlation_id": "\0"},
        {"correlation_id": "x" * 1001},
    ]
    for keywords in bad:
        with pytest.raises(MxGatewayInvalidRequestError, match=next(iter(keywords))):
            client.stream_alarms(**keywords)
        with pytest.raises(MxGatewayInvalidRequestError, match=next(iter(keywords))):
            await client.query_active_alarms(**keywords)
    assert not gateway.received
