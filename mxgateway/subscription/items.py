"""The tags of a subscription and their items in the session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mxgateway import proto
from mxgateway.wire import Timestamp


class ReadValue(NamedTuple):
    """A value that was read after a loss: events of before may still be on their way."""

    time: Timestamp | None
    """When it was true."""
    value: proto.MxValue
    quality: int
    until: float
    """The worker's time, in seconds since 1970, from which on events are newer, whatever the time of their value."""


class SubscribedItems:
    """Which tags are wanted, and under which handles their events come.

    Args:
        tags: The tags that are wanted.
    """

    def __init__(self, tags: Iterable[str]) -> None:
        self._handles: dict[str, int | None] = dict.fromkeys(tags)
        self.tags: dict[int, str] = {}
        """The tag of each item handle."""
        self.server_handle = 0
        """The registration that the items belong to."""
        self.refused: dict[str, str] = {}
        """Tags without an item, and why."""
        self.unread: set[int] = set()
        """Items of which no event has come since they were subscribed to, or since events were lost."""
        self.fresh: set[int] = set()
        """Those among them that were subscribed to anew: their first event is their current value."""
        self.read: dict[int, ReadValue] = {}
        """The items whose value was read after a loss, until the first newer event."""
        self._held: dict[int, list[proto.MxEvent]] = {}
        self._mapping = 0
        self.lost_meanwhile = False
        """True when events were lost while items were being had, perhaps the first ones of those."""

    def __contains__(self, tag: str) -> bool:
        return tag in self._handles

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    def handle(self, tag: str) -> int | None:
        """Return the item handle of a tag."""
        return self._handles.get(tag)

    @property
    def handles(self) -> dict[str, int]:
        """The item handles by tag, as far as there are items."""
        return {tag: handle for tag, handle in self._handles.items() if handle is not None}

    # -- items that are being had

    def begin(self) -> None:
        """Keep events of unknown items from now on: they may be ahead of the reply that names their tag."""
        self.lost_meanwhile = self.lost_meanwhile and self._mapping > 0
        self._mapping += 1

    def finish(self) -> int:
        """Keep such events no longer; return how many were nobody's."""
        self._mapping -= 1
        if self._mapping:
            return 0
        count = sum(map(len, self._held.values()))
        self._held.clear()
        return count

    def hold(self, event: proto.MxEvent) -> bool:
        """Keep an event of an unknown item; False when none is expected."""
        if not self._mapping:
            return False
        self._held.setdefault(event.item_handle, []).append(event)
        return True

    def map(self, tag: str, result: proto.SubscribeResult) -> list[proto.MxEvent]:
        """Take the item that a tag was given, or note that it was refused; return the events that came ahead."""
        if not result.was_successful:
            self.refused[tag] = " ".join(result.error_message.split()) or "refused without a reason"
            return []
        self.refused.pop(tag, None)
        self.attach(tag, result.item_handle)
        self.fresh.add(result.item_handle)
        self.unread.add(result.item_handle)
        return self._held.pop(result.item_handle, [])

    def attach(self, tag: str, handle: int) -> None:
        """Take an item that is there already."""
        self._handles[tag] = handle
        self.tags[handle] = tag

    # -- what changes

    def want(self, tags: Iterable[str]) -> None:
        """Add tags, without items yet."""
        for tag in tags:
            self._handles.setdefault(tag, None)

    def drop(self, tags: Iterable[str]) -> list[int]:
        """Remove tags and return their item handles."""
        gone = []
        for tag in tags:
            handle = self._handles.pop(tag, None)
            self.refused.pop(tag, None)
            if handle is not None:
                gone.append(handle)
                self.tags.pop(handle, None)
                self.unread.discard(handle)
                self.fresh.discard(handle)
                self.read.pop(handle, None)
        return gone

    def events_lost(self) -> None:
        """Take note that any value may have changed unseen."""
        self.lost_meanwhile = self._mapping > 0
        self.unread = set(self.tags)
        self.read.clear()

    def session_lost(self) -> None:
        """Forget all items: they were those of a session that is gone."""
        self._handles = dict.fromkeys(self._handles)
        self.tags.clear()
        self.server_handle = 0
        self.unread.clear()
        self.fresh.clear()
        self.read.clear()
        self._held.clear()

    def is_stale(self, event: proto.MxEvent) -> bool:
        """Tell whether an event is no newer than the value of its item that was read; the first that may be newer ends the question."""
        read = self.read[event.item_handle]
        if read.time is not None and event.worker_timestamp.timestamp() <= read.until:
            if event.source_timestamp < read.time:
                return True
            if event.source_timestamp == read.time and event.value == read.value and event.quality == read.quality:
                return True
        del self.read[event.item_handle]
        return False
