from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from mxgateway.simulator import ManualClock, SimulatedGateway
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, E_INVALIDARG, PATIENCE, Peer, PeerSession, ok, take

HIHI, HI = "Galaxy!Area1.Tank01.HiHi", "Galaxy!Area1.Tank01.Hi"
TANK = "Tank01.Level"
AREA1 = "Galaxy!Area1"


def kinds(messages: list[Any]) -> list[str]:
    return [message.WhichOneof("payload") for message in messages]


def transition(name: str) -> int:
    return CONTRACT.number(f"ALARM_TRANSITION_KIND_{name}")


async def feed(peer: Peer, prefix: str = AREA1) -> Any:
    return peer.stream("StreamAlarms", alarm_filter_prefix=prefix)


async def test_a_feed_begins_with_the_active_alarms_the_end_of_the_snapshot_and_the_provider(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer
) -> None:
    clock.advance(5)
    gateway.set_tag(TANK, 95.0)
    raised = clock.now_ns()
    clock.advance(5)
    first, second, complete, status = await take(await feed(peer), 4)
    alarms = {message.active_alarm.alarm_full_reference: message.active_alarm for message in (first, second)}
    assert set(alarms) == {HIHI, HI}
    alarm = alarms[HIHI]
    assert alarm.source_object_reference == "Tank01.HiHi"
    assert alarm.severity == 900
    assert alarm.original_raise_timestamp.ToNanoseconds() == raised
    assert alarm.last_transition_timestamp.ToNanoseconds() == raised
    assert alarm.current_state == CONTRACT.number("ALARM_CONDITION_STATE_ACTIVE")
    assert alarm.current_value.float_value == 95.0
    assert alarm.limit_value.float_value == 90.0
    assert alarm.description == "Level very high"
    assert (alarm.degraded, alarm.source_provider) == (False, CONTRACT.number("ALARM_PROVIDER_MODE_ALARMMGR"))
    assert complete.snapshot_complete
    assert not status.provider_status.degraded
    assert status.provider_status.mode == CONTRACT.number("ALARM_PROVIDER_MODE_ALARMMGR")


async def test_an_alarm_goes_through_raise_acknowledge_retrigger_and_clear(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer
) -> None:
    stream = await feed(peer)
    assert kinds(await take(stream, 2)) == ["snapshot_complete", "provider_status"]
    gateway.set_tag(TANK, 85.0)
    clock.advance(1)
    reply = ok(await peer.call("AcknowledgeAlarm", alarm_full_reference=HI, comment="seen", operator_user="me"))
    assert (reply.hresult, reply.HasField("hresult"), reply.HasField("status")) == (0, True, False)
    gateway.alarms.raise_alarm(HI)
    gateway.set_tag(TANK, 50.0)
    messages = [message.transition for message in await take(stream, 4)]
    expected = ["RAISE", "ACKNOWLEDGE", "RETRIGGER", "CLEAR"]
    assert [message.transition_kind for message in messages] == [transition(name) for name in expected]
    assert {message.alarm_full_reference for message in messages} == {HI}
    acknowledged = messages[1]
    assert (acknowledged.operator_user, acknowledged.operator_comment) == ("me", "seen")
    assert acknowledged.transition_timestamp.ToNanoseconds() == clock.now_ns()
    assert messages[3].current_value.float_value == 50.0


async def test_a_low_limit_is_active_below_it(gateway: SimulatedGateway) -> None:
    gateway.set_tag(TANK, 5.0)
    assert [alarm.reference for alarm in gateway.alarms.active(AREA1)] == [
        "Galaxy!Area1.Tank01.Lo",
        "Galaxy!Area1.Tank01.LoLo",
    ]
    gateway.set_tag(TANK, None, quality=0)
    assert len(list(gateway.alarms.active(AREA1))) == 2, "a tag without a value changes no alarm"


async def test_the_plants_own_changes_raise_alarms(gateway: SimulatedGateway, clock: ManualClock, peer: Peer) -> None:
    stream = await feed(peer, "Galaxy!TankYard")
    await asyncio.wait_for(stream.initial_metadata(), PATIENCE)
    clock.advance(240)
    seen = [message.transition.transition_kind for message in await take(stream, 12) if message.HasField("transition")]
    assert {transition("RAISE"), transition("CLEAR")} == set(seen)


async def test_any_number_of_clients_get_each_their_own_prefix(gateway: SimulatedGateway, peer: Peer) -> None:
    one, all_of_it, none = await feed(peer, HIHI), await feed(peer), await feed(peer, "Other!")
    for stream in (one, all_of_it, none):
        await take(stream, 2)
    gateway.set_tag(TANK, 95.0)
    assert [message.transition.alarm_full_reference for message in await take(one, 1)] == [HIHI]
    assert len(await take(all_of_it, 2)) == 2
    none.cancel()


async def test_query_gives_the_snapshot_and_ends(gateway: SimulatedGateway, peer: Peer) -> None:
    gateway.set_tag(TANK, 95.0)
    for prefix, count in ((AREA1, 2), (HIHI, 1), ("Other!", 0)):
        query = peer.stream("QueryActiveAlarms", alarm_filter_prefix=prefix, session_id="ignored")
        assert len([snapshot async for snapshot in query]) == count
        assert await query.code() is grpc.StatusCode.OK


async def test_an_acknowledged_alarm_is_shown_as_such(gateway: SimulatedGateway, peer: Peer) -> None:
    gateway.set_tag(TANK, 85.0)
    guid = str(gateway.alarms.alarm(HI).guid)
    ok(await peer.call("AcknowledgeAlarm", alarm_full_reference=guid, comment="c", operator_user="me"))
    [snapshot] = [snapshot async for snapshot in peer.stream("QueryActiveAlarms", alarm_filter_prefix=AREA1)]
    assert snapshot.current_state == CONTRACT.number("ALARM_CONDITION_STATE_ACTIVE_ACKED")
    assert snapshot.operator_user == "me"


async def test_acknowledging_what_is_unknown_or_not_active_is_a_native_failure(peer: Peer) -> None:
    reply = ok(
        await peer.call("AcknowledgeAlarm", alarm_full_reference="Galaxy!Area1.Nobody.Hi", client_correlation_id="c")
    )
    assert reply.hresult == E_INVALIDARG
    assert reply.correlation_id == "c"
    assert ok(await peer.call("AcknowledgeAlarm", alarm_full_reference=HI)).hresult < 0


@pytest.mark.parametrize("reference", ["Tank01.Hi", "Galaxy!Area1", "!Area1.x", "Galaxy!.x", "Galaxy!Area1.", "1234"])
async def test_a_reference_that_is_neither_guid_nor_name_is_an_invalid_request(peer: Peer, reference: str) -> None:
    reply = await peer.call("AcknowledgeAlarm", alarm_full_reference=reference)
    assert reply.protocol_status.code == CONTRACT.number("PROTOCOL_STATUS_CODE_INVALID_REQUEST")
    assert not reply.HasField("hresult")


async def test_an_empty_reference_is_an_invalid_argument(peer: Peer) -> None:
    assert (await peer.fails("AcknowledgeAlarm")).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_failover_is_told_and_the_subtags_know_less(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer
) -> None:
    stream = await feed(peer)
    await take(stream, 2)
    clock.advance(7)
    gateway.alarms.fail_over(degraded=True, reason="the alarm manager is silent")
    gateway.set_tag(TANK, 85.0)
    gateway.alarms.fail_over(degraded=False)
    status, message, back = await take(stream, 3)
    assert status.provider_status.degraded
    assert status.provider_status.mode == CONTRACT.number("ALARM_PROVIDER_MODE_SUBTAG")
    assert status.provider_status.reason == "the alarm manager is silent"
    assert status.provider_status.since.ToNanoseconds() == clock.now_ns()
    assert message.transition.degraded
    assert not message.transition.HasField("limit_value")
    assert not back.provider_status.degraded


async def test_a_sessions_events_tell_alarms_while_it_is_subscribed(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    gateway.set_tag(TANK, 85.0)
    ok(await session.invoke("subscribe_alarms"))
    gateway.set_tag(TANK, 50.0)
    gateway.alarms.fail_over(degraded=True)
    ok(await session.invoke("unsubscribe_alarms"))
    gateway.set_tag(TANK, 85.0)
    change, mode = await session.drain()
    assert change.family == CONTRACT.number("MX_EVENT_FAMILY_ON_ALARM_TRANSITION")
    assert mode.family == CONTRACT.number("MX_EVENT_FAMILY_ON_ALARM_PROVIDER_MODE_CHANGED")
    assert [event.worker_sequence for event in (change, mode)] == [1, 2]
    assert change.on_alarm_transition.transition_kind == transition("CLEAR")
    assert mode.on_alarm_provider_mode_changed.status.degraded


async def test_the_worker_answers_alarm_commands_too(gateway: SimulatedGateway, session: PeerSession) -> None:
    gateway.set_tag(TANK, 95.0)
    snapshots = ok(await session.invoke("query_active_alarms", alarm_filter_prefix=HI)).query_active_alarms.snapshots
    assert {snapshot.alarm_full_reference for snapshot in snapshots} == {HI, HIHI}
    guid = str(gateway.alarms.alarm(HI).guid)
    assert ok(await session.invoke("acknowledge_alarm", alarm_guid=guid)).acknowledge_alarm.native_status == 0
    name = {"provider_name": "Galaxy", "group_name": "Area1", "alarm_name": "Tank01.HiHi"}
    reply = ok(await session.invoke("acknowledge_alarm_by_name", **name))
    assert reply.acknowledge_alarm.native_status == 0
    assert all(alarm.is_acknowledged for alarm in gateway.alarms.active(AREA1))
    assert ok(await session.invoke("acknowledge_alarm", alarm_guid="x")).acknowledge_alarm.native_status < 0


async def test_only_the_session_that_subscribed_to_alarms_is_told_and_each_transition_once(
    gateway: SimulatedGateway, peer: Peer, session: PeerSession
) -> None:
    other = await peer.open()
    for _ in range(2):
        assert ok(await session.invoke("subscribe_alarms")).WhichOneof("payload") is None
    gateway.set_tag(TANK, 85.0)
    assert [event.on_alarm_transition.alarm_full_reference for event in await session.drain()] == [HI]
    assert await other.drain() == []
    for _ in range(2):
        assert ok(await session.invoke("unsubscribe_alarms")).WhichOneof("payload") is None


async def test_a_feed_that_has_gone_is_forgotten(gateway: SimulatedGateway, peer: Peer, until: Until) -> None:
    stream = await feed(peer)
    await asyncio.wait_for(stream.initial_metadata(), PATIENCE)
    stream.cancel()
    await until(lambda: not gateway.alarms._feeds)


async def test_an_alarm_of_an_object_that_is_deployed_no_more_clears(gateway: SimulatedGateway, peer: Peer) -> None:
    from mxgateway.simulator import generated_plant

    gateway.set_tag(TANK, 85.0)
    stream = await feed(peer)
    await take(stream, 3)
    gateway.deploy(generated_plant(10))
    [message] = await take(stream, 1)
    assert message.transition.transition_kind == transition("CLEAR")
    assert list(gateway.alarms.active()) == []
