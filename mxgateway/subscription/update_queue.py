"""The queue between the event stream and the consumer of a subscription: bounded, and exact about what it drops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, TypeVar

from mxgateway.subscription.updates import (
    ConnectionChange,
    Gap,
    GapCause,
    Outcome,
    SubscriptionState,
    TagUpdate,
    Update,
)
from mxgateway.subscription_options import Overflow
from mxgateway.values import UnconvertedValue

M = TypeVar("M", Gap, ConnectionChange)

_UPDATE_BYTES: Final = 512
"""About what an update takes besides a long value."""
_ELEMENT_BYTES: Final = 64
"""What an element of an array takes."""
_OUTCOMES: Final[list[Outcome | None]] = [None, Outcome.CONTINUOUS, Outcome.GAP, Outcome.REBUILT]
"""What interruptions come to, the gravest last."""
_LONG_TYPES: Final = frozenset({str, bytes, list, UnconvertedValue})


class UpdateQueue:
    """What waits for the consumer.

    Args:
        overflow: What happens to updates beyond the limits.
        max_items: How many may wait.
        max_bytes: How many bytes they may take, about.
        on_slow: Called once at the beginning of each time in which the consumer is too slow.
    """

    def __init__(self, overflow: Overflow, max_items: int, max_bytes: int, on_slow: Callable[[], None]) -> None:
        self._keeps_latest = overflow is Overflow.LATEST_PER_TAG
        self._makes_room = overflow in (Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG)
        self._max_items = max_items
        self._max_bytes = max_bytes
        self.on_slow = on_slow
        self._items: deque[Update] = deque()
        self._first: deque[Update] = deque()
        """What is delivered before all else: what was there before a dropped update, and the gap that stands for those."""
        self._latest: dict[str, TagUpdate] = {}
        """The newest update of each tag that waits, when only that is kept: it stands in the place of the oldest one."""
        self._settled = 0
        """How many of the oldest updates stand before a gap, and for themselves."""
        self._bytes = 0
        self._updates = 0
        self._slow = False
        self.dropped = 0
        """Updates that made room."""
        self.conflated = 0
        """Updates that a newer one of the same tag stands for."""
        self.slow_episodes = 0
        """How often the consumer was too slow."""

    def __len__(self) -> int:
        return self._updates

    @property
    def is_full(self) -> bool:
        """True when the next update would exceed a limit."""
        return self._updates >= self._max_items or self._bytes >= self._max_bytes

    def put_mark(self, mark: Gap | ConnectionChange) -> None:
        """Queue what is never dropped. Behind a gap no update takes the place of one before it: the consumer forgets those."""
        if isinstance(mark, Gap) and self._latest:
            self._settle()
        _append_mark(self._items, mark)

    def put(self, update: TagUpdate) -> None:
        """Queue an update; what then exceeds a limit makes room, where the policy says so."""
        if self._keeps_latest:
            update = self._stand_for_older(update)
        if not update.conflated:
            self._items.append(update)
            self._updates += 1
        self._bytes += _size(update)
        if self._updates > self._max_items or self._bytes > self._max_bytes:
            self.note_slow()
            if self._makes_room:
                self._drop_oldest(update.tag)

    def note_slow(self) -> None:
        """Tell, once for the time that it lasts, that the consumer is too slow."""
        if not self._slow:
            self._slow = True
            self.slow_episodes += 1
            self.on_slow()

    def pop(self) -> Update | None:
        """Take what comes next; None when nothing waits."""
        if self._first:
            return self._first.popleft()
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, TagUpdate):
            if self._keeps_latest:
                item = self._newest(item)
            self._forget(item)
        return item

    def oldest_sequence(self) -> int | None:
        """Return the lowest number of an event of the present session that waits here, or is in a gap that waits; None when nothing does."""
        waiting: list[int] = []
        for item in (*self._first, *self._items):
            if isinstance(item, TagUpdate):
                waiting.append(item.worker_sequence)
            elif isinstance(item, Gap):
                if item.cause is GapCause.SESSION_LOST:
                    waiting.clear()  # what stands before it has numbers of another session
                else:
                    waiting.append(item.first_lost)
        return min(filter(None, waiting), default=None)

    def latest_tags(self) -> set[str] | None:
        """Return the tags of which the newest update waits, when only that is kept; None otherwise, and where a gap waits."""
        items = (*self._first, *self._items)
        if not self._keeps_latest or any(isinstance(item, Gap) for item in items):
            return None
        return {item.tag for item in items if isinstance(item, TagUpdate)}

    def tags_read(self) -> Iterator[str]:
        """Yield the tags of the values that were read and wait, which no stream brings again."""
        for item in self._items:
            if isinstance(item, TagUpdate) and not item.worker_sequence:
                yield item.tag

    def _stand_for_older(self, update: TagUpdate) -> TagUpdate:
        """Let an update take the place of the one of its tag that waits; return it with the number that it stands for."""
        before = self._latest.get(update.tag)
        if before is not None:
            update = replace(update, conflated=before.conflated + 1)
            self._bytes -= _size(before)
            self.conflated += 1
        self._latest[update.tag] = update
        return update

    def _newest(self, item: TagUpdate) -> TagUpdate:
        """Return what stands in the place of the oldest update."""
        if self._settled:
            self._settled -= 1
            return item
        return self._latest.pop(item.tag)

    def _settle(self) -> None:
        """Let each update that waits stand as it is from now on."""
        latest, settled = self._latest, self._settled
        items = self._items
        self._items = deque()
        for item in items:
            if isinstance(item, TagUpdate):
                settled -= 1
                item = latest[item.tag] if settled < 0 else item
            self._items.append(item)
        self._latest = {}
        self._settled = self._updates

    def _drop_oldest(self, newest: str) -> None:
        """Drop updates until what waits is within the limits; that of the tag `newest` stays in any case."""
        while self._updates > 1 and (self._updates > self._max_items or self._bytes > self._max_bytes):
            item = self._items.popleft()
            if not isinstance(item, TagUpdate):
                _append_mark(self._first, item)
            elif self._keeps_latest and not self._settled and item.tag == newest:
                self._items.append(item)  # the place that it has taken is the oldest one
            else:
                item = self._newest(item) if self._keeps_latest else item
                self._forget(item)
                self._note_dropped(item)

    def _note_dropped(self, update: TagUpdate) -> None:
        self.dropped += 1
        first = last = update.worker_sequence
        count = 1
        place, before = next(_marks(self._first, Gap), (0, None))
        if before is not None and before.cause is GapCause.OVERFLOW:
            assert before.last_lost is not None
            assert before.count is not None
            del self._first[place]
            last, count = max(before.last_lost, last), before.count + 1
            first = min(before.first_lost or first, first or before.first_lost)  # a value that was read has no number
        self._first.append(Gap(first, last, GapCause.OVERFLOW, count))

    def _forget(self, update: TagUpdate) -> None:
        self._updates -= 1
        self._bytes -= _size(update)
        if self._slow and self._updates <= self._max_items // 2 and self._bytes <= self._max_bytes // 2:
            self._slow = False


def _marks(items: deque[Update], kind: type[M]) -> Iterator[tuple[int, M]]:
    """Yield the marks of a kind behind the last update, each with its place, from the last one on."""
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if isinstance(item, TagUpdate):
            return
        if isinstance(item, kind):
            yield place, item


def _append_mark(items: deque[Update], mark: Gap | ConnectionChange) -> None:
    """Put a mark behind the others. Interruptions with no update between them become one: a link that flaps for hours fills no memory."""
    if isinstance(mark, ConnectionChange) and mark.state is SubscriptionState.CONNECTED:
        before = list(islice(_marks(items, ConnectionChange), 2))  # that it was lost, and that it had been there
        if len(before) == 2 and before[1][1].state is SubscriptionState.CONNECTED:
            mark = replace(mark, outcome=max(mark.outcome, before[1][1].outcome, key=_OUTCOMES.index))
            for place, _ in before:
                del items[place]
    items.append(mark)


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
