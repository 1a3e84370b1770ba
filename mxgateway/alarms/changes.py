"""What changes on an alarm board, and how two states of an alarm differ."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from mxgateway.alarms.messages import ActiveAlarm, AlarmProviderStatus, AlarmTransition
from mxgateway.subscription.updates import ConnectionChange, Origin


class AlarmChangeKind(enum.Enum):
    """What has happened to an alarm."""

    RAISED = "raised"
    """It is on the board now and was not before."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody has acknowledged it."""
    RETRIGGERED = "retriggered"
    """It was raised again: this is another occurrence."""
    CHANGED = "changed"
    """The same occurrence, told with other details: another severity, or by another provider."""
    CLEARED = "cleared"
    """It is not on the board any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChange:
    """An alarm on the board has changed."""

    kind: AlarmChangeKind
    """What has happened, from `before` to `alarm`."""
    alarm: ActiveAlarm
    """How it stands now; one that was cleared as it stood last, with the state INACTIVE."""
    before: ActiveAlarm | None
    """How it stood when the consumer was told last; None when it was not on the board."""
    origin: Origin
    """LIVE for a transition that was told, SNAPSHOT for a difference that was found when the active alarms were read anew."""
    transition: AlarmTransition | None
    """What the gateway has told; None for a difference that was found."""
    conflated: int = 0
    """How many older changes of the alarm this one stands for as well, because the consumer did not take them in time."""


BoardChange = AlarmChange | AlarmProviderStatus | ConnectionChange
"""What an alarm board yields."""


def kind_between(before: ActiveAlarm | None, alarm: ActiveAlarm) -> AlarmChangeKind:
    """Return what has happened between two states of an alarm."""
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
    """Tell whether two states are of one occurrence: the time at which it was raised says so, where one provider tells both."""
    comparable = before.provider == alarm.provider and None not in (before.raised_at, alarm.raised_at)
    return not comparable or before.raised_at == alarm.raised_at


def merged(older: AlarmChange, newer: AlarmChange) -> AlarmChange | None:
    """Return the change that stands for two of one alarm; None when they come to nothing."""
    before, alarm = older.before, newer.alarm
    if alarm == before or (before is None and not alarm.is_active):
        return None
    kind = kind_between(before, alarm)
    if kind is AlarmChangeKind.CHANGED and older.kind is AlarmChangeKind.CLEARED:
        kind = AlarmChangeKind.RETRIGGERED
    return replace(newer, kind=kind, before=before, conflated=older.conflated + newer.conflated + 1)
