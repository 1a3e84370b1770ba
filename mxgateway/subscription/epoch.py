"""A subscription in one session: what the session's stream brings becomes what the consumer gets.

Whatever a subscription knows of a session stands here, and is thrown away as a whole when another session takes its place.
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
"""Seconds after which values are read once more of which an event was swallowed: until then most of what was on its way has come."""
_DATA_CHANGE: Final = proto.MxEventFamily.ON_DATA_CHANGE


class SessionEpoch(Reader):
    """A reader of the session's stream for one subscription.

    Args:
        session: The session; `is_own` when it is closed with the subscription.
        outlet: The consumer's end.
        care: How the stream is kept up.
        act: Called when there is something to do that takes calls: the session is lost, or values have to be read.
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
        """Why the session, or its stream, is gone."""
        self.is_lost_for_good = False
        """True when another session would not help."""
        self.gapped = False
        """True when values have to be read."""
        self.clock = WorkerClock()
        self.care = care
        self._settling: asyncio.TimerHandle | None = None
        self._outlet = outlet
        self._act = act
        self._outcome: Outcome | None = None
        """What an interruption came to of which the consumer has not been told yet."""
        self.is_settled = False
        """True once the consumer was told that the tags are there: what the stream goes through before is part of that, and no state of its own."""
        self._interruption: MxGatewayError | None = None
        """Why the stream is not there at the moment."""

    @property
    def full(self) -> bool:
        """True while the gateway is to wait for the consumer."""
        return self._outlet.is_blocked

    @property
    def hungry(self) -> bool:
        """True while there is a consumer."""
        return not self._outlet.is_over

    def settle(self, outcome: Outcome | None) -> None:
        """Tell the consumer that all tags are there; when the stream was lost meanwhile, that is told first."""
        self.is_settled, self._outcome = True, outcome
        if self._interruption is not None:
            self._outlet.change(SubscriptionState.RECOVERING, cause=self._interruption)
        else:
            self._connect(outcome)

    def _connect(self, outcome: Outcome | None) -> None:
        told, self._outcome = self._outcome or outcome, None
        self._outlet.change(SubscriptionState.CONNECTED, outcome=told)
        self._act()

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Make updates of the events of subscribed tags, and gaps of losses. What is over takes none: nobody would bound them."""
        if self._outlet.is_over:
            return
        if not self.clock.note(news[-1], at_once=bool(self.items.read)):
            self.items.read.clear()  # until when they hold was told by a clock that was set back
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
                self._take_closely(tag, change)
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
        self._outlet.waiters.wake()

    def take_ahead(self, tag: str, changes: Sequence[DataChange]) -> None:
        """Take events that came ahead of the reply that names their tag."""
        for change in changes:
            self._take_closely(tag, change)
        self._outlet.waiters.wake()

    def _take_closely(self, tag: str, change: DataChange) -> None:
        """Take an event that may be replayed, a first one, or older than what was read."""
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
        """Have the values of some items read, every one unless told: they may have changed unseen."""
        self.items.events_lost(handles)
        self.gapped = True
        self._act()

    confused = doubt_values

    def interrupted(self, fault: MxGatewayError) -> None:
        """Tell the consumer that values may be out of date."""
        self._interruption = fault
        if self.is_settled:
            self._outlet.change(SubscriptionState.RECOVERING, cause=fault)

    def resumed(self, *, gap: bool) -> None:
        """Tell the consumer how the stream has gone on."""
        self._outlet.counts.reconnects += 1
        self.clock.stream_opened()
        self._interruption = None
        if not self.cursor.position:  # nothing has come: the first values may be lost
            self.doubt_values()
        if self.is_settled:
            self._connect(Outcome.GAP if gap else Outcome.CONTINUOUS)

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """Take note that the session's stream is over."""
        if self.lost is None and not self._outlet.is_over:
            self.lost = fault or self.session.source.ended_error()
            self.is_lost_for_good = final
            if not final:
                self.interrupted(self.lost)
            self._act()

    def put_read(self, tag: str, handle: int, result: proto.BulkReadResult) -> None:
        """Take a value that was read after events were lost, unless a newer one has come meanwhile; that it could not be read is told as well."""
        if handle not in self.items.unread:
            return
        if result.was_successful:
            time: Any = result.source_timestamp if has_field(result, "source_timestamp") else None
            value, statuses = from_mx_value(result.value), tuple(result.statuses)
            update = TagUpdate(tag, value, result.quality, time, 0, Origin.SNAPSHOT, statuses)
            if not self.items.take_read(handle, update, self.clock.now()):
                return
        else:  # the one that the consumer has may be out of date, and nothing else says so
            self.items.read.pop(handle, None)
            update = TagUpdate(tag, None, 0, None, 0, Origin.SNAPSHOT, _reasons(result))
        self._outlet.counts.snapshots += 1
        self._outlet.put(update)
        self._outlet.waiters.wake()

    def unread_tags(self) -> set[str]:
        """Return the tags whose value was lost, or perhaps swallowed, and which the consumer has not had since."""
        lost = [handle for handle, is_fresh in self.items.unread.items() if not is_fresh]
        return {self.items.tags[handle] for handle in (*lost, *self.items.swallowed)}

    def account_for_loss(self) -> None:
        """Tell the consumer that what the session had not delivered is lost; nobody knows how much that is."""
        self._outlet.put_mark(Gap((self.cursor.position or 0) + 1, None, GapCause.SESSION_LOST, None))


def _reasons(result: proto.BulkReadResult) -> tuple[proto.MxStatusProxy, ...]:
    """Return the statuses of a value that could not be read; a reason that is only told in words becomes one."""
    if result.statuses or not result.error_message:
        return tuple(result.statuses)
    category = proto.MxStatusCategory.COMMUNICATION_ERROR
    return (proto.MxStatusProxy(category=category, diagnostic_text=result.error_message),)
