"""The queue between the event stream and the consumer of a subscription: bounded, and exact about what it drops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

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

_UPDATE_BYTES: Final = 512
"""About what an update takes besides a long value."""
_ELEMENT_BYTES: Final = 64
"""What an element of an array takes."""
_OUTCOMES: Final[list[Outcome | None]] = [None, Outcome.CONTINUOUS, Outcome.GAP, Outcome.REBUILT]
"""What interruptions come to, the gravest last."""
GAPS_IN_A_ROW: Final = 100
"""Gaps that a consumer is told of one by one, with no update between them."""
_LONG_TYPES: Final = frozenset({str, bytes, list, UnconvertedValue})


class _Place:
    """Where the newest update of a tag waits."""

    __slots__ = ("update",)

    def __init__(self, update: TagUpdate) -> None:
        self.update = update


class UpdateQueue:
    """What waits for the consumer."""

    def __init__(self, overflow: Overflow, max_items: int, max_bytes: int, on_slow: Callable[[], None]) -> None:
        self._keeps_latest = overflow is Overflow.LATEST_PER_TAG
        self._makes_room = overflow in (Overflow.DROP_OLDEST, Overflow.LATEST_PER_TAG)
        self._max_items = max_items
        self._max_bytes = max_bytes
        self.on_slow = on_slow
        """Called once at the beginning of each time in which the consumer is too slow."""
        self._items: deque[Update | _Place] = deque()
        self._first: deque[Update | _Place] = deque()
        """What is delivered before all else: what was there before a dropped update, and the gap that stands for those."""
        self._latest: dict[str, _Place] = {}
        """Where a newer update of each tag goes, when only the newest is kept."""
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
        if isinstance(mark, Gap):
            self._latest = {}
        _append_mark(self._items, mark)

    def put(self, update: TagUpdate) -> None:
        """Queue an update; what then exceeds a limit makes room, where the policy says so."""
        if not self._keeps_latest:
            self._items.append(update)
            self._updates += 1
        else:
            self._put_latest(update)
        self._bytes += _UPDATE_BYTES if type(update.value) not in _LONG_TYPES else _size(update)
        if self._updates > self._max_items or self._bytes > self._max_bytes:
            self.note_slow()
            if self._makes_room:
                self._drop_oldest(update.tag)

    def _put_latest(self, update: TagUpdate) -> None:
        """Let an update take the place of the one of its tag that waits; it says how many it stands for."""
        place = self._latest.get(update.tag)
        if place is None:
            place = self._latest[update.tag] = _Place(update)
            self._items.append(place)
            self._updates += 1
            return
        self._bytes -= _size(place.update)
        self.conflated += 1
        place.update = replace(update, conflated=place.update.conflated + 1)

    def note_slow(self) -> None:
        """Tell, once for the time that it lasts, that the consumer is too slow."""
        if not self._slow:
            self._slow = True
            self.slow_episodes += 1
            self.on_slow()

    def pop(self) -> Update | None:
        """Take what comes next; None when nothing waits."""
        items = self._first or self._items
        return self._taken(items.popleft()) if items else None

    def _taken(self, item: Update | _Place) -> Update:
        if type(item) is _Place:
            item = item.update
            if (place := self._latest.get(item.tag)) is not None and place.update is item:
                del self._latest[item.tag]
        if type(item) is TagUpdate:
            self._updates -= 1
            self._bytes -= _UPDATE_BYTES if type(item.value) not in _LONG_TYPES else _size(item)
            if self._slow and self._updates <= self._max_items // 2 and self._bytes <= self._max_bytes // 2:
                self._slow = False
        assert not isinstance(item, _Place)
        return item

    def _waiting(self) -> Iterator[Update]:
        for item in (*self._first, *self._items):
            yield item.update if isinstance(item, _Place) else item

    def oldest_sequence(self) -> int | None:
        """Return the lowest number of an event of the present session that waits here, or is in a gap that waits; None when nothing does."""
        waiting: list[int] = []
        for item in self._waiting():
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
        items = list(self._waiting())
        if not self._keeps_latest or any(isinstance(item, Gap) for item in items):
            return None
        return {item.tag for item in items if isinstance(item, TagUpdate)}

    def tags_read(self) -> Iterator[str]:
        """Yield the tags of the values that were read and wait, which no stream brings again."""
        for item in self._waiting():
            if isinstance(item, TagUpdate) and not item.worker_sequence:
                yield item.tag

    def _drop_oldest(self, newest: str) -> None:
        """Drop updates until what waits is within the limits; that of the tag `newest` stays in any case."""
        while self._updates > 1 and (self._updates > self._max_items or self._bytes > self._max_bytes):
            item = self._items.popleft()
            if isinstance(item, Gap | ConnectionChange):
                _append_mark(self._first, item)
            elif isinstance(item, _Place) and item is self._latest.get(newest):
                self._items.append(item)  # the place that it has taken is the oldest one
            else:
                update = self._taken(item)
                assert isinstance(update, TagUpdate)
                self.dropped += 1
                sequence = update.worker_sequence
                _append_mark(self._first, Gap(sequence, sequence, GapCause.OVERFLOW, 1))


def _append_mark(items: deque[Update | _Place], mark: Gap | ConnectionChange) -> None:
    """Put a mark behind the others. With no update between them those of a kind become one: a link that flaps for hours fills no memory."""
    if isinstance(mark, Gap):
        _append_gap(items, mark)
        return
    if mark.state is SubscriptionState.CONNECTED:
        changes = [(place, each) for place, each in _marks(items) if isinstance(each, ConnectionChange)]
        before = changes[:2]  # that it was lost, and that it had been there
        if len(before) == 2 and before[1][1].state is SubscriptionState.CONNECTED:
            mark = replace(mark, outcome=max(mark.outcome, before[1][1].outcome, key=_OUTCOMES.index))
            for place, _ in before:
                del items[place]
    items.append(mark)


def _append_gap(items: deque[Update | _Place], gap: Gap) -> None:
    """Put a gap behind the others, or into the last one if that has the same cause; where a hundred stand in a row, into any of its cause.

    A lost session stands between the numbers of two, and for itself.
    """
    present = [(place, each) for place, each in _marks(items) if isinstance(each, Gap)]
    if gap.cause is GapCause.SESSION_LOST:
        if len(present) < GAPS_IN_A_ROW:
            items.append(gap)
        return
    for place, before in present[: None if len(present) >= GAPS_IN_A_ROW else 1]:
        if before.cause is gap.cause:
            items[place] = _merged(before, gap)
            return
    items.append(gap)


def _merged(one: Gap, other: Gap) -> Gap:
    first = min(filter(None, (one.first_lost, other.first_lost)), default=0)  # a value that was read has no number
    last, count = max(one.last_lost or 0, other.last_lost or 0), (one.count or 0) + (other.count or 0)
    return Gap(first, last, one.cause, count)


def _marks(items: deque[Update | _Place]) -> Iterator[tuple[int, Gap | ConnectionChange]]:
    """Yield the marks behind the last update, each with its place, from the last one on."""
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if isinstance(item, TagUpdate | _Place):
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
