"""What a subscription has for its consumer: what waits for it, bounded and exact about what is dropped, its state, its counts, and how it ends."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.errors.faults import copy_of
from mxgateway.errors.logs import logger
from mxgateway.events.consuming import Waiters
from mxgateway.events.recovery import is_other_cause
from mxgateway.options.subscription import Overflow, SubscriptionOptions
from mxgateway.subscription.states import StateBoard
from mxgateway.subscription.updates import (
    OTHER_NUMBERS,
    ConnectionChange,
    Counts,
    Gap,
    GapCause,
    Outcome,
    SubscriptionState,
    TagUpdate,
    Update,
)
from mxgateway.values import UnconvertedValue

log = logger("mxgateway.subscription")

_UPDATE_BYTES: Final = 512
"""About what an update takes besides a long value."""
_ELEMENT_BYTES: Final = 64
"""What an element of an array takes."""
_OUTCOMES: Final[list[Outcome | None]] = [None, Outcome.CONTINUOUS, Outcome.GAP, Outcome.REBUILT]
"""What interruptions come to, the gravest last."""
GAPS_IN_A_ROW: Final = 100
"""Gaps that a consumer is told of one by one, with no update between them."""
_LONG_TYPES: Final = frozenset({str, bytes, list, UnconvertedValue})

Items = deque[Update | list[TagUpdate]]
"""What waits, in order. A list has the newest update of a tag, which a newer one may replace."""


class Outlet:
    """The consumer's end of a subscription. It outlives every session.

    Args:
        options: How a slow consumer is dealt with.
        over: Called when the subscription has failed.
    """

    def __init__(self, options: SubscriptionOptions, *over: Callable[[], None]) -> None:
        self.options = options
        self._over = over
        self.board = StateBoard()
        self.is_over = False
        """True when it has ended."""
        self.fault: MxGatewayError | None = None
        """What has ended the subscription, until the consumer has been told."""
        self.failure: MxGatewayError | None = None
        """The same, for whoever else asks for it."""
        self.counts = Counts()
        self.on_room: Callable[[], None] = _nobody
        """Called when a consumer that has held up the gateway has made room."""
        self._cause: MxGatewayError | None = None
        """The last cause of the present outage that the consumer was told."""
        self.waiters = Waiters()
        """Who waits for anything new: the subscription holds them by this."""
        self._patience: asyncio.TimerHandle | None = None
        self._keeps_latest = options.overflow is Overflow.LATEST_PER_TAG
        self._makes_room = options.overflow in (Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG)
        self._max_items, self._max_bytes = options.max_items, options.max_bytes
        self._items: Items = deque()
        self._first: Items = deque()
        """What is delivered before all else: what was there before a dropped update, and the gap that stands for those."""
        self._latest: dict[str, list[TagUpdate]] = {}
        """Where a newer update of each tag goes, when only the newest is kept."""
        self._bytes = self._updates = 0
        self._slow = False

    def __len__(self) -> int:
        return self._updates

    @property
    def is_full(self) -> bool:
        """True when the next update would exceed a limit."""
        return self._updates >= self._max_items or self._bytes >= self._max_bytes

    def put_mark(self, mark: Gap | ConnectionChange) -> None:
        """Queue what is never dropped. Behind a gap no update takes the place of one before it: the consumer forgets those."""
        if isinstance(mark, Gap):
            self._latest = {}
        _append_mark(self._items, mark)
        self.waiters.wake()

    def put(self, update: TagUpdate) -> None:
        """Queue an update; what then exceeds a limit makes room, where the policy says so."""
        if not self._keeps_latest:
            self._items.append(update)
            self._updates += 1
        else:
            self._put_latest(update)
        self._bytes += _UPDATE_BYTES if type(update.value) not in _LONG_TYPES else _size(update)
        if self._updates > self._max_items or self._bytes > self._max_bytes:
            self._note_slow()
            if self._makes_room:
                self._drop_oldest(update.tag)

    def _put_latest(self, update: TagUpdate) -> None:
        """Let an update take the place of the one of its tag that waits; it says how many it stands for."""
        if (place := self._latest.get(update.tag)) is None:
            self._latest[update.tag] = place = [update]
            self._items.append(place)
            self._updates += 1
        else:
            self._bytes -= _size(place[0])
            self.counts.conflated += 1
            place[0] = replace(update, conflated=place[0].conflated + 1)

    def _note_slow(self) -> None:
        """Tell, once for the time that it lasts, that the consumer is too slow."""
        if self._slow:
            return
        self._slow = True
        self.counts.slow_episodes += 1
        policy, waiting = self.options.overflow, len(self)
        log.warning("the consumer of a subscription is too slow: %d updates wait (%s)", waiting, policy.value)
        if policy is Overflow.FAIL:
            self.fail(_too_slow(f"{waiting} updates wait for the consumer"))

    def pop(self) -> Update | None:
        """Take what comes next; None when nothing waits."""
        if not (items := self._first or self._items):
            return None
        item = self._taken(items.popleft())
        self.counts.delivered += type(item) is TagUpdate
        if self._patience is not None and not self.is_full:
            self._end_patience()
            self.on_room()
        return item

    def _taken(self, item: Update | list[TagUpdate]) -> Update:
        if isinstance(item, list):
            place, item = item, item[0]
            if self._latest.get(item.tag) is place:
                del self._latest[item.tag]
        if type(item) is TagUpdate:
            self._updates -= 1
            self._bytes -= _UPDATE_BYTES if type(item.value) not in _LONG_TYPES else _size(item)
            if self._slow and self._updates <= self._max_items // 2 and self._bytes <= self._max_bytes // 2:
                self._slow = False
        return item

    def resume_point(self, position: int, tags: Collection[str]) -> tuple[int, set[str]]:
        """Return behind which event of the present session somebody else goes on with all that waits here, and the tags that are to be read for that.

        Args:
            position: Behind which event the stream goes on here.
            tags: All there are.
        """
        waiting = [item[0] if isinstance(item, list) else item for item in (*self._first, *self._items)]
        updates = [item for item in waiting if isinstance(item, TagUpdate)]
        if self._keeps_latest and not any(isinstance(item, Gap) for item in waiting):
            # Behind the oldest of them stand events of other tags, whose newer ones were taken.
            return position, {update.tag for update in updates}
        read = {update.tag for update in updates if not update.worker_sequence}  # no stream brings them again
        numbers = list[int]()
        for item in waiting:
            if isinstance(item, Gap) and item.cause in OTHER_NUMBERS:
                numbers.clear()  # what stands before it was numbered otherwise
            elif not isinstance(item, ConnectionChange):
                numbers.append(item.first_lost if isinstance(item, Gap) else item.worker_sequence)
        oldest = min(filter(None, numbers), default=None)
        if oldest == 1:  # behind 0 nothing is replayed: what the first event has told is read instead
            return 1, set(tags)
        return position if oldest is None else oldest - 1, read

    def _drop_oldest(self, newest: str) -> None:
        """Drop updates until what waits is within the limits; that of the tag `newest` stays in any case."""
        while self._updates > 1 and (self._updates > self._max_items or self._bytes > self._max_bytes):
            item = self._items.popleft()
            if isinstance(item, Gap | ConnectionChange):
                _append_mark(self._first, item)
            elif item is self._latest.get(newest):
                self._items.append(item)  # the place that it has taken is the oldest one
            else:
                update = self._taken(item)
                assert isinstance(update, TagUpdate)
                self.counts.dropped += 1
                sequence = update.worker_sequence
                _append_mark(self._first, Gap(sequence, sequence, GapCause.OVERFLOW, 1))

    # -- its state and its end

    @property
    def state(self) -> SubscriptionState:
        """How the subscription stands."""
        return self.board.state

    def take_fault(self) -> MxGatewayError | None:
        """Return what has ended the subscription, once."""
        fault, self.fault = self.fault, None
        return fault

    def change(
        self, state: SubscriptionState, cause: MxGatewayError | None = None, outcome: Outcome | None = None
    ) -> None:
        """Go over to another state and tell the consumer; of an outage that goes on, only that its cause is another one."""
        if self.is_over or (state is self.state and (cause is None or not is_other_cause(self._cause, cause))):
            return
        self._cause = cause
        self.put_mark(ConnectionChange(state, cause, outcome, datetime.now(UTC)))
        self.board.put(state)

    def fail(self, error: MxGatewayError) -> None:
        """End the subscription with an error, behind what waits."""
        if not self.is_over:
            self.fault, self.failure = error, copy_of(error)
            self._end(SubscriptionState.FAILED)
            for call in self._over:
                call()

    def finish(self) -> None:
        """End the subscription."""
        self._end(SubscriptionState.CLOSED)

    def _end(self, state: SubscriptionState) -> None:
        self._end_patience()
        self.board.put(state)
        self.is_over = True
        self.waiters.wake()

    @property
    def is_blocked(self) -> bool:
        """True while the gateway is to wait for the consumer. Its patience begins with the first question."""
        if self.options.overflow is not Overflow.BLOCK or not self.is_full or self.is_over:
            return False
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self.options.block_timeout, self._patience_ends)
            self._note_slow()
        return True

    def _patience_ends(self) -> None:
        self.fail(_too_slow(f"the consumer has made no room within {self.options.block_timeout:g} s"))
        self.on_room()

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _nobody() -> None:
    """Nobody is told any more."""


def _too_slow(what: str) -> MxGatewaySessionError:
    return MxGatewaySessionError(
        f"the subscription was ended: {what}",
        hint="take updates sooner, or choose another overflow policy",
        phase="stream",
    )


def _append_mark(items: Items, mark: Gap | ConnectionChange) -> None:
    """Put a mark behind the others. With no update between them those of a kind become one: a link that flaps for hours fills no memory."""
    if isinstance(mark, Gap):
        _append_gap(items, mark)
        return
    before = [(place, each) for place, each in _marks(items) if isinstance(each, ConnectionChange)][:3]
    lost = list(itertools.takewhile(lambda each: each[1].state is SubscriptionState.RECOVERING, before))
    if mark.state is SubscriptionState.RECOVERING and len(lost) > 1:
        del items[lost[0][0]]  # of the causes of one outage the first and the last
    elif mark.state is SubscriptionState.CONNECTED and 0 < len(lost) < len(before):
        there = before[len(lost)][1]
        if there.state is SubscriptionState.CONNECTED:
            mark = replace(mark, outcome=max(mark.outcome, there.outcome, key=_OUTCOMES.index))
            for place, _ in before[: len(lost) + 1]:  # that it was lost, and that it had been there
                del items[place]
    items.append(mark)


def _append_gap(items: Items, gap: Gap) -> None:
    """Put a gap behind the others, or into the last one if that has the same cause; where a hundred stand in a row, into any of its cause.

    What stands between numbers of two kinds stands for itself.
    """
    present = [(place, each) for place, each in _marks(items) if isinstance(each, Gap)]
    many, stands_alone = len(present) >= GAPS_IN_A_ROW, gap.cause in OTHER_NUMBERS
    for place, before in present if many else present[:1]:
        if before.cause is gap.cause and not stands_alone:
            items[place] = _merged(before, gap)
            return
    if not (many and stands_alone):
        items.append(gap)


def _merged(one: Gap, other: Gap) -> Gap:
    first = min(filter(None, (one.first_lost, other.first_lost)), default=0)  # a value that was read has no number
    last, count = max(one.last_lost or 0, other.last_lost or 0), (one.count or 0) + (other.count or 0)
    return Gap(first, last, one.cause, count)


def _marks(items: Items) -> Iterator[tuple[int, Gap | ConnectionChange]]:
    """Yield the marks behind the last update, each with its place, from the last one on."""
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if isinstance(item, TagUpdate | list):
            return
        yield place, item


def _size(update: TagUpdate) -> int:
    """Return about how many bytes an update takes."""
    return _UPDATE_BYTES if type(update.value) not in _LONG_TYPES else _UPDATE_BYTES + _extent(update.value)


def _extent(value: Any) -> int:
    """Return about how many bytes a long value takes."""
    if isinstance(value, UnconvertedValue):
        return len(value.raw_value)
    if isinstance(value, list):
        return sum(_ELEMENT_BYTES + (_extent(each) if type(each) in _LONG_TYPES else 0) for each in value)
    return len(value)
