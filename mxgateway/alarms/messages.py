"""The messages of the alarm feed in Python; a field that the provider does not report is empty or None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from mxgateway import proto
from mxgateway.values import MxValueOutput, from_mx_value
from mxgateway.values.types import PYDANTIC
from mxgateway.wire import Timestamp, has_field, which_one_of

_INACTIVE: Final = proto.AlarmConditionState.INACTIVE
_ACKED: Final = proto.AlarmConditionState.ACTIVE_ACKED


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAlarm:
    """The state of an alarm. While the provider is degraded to subtags, fewer fields are filled."""

    __pydantic_config__: ClassVar = PYDANTIC

    reference: str
    """``Galaxy!<area>.<object>.<alarm>``: what `acknowledge_alarm` takes."""
    source: str
    """``<object>.<alarm>``"""
    type_name: str
    """The kind of limit or condition, such as ``HiHi``."""
    state: proto.AlarmConditionState
    """Active, or active and acknowledged; a number without a name if the gateway reports a state unknown here."""
    severity: int
    """On the native scale, 1 to 999."""
    raised_at: Timestamp | None
    """When this occurrence was raised (UTC, exact to 100 ns)."""
    changed_at: Timestamp | None
    """When its last transition happened (UTC, exact to 100 ns)."""
    operator: str
    """Who acknowledged."""
    comment: str
    """The operator's comment at the acknowledgement."""
    category: str
    description: str
    value: MxValueOutput = field(hash=False)
    """The value that raised the alarm; None if not reported."""
    limit: MxValueOutput = field(hash=False)
    """The limit that the value crossed; None if not reported."""
    degraded: bool
    """True if it comes from the subtags, which provide less."""
    provider: proto.AlarmProviderMode
    """The provider that reported it."""

    @property
    def is_acknowledged(self) -> bool:
        """True if an operator acknowledged this occurrence."""
        return self.state == _ACKED

    @property
    def is_active(self) -> bool:
        """False for an alarm that was cleared."""
        return self.state != _INACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTransition:
    """An alarm was raised, acknowledged or cleared, or raised again before it was cleared."""

    __pydantic_config__: ClassVar = PYDANTIC

    reference: str
    """``Galaxy!<area>.<object>.<alarm>``"""
    source: str
    """``<object>.<alarm>``"""
    type_name: str
    """The kind of limit or condition, such as ``HiHi``."""
    kind: proto.AlarmTransitionKind
    """What happened; a number without a name if the gateway reports a kind unknown here."""
    severity: int
    """On the native scale, 1 to 999."""
    raised_at: Timestamp | None
    """When this occurrence was raised (UTC, exact to 100 ns)."""
    time: Timestamp | None
    """When this happened (UTC, exact to 100 ns)."""
    operator: str
    """Who acknowledged."""
    comment: str
    """The operator's comment at the acknowledgement."""
    category: str
    description: str
    value: MxValueOutput = field(hash=False)
    """The value that raised the alarm; None if not reported."""
    limit: MxValueOutput = field(hash=False)
    """The limit that the value crossed; None if not reported."""
    degraded: bool
    """True if it comes from the subtags, which provide less."""
    provider: proto.AlarmProviderMode
    """The provider that reported it."""


@dataclass(frozen=True, slots=True)
class SnapshotComplete:
    """Every alarm that was active when the feed started has been reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmProviderStatus:
    """Where the alarms come from."""

    mode: proto.AlarmProviderMode
    """The platform's alarm manager, or the subtags that replace it."""
    degraded: bool
    """True while subtags replace the alarm manager: fewer fields are filled."""
    reason: str
    """The reason for the mode."""
    since: Timestamp | None
    """When the mode began (UTC, exact to 100 ns)."""


AlarmMessage = ActiveAlarm | SnapshotComplete | AlarmProviderStatus | AlarmTransition
"""What the alarm feed yields."""


def read_message(message: proto.AlarmFeedMessage) -> AlarmMessage | None:
    """Convert a message of the feed; None if this client does not know its kind."""
    match which_one_of(message, "payload"):
        case "active_alarm":
            return read_snapshot(message.active_alarm)
        case "transition":
            return _transition(message.transition)
        case "provider_status":
            return _provider_status(message.provider_status)
        case "snapshot_complete" if message.snapshot_complete:
            return SnapshotComplete()
    return None


def read_snapshot(message: proto.ActiveAlarmSnapshot) -> ActiveAlarm:
    """Convert an alarm of a snapshot."""
    return ActiveAlarm(
        state=message.current_state, changed_at=_time(message, "last_transition_timestamp"), **_common(message)
    )


def _transition(message: proto.OnAlarmTransitionEvent) -> AlarmTransition:
    return AlarmTransition(
        kind=message.transition_kind, time=_time(message, "transition_timestamp"), **_common(message)
    )


def _provider_status(message: proto.AlarmProviderStatus) -> AlarmProviderStatus:
    return AlarmProviderStatus(
        mode=message.mode, degraded=message.degraded, reason=message.reason, since=_time(message, "since")
    )


def _common(message: proto.ActiveAlarmSnapshot | proto.OnAlarmTransitionEvent) -> dict[str, Any]:
    """Return the fields that both messages have."""
    return {
        "reference": message.alarm_full_reference,
        "source": message.source_object_reference,
        "type_name": message.alarm_type_name,
        "severity": message.severity,
        "raised_at": _time(message, "original_raise_timestamp"),
        "operator": message.operator_user,
        "comment": message.operator_comment,
        "category": message.category,
        "description": message.description,
        "value": _value(message, "current_value"),
        "limit": _value(message, "limit_value"),
        "degraded": message.degraded,
        "provider": message.source_provider,
    }


def _time(message: Any, name: str) -> Timestamp | None:
    """Return a time; None if it is not set, which differs from the epoch."""
    time: Timestamp | None = getattr(message, name) if has_field(message, name) else None
    return time


def _value(message: Any, name: str) -> MxValueOutput:
    return from_mx_value(getattr(message, name)) if has_field(message, name) else None
