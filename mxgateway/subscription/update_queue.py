"""The queue between the event stream and the consumer of a subscription: bounded, and exact about what it drops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from mxgateway.subscription.updates import ConnectionChange, Gap, GapCause, TagUpdate, Update
from mxgateway.subscription_options import Overflow

_UPDATE_BYTES: Final = 512
"""About what an update takes besides a long value."""
_LONG_TYPES: Final = (str, bytes, list)


class UpdateQueue:
    """What waits for the consumer.

    Args:
        overflow: What happens to updates beyond the limits.
        max_items: How many may wait.
        max_bytes: How many bytes they may take, about.
        on_slow: Called once at the beginning of each time in which the consumer is too slow.
    """

    def __init__(self, overflow: Overflow, max_items: int, max_bytes: int, on_slow: Callable[[], None]) -> None:
        self._overflow = overflow
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._on_slow = on_slow
        self._items: deque[Update] = deque()
        self._first: deque[Update] = deque()
        """What is delivered before all else: what was there before a dropped update, and the gap that stands for those."""
        self._latest: dict[str, TagUpdate] = {}
        """The newest update of each tag that waits, when only that is kept."""
        self._bytes = 0
        self._updates = 0
        self._slow = False
        self._gap: Gap | None = None
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
        """Queue what is never dropped."""
        self._items.append(mark)

    def put(self, update: TagUpdate) -> None:
        """Queue an update; what then exceeds a limit makes room, where the policy says so."""
        if self._overflow is Overflow.LATEST_PER_TAG:
            before = self._latest.get(update.tag)
            self._latest[update.tag] = update
            if before is not None:
                self._latest[update.tag] = replace(update, conflated=before.conflated + 1)
                self._bytes += _size(update) - _size(before)
                self.conflated += 1
                return
        self._items.append(update)
        self._updates += 1
        self._bytes += _size(update)
        if self._updates > self._max_items or self._bytes > self._max_bytes:
            self.note_slow()
            if self._overflow in (Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG):
                self._drop_oldest()

    def note_slow(self) -> None:
        """Tell, once for the time that it lasts, that the consumer is too slow."""
        if not self._slow:
            self._slow = True
            self.slow_episodes += 1
            self._on_slow()

    def pop(self) -> Update | None:
        """Take what comes next; None when nothing waits."""
        if self._first:
            return self._pop_first()
        if not self._items:
            return None
        item = self._items.popleft()
        if isinstance(item, TagUpdate):
            if self._overflow is Overflow.LATEST_PER_TAG:
                item = self._latest.pop(item.tag)
            self._forget(item)
        return item

    def oldest_sequence(self) -> int | None:
        """Return the lowest number of an event that waits here, or has been dropped from here unseen; None when nothing waits."""
        waiting = [item.worker_sequence for item in self._items if isinstance(item, TagUpdate) and item.worker_sequence]
        waiting += [gap.first_lost for gap in self._first if isinstance(gap, Gap)]
        return min(waiting, default=None)

    def _pop_first(self) -> Update:
        item = self._first.popleft()
        if item is self._gap:
            self._gap = None
        return item

    def _drop_oldest(self) -> None:
        """Drop updates until what waits is within the limits; the newest one stays in any case."""
        while self._updates > 1 and (self._updates > self._max_items or self._bytes > self._max_bytes):
            item = self._items.popleft()
            if not isinstance(item, TagUpdate):
                self._first.append(item)
                continue
            if self._overflow is Overflow.LATEST_PER_TAG:
                item = self._latest.pop(item.tag)
            self._forget(item)
            self._note_dropped(item)

    def _note_dropped(self, update: TagUpdate) -> None:
        self.dropped += 1
        gap = Gap(update.worker_sequence, update.worker_sequence, GapCause.OVERFLOW, 1)
        if self._gap is not None and self._first and self._first[-1] is self._gap:
            before = self._first.pop()
            assert isinstance(before, Gap)
            assert before.last_lost is not None
            first = min(before.first_lost, gap.first_lost) if update.worker_sequence else before.first_lost
            gap = Gap(first, max(before.last_lost, update.worker_sequence), GapCause.OVERFLOW, (before.count or 0) + 1)
        self._gap = gap
        self._first.append(gap)

    def _forget(self, update: TagUpdate) -> None:
        self._updates -= 1
        self._bytes -= _size(update)
        if self._slow and self._updates <= self._max_items // 2 and self._bytes <= self._max_bytes // 2:
            self._slow = False


def _size(update: TagUpdate) -> int:
    """Return about how many bytes an update takes."""
    value: Any = update.value
    if not isinstance(value, _LONG_TYPES):
        return _UPDATE_BYTES
    if isinstance(value, list):
        return _UPDATE_BYTES + sum(64 + (len(each) if isinstance(each, str | bytes) else 0) for each in value)
    return _UPDATE_BYTES + len(value)
