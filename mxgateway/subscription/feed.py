"""From events to updates: what the event stream of a session brings becomes what the consumer of a subscription gets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.subscription.items import ReadValue, SubscribedItems
from mxgateway.subscription.states import OVER, StateBoard
from mxgateway.subscription.stats import Counts
from mxgateway.subscription.update_queue import UpdateQueue
from mxgateway.subscription.updates import (
    ConnectionChange,
    Gap,
    GapCause,
    Origin,
    Outcome,
    SubscriptionState,
    TagUpdate,
    Update,
    new_update,
)
from mxgateway.subscription.worker_clock import WorkerClock
from mxgateway.subscription_options import Overflow, SubscriptionOptions
from mxgateway.values import from_mx_value
from mxgateway.wire import has_field

log = logging.getLogger("mxgateway.subscription")

_DATA_CHANGE: Final = proto.MxEventFamily.ON_DATA_CHANGE
_UNSET_YEAR: Final = 1970
"""In which a time that was not set seems to lie: only then it is worth asking."""


class Feed:
    """What a subscription has attached to the event stream.

    Args:
        items: The tags and their items.
        options: What happens when the consumer is too slow.
        act: Called when there is something to do that takes calls: the session is lost, or values have to be read.
        over: Called when the subscription has failed: a pause is of no use any more.
    """

    resumes: Final = True

    def __init__(
        self, items: SubscribedItems, options: SubscriptionOptions, act: Callable[[], None], over: Callable[[], None]
    ) -> None:
        self._items = items
        self._options = options
        self._act = act
        self._over = over
        self._queue = UpdateQueue(options.overflow, options.max_items, options.max_bytes, self._consumer_is_slow)
        self._arrived = asyncio.Event()
        self._patience: asyncio.TimerHandle | None = None
        self.board = StateBoard()
        self.counts = Counts()
        self.clock = WorkerClock()
        self.lost: MxGatewayError | None = None
        """Why the session is gone, until there is a new one."""
        self.gapped = False
        """True when events were lost and values have to be read."""
        self.fault: MxGatewayError | None = None
        """What has ended the subscription, until the consumer has been told."""
        self.last_worker_sequence = 0
        self.overlap = False
        self.from_the_first = False
        """True in a session whose events were all meant to come here: a first one that is not number 1 has had others before it."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when a consumer that was too slow has made room."""
        self.settling = False
        """True while the tags are being had: what the stream goes through meanwhile is part of that, and no state of its own."""
        self._interruption: MxGatewayError | None = None
        """Why the stream is not there at the moment."""
        self._rebuilt = False
        """True when the tags are in a new session and the consumer has not been told yet."""

    # -- the consumer's side

    def pop(self) -> Update | None:
        """Take what comes next; None when nothing waits."""
        item = self._queue.pop()
        if isinstance(item, TagUpdate):
            self.counts.delivered += 1
            if self._patience is not None and not self._queue.is_full:
                self._patience.cancel()
                self._patience = None
                self.on_room()
        return item

    @property
    def lag(self) -> float:
        """Seconds that the newest event was late."""
        return self.clock.lag

    async def arrival(self) -> None:
        """Wait for anything new."""
        self._arrived.clear()
        await self._arrived.wait()

    def put(self, mark: Gap | ConnectionChange) -> None:
        """Queue what is never dropped."""
        self._queue.put_mark(mark)
        self._arrived.set()

    @property
    def queue(self) -> UpdateQueue:
        """What waits for the consumer."""
        return self._queue

    # -- states

    def change(
        self, state: SubscriptionState, cause: MxGatewayError | None = None, outcome: Outcome | None = None
    ) -> None:
        """Go over to another state and tell the consumer."""
        if state is not self.board.state and self.board.state not in OVER:
            self.put(ConnectionChange(state, cause, outcome, datetime.now(UTC)))
            self.board.put(state)

    def fail(self, error: MxGatewayError) -> None:
        """End the subscription with an error, behind what waits."""
        if self.board.state not in OVER:
            self.fault = error
            self.board.put(SubscriptionState.FAILED)
            self._arrived.set()
            self._act()
            self._over()

    def finish(self) -> None:
        """End the subscription."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._queue.on_slow = _nobody
        if self.board.state not in OVER:
            self.board.put(SubscriptionState.CLOSED)
        self._arrived.set()

    # -- fed by the hub

    @property
    def full(self) -> bool:
        """True while the gateway is to wait for the consumer."""
        if self._options.overflow is not Overflow.BLOCK or not self._queue.is_full or self.board.state in OVER:
            return False
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._options.block_timeout, self._patience_ends)
            self._queue.note_slow()
        return True

    def deliver(self, batch: list[proto.MxEvent]) -> None:
        """Take a batch of events: each once, in order, with the gaps between them. What is over takes none: nobody would bound them."""
        if self.board.state in OVER:
            return
        last, received, take = self.last_worker_sequence, 0, self.take
        for event in batch:
            sequence = event.worker_sequence
            if sequence != last + 1:
                if event.replay_gap is not None:
                    last = self._take_gap(event.replay_gap, last)
                    continue
                if sequence <= last:
                    continue
                if last or self.from_the_first:
                    self._lose(last + 1, sequence - 1, GapCause.SEQUENCE)
            last = sequence
            received += 1
            take(event)
        self.counts.received += received
        self.last_worker_sequence = last
        if batch[-1].replay_gap is None:  # else it has no time
            self.clock.note(batch[-1])
        self._arrived.set()

    def interrupted(self, fault: MxGatewayError) -> None:
        """Tell the consumer that values may be out of date."""
        self._interruption = fault
        if not self.settling:
            self.change(SubscriptionState.RECOVERING, cause=fault)

    def resumed(self, *, gap: bool) -> None:
        """Tell the consumer how the stream has gone on."""
        self.counts.reconnects += 1
        self.clock.stream_opened()
        self._interruption = None
        if not self.last_worker_sequence:  # behind 0 the gateway replays nothing of what it has sent
            self._items.events_lost()
            self.gapped = self.gapped or bool(self._items.unread)
        if not self.settling:
            rebuilt, self._rebuilt = self._rebuilt, False
            outcome = Outcome.REBUILT if rebuilt else Outcome.GAP if gap else Outcome.CONTINUOUS
            self.change(SubscriptionState.CONNECTED, outcome=outcome)
        self._act()

    def settle(self) -> None:
        """Begin to have the tags in a session."""
        self.settling, self._interruption = True, None

    def settled(self, *, rebuilt: bool) -> None:
        """Tell the consumer that all tags are there, unless the stream has been lost meanwhile: then it is told when that is back."""
        self.settling = False
        self._rebuilt = rebuilt and self._interruption is not None
        if self._interruption is None:
            self.change(SubscriptionState.CONNECTED, outcome=Outcome.REBUILT if rebuilt else None)
        else:
            self.change(SubscriptionState.RECOVERING, cause=self._interruption)

    def end(self, fault: MxGatewayError | None, *, for_good: bool = False) -> None:
        """Take note that the session's stream is over; `for_good`: no new session would help."""
        if self.board.state in OVER or self.lost is not None:
            return
        error = fault or MxGatewaySessionError("the gateway has ended the event stream", hint="open a new session")
        if for_good:
            self.fail(error)
            return
        self.interrupted(error)
        self.lost = error
        self._act()

    # -- inside

    def take(self, event: proto.MxEvent) -> None:
        """Make an update of an event of a subscribed tag."""
        items, handle = self._items, event.item_handle
        tag = items.tags.get(handle)
        if event.family is not _DATA_CHANGE or event.server_handle != items.server_handle:
            self.counts.other += 1
        elif tag is None:
            if not items.hold(event):
                self.counts.other += 1
        elif items.read and handle in items.read and items.is_stale(event):
            self.counts.merged += 1
        else:
            self._queue.put(self._update(tag, event))

    def _update(self, tag: str, event: proto.MxEvent) -> TagUpdate:
        origin = Origin.LIVE
        if self.clock.is_replaying and self.clock.is_replayed(event):
            origin = Origin.REPLAYED
            self.counts.replayed += 1
        unread = self._items.unread
        if unread:
            unread.discard(event.item_handle)
            if event.item_handle in self._items.fresh:
                self._items.fresh.discard(event.item_handle)
                origin = Origin.SNAPSHOT
        time: Any = event.source_timestamp
        if time.year == _UNSET_YEAR and not has_field(event, "source_timestamp"):
            time = None
        return new_update(
            tag, from_mx_value(event.value), event.quality, time, event.worker_sequence, origin, tuple(event.statuses)
        )

    def put_read(self, tag: str, handle: int, result: proto.BulkReadResult) -> None:
        """Take a value that was read after events were lost, unless a newer one has come meanwhile; that it could not be read is told as well."""
        if handle not in self._items.unread:
            return
        self.counts.snapshots += 1
        self._arrived.set()
        if not result.was_successful:  # the one that the consumer has may be out of date, and nothing else says so
            self._queue.put(TagUpdate(tag, None, 0, None, 0, Origin.SNAPSHOT, tuple(result.statuses)))
            return
        self._items.unread.discard(handle)
        time = result.source_timestamp if has_field(result, "source_timestamp") else None
        self._items.read[handle] = ReadValue(time, result.value, result.quality, self.clock.now())  # type: ignore[arg-type]
        self._queue.put(
            TagUpdate(
                tag, from_mx_value(result.value), result.quality, time, 0, Origin.SNAPSHOT,  # type: ignore[arg-type]
                tuple(result.statuses),
            )
        )  # fmt: skip

    def unread_tags(self) -> set[str]:
        """Return the tags whose value was lost, and which the consumer has not had since."""
        lost = self._items.unread - self._items.fresh
        return {self._items.tags[handle] for handle in lost} | set(self._queue.tags_read())

    def session_gone(self) -> None:
        """Account for a session that is lost: what it had not delivered nobody knows."""
        self.put(Gap(self.last_worker_sequence + 1, None, GapCause.SESSION_LOST, None))
        self._items.session_lost()
        self.last_worker_sequence = 0
        self.from_the_first = True
        self.gapped = False
        self.lost = None

    def attempt_failed(self) -> None:
        """Account for a session in which not all tags could be had: only those whose events have come know of it."""
        if self.last_worker_sequence:
            self.session_gone()
        else:
            self._items.session_lost()

    def _take_gap(self, gap: proto.ReplayGap, last: int) -> int:
        newest_lost = gap.oldest_available_sequence - 1
        if newest_lost <= last:
            return last
        self._lose(max(last, gap.requested_after_sequence) + 1, newest_lost, GapCause.REPLAY)
        return newest_lost

    def _lose(self, first: int, last: int, cause: GapCause) -> None:
        self.put(Gap(first, last, cause, last - first + 1))
        self.counts.lost += last - first + 1
        self._items.events_lost()
        self.gapped = True
        self._act()

    def _consumer_is_slow(self) -> None:
        policy = self._options.overflow
        log.warning("the consumer of a subscription is too slow: %d updates wait (%s)", len(self._queue), policy.value)
        if policy is Overflow.FAIL:
            self.fail(_too_slow(f"{len(self._queue)} updates wait for the consumer"))

    def _patience_ends(self) -> None:
        self.fail(_too_slow(f"the consumer has made no room within {self._options.block_timeout:g} s"))
        self.on_room()


def _nobody() -> None:
    """Nobody is told any more: the queue does not hold the feed that holds it."""


def _too_slow(what: str) -> MxGatewaySessionError:
    return MxGatewaySessionError(
        f"the subscription was ended: {what}",
        hint="take updates sooner, or choose another overflow policy",
        phase="stream",
    )
