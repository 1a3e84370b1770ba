"""The items of a subscription in one session: whose events they are, and whose values have to be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from mxgateway.events.data_change import DataChange
from mxgateway.subscription.updates import TagUpdate
from mxgateway.values import same_value


class SessionItems:
    """Which handle is which tag's."""

    def __init__(self, held_limit: int) -> None:
        self.handles: dict[str, int] = {}
        """The item handle of each tag that has one."""
        self.tags: dict[int, str] = {}
        """The tag of each item handle."""
        self.unread: dict[int, bool] = {}
        """Items of which no event has come since they were subscribed to, or since events were lost; True where the first event is the current value."""
        self.read: dict[int, tuple[TagUpdate, float]] = {}
        """What was read of an item after a loss, until the first newer event: events of before may still be on their way. With the worker's time, in seconds since 1970, from
        which on events are newer, whatever the time of their value."""
        self.swallowed: set[int] = set()
        """Items of which an event was taken to be older than the value that was read. Clocks are no proof: they are to be read once more."""
        self.retired: set[int] = set()
        """Handles of items that were let go, whose events may still be on their way."""
        self._held: deque[DataChange] | None = None
        """Events of unknown items, while they may be ahead of the reply that names their tag; None at other times."""
        self._held_limit = held_limit
        self.lost_meanwhile = False
        """True when events were lost while items were being subscribed to, perhaps the first ones of those."""

    def begin(self) -> None:
        """Hold events of unknown items from now on."""
        self._held, self.lost_meanwhile = deque(), False

    def finish(self) -> int:
        """Hold such events no longer; return how many were nobody's."""
        held, self._held = self._held, None
        return len(held or ())

    def hold(self, change: DataChange) -> DataChange | None:
        """Hold an event of an unknown item. Return the event that is nobody's then: this one, or the oldest one where there are too many."""
        if self._held is None:
            return change
        self._held.append(change)
        if len(self._held) <= self._held_limit:
            return None
        self.lost_meanwhile = True
        return self._held.popleft()

    def take_held(self, handles: Collection[int]) -> list[DataChange]:
        """Hold the events of some items no longer, and return them."""
        taken = [change for change in self._held or () if change.item_handle in handles]
        if taken:
            self._held = deque(change for change in self._held or () if change.item_handle not in handles)
        return taken

    def map(self, tag: str, handle: int) -> list[DataChange]:
        """Take the item that a tag was given; return the events that came ahead."""
        self.attach(tag, handle)
        self.unread[handle] = True
        return self.take_held((handle,)) if self._held else []

    def attach(self, tag: str, handle: int) -> None:
        """Take an item that is there already."""
        self.handles[tag] = handle
        self.tags[handle] = tag

    def drop(self, tag: str) -> int | None:
        """Let go of the item of a tag; return its handle."""
        handle = self.handles.pop(tag, None)
        if handle is not None:
            for of_handle in (self.tags, self.unread, self.read):
                of_handle.pop(handle, None)
            self.swallowed.discard(handle)
            self.retired.add(handle)
        return handle

    def events_lost(self, handles: Iterable[int] | None = None) -> None:
        """Take note that the values of some items may have changed unseen, any value unless told."""
        if handles is None:
            self.lost_meanwhile, handles = self._held is not None, self.tags
        lost = dict.fromkeys(handles, False)
        for handle in lost:
            self.read.pop(handle, None)
        self.swallowed -= lost.keys()
        self.unread = lost | self.unread

    def doubt_swallowed(self) -> None:
        """Have the items read of which something was swallowed."""
        self.unread = dict.fromkeys(self.swallowed, False) | self.unread
        self.swallowed.clear()

    def take_read(self, handle: int, update: TagUpdate, until: float) -> bool:
        """Take a value that was read, and the worker's time from which on events are newer. Of one that was read once more, tell whether no event brings it."""
        del self.unread[handle]
        if (before := self.read.pop(handle, None)) is None:
            self.read[handle] = update, until
            return True
        time, time_before = update.source_time, before[0].source_time
        if time is None or time_before is None or time < time_before:
            return True  # the worker's clock was set back: nothing is to be judged by it
        self.read[handle] = before
        return False

    def is_stale(self, change: DataChange) -> bool:
        """Tell whether an event is no newer than the value of its item that was read; the first that may be newer ends the question."""
        (read, until), time = self.read[change.item_handle], change.source_time
        if read.source_time is not None and time is not None and change.worker_time <= until:
            same = time == read.source_time and same_value(change.value, read.value) and change.quality == read.quality
            if same or time < read.source_time:
                self.swallowed.add(change.item_handle)
                return True
        del self.read[change.item_handle]
        self.swallowed.discard(change.item_handle)
        return False
