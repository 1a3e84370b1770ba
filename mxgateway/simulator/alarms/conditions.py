"""The plant's alarms: raised and cleared by analog values, acknowledged by operators, reported to every subscriber."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.alarms.feeds import Alarm, AlarmFeed, SessionAlarms, snapshot, transition
from mxgateway.simulator.alarms.recorded import RecordedAlarms
from mxgateway.simulator.clock import nanoseconds, timestamp
from mxgateway.simulator.mxaccess import statuses
from mxgateway.simulator.mxaccess.events import EventParts
from mxgateway.simulator.mxaccess.session_parts import AlarmSubscriber
from mxgateway.simulator.plant.live_tags import LivePlant, Sample, Tag
from mxgateway.simulator.plant.model import AlarmLimit, Attribute, PlantObject
from mxgateway.simulator.plant.objects import Target
from mxgateway.wire import which_one_of

# The alarm manager's result for an acknowledgement of an inactive alarm.
_NOT_ACTIVE: Final = 0x80040201 - 2**32


class AlarmSystem:
    """The alarms of one live plant.

    Args:
        plant: The live plant whose analog values are monitored.
        feed_limit: Most messages that one feed queues for its reader.
    """

    def __init__(self, plant: LivePlant, feed_limit: int) -> None:
        self._plant = plant
        self._feed_limit = feed_limit
        self._alarms: dict[str, Alarm] = {}
        self._by_guid: dict[UUID, Alarm] = {}
        self._feeds: set[AlarmFeed] = set()
        self._sessions: dict[str, SessionAlarms] = {}
        self._mode = mx.AlarmProviderMode.ALARMMGR
        self._reason = ""
        self._since_ns = plant.start_ns
        self._recorded = RecordedAlarms()
        self.on_observed: Callable[[], None] | None = None
        """Called when a feed is opened."""
        plant.on_new_tag = self._watch
        self.watch_plant()

    @staticmethod
    def is_reference(name: str) -> bool:
        """Return whether `name` has the form of an acknowledgeable reference: a GUID or ``Provider!Group.Tag``."""
        try:
            UUID(name)
        except ValueError:
            provider, _, rest = name.partition("!")
            group, _, tag = rest.partition(".")
            return bool(provider and group and tag)
        return True

    def watch_plant(self) -> None:
        """Monitor the alarms of the current plant and drop those that no longer exist.

        A galaxy may have a million limits. Limits of an untouched, constant value are monitored only after somebody
        asks for the tag or the alarm.
        """
        known, self._alarms, self._by_guid = self._alarms, {}, {}
        for alarm in known.values():
            if self._is_there(alarm):
                self._keep(alarm)
            else:
                alarm.tag.forget(alarm)
                if alarm.is_active:
                    self._clear(alarm, alarm.value)
        for obj in self._plant.plant.objects:
            if obj.template.has_alarms:
                for attribute in obj.template.attributes:
                    if attribute.alarms and (attribute.pattern is not None or _begins_beyond(attribute)):
                        self._watch(self._plant.tag(Target(obj, attribute, None)))

    @property
    def is_degraded(self) -> bool:
        """Whether the alarms come from the attributes' subtags, with fewer fields."""
        return self._mode is mx.AlarmProviderMode.SUBTAG

    def alarm(self, reference: str) -> Alarm:
        """Return the alarm with a full reference.

        Raises:
            KeyError: There is no such alarm.
        """
        alarm = self._find_by_name(reference)
        if alarm is None:
            raise KeyError(reference)
        return alarm

    def active(self, prefix: str = "") -> Iterator[Alarm]:
        """Iterate over the active alarms whose full reference starts with `prefix`."""
        return (alarm for alarm in self._alarms.values() if alarm.is_active and alarm.reference.startswith(prefix))

    def snapshots(self, prefix: str = "") -> list[mx.ActiveAlarmSnapshot]:
        """Return the active alarms whose full reference starts with `prefix`."""
        own = [snapshot(alarm, self._mode) for alarm in self.active(prefix)]
        return own + self._recorded.active(prefix)

    def provider_status(self) -> mx.AlarmProviderStatus:
        """Return the current alarm provider."""
        return mx.AlarmProviderStatus(
            mode=self._mode, degraded=self.is_degraded, reason=self._reason, since=timestamp(self._since_ns)
        )

    # Subscribers

    def open_feed(self, prefix: str) -> AlarmFeed:
        """Return a feed that starts with the active alarms, the end of the snapshot and the provider's status."""
        first = [mx.AlarmFeedMessage(active_alarm=active) for active in self.snapshots(prefix)]
        first.append(mx.AlarmFeedMessage(snapshot_complete=True))
        first.append(mx.AlarmFeedMessage(provider_status=self.provider_status()))
        feed = AlarmFeed(prefix, first, self._feed_limit)
        self._feeds.add(feed)
        if self.on_observed is not None:
            self.on_observed()
        return feed

    def close_feed(self, feed: AlarmFeed) -> None:
        """Stop filling a feed."""
        self._feeds.discard(feed)

    def subscribe(self, subscriber: SessionAlarms) -> None:
        """Report transitions as events of a session, with its options; this replaces an earlier subscription."""
        self._sessions[subscriber.session.session_id] = subscriber

    def unsubscribe(self, session: AlarmSubscriber) -> None:
        """Stop reporting to a session."""
        self._sessions.pop(session.session_id, None)

    # Changes

    def acknowledge(self, name: str, comment: str, operator: str) -> int:
        """Acknowledge an alarm.

        Args:
            name: Its GUID or its full reference.
            comment: The operator's comment.
            operator: The operator.

        Returns:
            The native result: 0, or an HRESULT if there is no such active alarm.
        """
        recorded = self._recorded.acknowledgement(name, comment, operator, self._plant.clock.now())
        if recorded is not None:
            self.play_transition(recorded)
            return statuses.S_OK
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
        """Make an alarm active, regardless of its value; an active one is retriggered.

        Raises:
            KeyError: There is no such alarm.
        """
        alarm = self.alarm(reference)
        self._raise(alarm, alarm.value)

    def clear_alarm(self, reference: str) -> None:
        """Make an alarm inactive, regardless of its value; no effect if it is inactive.

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
            reason: The reason that the provider reports.
        """
        self._mode = mx.AlarmProviderMode.SUBTAG if degraded else mx.AlarmProviderMode.ALARMMGR
        self._reason = reason
        self._since_ns = self._plant.clock.now_ns()
        self._report_provider()

    def _report_provider(self) -> None:
        for feed in self._feeds:
            feed.put(mx.AlarmFeedMessage(provider_status=self.provider_status()))
        for subscriber in list(self._sessions.values()):
            if subscriber.is_following:
                change = mx.OnAlarmProviderModeChangedEvent(status=self.provider_status())
                body = self._plant.encoding.encode(mx.MxEvent(on_alarm_provider_mode_changed=change))
                subscriber.session.publish(EventParts(mx.MxEventFamily.ON_ALARM_PROVIDER_MODE_CHANGED, body))

    # A recording that is played

    def begin_recorded(self, messages: Sequence[mx.AlarmFeedMessage]) -> None:
        """Start with what a recorded feed began with; nobody is told.

        Args:
            messages: Its active alarms, their end, and the provider's status.
        """
        for message in messages:
            kind = which_one_of(message, "payload")
            if kind == "active_alarm":
                self._recorded.begin(message.active_alarm)
            elif kind == "provider_status":
                self._take_provider(message.provider_status)

    def play_transition(self, change: mx.OnAlarmTransitionEvent) -> None:
        """Report a recorded transition as it is."""
        self._recorded.take(change)
        for feed in self._feeds:
            if change.alarm_full_reference.startswith(feed.prefix):
                feed.put(mx.AlarmFeedMessage(transition=change))
        body = self._plant.encoding.encode(mx.MxEvent(on_alarm_transition=change))
        for subscriber in list(self._sessions.values()):
            if subscriber.is_following:
                subscriber.session.publish(EventParts(mx.MxEventFamily.ON_ALARM_TRANSITION, body))

    def play_provider(self, status: mx.AlarmProviderStatus) -> None:
        """Report a recorded change of the provider."""
        self._take_provider(status)
        self._report_provider()

    def play_active(self, alarms: Sequence[mx.ActiveAlarmSnapshot]) -> None:
        """Report how the active alarms differ from those of a recorded feed that begins again."""
        for change in self._recorded.differences(alarms, self._plant.clock.now()):
            self.play_transition(change)

    def _take_provider(self, status: mx.AlarmProviderStatus) -> None:
        self._mode, self._reason = status.mode, status.reason
        self._since_ns = nanoseconds(status.since)

    def _watch(self, tag: Tag) -> None:
        """Monitor the limits of a tag that are not monitored yet."""
        for limit in tag.attribute.alarms:
            source = f"{tag.object.tag_name}.{limit.name}"
            reference = self._reference(tag, limit)
            if reference.casefold() not in self._alarms:
                alarm = Alarm(reference, source, uuid5(NAMESPACE_OID, reference), limit, tag)
                self._keep(alarm)
                tag.observe(alarm, self._limit_listener(alarm))
                self._limit_listener(alarm)(tag.sample)

    def _watch_object(self, obj: PlantObject) -> None:
        for attribute in obj.template.attributes:
            if attribute.alarms:
                self._watch(self._plant.tag(Target(obj, attribute, None)))

    def _keep(self, alarm: Alarm) -> None:
        self._alarms[alarm.reference.casefold()] = self._by_guid[alarm.guid] = alarm

    def _reference(self, tag: Tag, limit: AlarmLimit) -> str:
        plant = self._plant.plant
        return f"{plant.name}!{plant.area_of(tag.object)}.{tag.object.tag_name}.{limit.name}"

    def _is_there(self, alarm: Alarm) -> bool:
        """Whether the current plant still has the alarm, on the same tag."""
        return self._plant.has(alarm.tag) and self._reference(alarm.tag, alarm.limit) == alarm.reference

    def _limit_listener(self, alarm: Alarm) -> Callable[[Sample], None]:
        def check_limit(sample: Sample) -> None:
            if sample.quality < statuses.UNCERTAIN:
                return
            is_beyond = alarm.limit.is_beyond(sample.native)
            if is_beyond and not alarm.is_active:
                self._raise(alarm, sample.native)
            elif alarm.is_active and not is_beyond:
                self._clear(alarm, sample.native)

        return check_limit

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
                feed.put(mx.AlarmFeedMessage(transition=transition(alarm, kind, self._mode)))
        for subscriber in list(self._sessions.values()):
            mode = subscriber.mode(self._mode, alarm)
            if mode is not None:
                body = self._plant.encoding.encode(mx.MxEvent(on_alarm_transition=transition(alarm, kind, mode)))
                subscriber.session.publish(EventParts(mx.MxEventFamily.ON_ALARM_TRANSITION, body))

    def _find(self, name: str) -> Alarm | None:
        try:
            return self._by_guid.get(UUID(name))
        except ValueError:
            return self._find_by_name(name)

    def _find_by_name(self, reference: str) -> Alarm | None:
        """Return the alarm with a full reference; its tag is monitored from now on."""
        alarm = self._alarms.get(reference.casefold())
        if alarm is None:
            # Galaxy!<area>.<object>.<alarm>, where the alarm's name may contain dots.
            parts = reference.partition("!")[2].split(".", 2)
            obj = self._plant.plant.object_by_tag(parts[1]) if len(parts) == 3 else None
            if obj is not None:
                self._watch_object(obj)
            alarm = self._alarms.get(reference.casefold())
        return alarm


def _begins_beyond(attribute: Attribute) -> bool:
    return any(limit.is_beyond(attribute.initial) for limit in attribute.alarms)
