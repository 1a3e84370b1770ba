"""The alarms of a recording are played to feeds, snapshots and sessions as they were."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import mxgateway
from mxgateway import proto, to_json_dict
from mxgateway.simulator import ManualClock, Recording, RecordingWriter, SimulatedGateway
from tests.recording.recorder import alarms, client_of, moved, written

HIHI = "Galaxy!Area1.Tank01.HiHi"
HI = "Galaxy!Area1.Tank01.Hi"

Act = Callable[[SimulatedGateway], Awaitable[None]]


async def feed_of(gateway: SimulatedGateway, path: Path, count: int, act: Act) -> Recording:
    """Record so many messages of the alarm feed, while something happens."""
    lines: list[str] = []
    writer = RecordingWriter(lines.append, alarms=True)
    async with client_of(gateway) as client, client.stream_alarms_raw(proto.StreamAlarmsRequest()) as feed:
        acting: asyncio.Task[None] | None = None
        async for message in feed:
            writer.alarm(message)
            if acting is None:
                acting = asyncio.ensure_future(act(gateway))
            if writer.alarms == count:
                break
        assert acting is not None
        await acting
    writer.end("count")
    return written(path, lines)


async def rise_and_fall(gateway: SimulatedGateway) -> None:
    """Raise, acknowledge and clear, and fail over."""
    await moved(gateway, 1)
    gateway.alarms.raise_alarm(HI)
    gateway.alarms.acknowledge(HI, "a secret comment", "somebody")
    await moved(gateway, 1)
    gateway.alarms.fail_over(degraded=True, reason="test")
    gateway.set_tag("Tank01.Level", 50.0)


async def on(gateway: SimulatedGateway) -> None:
    """Let time pass."""
    await moved(gateway, 60)


async def raised(path: Path) -> Recording:
    async with SimulatedGateway(clock=ManualClock()) as gateway:
        gateway.set_tag("Tank01.Level", 95.0)
        gateway.alarms.raise_alarm(HIHI)
        gateway.set_tag("Tank02.Level", 50.0)
        active = len(list(gateway.alarms.active()))
        return await feed_of(gateway, path, active + 2 + 5, rise_and_fall)


async def test_a_feed_is_played_as_it_was(tmp_path: Path) -> None:
    first = await raised(tmp_path / "a.jsonl")
    said = alarms(first)
    async with SimulatedGateway(replay=first, clock=ManualClock()) as gateway:
        second = await feed_of(gateway, tmp_path / "b.jsonl", len(said), on)
    kinds = [next(iter(message)) for message in said]
    assert (kinds.count("providerStatus"), kinds.count("transition")) == (2, 4)
    assert "activeAlarm" in kinds
    assert alarms(second) == said


async def test_active_alarms_follow_the_replay_and_can_be_acknowledged(tmp_path: Path) -> None:
    first = await raised(tmp_path / "a.jsonl")
    async with SimulatedGateway(clock=ManualClock()) as gateway, client_of(gateway) as client:
        playing = asyncio.ensure_future(gateway.replay(first, speed=math.inf))
        await asyncio.sleep(0)
        await moved(gateway, 1)
        await playing
        found = {alarm.alarm_full_reference: alarm for alarm in gateway.alarms.snapshots()}
        assert found[HI].current_state == proto.AlarmConditionState.ACTIVE_ACKED
        done = await client.acknowledge_alarm(mxgateway.AlarmReference.parse(HIHI), operator="me")
        assert done.hresult == 0
        [acked] = [alarm for alarm in gateway.alarms.snapshots() if alarm.alarm_full_reference == HIHI]
        assert (acked.current_state, acked.operator_user) == (proto.AlarmConditionState.ACTIVE_ACKED, "me")


async def test_a_feed_that_begins_again_is_played_as_what_has_changed(tmp_path: Path) -> None:
    def active(reference: str) -> proto.AlarmFeedMessage:
        return proto.AlarmFeedMessage(
            active_alarm=proto.ActiveAlarmSnapshot(
                alarm_full_reference=reference, current_state=proto.AlarmConditionState.ACTIVE
            )
        )

    complete = proto.AlarmFeedMessage(snapshot_complete=True)
    status = proto.AlarmFeedMessage(provider_status=proto.AlarmProviderStatus(mode=proto.AlarmProviderMode.ALARMMGR))
    lines: list[str] = []
    writer = RecordingWriter(lines.append, alarms=True)
    for message in (
        active("G!A.old"),
        active("G!A.both"),
        complete,
        status,
        active("G!A.both"),
        active("G!A.new"),
        complete,
    ):
        writer.alarm(message)
    writer.end("count")
    recording = written(tmp_path / "a.jsonl", lines)
    async with SimulatedGateway(replay=recording, clock=ManualClock()) as gateway:
        second = await feed_of(gateway, tmp_path / "b.jsonl", 6, on)
    changes: list[Any] = [message["transition"] for message in alarms(second) if "transition" in message]
    assert [(each["alarmFullReference"], each["transitionKind"]) for each in changes] == [
        ("G!A.old", "ALARM_TRANSITION_KIND_CLEAR"),
        ("G!A.new", "ALARM_TRANSITION_KIND_RAISE"),
    ]


async def test_the_alarm_events_of_a_session_are_played_if_no_feed_was_recorded(tmp_path: Path) -> None:
    change = proto.OnAlarmTransitionEvent(
        alarm_full_reference=HI, transition_kind=proto.AlarmTransitionKind.RAISE, operator_user="somebody"
    )
    event = proto.MxEvent(
        family=proto.MxEventFamily.ON_ALARM_TRANSITION, session_id="s", worker_sequence=1, on_alarm_transition=change
    )
    lines: list[str] = []
    writer = RecordingWriter(lines.append, source="session")
    writer.event(event)
    writer.end("count")
    recording = written(tmp_path / "a.jsonl", lines)
    async with SimulatedGateway(replay=recording, clock=ManualClock()) as gateway:
        second = await feed_of(gateway, tmp_path / "b.jsonl", 3, on)
    assert alarms(second)[-1]["transition"] == {**to_json_dict(change), "operatorUser": "user-1"}
