"""The state of each item's writes, and which OnWriteComplete belongs to which write.

The event names only its item. MXAccess delivers one for each accepted write of an item, in the order of the writes. So
each item has a record that counts the expected completions and knows which of them callers wait for. This works while
it is certain for each write whether its completion will come. If it is not, because the request may have been lost or
the completion may be among lost events, the write is in doubt. So is every later write of the item: a completion could
belong to either. An item with a write in doubt confirms nothing. The doubt ends when as many completions have arrived
as there can be, or with the item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError

Completion = asyncio.Future[proto.MxEvent]
"""The OnWriteComplete of a write that a caller waits for; an error if it cannot come or could be another write's."""


class Item(NamedTuple):
    """An item of a session; the fields have the contract's names."""

    server_handle: int
    item_handle: int


class ItemWrites:
    """The record of one item. The writes of an unanswered command are the last in it: the next command waits."""

    __slots__ = ("_arrived", "_expected", "_waiting", "doubtful", "held")

    def __init__(self, doubtful: int = 0) -> None:
        self._arrived = 0
        """How many completions have arrived."""
        self._expected = 0
        """How many completions will certainly have arrived in the end; includes `_arrived`."""
        self._waiting: dict[int, Completion] | None = None
        """The completions that callers wait for, by number."""
        self.doubtful = doubtful
        """The most completions that can come after those."""
        self.held: list[proto.MxEvent] | None = None
        """The completions that came while older ones may be lost. Whose they are is certain once all have come."""

    @property
    def is_clear(self) -> bool:
        """True when nothing is expected."""
        return self._arrived == self._expected and not self.doubtful

    @property
    def waiting(self) -> list[Completion]:
        """The completions that callers wait for."""
        return [each for each in self._waiting.values() if not each.done()] if self._waiting else []

    def enter(self, completion: Completion | None) -> None:
        """Expect the completion of a write that is being sent; None if no caller waits for it."""
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
        """Remove the last writes, which were not accepted; if acceptance is `possible`, put them in doubt."""
        if self.doubtful:
            self.doubtful = max(0, self.doubtful - (0 if possible else count))
            return
        if possible and self.held is not None:
            self.lose(in_doubt)
            return
        count = min(count, self._expected - self._arrived)  # the others have arrived
        self._expected -= count
        self.doubtful = count if possible else 0
        self._take_held()

    def hold(self) -> None:
        """Hold the completions until all have come: older ones may be lost."""
        if self.doubtful:
            self.lose(in_doubt)
        else:
            self.held = []

    def _take_held(self) -> None:
        if self.held is not None and len(self.held) >= self._expected - self._arrived:
            held, self.held = self.held, None
            for event in held:
                self.complete(event)

    def complete(self, event: proto.MxEvent) -> None:
        """Give an OnWriteComplete to the oldest write."""
        if self.held is not None:
            self.held.append(event)
            self._take_held()
            return
        if self._arrived == self._expected:
            self.doubtful = max(0, self.doubtful - 1)
            return
        self._arrived += 1
        if (
            self._waiting
            and (completion := self._waiting.pop(self._arrived, None)) is not None
            and not completion.done()
        ):
            completion.set_result(event)

    def lose(self, fault: Callable[[], MxGatewayError]) -> None:
        """Put everything in doubt: completions may have been lost."""
        self.fail(fault)
        self.doubtful += self._expected - self._arrived - len(self.held or ())
        self._arrived, self._waiting, self.held = self._expected, None, None

    def fail(self, fault: Callable[[], MxGatewayError]) -> None:
        """Fail every waiting caller."""
        for each in self.waiting:
            each.set_exception(fault())


def forget(completions: Iterable[asyncio.Future[Any] | None]) -> None:
    """Stop waiting for completions. They stay expected, so that they are not taken for other writes' completions."""
    for each in completions:
        if each is not None and not each.cancel() and not each.cancelled():
            each.exception()  # else asyncio logs that it was never retrieved


def in_doubt(item: Item | None = None) -> MxGatewaySessionError:
    """Return the error for a write that cannot be confirmed because of an earlier one."""
    where = f"item {item.item_handle}" if item is not None else "the item"
    return MxGatewaySessionError(
        f"an earlier write of {where} is in doubt: a late completion of it would look like this write's",
        hint="add the tag again, then remove this item, so that the handle differs; write_tags does that itself",
        phase="request",
    )
