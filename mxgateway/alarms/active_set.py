"""The set of active alarms, built from snapshots and transitions. Independent of connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from mxgateway import proto
from mxgateway.alarms.changes import AlarmChange, AlarmChangeKind, is_same_occurrence, is_same_state, kind_between
from mxgateway.alarms.memory_limits import weight
from mxgateway.alarms.messages import ActiveAlarm, AlarmTransition
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import OPEN_GATE
from mxgateway.subscription.updates import Origin

log = logger("mxgateway.alarms")

_Kind = proto.AlarmTransitionKind
_State = proto.AlarmConditionState

_CONFIGURED: Final = ("type_name", "category", "description", "limit")
"""Configuration of an alarm: the same from every provider."""
_OF_OCCURRENCE: Final = ("raised_at", "value")
_OF_ACKNOWLEDGEMENT: Final = ("operator", "comment")


class ActiveSet:
    """The alarms that are active, by full reference.

    Args:
        show: Redacts a gateway's text for the log.
    """

    def __init__(self, show: Callable[[str], str] = OPEN_GATE.line) -> None:
        self._show = show
        self.alarms: dict[str, ActiveAlarm] = {}
        """The set; changed in place, so that a view of it stays valid."""
        self.weight = 0
        """The size of the set, in alarms of ordinary size."""
        self._warned_unknown = False

    def replace(self, snapshot: Iterable[ActiveAlarm]) -> list[AlarmChange]:
        """Replace the set with a snapshot and return the changes, cleared alarms first."""
        reported = {alarm.reference: alarm for alarm in snapshot if alarm.is_active}
        changes = [
            self._cleared(alarm, None) for reference, alarm in list(self.alarms.items()) if reference not in reported
        ]
        changes += filter(None, [self._put(alarm, None) for alarm in reported.values()])
        return changes

    def apply(self, transition: AlarmTransition) -> AlarmChange | None:
        """Apply a transition and return the resulting change; None if there is none."""
        before = self.alarms.get(transition.reference)
        match transition.kind:
            case _Kind.RAISE:
                return self._put(_alarm_after(transition, _State.ACTIVE), transition)
            case _Kind.RETRIGGER:
                change = self._put(_alarm_after(transition, _State.ACTIVE), transition)
                if change is None or before is None:
                    return change
                return replace(change, kind=AlarmChangeKind.RETRIGGERED)
            case _Kind.ACKNOWLEDGE:  # of an alarm that was cleared before it was acknowledged: it is not active
                return (
                    self._put(_alarm_after(transition, _State.ACTIVE_ACKED), transition) if before is not None else None
                )
            case _Kind.CLEAR:
                return self._cleared(before, transition) if before is not None else None
        self._note_unknown(transition)
        return None

    def agrees_with(self, alarms: Iterable[ActiveAlarm]) -> bool:
        """Return whether `alarms` has the same active alarms in the same states."""
        reported = {alarm.reference: alarm.state for alarm in alarms if alarm.is_active}
        return reported == {reference: alarm.state for reference, alarm in self.alarms.items()}

    def _put(self, alarm: ActiveAlarm, transition: AlarmTransition | None) -> AlarmChange | None:
        before = self.alarms.get(alarm.reference)
        if before is not None and alarm.degraded:
            alarm = _filled_from(before, alarm)
        if is_same_state(alarm, before):
            return None
        self.alarms[alarm.reference] = alarm
        self.weight += weight(alarm) - (weight(before) if before is not None else 0)
        return _change(kind_between(before, alarm), alarm, before, transition)

    def _cleared(self, before: ActiveAlarm, transition: AlarmTransition | None) -> AlarmChange:
        del self.alarms[before.reference]
        self.weight -= weight(before)
        alarm = replace(before, state=_State.INACTIVE)
        if transition is not None:
            alarm = _alarm_after(transition, _State.INACTIVE)
            alarm = _filled_from(before, alarm) if alarm.degraded else alarm
        return _change(AlarmChangeKind.CLEARED, alarm, before, transition)

    def _note_unknown(self, transition: AlarmTransition) -> None:
        if not self._warned_unknown:
            self._warned_unknown = True
            log.warning(
                "%s has a transition of kind %d, which this client does not know; it is ignored, further ones silently",
                self._show(transition.reference), int(transition.kind),
            )  # fmt: skip


def _change(
    kind: AlarmChangeKind, alarm: ActiveAlarm, before: ActiveAlarm | None, transition: AlarmTransition | None
) -> AlarmChange:
    origin = Origin.SNAPSHOT if transition is None else Origin.LIVE
    return AlarmChange(kind=kind, alarm=alarm, before=before, origin=origin, transition=transition)


def _alarm_after(transition: AlarmTransition, state: proto.AlarmConditionState) -> ActiveAlarm:
    """Return an alarm's state after a transition."""
    return ActiveAlarm(
        reference=transition.reference, source=transition.source, type_name=transition.type_name, state=state,
        severity=transition.severity, raised_at=transition.raised_at, changed_at=transition.time,
        operator=transition.operator, comment=transition.comment, category=transition.category,
        description=transition.description, value=transition.value, limit=transition.limit,
        degraded=transition.degraded, provider=transition.provider,
    )  # fmt: skip


def _filled_from(before: ActiveAlarm, alarm: ActiveAlarm) -> ActiveAlarm:
    """Return an alarm reported by subtags, with the fields they lack filled from the earlier state."""
    names = list(_CONFIGURED)
    if is_same_occurrence(before, alarm):
        names += _OF_OCCURRENCE
        if before.is_acknowledged and alarm.is_acknowledged:
            names += _OF_ACKNOWLEDGEMENT
    kept: dict[str, Any] = {name: getattr(before, name) for name in names if getattr(alarm, name) in ("", None)}
    return replace(alarm, **kept)
