"""What waits for the consumer of an alarm board: every change, and for a slow consumer the last one of each alarm."""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from mxgateway.alarms.changes import AlarmChange, BoardChange, merged
from mxgateway.subscription.updates import ConnectionChange

log = logging.getLogger("mxgateway.alarms")

QUEUE_LIMIT: Final = 10_000
"""Changes that wait one by one: the length of the gateway's own event queue."""


class ChangeQueue:
    """The changes that the consumer has not taken.

    Up to a limit each waits by itself. Beyond it, until half of that has been taken, only the last one of each alarm waits and stands for the older ones: what counts
    is the set that they lead to. So the queue never holds more than the limit, or one change for each alarm that was or is active.

    Args:
        limit: How many wait one by one.
    """

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._limit = limit
        self._items: OrderedDict[Hashable, BoardChange] = OrderedDict()
        self._numbers = itertools.count()
        self._slow = False
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
        if len(self._items) > self._limit:
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
        if self._slow and len(self._items) <= self._limit // 2:
            self._slow = False
        return item

    def forget_alarms(self) -> None:
        """Drop what the board itself shows."""
        for key in [key for key, item in self._items.items() if not isinstance(item, ConnectionChange)]:
            del self._items[key]

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


def _subject(change: BoardChange) -> tuple[type, str]:
    """Return what a change is about."""
    return type(change), change.alarm.reference if isinstance(change, AlarmChange) else ""
