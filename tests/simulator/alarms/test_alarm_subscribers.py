"""Alarms of generated plants, what each subscriber has asked for, and readers that are too slow."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxgateway.simulator import AlarmLimit, Plant, SimulatedGateway, SimulatorOptions, generated_plant
from tests.simulator.peer import CONTRACT, Peer, PeerSession, ending, ok, take

TANK = "Tank01.Level"
HIHI, HI = "Galaxy!Area1.Tank01.HiHi", "Galaxy!Area1.Tank01.Hi"
AREA1 = "Galaxy!Area1"
SUBTAG, ALARMMGR = (CONTRACT.number(f"ALARM_PROVIDER_MODE_{mode}") for mode in ("SUBTAG", "ALARMMGR"))


def limits_of(plant: Plant) -> dict[str, tuple[str, AlarmLimit]]:
    """Return the tag and the limit of each alarm, by its full reference."""
    return {
        f"{plant.name}!{plant.area_of(obj)}.{obj.tag_name}.{limit.name}": (f"{obj.tag_name}.{attribute.name}", limit)
        for obj in plant.objects
        for attribute in obj.template.attributes
        for limit in attribute.alarms
    }


class TestAlarmsOfAGeneratedPlant:
    async def test_values_beyond_a_limit_raise_and_clear_them(self) -> None:
        plant = generated_plant(200, 10, seed=1)
        limits = limits_of(plant)
        reference, (tag, limit) = next(item for item in limits.items() if item[0].endswith(".Hi"))
        async with SimulatedGateway(plant=plant) as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
            stream = peer.stream("StreamAlarms", alarm_filter_prefix=reference)
            await take(stream, 2)
            session = await peer.open()
            await session.advise(tag)
            gateway.set_tag(tag, limit.limit + 1)
            gateway.set_tag(tag, limit.limit)
            for event, kind in zip(await take(stream, 2), ["RAISE", "CLEAR"], strict=True):
                assert event.transition.transition_kind == CONTRACT.number(f"ALARM_TRANSITION_KIND_{kind}")
                assert event.transition.alarm_full_reference == reference
                assert event.transition.alarm_type_name == "Hi"
            stream.cancel()

    async def test_each_can_be_raised_acknowledged_and_cleared_on_demand(self) -> None:
        plant = generated_plant(120, 10, seed=2)
        limits = limits_of(plant)
        assert len(limits) > 100
        async with SimulatedGateway(plant=plant) as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
            for reference in limits:
                gateway.alarms.raise_alarm(reference)
            snapshots = [each async for each in peer.stream("QueryActiveAlarms")]
            assert {each.alarm_full_reference for each in snapshots} == set(limits)
            reply = ok(await peer.call("AcknowledgeAlarm", alarm_full_reference=snapshots[-1].alarm_full_reference))
            assert reply.hresult == 0
            for reference in limits:
                gateway.alarms.clear_alarm(reference)
            assert [each async for each in peer.stream("QueryActiveAlarms")] == []

    async def test_the_snapshot_is_what_the_values_say_after_any_changes(self) -> None:
        plant = generated_plant(150, 10, seed=5)
        limits = limits_of(plant)
        tags = sorted({tag for tag, _ in limits.values()})
        rng = random.Random(11)
        values: dict[str, float] = {}
        async with SimulatedGateway(plant=plant) as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
            for _ in range(300):
                tag = rng.choice(tags)
                values[tag] = rng.randrange(-400, 400)
                gateway.set_tag(tag, values[tag])
            expected = {ref for ref, (tag, limit) in limits.items() if tag in values and limit.is_beyond(values[tag])}
            told = {each.alarm_full_reference async for each in peer.stream("QueryActiveAlarms")}
            assert told == expected


async def test_an_alarm_that_the_galaxy_does_not_have_is_unknown(gateway: SimulatedGateway) -> None:
    for reference in (
        "Galaxy!Area1.Tank01.Nobody",
        "Galaxy!Area2.Tank01.Hi",
        "Galaxy!Area1.Nobody.Hi",
        "Tank01.Hi",
        "",
    ):
        with pytest.raises(KeyError):
            gateway.alarms.raise_alarm(reference)


async def test_an_alarm_goes_where_its_object_goes(gateway: SimulatedGateway, peer: Peer) -> None:
    gateway.set_tag(TANK, 85.0)
    stream = peer.stream("StreamAlarms", alarm_filter_prefix=AREA1)
    await take(stream, 3)
    gateway.deploy(rename={"Tank01": "Tank07"})
    [cleared] = await take(stream, 1)
    assert cleared.transition.alarm_full_reference == HI
    assert cleared.transition.transition_kind == CONTRACT.number("ALARM_TRANSITION_KIND_CLEAR")
    gateway.set_tag("Tank07.Level", 85.0)
    assert [each.transition.source_object_reference for each in await take(stream, 1)] == ["Tank07.Hi"]
    stream.cancel()


async def test_an_alarm_stays_active_through_a_deployment_that_leaves_it_alone(
    gateway: SimulatedGateway, peer: Peer
) -> None:
    gateway.set_tag(TANK, 85.0)
    gateway.deploy(remove=["Pump01"])
    assert [
        each.alarm_full_reference async for each in peer.stream("QueryActiveAlarms", alarm_filter_prefix=AREA1)
    ] == [HI]


class TestWhatASessionAsksFor:
    async def test_a_session_that_keeps_to_the_subtags_gets_fewer_fields_from_the_start(
        self, gateway: SimulatedGateway, session: PeerSession
    ) -> None:
        ok(await session.invoke("subscribe_alarms", forced_mode=SUBTAG))
        gateway.set_tag(TANK, 85.0)
        gateway.alarms.fail_over(degraded=True)
        gateway.alarms.fail_over(degraded=False)
        [event] = await session.drain()
        assert (event.on_alarm_transition.degraded, event.on_alarm_transition.source_provider) == (True, SUBTAG)
        assert not event.on_alarm_transition.HasField("limit_value")
        assert event.on_alarm_transition.alarm_type_name == ""

    async def test_a_session_that_keeps_to_the_alarm_manager_hears_nothing_without_it(
        self, gateway: SimulatedGateway, session: PeerSession
    ) -> None:
        ok(await session.invoke("subscribe_alarms", forced_mode=ALARMMGR))
        gateway.alarms.fail_over(degraded=True)
        gateway.set_tag(TANK, 85.0)
        assert await session.drain() == []
        gateway.alarms.fail_over(degraded=False)
        gateway.set_tag(TANK, 50.0)
        [event] = await session.drain()
        assert event.on_alarm_transition.source_provider == ALARMMGR

    async def test_the_subtags_tell_of_the_alarms_in_the_watch_list_alone(
        self, gateway: SimulatedGateway, session: PeerSession
    ) -> None:
        watched = [{"alarm_full_reference": HIHI.upper()}]
        ok(await session.invoke("subscribe_alarms", watch_list=watched, failover={"consecutive_failure_threshold": 2}))
        gateway.set_tag(TANK, 95.0)
        gateway.alarms.fail_over(degraded=True)
        gateway.set_tag(TANK, 50.0)
        raised, raised_too, mode, cleared = await session.drain()
        assert {each.on_alarm_transition.alarm_full_reference for each in (raised, raised_too)} == {HI, HIHI}
        assert mode.on_alarm_provider_mode_changed.status.degraded
        assert cleared.on_alarm_transition.alarm_full_reference == HIHI

    async def test_what_is_asked_for_last_holds(self, gateway: SimulatedGateway, session: PeerSession) -> None:
        ok(await session.invoke("subscribe_alarms", forced_mode=SUBTAG))
        ok(await session.invoke("subscribe_alarms"))
        gateway.set_tag(TANK, 85.0)
        [event] = await session.drain()
        assert not event.on_alarm_transition.degraded


class TestAReaderThatIsTooSlow:
    async def test_it_loses_its_feed_when_too_much_waits(self) -> None:
        options = SimulatorOptions(event_queue_limit=50)
        async with SimulatedGateway(options=options) as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
            stream = peer.stream("StreamAlarms", alarm_filter_prefix=HI)
            await take(stream, 2)
            for _ in range(60):  # at once: nothing is sent meanwhile
                gateway.alarms.raise_alarm(HI)
            code, text = await ending(stream)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "overflowed at 50 messages" in text
            again = peer.stream("StreamAlarms", alarm_filter_prefix=HI)
            [active, *_] = await take(again, 3)
            assert active.active_alarm.alarm_full_reference == HI
            again.cancel()

    async def test_a_reader_that_stops_reading_loses_it_too_and_no_other_reader_does(self) -> None:
        narrow = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
        options = SimulatorOptions(event_queue_limit=500)
        async with (
            SimulatedGateway(options=options) as gateway,
            Peer(gateway.endpoint, gateway.api_key, options=narrow) as slow,
            Peer(gateway.endpoint, gateway.api_key) as quick,
        ):
            streams = [peer.stream("StreamAlarms", alarm_filter_prefix=HI) for peer in (slow, quick)]
            for stream in streams:
                await take(stream, 2)
            for _ in range(40):
                for _ in range(100):
                    gateway.alarms.raise_alarm(HI)
                await take(streams[1], 100)
            assert (await ending(streams[0]))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
            streams[1].cancel()

    async def test_the_snapshot_does_not_count(self) -> None:
        options = SimulatorOptions(event_queue_limit=5)
        plant = generated_plant(60, 10)
        async with (
            SimulatedGateway(plant=plant, options=options) as gateway,
            Peer(gateway.endpoint, gateway.api_key) as peer,
        ):
            limits = limits_of(plant)
            for reference in limits:
                gateway.alarms.raise_alarm(reference)
            stream = peer.stream("StreamAlarms")
            messages = await take(stream, len(limits) + 2)
            assert messages[-2].snapshot_complete
            await asyncio.sleep(0)
            stream.cancel()


KINDS = {
    CONTRACT.number(f"ALARM_TRANSITION_KIND_{name}"): name for name in ("RAISE", "RETRIGGER", "ACKNOWLEDGE", "CLEAR")
}
NAMES = ("HiHi", "Hi", "Lo", "LoLo")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from([5.0, 15.0, 50.0, 80.0, 85.0, 95.0])),
        st.tuples(st.sampled_from(["raise", "clear", "acknowledge"]), st.sampled_from(NAMES)),
        st.tuples(st.just("fail over"), st.booleans()),
        st.tuples(st.just("deploy"), st.none()),
    ),
    max_size=25,
)


def carry_out(gateway: SimulatedGateway, step: str, what: Any) -> None:
    reference = f"{AREA1}.Tank01.{what}"
    match step:
        case "set":
            gateway.set_tag(TANK, what)
        case "raise":
            gateway.alarms.raise_alarm(reference)
        case "clear":
            gateway.alarms.clear_alarm(reference)
        case "acknowledge":
            gateway.alarms.acknowledge(reference, "seen", "me")
        case "fail over":
            gateway.alarms.fail_over(degraded=what)
        case _:
            gateway.deploy()


def follow(told: dict[str, bool], event: Any) -> None:
    """Keep the active alarms, and whether each is acknowledged, as a client would, and see that each transition is possible."""
    reference = event.alarm_full_reference
    match KINDS[event.transition_kind]:
        case "RAISE":
            assert reference not in told
            told[reference] = False
        case "RETRIGGER":
            assert reference in told
            told[reference] = False
        case "ACKNOWLEDGE":
            assert reference in told
            told[reference] = True
        case "CLEAR":
            del told[reference]


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_transitions_add_up_to_the_snapshot_after_any_schedule(schedule: list[tuple[str, Any]]) -> None:
    async def play() -> None:
        async with SimulatedGateway() as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
            stream = peer.stream("StreamAlarms", alarm_filter_prefix=AREA1)
            await take(stream, 2)
            for step, what in schedule:
                carry_out(gateway, step, what)
            gateway.alarms.fail_over(degraded=False, reason="the end")
            told: dict[str, bool] = {}
            degraded, reason = False, ""
            while reason != "the end":
                [message] = await take(stream, 1)
                if message.HasField("provider_status"):
                    degraded, reason = message.provider_status.degraded, message.provider_status.reason
                else:
                    assert message.transition.degraded == degraded
                    follow(told, message.transition)
            acked = CONTRACT.number("ALARM_CONDITION_STATE_ACTIVE_ACKED")
            snapshots = [each async for each in peer.stream("QueryActiveAlarms", alarm_filter_prefix=AREA1)]
            assert told == {each.alarm_full_reference: each.current_state == acked for each in snapshots}
            stream.cancel()

    asyncio.run(play())
