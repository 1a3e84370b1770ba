"""The active alarms of a recording that is played: they follow its messages, not the values of tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.wire import Timestamp, from_json_dict, to_json_dict

_OF_A_SNAPSHOT: Final = ("currentState", "lastTransitionTimestamp")
_OF_A_TRANSITION: Final = ("transitionKind", "transitionTimestamp")


class RecordedAlarms:
    """The alarms that are active where the recording has arrived."""

    def __init__(self) -> None:
        self._active: dict[str, mx.ActiveAlarmSnapshot] = {}

    def active(self, prefix: str) -> list[mx.ActiveAlarmSnapshot]:
        """Return the active alarms whose full reference starts with `prefix`."""
        return [alarm for alarm in self._active.values() if alarm.alarm_full_reference.startswith(prefix)]

    def begin(self, alarm: mx.ActiveAlarmSnapshot) -> None:
        """Add an alarm that is active from the beginning."""
        self._active[alarm.alarm_full_reference] = alarm

    def take(self, change: mx.OnAlarmTransitionEvent) -> None:
        """Follow a transition."""
        if change.transition_kind == mx.AlarmTransitionKind.CLEAR:
            self._active.pop(change.alarm_full_reference, None)
            return
        is_acked = change.transition_kind == mx.AlarmTransitionKind.ACKNOWLEDGE
        said = _without(change, _OF_A_TRANSITION)
        alarm = from_json_dict(mx.ActiveAlarmSnapshot, said)
        alarm.current_state = mx.AlarmConditionState.ACTIVE_ACKED if is_acked else mx.AlarmConditionState.ACTIVE
        alarm.last_transition_timestamp = change.transition_timestamp
        self._active[change.alarm_full_reference] = alarm

    def acknowledgement(
        self, reference: str, comment: str, operator: str, now: Timestamp
    ) -> mx.OnAlarmTransitionEvent | None:
        """Return the transition of an operator's acknowledgement; None if there is no such active alarm."""
        alarm = next((each for name, each in self._active.items() if name.casefold() == reference.casefold()), None)
        if alarm is None:
            return None
        change = _transition(alarm, mx.AlarmTransitionKind.ACKNOWLEDGE, now)
        change.operator_user, change.operator_comment = operator, comment
        return change

    def differences(self, alarms: Iterable[mx.ActiveAlarmSnapshot], now: Timestamp) -> list[mx.OnAlarmTransitionEvent]:
        """Return the transitions from the alarms that are active to others.

        Args:
            alarms: The other alarms.
            now: The time of a transition that nobody recorded.
        """
        after = {alarm.alarm_full_reference: alarm for alarm in alarms}
        kinds = mx.AlarmTransitionKind
        gone = [_transition(alarm, kinds.CLEAR, now) for name, alarm in self._active.items() if name not in after]
        new = [
            _transition(alarm, kinds.RAISE, alarm.last_transition_timestamp)
            for name, alarm in after.items()
            if name not in self._active
        ]
        return gone + new


def _transition(alarm: mx.ActiveAlarmSnapshot, kind: mx.AlarmTransitionKind, moment: Any) -> mx.OnAlarmTransitionEvent:
    change = from_json_dict(mx.OnAlarmTransitionEvent, _without(alarm, _OF_A_SNAPSHOT))
    change.transition_kind, change.transition_timestamp = kind, moment
    return change


def _without(message: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return a message in JSON without the fields that only its own kind has."""
    return {name: field for name, field in to_json_dict(message).items() if name not in names}
