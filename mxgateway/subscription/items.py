"""The items of a subscription in one session: whose events they are, and whose values have to be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, NamedTuple

from mxgateway.events.data_change import DataChange
from mxgateway.wire import Timestamp


class ReadValue(NamedTuple):
    """A value that was read after a loss: events of before may still be on their way."""

    time: Timestamp | None
    """When it was true."""
    value: Any
    quality: int
    until: float
    """The worker's time, in seconds since 1970, from which on events are newer, whatever the time of their value."""


class SessionItems:
    """Which handle is which tag's."""

    def __init__(self, held_limit: int) -> None:
        self.handles: dict[str, int] = {}
        """The item handle of each tag that has one."""
        self.tags: dict[int, str] = {}
        """The tag of each item handle."""
        self.unread: set[int] = set()
        """Items of which no event has come since they were subscribed to, or since events were lost."""
        self.fresh: set[int] = set()
        """Those among them that were subscribed to anew: their first event is their current value."""
        self.read: dict[int, ReadValue] = {}
        """The items whose value was read after a loss, until the first newer event."""
        self.retired: set[int] = set()
        """Handles of items that were let go, whose events may still be on their way."""
        self._held: deque[DataChange] = deque()
        self._held_limit = held_limit
        """Events that are kept while it is not known whose they are."""
        self._mapping = 0
        self.lost_meanwhile = False
        """True when events were lost while items were being subscribed to, perhaps the first ones of those."""

    def begin(self) -> None:
        """Hold events of unknown items from now on: they may be ahead of the reply that names their tag."""
        self.lost_meanwhile = self.lost_meanwhile and self._mapping > 0
        self._mapping += 1

    def finish(self) -> int:
        """Hold such events no longer; return how many were nobody's."""
        self._mapping -= 1
        return self.forget_held() if not self._mapping else 0

    def forget_held(self, handles: Collection[int] | None = None) -> int:
        """Let go of the events that are held, or of those of some items; return how many they were."""
        before = len(self._held)
        kept = [] if handles is None else [change for change in self._held if change.item_handle not in handles]
        self._held = deque(kept)
        return before - len(kept)

    def hold(self, change: DataChange) -> DataChange | None:
        """Hold an event of an unknown item. Return the event that is nobody's then: this one, or the oldest one where there are too many."""
        if not self._mapping:
            return change
        self._held.append(change)
        if len(self._held) <= self._held_limit:
            return None
        self.lost_meanwhile = True
        return self._held.popleft()

    def map(self, tag: str, handle: int) -> list[DataChange]:
        """Take the item that a tag was given; return the events that came ahead."""
        self.attach(tag, handle)
        self.fresh.add(handle)
        self.unread.add(handle)
        if not self._held:
            return []
        ahead = [change for change in self._held if change.item_handle == handle]
        if ahead:
            self._held = deque(change for change in self._held if change.item_handle != handle)
        return ahead

    def attach(self, tag: str, handle: int) -> None:
        """Take an item that is there already."""
        self.handles[tag] = handle
        self.tags[handle] = tag

    def drop(self, tag: str) -> int | None:
        """Let go of the item of a tag; return its handle."""
        handle = self.handles.pop(tag, None)
        if handle is not None:
            self.tags.pop(handle, None)
            self.unread.discard(handle)
            self.fresh.discard(handle)
            self.read.pop(handle, None)
            self.retired.add(handle)
        return handle

    def events_lost(self) -> None:
        """Take note that any value may have changed unseen."""
        self.lost_meanwhile = self._mapping > 0
        self.unread = set(self.tags)
        self.read.clear()

    def note_event(self, handle: int) -> bool:
        """Take note of an event of an item whose value was not known; tell whether it is its first one."""
        self.unread.discard(handle)
        if handle not in self.fresh:
            return False
        self.fresh.discard(handle)
        return True

    def is_stale(self, change: DataChange) -> bool:
        """Tell whether an event is no newer than the value of its item that was read; the first that may be newer ends the question."""
        read, time = self.read[change.item_handle], change.source_time
        if read.time is not None and time is not None and change.worker_time <= read.until:
            if time < read.time:
                return True
            if time == read.time and _same(change.value, read.value) and change.quality == read.quality:
                return True
        del self.read[change.item_handle]
        return False


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same; NaN is the same as NaN."""
    return bool(one == other) or (one != one and other != other)
