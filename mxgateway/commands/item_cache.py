"""A session's cache for the tags that it reads and writes by name."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final

from mxgateway import proto
from mxgateway.commands.single_flight import SharedAttempt
from mxgateway.events.writes.item_writes import Item

LINGER: Final = 1.0
"""Seconds that a tag stays advised after a write: writing it again soon takes one call instead of three."""

ITEM_LIMIT: Final = 10_000
"""The maximum number of items kept for tags that are not being written."""

_NO_TYPE: Final = frozenset({proto.MxDataType.UNSPECIFIED, proto.MxDataType.UNKNOWN, proto.MxDataType.NO_DATA})


class TagCache:
    """The session's own registration, its items by tag, and the last known type of each tag."""

    def __init__(self) -> None:
        self.server_handle = 0
        """The server handle of the session's own registration; 0 until there is one."""
        self.registering = SharedAttempt[None]()
        """Makes the registration."""
        self.advising = asyncio.Lock()
        """Held while items are added, advised, unadvised or removed."""
        self.sweeper: asyncio.Task[None] | None = None
        """The task that unadvises idle tags."""
        self.types: dict[str, proto.MxDataType] = {}
        """The last known type of each tag."""
        self.handles: dict[str, int] = {}
        """The item handle of each tag."""
        self.advised: set[str] = set()
        """The tags whose items are advised."""
        self.untidy = False
        """True when there may be items that nobody knows, or advised ones of idle tags: a call was not answered."""
        self.reads = 0
        """How many reads need the registration."""
        self._tags: dict[int, str] = {}
        self._users: Counter[str] = Counter()
        self._idle: dict[str, float] = {}
        """Tags that are not being written, and since when; longest first."""

    def note_type(self, tag: str, data_type: proto.MxDataType) -> None:
        """Record the type of a tag's value."""
        if data_type not in _NO_TYPE:
            self.types[tag] = data_type

    def note_advised(self, tag: str, item_handle: int) -> None:
        """Record the item of a tag, which is now advised; it is idle until `take`."""
        self.handles[tag], self._tags[item_handle] = item_handle, tag
        self.advised.add(tag)
        if not self._users[tag]:
            self._idle.setdefault(tag, 0.0)

    def take(self, tags: Iterable[str]) -> None:
        """Record the start of a write of tags: their items are kept until it ends."""
        for tag in tags:
            self._users[tag] += 1
            self._idle.pop(tag, None)

    def give_back(self, tags: Iterable[str], now: float) -> None:
        """Record the end of a write of tags."""
        for tag in tags:
            self._users[tag] -= 1
            if self._users[tag] <= 0:
                del self._users[tag]
                if tag in self.handles:
                    self._idle[tag] = now

    def idle(self, now: float) -> list[str]:
        """Return the advised tags that were not written for `LINGER` seconds."""
        return [tag for tag, since in self._idle.items() if tag in self.advised and since <= now - LINGER]

    @property
    def lingers(self) -> bool:
        """True while there is something to let go of."""
        return self.untidy or any(tag in self.advised for tag in self._idle)

    def is_unused(self, now: float) -> bool:
        """Return whether nobody has needed the registration for `LINGER` seconds."""
        return not self._users and not self.reads and all(since <= now - LINGER for since in self._idle.values())

    def surplus(self) -> list[str]:
        """Return the idle tags beyond `ITEM_LIMIT`, the longest idle first."""
        return list(self._idle)[: max(0, len(self._idle) - ITEM_LIMIT)]

    def forget_tag(self, tag: str) -> None:
        """Forget the item of a tag."""
        self._tags.pop(self.handles.pop(tag, 0), None)
        self.advised.discard(tag)
        self._idle.pop(tag, None)

    def forget(self, items: Iterable[Item]) -> None:
        """Forget items that were removed, whoever removed them."""
        for item in items:
            if item.server_handle == self.server_handle and (tag := self._tags.get(item.item_handle)) is not None:
                self.forget_tag(tag)

    def forget_server(self, server_handle: int) -> None:
        """Forget an ended registration with all its items."""
        if server_handle == self.server_handle:
            self.server_handle, self.registering, self.untidy = 0, SharedAttempt(), False
            for tag in list(self.handles):
                self.forget_tag(tag)

    def stop(self) -> None:
        """Stop the background task."""
        if self.sweeper is not None:
            self.sweeper.cancel()
