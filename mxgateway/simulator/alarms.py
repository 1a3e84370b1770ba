"""The plant's alarms: raised and cleared by the values of analog attributes, acknowledged by operators, told to every subscriber."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator import statuses
from mxgateway.simulator.clock import timestamp
from mxgateway.simulator.plant import Target
from mxgateway.simulator.plant_model import AlarmLimit
from mxgateway.simulator.tags import LivePlant, Sample, Tag
from mxgateway.simulator.values import to_message

if TYPE_CHECKING:
    from mxgateway.simulator.sessions import Session

# The alarm manager's own answer to an acknowledge of an alarm that is not active.
_NOT_ACTIVE: Final = 0x80040201 - 2**32


@dataclass(eq=False)
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


@dataclass(eq=False)
class AlarmFeed:
    """What one StreamAlarms call has not sent yet."""

    prefix: str
    messages: deque[mx.AlarmFeedMessage] = field(default_factory=deque)
    wakeup: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: mx.AlarmFeedMessage) -> None:
        """Queue a message."""
        self.messages.append(message)
        self.wakeup.set()

    async def next_batch(self) -> list[mx.AlarmFeedMessage]:
        """Wait for messages and take all of them."""
        while not self.messages:
            self.wakeup.clear()
            await self.wakeup.wait()
        batch = list(self.messages)
        self.messages.clear()
        return batch


class AlarmSystem:
    """The alarms of one live plant.

    Args:
        plant: The live plant, whose analog values are watched.
    """

    def __init__(self, plant: LivePlant) -> None:
        self._plant = plant
        self._alarms: dict[str, Alarm] = {}
        self._by_guid: dict[UUID, Alarm] = {}
        self._feeds: set[AlarmFeed] = set()
        self._sessions: dict[str, Session] = {}
        self._mode = mx.AlarmProviderMode.ALARMMGR
        self._reason = ""
        self._since_ns = plant.start_ns
        self.watch_plant()

    @staticmethod
    def is_reference(name: str) -> bool:
        """Say whether `name` can be acknowledged: a GUID or ``Provider!Group.Tag``."""
        try:
            UUID(name)
        except ValueError:
            provider, _, rest = name.partition("!")
            group, _, tag = rest.partition(".")
            return bool(provider and group and tag)
        return True

    def watch_plant(self) -> None:
        """Watch the alarms of the plant as it is now; those that it has no more are forgotten."""
        known, self._alarms, self._by_guid = self._alarms, {}, {}
        for obj in self._plant.plant.objects:
            if obj.template.has_alarms:
                for attribute in obj.template.attributes:
                    self._watch(Target(obj, attribute, None), known)
        for alarm in known.values():
            if alarm.reference.casefold() not in self._alarms:
                alarm.tag.forget(alarm)
                if alarm.is_active:
                    self._clear(alarm, alarm.value)

    @property
    def is_degraded(self) -> bool:
        """Whether the alarms come from the subtags of the attributes, with fewer fields."""
        return self._mode is mx.AlarmProviderMode.SUBTAG

    def alarm(self, reference: str) -> Alarm:
        """Return the alarm of that full reference.

        Raises:
            KeyError: There is none.
        """
        return self._alarms[reference.casefold()]

    def active(self, prefix: str = "") -> Iterator[Alarm]:
        """Iterate over the active alarms whose full reference starts with `prefix`."""
        return (alarm for alarm in self._alarms.values() if alarm.is_active and alarm.reference.startswith(prefix))

    def snapshots(self, prefix: str = "") -> list[mx.ActiveAlarmSnapshot]:
        """Return the active alarms whose full reference starts with `prefix`."""
        return [self._snapshot(alarm) for alarm in self.active(prefix)]

    def provider_status(self) -> mx.AlarmProviderStatus:
        """Return where the alarms come from."""
        return mx.AlarmProviderStatus(
            mode=self._mode, degraded=self.is_degraded, reason=self._reason, since=timestamp(self._since_ns)
        )

    # Subscribers

    def open_feed(self, prefix: str) -> AlarmFeed:
        """Return a feed that begins with the active alarms, the end of the snapshot and the provider's status."""
        feed = AlarmFeed(prefix)
        for snapshot in self.snapshots(prefix):
            feed.put(mx.AlarmFeedMessage(active_alarm=snapshot))
        feed.put(mx.AlarmFeedMessage(snapshot_complete=True))
        feed.put(mx.AlarmFeedMessage(provider_status=self.provider_status()))
        self._feeds.add(feed)
        return feed

    def close_feed(self, feed: AlarmFeed) -> None:
        """Put nothing more into a feed."""
        self._feeds.discard(feed)

    def subscribe(self, session: Session) -> None:
        """Tell every transition as an event of the session."""
        self._sessions[session.session_id] = session

    def unsubscribe(self, session: Session) -> None:
        """Tell the session nothing more."""
        self._sessions.pop(session.session_id, None)

    # Changes

    def acknowledge(self, name: str, comment: str, operator: str) -> int:
        """Acknowledge an alarm.

        Args:
            name: Its GUID or its full reference.
            comment: What the operator says.
            operator: Who.

        Returns:
            The native result: 0, or an HRESULT when there is no such active alarm.
        """
        alarm = self._find(name)
        if alarm is None:
            return statuses.E_INVALIDARG
        if not alarm.is_active:
            return _NOT_ACTIVE
        alarm.is_acknowledged = True
        alarm.operator, alarm.comment = operator, comment
        self._changed(alarm, mx.AlarmTransitionKind.ACKNOWLEDGE)
        return statuses.S_OK

    def raise_alarm(self, reference: str) -> None:
        """Make an alarm active, whatever its value says; an active one is triggered again.

        Raises:
            KeyError: There is no such alarm.
        """
        alarm = self.alarm(reference)
        self._raise(alarm, alarm.value)

    def clear_alarm(self, reference: str) -> None:
        """Make an alarm inactive, whatever its value says; without effect when it is.

        Raises:
            KeyError: There is no such alarm.
        """
        alarm = self.alarm(reference)
        if alarm.is_active:
            self._clear(alarm, alarm.value)

    def fail_over(self, *, degraded: bool, reason: str = "") -> None:
        """Switch between the alarm manager and the subtags.

        Args:
            degraded: True for the subtags.
            reason: Why, as the provider tells it.
        """
        self._mode = mx.AlarmProviderMode.SUBTAG if degraded else mx.AlarmProviderMode.ALARMMGR
        self._reason = reason
        self._since_ns = self._plant.clock.now_ns()
        for feed in self._feeds:
            feed.put(mx.AlarmFeedMessage(provider_status=self.provider_status()))
        for session in list(self._sessions.values()):
            session.publish(
                family=mx.MxEventFamily.ON_ALARM_PROVIDER_MODE_CHANGED,
                on_alarm_provider_mode_changed=mx.OnAlarmProviderModeChangedEvent(status=self.provider_status()),
            )

    def _watch(self, target: Target, known: Mapping[str, Alarm]) -> None:
        plant = self._plant.plant
        for limit in target.attribute.alarms:
            source = f"{target.object.tag_name}.{limit.name}"
            reference = f"{plant.name}!{plant.area_of(target.object)}.{source}"
            alarm = known.get(reference.casefold())
            if alarm is None:
                guid = uuid5(NAMESPACE_OID, reference)
                alarm = Alarm(reference, source, guid, limit, self._plant.tag(target))
                alarm.tag.observe(alarm, self._judge(alarm))
                self._judge(alarm)(alarm.tag.sample)
            self._alarms[reference.casefold()] = self._by_guid[alarm.guid] = alarm

    def _judge(self, alarm: Alarm) -> Callable[[Sample], None]:
        def judge(sample: Sample) -> None:
            if sample.quality < statuses.UNCERTAIN:
                return
            is_beyond = alarm.limit.is_beyond(sample.native)
            if is_beyond and not alarm.is_active:
                self._raise(alarm, sample.native)
            elif alarm.is_active and not is_beyond:
                self._clear(alarm, sample.native)

        return judge

    def _raise(self, alarm: Alarm, value: float) -> None:
        kind = mx.AlarmTransitionKind.RETRIGGER if alarm.is_active else mx.AlarmTransitionKind.RAISE
        alarm.is_active, alarm.is_acknowledged = True, False
        alarm.operator = alarm.comment = ""
        alarm.value = value
        alarm.raised_ns = self._plant.clock.now_ns()
        self._changed(alarm, kind)

    def _clear(self, alarm: Alarm, value: float) -> None:
        alarm.is_active = False
        alarm.value = value
        self._changed(alarm, mx.AlarmTransitionKind.CLEAR)

    def _changed(self, alarm: Alarm, kind: mx.AlarmTransitionKind) -> None:
        alarm.changed_ns = self._plant.clock.now_ns()
        for feed in self._feeds:
            if alarm.reference.startswith(feed.prefix):
                feed.put(mx.AlarmFeedMessage(transition=self._transition(alarm, kind)))
        for session in list(self._sessions.values()):
            session.publish(
                family=mx.MxEventFamily.ON_ALARM_TRANSITION, on_alarm_transition=self._transition(alarm, kind)
            )

    def _find(self, name: str) -> Alarm | None:
        try:
            return self._by_guid.get(UUID(name))
        except ValueError:
            return self._alarms.get(name.casefold())

    # Messages

    def _snapshot(self, alarm: Alarm) -> mx.ActiveAlarmSnapshot:
        state = mx.AlarmConditionState.ACTIVE_ACKED if alarm.is_acknowledged else mx.AlarmConditionState.ACTIVE
        return mx.ActiveAlarmSnapshot(
            current_state=state, last_transition_timestamp=timestamp(alarm.changed_ns), **self._common(alarm)
        )

    def _transition(self, alarm: Alarm, kind: mx.AlarmTransitionKind) -> mx.OnAlarmTransitionEvent:
        return mx.OnAlarmTransitionEvent(
            transition_kind=kind, transition_timestamp=timestamp(alarm.changed_ns), **self._common(alarm)
        )

    def _common(self, alarm: Alarm) -> dict[str, Any]:
        """Return what both messages carry; the subtags know less."""
        fields: dict[str, Any] = {
            "alarm_full_reference": alarm.reference,
            "source_object_reference": alarm.source,
            "severity": alarm.limit.severity,
            "original_raise_timestamp": timestamp(alarm.raised_ns),
            "degraded": self.is_degraded,
            "source_provider": self._mode,
        }
        if not self.is_degraded:
            data_type = alarm.tag.attribute.data_type
            fields |= {
                "alarm_type_name": alarm.limit.name,
                "operator_user": alarm.operator,
                "operator_comment": alarm.comment,
                "category": alarm.limit.category,
                "description": alarm.limit.description,
                "current_value": to_message(data_type, alarm.value),
                "limit_value": to_message(data_type, alarm.limit.limit),
            }
        return fields
