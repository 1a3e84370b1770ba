"""The changes of an alarm board, and how two states of an alarm differ."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from mxgateway.alarms.messages import ActiveAlarm, AlarmProviderStatus, AlarmTransition
from mxgateway.subscription.updates import ConnectionChange, Origin
from mxgateway.values import same_value


class AlarmChangeKind(enum.Enum):
    """What has happened to an alarm."""

    RAISED = "raised"
    """It is new on the board."""
    ACKNOWLEDGED = "acknowledged"
    """An operator acknowledged it."""
    RETRIGGERED = "retriggered"
    """It was raised again: a new occurrence."""
    CHANGED = "changed"
    """The same occurrence with other details, such as another severity or another provider."""
    CLEARED = "cleared"
    """It is no longer on the board."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChange:
    """A change of one alarm on the board."""

    kind: AlarmChangeKind
    """What happened between `before` and `alarm`."""
    alarm: ActiveAlarm
    """The alarm now; for a cleared one its last state, with the state INACTIVE."""
    before: ActiveAlarm | None
    """The alarm as last reported to the consumer; None if it was not on the board."""
    origin: Origin
    """LIVE for a reported transition, SNAPSHOT for a difference found when the active alarms were read again."""
    transition: AlarmTransition | None
    """The gateway's transition; None for a difference that was found."""
    conflated: int = 0
    """How many older changes of the alarm this one replaces because the consumer was too slow."""


BoardChange = AlarmChange | AlarmProviderStatus | ConnectionChange
"""What an alarm board yields."""


def kind_between(before: ActiveAlarm | None, alarm: ActiveAlarm) -> AlarmChangeKind:
    """Return what happened between two states of an alarm."""
    if before is None:
        return AlarmChangeKind.RAISED
    if not alarm.is_active:
        return AlarmChangeKind.CLEARED
    if not is_same_occurrence(before, alarm) or (before.is_acknowledged and not alarm.is_acknowledged):
        return AlarmChangeKind.RETRIGGERED
    if alarm.is_acknowledged and not before.is_acknowledged:
        return AlarmChangeKind.ACKNOWLEDGED
    return AlarmChangeKind.CHANGED


def is_same_occurrence(before: ActiveAlarm, alarm: ActiveAlarm) -> bool:
    """Return whether two states are of one occurrence, by their raise times if both are from one provider."""
    comparable = before.provider == alarm.provider and None not in (before.raised_at, alarm.raised_at)
    return not comparable or before.raised_at == alarm.raised_at


def is_same_state(one: ActiveAlarm | None, other: ActiveAlarm | None) -> bool:
    """Return whether nothing has changed between two states of an alarm."""
    if one is None or other is None or one == other:
        return one == other
    same = same_value(one.value, other.value) and same_value(one.limit, other.limit)
    return same and replace(one, value=None, limit=None) == replace(other, value=None, limit=None)


def merged(older: AlarmChange, newer: AlarmChange) -> AlarmChange | None:
    """Return one change that replaces two of one alarm; None if they cancel out."""
    before, alarm = older.before, newer.alarm
    if is_same_state(alarm, before) or (before is None and not alarm.is_active):
        return None
    kind = kind_between(before, alarm)
    if kind is AlarmChangeKind.CHANGED and older.kind is AlarmChangeKind.CLEARED:
        kind = AlarmChangeKind.RETRIGGERED
    return replace(newer, kind=kind, before=before, conflated=older.conflated + newer.conflated + 1)
