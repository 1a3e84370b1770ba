"""The queue of an alarm board's consumer: every change, or for a slow consumer the last change of each alarm."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from mxgateway.alarms.changes import AlarmChange, BoardChange, merged
from mxgateway.alarms.memory_limits import weight
from mxgateway.errors.logs import logger
from mxgateway.subscription.updates import ConnectionChange

log = logger("mxgateway.alarms")

QUEUE_LIMIT: Final = 10_000
"""Changes queued one by one: the length of the gateway's own event queue."""


class ChangeQueue:
    """The changes that the consumer has not taken.

    Up to a limit, changes are queued one by one; a long one counts as several (see `weights`). Beyond the limit, the
    queue conflates until it has drained to half of it: it keeps only the last change of each alarm, because only the
    resulting set matters. So the queue never holds more than the limit, or one change for each alarm that is or was
    active.

    Args:
        limit: Most changes queued one by one.
    """

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._limit = limit
        self._items: OrderedDict[Hashable, BoardChange] = OrderedDict()
        self._numbers = itertools.count()
        self._slow = False
        self._weight = 0  # of all queued changes; not maintained while conflating
        self.conflated = 0
        """Changes that were replaced by a newer one or cancelled out."""

    def __len__(self) -> int:
        return len(self._items)

    def put(self, change: BoardChange) -> None:
        """Queue a change."""
        if self._slow:
            self._put_last(change)
            return
        self._items[next(self._numbers)] = change
        self._weight += _weight(change)
        if self._weight > self._limit:
            self._slow = True
            log.warning("the consumer of an alarm board is too slow: only the last change of each alarm is kept")
            items, self._items = self._items, OrderedDict()
            for item in items.values():
                self._put_last(item)

    def pop(self) -> BoardChange | None:
        """Take the next change; None if the queue is empty."""
        if not self._items:
            return None
        _, item = self._items.popitem(last=False)
        if not self._slow:
            self._weight -= _weight(item)
        elif len(self._items) <= self._limit // 2:
            self._weigh()
            self._slow = self._weight > self._limit
        return item

    def _weigh(self) -> None:
        self._weight = sum(map(_weight, self._items.values()))

    def forget_alarms(self) -> None:
        """Drop the changes that `active` already reflects."""
        for key in [key for key, item in self._items.items() if not isinstance(item, ConnectionChange)]:
            del self._items[key]
        self._weigh()

    def _put_last(self, change: BoardChange) -> None:
        """Replace the queued change of the same subject, and move to the end of the queue."""
        key = _subject(change)
        older = self._items.pop(key, None)
        if older is not None:
            self.conflated += isinstance(change, AlarmChange)
        if isinstance(older, AlarmChange) and isinstance(change, AlarmChange):
            both = merged(older, change)
            if both is None:
                self.conflated += 1
                return
            change = both
        self._items[key] = change


def _weight(change: BoardChange) -> int:
    if isinstance(change, ConnectionChange):
        return 1
    return weight(change.alarm if isinstance(change, AlarmChange) else change)


def _subject(change: BoardChange) -> tuple[type, str]:
    """Return the subject of a change."""
    return type(change), change.alarm.reference if isinstance(change, AlarmChange) else ""
