"""A subscription in one session: turns the session's events into updates for the consumer.

All that a subscription knows of a session is here, and is dropped as a whole when another session replaces it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from mxgateway import proto
from mxgateway.commands.session.session_commands import SessionCommands
from mxgateway.errors import MxGatewayError
from mxgateway.events.cursor import Cursor, Event, Loss
from mxgateway.events.data_change import DataChange, data_change
from mxgateway.events.reader import Reader, StreamCare
from mxgateway.subscription.items import SessionItems
from mxgateway.subscription.update_queue import UpdateQueue
from mxgateway.subscription.updates import Gap, GapCause, Origin, Outcome, SubscriptionState, TagUpdate, new_update
from mxgateway.subscription.worker_clock import WorkerClock
from mxgateway.values import from_mx_value
from mxgateway.wire import has_field

LIVE: Final = Origin.LIVE
SETTLING: Final = 0.5
"""Seconds until values are read again after an event was swallowed: by then most events in flight have arrived."""
_DATA_CHANGE: Final = proto.MxEventFamily.ON_DATA_CHANGE


class SessionEpoch(Reader):
    """A reader of the session's stream for one subscription.

    Args:
        session: The session; `is_own` when it is closed with the subscription.
        outlet: The consumer's end.
        care: How the stream is kept open.
        act: Called when the supervisor has to act: the session is lost, or values have to be read.
    """

    blocks = True

    def __init__(
        self, session: SessionCommands, outlet: UpdateQueue, care: StreamCare, act: Callable[[], None], *, is_own: bool
    ) -> None:
        self.session, self.is_own = session, is_own
        self.cursor = Cursor()
        self.items = SessionItems(outlet.options.max_items)
        self.server_handle = 0
        """The registration that the items belong to; 0 until there is one."""
        self.lost: MxGatewayError | None = None
        """Why the session or its stream is gone."""
        self.is_lost_for_good = False
        """True when a new session would not help."""
        self.gapped = False
        """True when values have to be read."""
        self.clock = WorkerClock()
        self.care = care
        self._settling: asyncio.TimerHandle | None = None
        self._outlet = outlet
        self._act = act
        self._outcome: Outcome | None = None
        """How an interruption ended; None once that was reported to the consumer."""
        self.is_settled = False
        """True once the consumer was told that the tags are subscribed to: earlier interruptions are not reported."""
        self._interruption: MxGatewayError | None = None
        """Why the stream is interrupted at the moment."""

    @property
    def full(self) -> bool:
        """True while the gateway has to wait for the consumer."""
        return self._outlet.is_blocked

    @property
    def hungry(self) -> bool:
        """True until the subscription ends."""
        return not self._outlet.is_over

    @property
    def is_live(self) -> bool:
        """True while the stream of its tags is open."""
        return self.is_settled and self._interruption is None

    def settle(self, outcome: Outcome | None) -> None:
        """Report to the consumer that all tags are subscribed to, or that the stream was lost meanwhile."""
        self.is_settled, self._outcome = True, outcome
        if self._interruption is not None:
            self._outlet.change(SubscriptionState.RECOVERING, cause=self._interruption)
        else:
            self._connect(outcome)

    def _connect(self, outcome: Outcome | None) -> None:
        reported, self._outcome = self._outcome or outcome, None
        self._outlet.change(SubscriptionState.CONNECTED, outcome=reported)
        self._act()

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Turn events of subscribed tags into updates, and losses into gaps. After the end nothing is queued: no limit
        would apply."""
        if self._outlet.is_over:
            return
        if not self.clock.note(news[-1], at_once=bool(self.items.read)):
            self.items.read.clear()  # their times are from before the clock was set back
        change: Any
        items, put, server = self.items, self._outlet.put, self.server_handle
        received, other, tags = len(news), 0, items.tags
        for change in news:
            if type(change) is not DataChange:
                if type(change) is Loss:
                    received -= 1
                    self._lose(change)
                    continue
                if change.family is not _DATA_CHANGE:
                    other += 1
                    continue
                change = data_change(change)
            tag = tags.get(change.item_handle)
            if change.server_handle != server:
                other += 1
            elif tag is None:
                other += items.hold(change) is not None
            elif items.unread or items.read or self.clock.is_replaying:
                self._take_checked(tag, change)
            else:
                put(
                    new_update(
                        tag, change.value, change.quality, change.source_time, change.worker_sequence, LIVE,
                        change.statuses,
                    )
                )  # fmt: skip
        counts = self._outlet.counts
        counts.received += received
        counts.other += other
        if items.is_untidy:
            self._act()
        self._outlet.waiters.wake()

    def take_ahead(self, tag: str, changes: Sequence[DataChange]) -> None:
        """Take events that overtook the reply which maps their item to `tag`."""
        for change in changes:
            self.items.overtaken[change.item_handle] = self.cursor.position or 0
            self._take_checked(tag, change)
        self._outlet.waiters.wake()

    def _take_checked(self, tag: str, change: DataChange) -> None:
        """Take an event that may be replayed, the first of its item, or older than the value that was read."""
        items, handle, origin = self.items, change.item_handle, Origin.LIVE
        if handle in items.read and items.is_stale(change):
            self._outlet.counts.conflated += 1
            if self._settling is None:
                self._settling = asyncio.get_running_loop().call_later(SETTLING, self._read_swallowed)
            return
        if self.clock.is_replaying and self.clock.is_replayed(change.worker_time):
            origin = Origin.REPLAYED
            self._outlet.counts.replayed += 1
        if items.unread.pop(handle, False):
            origin = Origin.SNAPSHOT
        self._outlet.put(
            new_update(
                tag, change.value, change.quality, change.source_time, change.worker_sequence, origin, change.statuses
            )
        )

    def _read_swallowed(self) -> None:
        self._settling, self.gapped = None, True
        self.items.doubt_swallowed()
        self._act()

    def _lose(self, loss: Loss) -> None:
        cause = GapCause(loss.cause.value)
        if cause is GapCause.RESTARTED:
            self._outlet.put_mark(Gap(loss.first, None, cause, None))
        else:
            self._outlet.put_mark(Gap(loss.first, loss.last, cause, loss.size))
            self._outlet.counts.lost += loss.size
        self.doubt_values()

    def doubt_values(self, handles: Iterable[int] | None = None) -> None:
        """Schedule a read of some items, of all by default: their values may have changed unseen."""
        self.items.events_lost(handles)
        self.gapped = True
        self._act()

    confused = doubt_values

    def interrupted(self, fault: MxGatewayError) -> None:
        """Report to the consumer that values may be out of date."""
        self._interruption = fault
        if self.is_settled:
            self._outlet.change(SubscriptionState.RECOVERING, cause=fault)

    def resumed(self, *, gap: bool) -> None:
        """Report to the consumer how the stream has continued."""
        self._outlet.counts.reconnects += 1
        self.clock.stream_opened()
        self.items.is_untidy = bool(self.items.orphans)
        self._interruption = None
        if not self.cursor.position:  # no event has arrived: the first values may be lost
            self.doubt_values()
        if self.is_settled:
            self._connect(Outcome.GAP if gap else Outcome.CONTINUOUS)

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """Note that the session's stream is over."""
        if self.lost is None and not self._outlet.is_over:
            self.lost = fault or self.session.source.ended_error()
            self.is_lost_for_good = final
            if not final:
                self.interrupted(self.lost)
            self._act()

    def put_read(self, tag: str, handle: int, result: proto.BulkReadResult) -> None:
        """Take a value that was read after a loss, unless a newer one has arrived; report a failed read as well."""
        if handle not in self.items.unread:
            return
        if result.was_successful:
            time: Any = result.source_timestamp if has_field(result, "source_timestamp") else None
            value, statuses = from_mx_value(result.value), tuple(result.statuses)
            update = TagUpdate(tag, value, result.quality, time, 0, Origin.SNAPSHOT, statuses)
            if not self.items.take_read(handle, update, self.clock.now()):
                return
        else:  # the consumer's value may be out of date, and nothing else reports that
            self.items.read.pop(handle, None)
            update = TagUpdate(tag, None, 0, None, 0, Origin.SNAPSHOT, _reasons(result))
        self._outlet.counts.snapshots += 1
        self._outlet.put(update)
        self._outlet.waiters.wake()

    def unread_tags(self) -> set[str]:
        """Return the tags whose value was lost or perhaps swallowed, without a newer value since."""
        lost = [handle for handle, is_fresh in self.items.unread.items() if not is_fresh]
        return {self.items.tags[handle] for handle in (*lost, *self.items.swallowed)}

    def account_for_loss(self) -> None:
        """Report as lost what the session had not delivered; the number of events is unknown."""
        self._outlet.put_mark(Gap((self.cursor.position or 0) + 1, None, GapCause.SESSION_LOST, None))


def _reasons(result: proto.BulkReadResult) -> tuple[proto.MxStatusProxy, ...]:
    """Return the statuses of a failed read; an error message without statuses becomes one."""
    if result.statuses or not result.error_message:
        return tuple(result.statuses)
    category = proto.MxStatusCategory.COMMUNICATION_ERROR
    return (proto.MxStatusProxy(category=category, diagnostic_text=result.error_message),)
