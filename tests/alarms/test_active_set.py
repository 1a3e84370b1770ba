"""The set of active alarms from snapshots and transitions, and what is told of each difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from mxgateway import ActiveAlarm, AlarmTransition, Origin, Timestamp, proto
from mxgateway.alarms.active_set import ActiveSet
from mxgateway.alarms.changes import AlarmChange, AlarmChangeKind, merged
from tests.rows import each_row

Kind, State, Mode = proto.AlarmTransitionKind, proto.AlarmConditionState, proto.AlarmProviderMode
NAME: Final = "Galaxy!Area1.Tank1.HiHi"


def at(second: int) -> Timestamp:
    return Timestamp.from_parts(1_700_000_000 + second, 0)


def alarm(reference: str = NAME, **fields: Any) -> ActiveAlarm:
    known: dict[str, Any] = {
        "source": "Tank1.HiHi", "type_name": "HiHi", "state": State.ACTIVE, "severity": 900, "raised_at": at(1), "changed_at": at(1),
        "operator": "", "comment": "", "category": "Process", "description": "Level very high", "value": 95.0, "limit": 90.0,
        "degraded": False, "provider": Mode.ALARMMGR,
    }  # fmt: skip
    return ActiveAlarm(reference=reference, **{**known, **fields})


def poor(of: ActiveAlarm, **fields: Any) -> ActiveAlarm:
    """Return an alarm as subtags tell it."""
    less: dict[str, Any] = dict.fromkeys(("type_name", "operator", "comment", "category", "description"), "")
    known = {"degraded": True, "provider": Mode.SUBTAG, "value": None, "limit": None}
    return replace(of, **{**less, **known, **fields})


def transition(kind: int, of: ActiveAlarm | None = None, **fields: Any) -> AlarmTransition:
    base = of or alarm()
    names = [name for name in ActiveAlarm.__slots__ if name not in ("state", "changed_at")]
    known: dict[str, Any] = {name: getattr(base, name) for name in names}
    return AlarmTransition(**{**known, "kind": Kind.try_value(kind), "time": base.changed_at, **fields})


def told(changes: Any) -> list[tuple[str, str]]:
    return [(change.kind.value, change.alarm.reference) for change in changes]


def test_a_snapshot_that_says_the_same_changes_nothing() -> None:
    active = ActiveSet()
    alarms = [alarm("A"), alarm("B")]
    assert told(active.replace(alarms)) == [("raised", "A"), ("raised", "B")]
    assert active.replace([alarm("B"), alarm("A")]) == []


def nan() -> float:
    return math.inf - math.inf


@each_row("value", [nan, lambda: [1.0, nan()], lambda: [[nan()], [2.0]]])
@each_row("field", ["value", "limit"])
def test_an_alarm_with_a_nan_is_not_changed_by_the_same_snapshot(value: Callable[[], Any], field: str) -> None:
    active = ActiveSet()
    active.replace([alarm("A", **{field: value()})])
    assert active.replace([alarm("A", **{field: value()})]) == []
    assert active.apply(transition(Kind.RAISE, alarm("A", **{field: value()}))) is None
    assert told(active.replace([alarm("A", severity=1, **{field: value()})])) == [("changed", "A")]
    assert told(active.replace([alarm("A", severity=1)])) == [("changed", "A")]


def test_changes_of_a_nan_that_cancel_out_are_none() -> None:
    before, after = alarm(limit=nan()), alarm(limit=nan())
    there = AlarmChange(
        kind=AlarmChangeKind.CHANGED, alarm=alarm(severity=1), before=before, origin=Origin.LIVE, transition=None
    )
    assert merged(there, replace(there, before=there.alarm, alarm=after)) is None


def test_the_differences_of_a_snapshot_are_told_once_each() -> None:
    active = ActiveSet()
    active.replace([alarm(name) for name in "ABCDE"])
    acknowledged = alarm("C", state=State.ACTIVE_ACKED, operator="me", changed_at=at(2))
    again = alarm("D", raised_at=at(5), changed_at=at(5))
    changes = active.replace([alarm("A"), acknowledged, again, alarm("E", severity=1), alarm("F")])

    assert told(changes) == [
        ("cleared", "B"), ("acknowledged", "C"), ("retriggered", "D"), ("changed", "E"), ("raised", "F"),
    ]  # fmt: skip
    assert {change.origin for change in changes} == {Origin.SNAPSHOT}
    assert {change.transition for change in changes} == {None}
    gone = changes[0]
    assert (gone.alarm, gone.before) == (alarm("B", state=State.INACTIVE), alarm("B"))
    assert not gone.alarm.is_active
    assert list(active.alarms) == list("ACDEF")


def test_an_alarm_of_a_snapshot_that_is_not_active_is_not_in_the_set() -> None:
    active = ActiveSet()
    assert active.replace([alarm("A", state=State.INACTIVE)]) == []
    assert active.alarms == {}


def test_a_state_without_a_name_counts_as_active() -> None:
    active = ActiveSet()
    assert told(active.replace([alarm("A", state=State.try_value(9))])) == [("raised", "A")]


def test_transitions_lead_through_the_life_of_an_alarm() -> None:
    active = ActiveSet()
    acknowledged = alarm(operator="me", comment="seen", changed_at=at(2))
    again = alarm(raised_at=at(3), changed_at=at(3))
    steps = [
        (transition(Kind.RAISE), "raised"),
        (transition(Kind.ACKNOWLEDGE, acknowledged), "acknowledged"),
        (transition(Kind.RETRIGGER, again), "retriggered"),
        (transition(Kind.CLEAR, replace(again, changed_at=at(4), value=50.0)), "cleared"),
    ]
    for step, kind in steps:
        change = active.apply(step)
        assert change is not None
        assert (change.kind.value, change.origin, change.transition) == (kind, Origin.LIVE, step)
        assert change.alarm.changed_at == step.time
        if kind == "acknowledged":
            assert active.alarms[NAME] == replace(acknowledged, state=State.ACTIVE_ACKED)
    assert change is not None
    assert (change.alarm.value, change.alarm.state) == (50.0, State.INACTIVE)
    assert active.alarms == {}


def test_a_transition_that_changes_nothing_is_not_told() -> None:
    active = ActiveSet()
    assert active.apply(transition(Kind.CLEAR)) is None
    assert active.apply(transition(Kind.ACKNOWLEDGE)) is None
    active.apply(transition(Kind.RAISE))
    assert active.apply(transition(Kind.RAISE)) is None
    assert active.alarms == {NAME: alarm()}


def test_a_transition_of_an_unknown_kind_changes_nothing_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    active = ActiveSet()
    active.replace([alarm()])
    for kind in (0, 77, 78):
        assert active.apply(transition(kind)) is None
    assert active.alarms == {NAME: alarm()}
    assert len(caplog.records) == 1
    assert NAME in caplog.text


def test_what_subtags_do_not_know_stays_as_it_was_told() -> None:
    active = ActiveSet()
    known = alarm(state=State.ACTIVE_ACKED, operator="me", comment="seen")
    active.replace([known])
    (change,) = active.replace([poor(known)])
    assert change.kind.value == "changed"
    assert active.alarms[NAME] == replace(known, degraded=True, provider=Mode.SUBTAG)
    assert active.replace([poor(known)]) == []


def test_another_raise_time_of_another_provider_is_no_other_occurrence() -> None:
    active = ActiveSet()
    active.replace([alarm()])
    (change,) = active.replace([poor(alarm(), raised_at=at(9))])
    assert change.kind.value == "changed"
    (change,) = active.replace([alarm()])
    assert change.kind.value == "changed"


def test_an_acknowledgement_is_not_kept_for_the_next_occurrence() -> None:
    active = ActiveSet()
    known = poor(alarm(state=State.ACTIVE_ACKED), operator="me", comment="seen", value=95.0)
    active.replace([known])
    change = active.apply(transition(Kind.RETRIGGER, poor(alarm(), raised_at=at(7), changed_at=at(7))))
    assert change is not None
    assert change.kind.value == "retriggered"
    assert (change.alarm.operator, change.alarm.value, change.alarm.raised_at) == ("", None, at(7))


def test_a_view_of_the_set_stays_one() -> None:
    active = ActiveSet()
    view = active.alarms
    active.replace([alarm()])
    active.replace([])
    active.apply(transition(Kind.RAISE))
    assert view == {NAME: alarm()}


def test_agreement_is_about_which_alarms_are_active_and_acknowledged() -> None:
    active = ActiveSet()
    active.replace([alarm("A")])
    assert active.agrees_with([poor(alarm("A")), alarm("B", state=State.INACTIVE)])
    assert not active.agrees_with([])
    assert not active.agrees_with([alarm("A"), alarm("B")])
    assert not active.agrees_with([alarm("A", state=State.ACTIVE_ACKED)])
