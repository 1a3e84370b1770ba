"""The consumer's end of a subscription: a limited queue that reports what it drops, the state and the counts."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
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
"""About how much memory an update takes, without a long value."""
_ELEMENT_BYTES: Final = 64
"""About how much memory an element of an array takes."""
_OUTCOMES: Final[list[Outcome | None]] = [None, Outcome.CONTINUOUS, Outcome.GAP, Outcome.REBUILT]
"""The outcomes of interruptions, the gravest last."""
GAPS_IN_A_ROW: Final = 100
"""The most gaps in a row, without an update between them, that are reported one by one."""
_LONG_TYPES: Final = frozenset({str, bytes, list, UnconvertedValue})

Items = deque[Update | list[TagUpdate]]
"""The queue, in order. A list of one holds the newest update of a tag, which a newer one may replace."""


class UpdateQueue:
    """The consumer's end of a subscription. It outlives every session.

    Args:
        options: How a slow consumer is handled.
        over: Called when the subscription has failed.
    """

    def __init__(self, options: SubscriptionOptions, *over: Callable[[], None]) -> None:
        self.options = options
        self._over = over
        self.board = StateBoard()
        self.is_over = False
        """True when it has ended."""
        self.fault: MxGatewayError | None = None
        """The error that ended the subscription; None once it was raised to the consumer."""
        self.failure: MxGatewayError | None = None
        """A copy of it for other callers."""
        self.counts = Counts()
        self.on_room: Callable[[], None] = _nobody
        """Called when a consumer that held up the gateway has made room."""
        self.where: Callable[[], str] = str
        """Returns the gateway in use."""
        self._cause: MxGatewayError | None = None
        """The last reported cause of the current outage."""
        self.waiters = Waiters()
        """The readers that wait for news; this keeps them alive."""
        self._block_timer: asyncio.TimerHandle | None = None
        self._keeps_latest = options.overflow is Overflow.LATEST_PER_TAG
        self._makes_room = options.overflow in (Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG)
        self._max_items, self._max_bytes = options.max_items, options.max_bytes
        self._items: Items = deque()
        self._first: Items = deque()
        """Delivered first: marks that were queued before dropped updates, and the gaps that report those."""
        self._latest: dict[str, list[TagUpdate]] = {}
        """The queued entry of each tag, which a newer update replaces when only the newest is kept."""
        self._bytes = self._updates = 0
        self._slow = False

    def __len__(self) -> int:
        return self._updates

    @property
    def is_full(self) -> bool:
        """True when the next update would exceed a limit."""
        return self._updates >= self._max_items or self._bytes >= self._max_bytes

    def put_mark(self, mark: Gap | ConnectionChange) -> None:
        """Queue a mark, which is never dropped. An update after a gap does not replace one before it: the consumer
        discards those."""
        if isinstance(mark, Gap):
            self._latest = {}
        _append_mark(self._items, mark)
        self.waiters.wake()

    def put(self, update: TagUpdate) -> None:
        """Queue an update. If a limit is exceeded, the oldest ones are dropped, if the policy says so."""
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
        """Queue an update in place of the tag's queued one, if any; it counts how many it has replaced."""
        if (place := self._latest.get(update.tag)) is None:
            self._latest[update.tag] = place = [update]
            self._items.append(place)
            self._updates += 1
        else:
            self._bytes -= _size(place[0])
            self.counts.conflated += 1
            place[0] = replace(update, conflated=place[0].conflated + 1)

    def _note_slow(self) -> None:
        """Report once per episode that the consumer is too slow."""
        if self._slow:
            return
        self._slow = True
        self.counts.slow_episodes += 1
        policy, waiting = self.options.overflow, len(self)
        log.warning("the consumer of a subscription is too slow: %d updates wait (%s)", waiting, policy.value)
        if policy is Overflow.FAIL:
            self.fail(_too_slow(f"{waiting} updates wait for the consumer"))

    def pop(self) -> Update | None:
        """Take the next item; None when nothing is queued."""
        if not (items := self._first or self._items):
            return None
        item = self._taken(items.popleft())
        self.counts.delivered += type(item) is TagUpdate
        if self._block_timer is not None and not self.is_full:
            self._stop_block_timer()
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

    def resume_point(self, position: int, tags: Collection[str], late: Mapping[str, int] = {}) -> tuple[int, set[str]]:
        """Return where another process resumes the current session to get all that is queued here.

        Args:
            position: The sequence after which the stream continues here.
            tags: All tags.
            late: For some tags a sequence up to which newer updates of other tags may have been taken already.

        Returns:
            The sequence after which to resume, and the tags that have to be read.
        """
        waiting = [item[0] if isinstance(item, list) else item for item in (*self._first, *self._items)]
        begin = 0
        if self._keeps_latest:  # before the first gap, a newer update of another tag may have been taken already
            begin = next((place for place, item in enumerate(waiting) if isinstance(item, Gap)), len(waiting))
        read, numbers = set[str](), list[int]()
        for place, item in enumerate(waiting):
            if isinstance(item, Gap) and item.cause in OTHER_NUMBERS:
                numbers.clear()  # earlier items have other numbers
            elif isinstance(item, Gap):
                numbers.append(item.first_lost)
            elif isinstance(item, TagUpdate) and item.worker_sequence > late.get(item.tag, 0) and place >= begin:
                numbers.append(item.worker_sequence)
            elif isinstance(item, TagUpdate):
                read.add(item.tag)  # no stream brings it again
        oldest = min(filter(None, numbers), default=None)
        if oldest == 1:  # after 0 nothing is replayed: the value of event 1 is read instead
            return 1, set(tags)
        return position if oldest is None else oldest - 1, read

    def _drop_oldest(self, newest: str) -> None:
        """Drop updates until the queue is within the limits; the update of the tag `newest` always stays."""
        while self._updates > 1 and (self._updates > self._max_items or self._bytes > self._max_bytes):
            item = self._items.popleft()
            if isinstance(item, Gap | ConnectionChange):
                _append_mark(self._first, item)
            elif item is self._latest.get(newest):
                self._items.append(item)  # it has replaced the oldest update: move it to the end
            else:
                update = self._taken(item)
                assert isinstance(update, TagUpdate)
                self.counts.dropped += 1
                sequence = update.worker_sequence
                _append_mark(self._first, Gap(sequence, sequence, GapCause.OVERFLOW, 1))

    # -- state and end

    @property
    def state(self) -> SubscriptionState:
        """The current state."""
        return self.board.state

    def take_fault(self) -> MxGatewayError | None:
        """Return the error that ended the subscription, once."""
        fault, self.fault = self.fault, None
        return fault

    def change(
        self, state: SubscriptionState, cause: MxGatewayError | None = None, outcome: Outcome | None = None
    ) -> None:
        """Change the state and notify the consumer. Within an outage, only another cause is reported."""
        if self.is_over or (state is self.state and (cause is None or not is_other_cause(self._cause, cause))):
            return
        self._cause = cause
        self.put_mark(ConnectionChange(state, cause, outcome, datetime.now(UTC), self.where()))
        self.board.put(state)

    def fail(self, error: MxGatewayError) -> None:
        """End the subscription with an error, after the queued updates."""
        if not self.is_over:
            self.fault, self.failure = error, copy_of(error)
            self._end(SubscriptionState.FAILED)
            for call in self._over:
                call()

    def finish(self) -> None:
        """End the subscription."""
        self._end(SubscriptionState.CLOSED)

    def _end(self, state: SubscriptionState) -> None:
        self._stop_block_timer()
        self.board.put(state)
        self.is_over = True
        self.waiters.wake()

    @property
    def is_blocked(self) -> bool:
        """True while the gateway has to wait for the consumer. The first time it is True starts `block_timeout`."""
        if self.options.overflow is not Overflow.BLOCK or not self.is_full or self.is_over:
            return False
        if self._block_timer is None:
            loop = asyncio.get_running_loop()
            self._block_timer = loop.call_later(self.options.block_timeout, self._block_timed_out)
            self._note_slow()
        return True

    def _block_timed_out(self) -> None:
        self.fail(_too_slow(f"the consumer has made no room within {self.options.block_timeout:g} s"))
        self.on_room()

    def _stop_block_timer(self) -> None:
        if self._block_timer is not None:
            self._block_timer.cancel()
            self._block_timer = None


def _nobody() -> None:
    """Notifies nobody."""


def _too_slow(what: str) -> MxGatewaySessionError:
    return MxGatewaySessionError(
        f"the subscription was ended: {what}",
        hint="take updates sooner, or choose another overflow policy",
        phase="stream",
    )


def _append_mark(items: Items, mark: Gap | ConnectionChange) -> None:
    """Append a mark. Marks of a kind without an update between them are merged: a flapping link fills no memory."""
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
            for place, _ in before[: len(lost) + 1]:  # the earlier CONNECTED, and the RECOVERING after it
                del items[place]
    items.append(mark)


def _append_gap(items: Items, gap: Gap) -> None:
    """Append a gap, or merge it into the last one of the same cause; after a hundred in a row, into any of its cause.

    A gap after which the numbers restart is never merged.
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
    first = min(filter(None, (one.first_lost, other.first_lost)), default=0)  # values that were read have number 0
    last, count = max(one.last_lost or 0, other.last_lost or 0), (one.count or 0) + (other.count or 0)
    return Gap(first, last, one.cause, count)


def _marks(items: Items) -> Iterator[tuple[int, Gap | ConnectionChange]]:
    """Yield the marks after the last update with their places, the last one first."""
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if isinstance(item, TagUpdate | list):
            return
        yield place, item


def _size(update: TagUpdate) -> int:
    """Return about how much memory an update takes, in bytes."""
    return _UPDATE_BYTES if type(update.value) not in _LONG_TYPES else _UPDATE_BYTES + _extent(update.value)


def _extent(value: Any) -> int:
    """Return about how much memory a long value takes, in bytes."""
    if isinstance(value, UnconvertedValue):
        return len(value.raw_value)
    if isinstance(value, list):
        return sum(_ELEMENT_BYTES + (_extent(each) if type(each) in _LONG_TYPES else 0) for each in value)
    return len(value)
