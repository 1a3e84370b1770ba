"""What a session keeps in mind about the tags that it reads and writes by name."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final

from mxgateway import proto
from mxgateway.events.writes.item_writes import Item

LINGER: Final = 1.0
"""Seconds that a tag stays advised after it was written: who writes it again soon pays one call instead of three."""

ITEM_LIMIT: Final = 10_000
"""Items that are kept for tags that nobody writes at the moment."""

_NO_TYPE: Final = frozenset({proto.MxDataType.UNSPECIFIED, proto.MxDataType.UNKNOWN, proto.MxDataType.NO_DATA})


class TagBook:
    """The registration that a session has of its own, its items by tag, and the last known type of each tag."""

    def __init__(self) -> None:
        self.server_handle = 0
        """The session's own registration; 0 until there is one."""
        self.registering = asyncio.Lock()
        """Held while the registration is made."""
        self.advising = asyncio.Lock()
        """Held while items are added, advised or let go."""
        self.sweeper: asyncio.Task[None] | None = None
        """Lets go of what is idle."""
        self.types: dict[str, proto.MxDataType] = {}
        """The last known type of each tag."""
        self.handles: dict[str, int] = {}
        """The item handle of each tag."""
        self.advised: set[str] = set()
        """The tags whose items are advised."""
        self._tags: dict[int, str] = {}
        self._users: Counter[str] = Counter()
        self._idle: dict[str, float] = {}
        """Tags that nobody writes, and since when; those that wait longest first."""

    def note_type(self, tag: str, data_type: proto.MxDataType) -> None:
        """Keep the type that a tag was seen with."""
        if data_type not in _NO_TYPE:
            self.types[tag] = data_type

    def note_advised(self, tag: str, item_handle: int) -> None:
        """Keep the item of a tag, which is advised now; idle until somebody takes it."""
        self.handles[tag], self._tags[item_handle] = item_handle, tag
        self.advised.add(tag)
        if not self._users[tag]:
            self._idle.setdefault(tag, 0.0)

    def take(self, tags: Iterable[str]) -> None:
        """Take note that somebody writes tags: their items are kept meanwhile."""
        for tag in tags:
            self._users[tag] += 1
            self._idle.pop(tag, None)

    def give_back(self, tags: Iterable[str], now: float) -> None:
        """Take note that somebody has written tags."""
        for tag in tags:
            self._users[tag] -= 1
            if self._users[tag] <= 0:
                del self._users[tag]
                if tag in self.handles:
                    self._idle[tag] = now

    def idle(self, now: float) -> list[str]:
        """Return the tags that are advised although nobody has written them for a while."""
        return [tag for tag, since in self._idle.items() if tag in self.advised and since <= now - LINGER]

    @property
    def lingers(self) -> bool:
        """True while a tag is advised that nobody writes."""
        return any(tag in self.advised for tag in self._idle)

    def surplus(self) -> list[str]:
        """Return the tags whose items are too many to be kept, those that wait longest first."""
        return list(self._idle)[: max(0, len(self._idle) - ITEM_LIMIT)]

    def forget_tag(self, tag: str) -> None:
        """Forget the item of a tag."""
        self._tags.pop(self.handles.pop(tag, 0), None)
        self.advised.discard(tag)
        self._idle.pop(tag, None)

    def forget(self, items: Iterable[Item]) -> None:
        """Forget items that were removed, whoever did it."""
        for item in items:
            if item.server_handle == self.server_handle and (tag := self._tags.get(item.item_handle)) is not None:
                self.forget_tag(tag)

    def forget_server(self, server_handle: int) -> None:
        """Forget a registration that has ended, with all its items."""
        if server_handle == self.server_handle:
            self.server_handle = 0
            for tag in list(self.handles):
                self.forget_tag(tag)

    def stop(self) -> None:
        """End what goes on by itself."""
        if self.sweeper is not None:
            self.sweeper.cancel()
