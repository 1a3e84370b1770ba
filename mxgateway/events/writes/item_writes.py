"""What became of the writes of each item, and which OnWriteComplete belongs to which.

The event names its item and nothing else; MXAccess delivers one for each accepted write of an item, in the order of the writes. So each item has a record of how many completions are
expected, and which of them somebody waits for. That holds as long as it is known of each write whether its completion will come. Where it is not - the request may have been lost, or
its completion may be among lost events - the write is in doubt, and so is every later one of its item: a completion could be its own or theirs. An item with a write in doubt
confirms nothing. The doubt ends when as many completions have come as there can be, or with the item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError

Completion = asyncio.Future[proto.MxEvent]
"""The OnWriteComplete of a write that somebody waits for; an error when it cannot come, or could not be told from another's."""


class Item(NamedTuple):
    """An item of a session; the fields are named as the contract names them."""

    server_handle: int
    item_handle: int


class ItemWrites:
    """The record of one item. The writes of one command are the last in it until they are answered: the next one waits for its turn."""

    __slots__ = ("_come", "_expected", "_waiting", "doubtful")

    def __init__(self, doubtful: int = 0) -> None:
        self._come = 0
        self._expected = 0
        """The number of the last completion that comes for certain, counted like those that have come."""
        self._waiting: dict[int, Completion] | None = None
        """By their numbers."""
        self.doubtful = doubtful
        """How many completions come behind those, at the most."""

    @property
    def is_clear(self) -> bool:
        """True when nothing is expected."""
        return self._come == self._expected and not self.doubtful

    @property
    def waiting(self) -> list[Completion]:
        """What somebody waits for."""
        return [each for each in self._waiting.values() if not each.done()] if self._waiting else []

    def enter(self, completion: Completion | None) -> None:
        """Expect the completion of a write that is being sent; None for one that nobody waits for."""
        if self.doubtful:
            self.doubtful += 1
            if completion is not None:
                completion.set_exception(in_doubt())
            return
        self._expected += 1
        if completion is not None:
            self._waiting = self._waiting or {}
            self._waiting[self._expected] = completion

    def strike_out(self, count: int, *, possible: bool) -> None:
        """Take note that the last writes were not accepted; where it was `possible`, that they are in doubt."""
        if self.doubtful:
            self.doubtful = max(0, self.doubtful - (0 if possible else count))
            return
        count = min(count, self._expected - self._come)  # the others have come
        self._expected -= count
        self.doubtful = count if possible else 0

    def complete(self, event: proto.MxEvent) -> None:
        """Give an OnWriteComplete to the oldest write."""
        if self._come == self._expected:
            self.doubtful = max(0, self.doubtful - 1)
            return
        self._come += 1
        if self._waiting and (completion := self._waiting.pop(self._come, None)) is not None and not completion.done():
            completion.set_result(event)

    def lose(self, fault: Callable[[], MxGatewayError]) -> None:
        """Take note that completions may have been lost: everything is in doubt."""
        self.fail(fault)
        self.doubtful += self._expected - self._come
        self._come, self._waiting = self._expected, None

    def fail(self, fault: Callable[[], MxGatewayError]) -> None:
        """Tell whoever waits that the completion will not be known."""
        for each in self.waiting:
            each.set_exception(fault())


def forget(completions: Iterable[Completion | None]) -> None:
    """Take note that nobody waits any more for completions, which may still come and must not pass for others'."""
    for each in completions:
        if each is not None and not each.cancel() and not each.cancelled():
            each.exception()  # nobody else will look at it


def in_doubt(item: Item | None = None) -> MxGatewaySessionError:
    """Return the error for a write that cannot be confirmed because of an earlier one."""
    where = f"item {item.item_handle}" if item is not None else "the item"
    return MxGatewaySessionError(
        f"an earlier write of {where} is in doubt: its completion, should it still come, could not be told from this write's",
        hint="add the tag once more, and remove this item only then, so that the handle is another; write_tags does that by itself",
        phase="request",
    )
