"""An alarm, its messages, and its subscribers: alarm feeds, and sessions subscribed to alarms."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import timestamp
from mxgateway.simulator.mxaccess.session_parts import AlarmSubscriber
from mxgateway.simulator.mxaccess.values import to_message
from mxgateway.simulator.plant.behaviours.in_time import converter
from mxgateway.simulator.plant.live_tags import Tag
from mxgateway.simulator.plant.model import AlarmLimit


@dataclass(eq=False, slots=True)
class Alarm:
    """One alarm and its state."""

    reference: str
    """``<galaxy>!<area>.<object>.<alarm>``"""
    source: str
    """``<object>.<alarm>``"""
    guid: UUID
    limit: AlarmLimit
    tag: Tag
    is_active: bool = False
    is_acknowledged: bool = False
    raised_ns: int = 0
    changed_ns: int = 0
    operator: str = ""
    comment: str = ""
    value: float = 0.0
    """The value at the last transition."""


class AlarmFeed:
    """The unsent messages of one StreamAlarms call: limited, like a session's event queue.

    Args:
        prefix: Only alarms whose full reference starts with this.
        first: The messages at the start of the feed; they do not count.
        limit: Most queued messages.
    """

    def __init__(self, prefix: str, first: list[mx.AlarmFeedMessage], limit: int) -> None:
        self.prefix = prefix
        self.is_over = False
        """Whether the queue overflowed."""
        self._first = first
        self._limit = limit
        self._messages: deque[mx.AlarmFeedMessage] = deque()
        self._wakeup = asyncio.Event()

    def put(self, message: mx.AlarmFeedMessage) -> None:
        """Queue a message; an overflow ends the feed."""
        if len(self._messages) >= self._limit:
            self.is_over = True
            self._messages.clear()
        if not self.is_over:
            self._messages.append(message)
        self._wakeup.set()

    async def next_batch(self) -> list[mx.AlarmFeedMessage]:
        """Wait for messages and take all of them.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED after an overflow.
        """
        while not (self._first or self._messages or self.is_over):
            self._wakeup.clear()
            await self._wakeup.wait()
        if self.is_over:
            text = f"The alarm feed overflowed at {self._limit} messages: it was read too slowly."
            raise GRPCError(Status.RESOURCE_EXHAUSTED, text)
        batch = [*self._first, *self._messages]
        self._first = []
        self._messages.clear()
        return batch


@dataclass(frozen=True, slots=True)
class SessionAlarms:
    """A session's subscription to alarms, with its options."""

    session: AlarmSubscriber
    forced_mode: mx.AlarmProviderMode = mx.AlarmProviderMode.UNSPECIFIED
    """The fixed provider of the session; unspecified follows the gateway."""
    watch_list: frozenset[str] = field(default_factory=frozenset)
    """The references, casefolded, that are monitored by their subtags; empty for all."""

    @classmethod
    def of(cls, session: AlarmSubscriber, request: mx.SubscribeAlarmsCommand) -> SessionAlarms:
        """Return the subscription that a SubscribeAlarms asks for."""
        watched = (target.alarm_full_reference.casefold() for target in request.watch_list)
        return cls(session, request.forced_mode, frozenset(watched))

    @property
    def is_following(self) -> bool:
        """Whether the session follows a failover."""
        return self.forced_mode == mx.AlarmProviderMode.UNSPECIFIED

    def mode(self, present: mx.AlarmProviderMode, alarm: Alarm) -> mx.AlarmProviderMode | None:
        """Return which provider reports an alarm to the session; None if none does.

        Args:
            present: The gateway's current provider.
            alarm: The alarm.
        """
        mode = present if self.is_following else self.forced_mode
        if mode == mx.AlarmProviderMode.SUBTAG:
            return mode if not self.watch_list or alarm.reference.casefold() in self.watch_list else None
        # After a failover the alarm manager reports nothing.
        return mode if present == mx.AlarmProviderMode.ALARMMGR else None


def snapshot(alarm: Alarm, mode: mx.AlarmProviderMode) -> mx.ActiveAlarmSnapshot:
    """Return an active alarm's current state."""
    state = mx.AlarmConditionState.ACTIVE_ACKED if alarm.is_acknowledged else mx.AlarmConditionState.ACTIVE
    return mx.ActiveAlarmSnapshot(
        current_state=state, last_transition_timestamp=timestamp(alarm.changed_ns), **_common(alarm, mode)
    )


def transition(alarm: Alarm, kind: mx.AlarmTransitionKind, mode: mx.AlarmProviderMode) -> mx.OnAlarmTransitionEvent:
    """Return the message for a transition."""
    return mx.OnAlarmTransitionEvent(
        transition_kind=kind, transition_timestamp=timestamp(alarm.changed_ns), **_common(alarm, mode)
    )


def _common(alarm: Alarm, mode: mx.AlarmProviderMode) -> dict[str, Any]:
    """Return the fields of both messages; the subtags have fewer."""
    is_degraded = mode == mx.AlarmProviderMode.SUBTAG
    fields: dict[str, Any] = {
        "alarm_full_reference": alarm.reference,
        "source_object_reference": alarm.source,
        "severity": alarm.limit.severity,
        "original_raise_timestamp": timestamp(alarm.raised_ns),
        "degraded": is_degraded,
        "source_provider": mode,
    }
    if not is_degraded:
        data_type = alarm.tag.attribute.data_type
        fields |= {
            "alarm_type_name": alarm.limit.name.rpartition(".")[2],
            "operator_user": alarm.operator,
            "operator_comment": alarm.comment,
            "category": alarm.limit.category,
            "description": alarm.limit.description,
            "current_value": to_message(data_type, alarm.value),
            # of the attribute's type, as the contract says it: an integer has no limit of 90.5
            "limit_value": to_message(data_type, converter(data_type)(alarm.limit.limit)),
        }
    return fields
