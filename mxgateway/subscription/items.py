"""The items of a subscription in one session: their tags, and whose values have to be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from mxgateway.commands.barrier import PAST_LIMIT
from mxgateway.events.data_change import DataChange
from mxgateway.subscription.updates import TagUpdate
from mxgateway.values import same_value


class SessionItems:
    """Maps item handles to tags."""

    def __init__(self, held_limit: int) -> None:
        self.handles: dict[str, int] = {}
        """The item handle of each tag that has one."""
        self.tags: dict[int, str] = {}
        """The tag of each item handle."""
        self.unread: dict[int, bool] = {}
        """Items without an event since they were subscribed to (True: their first event is the current value), or since
        events were lost (False)."""
        self.read: dict[int, tuple[TagUpdate, float]] = {}
        """The value that was read of an item after a loss, until its first newer event: older events may be in flight.
        With the worker time, in seconds since 1970, after which events are newer, whatever the time of their value."""
        self.overtaken: dict[int, int] = {}
        """Items whose events were held, and the number of the newest event by then: newer updates of other items may have
        been taken before theirs."""
        self.losses = 0
        """How often events were lost: a value that was read before a loss may be older than what was lost."""
        self.swallowed: set[int] = set()
        """Items with an event that was judged older than the value that was read. Clocks are no proof: these items have
        to be read again."""
        self.retired: set[int] = set()
        """Handles of dropped items whose events may still be in flight."""
        self.orphans: set[int] = set()
        """Handles of items of no tag that may still be advised, because the answer to a call was lost."""
        self.is_untidy = False
        """True when orphans should be let go."""
        self._held: deque[DataChange] | None = None
        """Events of unknown items, while they may have overtaken the reply that names their tag; else None."""
        self._held_limit = held_limit
        self.lost_meanwhile = False
        """True when events were lost during a subscribe call, perhaps the first ones of its items."""

    def begin(self) -> None:
        """Hold events of unknown items from now on."""
        self._held, self.lost_meanwhile = deque(), False

    def finish(self) -> int:
        """Stop holding events; return how many belonged to no tag."""
        held, self._held = self._held or (), None
        for change in held:
            self._meet_unknown(change.item_handle)
        return len(held)

    def _meet_unknown(self, handle: int) -> None:
        if handle > 0 and handle not in self.retired and len(self.retired) < PAST_LIMIT:
            self.retired.add(handle)
            self.suspect((handle,))

    def suspect(self, handles: Iterable[int]) -> None:
        """Note items of no tag that may still be advised."""
        self.orphans.update(handles)
        self.is_untidy = True

    def hold(self, change: DataChange) -> DataChange | None:
        """Hold an event of an unknown item. Return an event that is not held: this one, or the oldest if there are too
        many."""
        if self._held is None:
            self._meet_unknown(change.item_handle)
            return change
        self._held.append(change)
        if len(self._held) <= self._held_limit:
            return None
        self.lost_meanwhile = True
        return self._held.popleft()

    def take_held(self, handles: Collection[int]) -> list[DataChange]:
        """Remove and return the held events of some items."""
        taken = [change for change in self._held or () if change.item_handle in handles]
        if taken:
            self._held = deque(change for change in self._held or () if change.item_handle not in handles)
        return taken

    def map(self, tag: str, handle: int) -> list[DataChange]:
        """Map a tag to its new item; return the events that overtook the reply."""
        self.attach(tag, handle)
        self.unread[handle] = True
        return self.take_held((handle,)) if self._held else []

    def attach(self, tag: str, handle: int) -> None:
        """Map a tag to an existing item."""
        self.handles[tag] = handle
        self.tags[handle] = tag
        self.orphans.discard(handle)

    def drop(self, tag: str) -> int | None:
        """Drop the item of a tag; return its handle."""
        handle = self.handles.pop(tag, None)
        if handle is not None:
            for of_handle in (self.tags, self.unread, self.read, self.overtaken):
                of_handle.pop(handle, None)
            self.swallowed.discard(handle)
            self.retired.add(handle)
        return handle

    def events_lost(self, handles: Iterable[int] | None = None) -> None:
        """Mark some items as unread, all by default: their values may have changed unseen."""
        self.losses += 1
        if handles is None:
            self.lost_meanwhile, handles = self._held is not None, self.tags
        lost = dict.fromkeys(handles, False)
        for handle in lost:
            self.read.pop(handle, None)
        self.swallowed -= lost.keys()
        self.unread = lost | self.unread

    def doubt_swallowed(self) -> None:
        """Mark the items with a swallowed event as unread."""
        self.unread = dict.fromkeys(self.swallowed, False) | self.unread
        self.swallowed.clear()

    def take_read(self, handle: int, update: TagUpdate, until: float) -> bool:
        """Take a value that was read, and the worker time after which events are newer.

        Returns:
            Whether to deliver the value; False if the item was read again and an event will bring the change.
        """
        del self.unread[handle]
        if (before := self.read.pop(handle, None)) is None:
            self.read[handle] = update, until
            return True
        time, time_before = update.source_time, before[0].source_time
        if time is None or time_before is None or time < time_before:
            return True  # the worker's clock was set back, or gives no time: it proves nothing
        self.read[handle] = before
        return False

    def is_stale(self, change: DataChange) -> bool:
        """Return whether an event is no newer than the value that was read. After one that may be newer, all are."""
        (read, until), time = self.read[change.item_handle], change.source_time
        if read.source_time is not None and time is not None and change.worker_time <= until:
            same = time == read.source_time and same_value(change.value, read.value) and change.quality == read.quality
            if same or time < read.source_time:
                self.swallowed.add(change.item_handle)
                return True
        del self.read[change.item_handle]
        self.swallowed.discard(change.item_handle)
        return False
