"""What waits for the consumer of an alarm board: every change, and for a slow consumer the last one of each alarm."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from mxgateway.alarms.changes import AlarmChange, BoardChange, merged
from mxgateway.alarms.weights import weight
from mxgateway.errors.logs import logger
from mxgateway.subscription.updates import ConnectionChange

log = logger("mxgateway.alarms")

QUEUE_LIMIT: Final = 10_000
"""Changes that wait one by one: the length of the gateway's own event queue."""


class ChangeQueue:
    """The changes that the consumer has not taken.

    Up to a limit each waits by itself; a long one counts as more (see `weights`). Beyond it, until half of that has been taken, only the last one of each alarm waits and stands for the older ones: what counts
    is the set that they lead to. So the queue never holds more than the limit, or one change for each alarm that was or is active.

    Args:
        limit: How many wait one by one.
    """

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._limit = limit
        self._items: OrderedDict[Hashable, BoardChange] = OrderedDict()
        self._numbers = itertools.count()
        self._slow = False
        self._weight = 0  # of all that wait, unless the consumer is slow
        self.conflated = 0
        """Changes that a newer one stands for, or that have come to nothing."""

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
            log.warning("the consumer of an alarm board is too slow: of each alarm only the last change is kept")
            items, self._items = self._items, OrderedDict()
            for item in items.values():
                self._put_last(item)

    def pop(self) -> BoardChange | None:
        """Take what comes next; None when nothing waits."""
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
        """Drop what the board itself shows."""
        for key in [key for key, item in self._items.items() if not isinstance(item, ConnectionChange)]:
            del self._items[key]
        self._weigh()

    def _put_last(self, change: BoardChange) -> None:
        """Let a change stand for the older one of its kind, behind everything else."""
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
    """Return what a change is about."""
    return type(change), change.alarm.reference if isinstance(change, AlarmChange) else ""
