"""What became of the writes of each item, and which OnWriteComplete belongs to which.

The event names its item and nothing else; MXAccess delivers one for each accepted write of an item, in the order of the writes. So each item has a record of the writes whose completion
is expected, in the order in which they were sent. That holds as long as it is known of each write whether its completion will come. Where it is not - the request may have been lost, or
its completion may be among lost events - the write is in doubt, and so is every later one of its item: a completion could be its own or theirs. An item with a write in doubt
confirms nothing. The doubt ends when as many completions have come as there can be, or with the item.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError


class Item(NamedTuple):
    """An item of a session; the fields are named as the contract names them."""

    server_handle: int
    item_handle: int


class WriteState(enum.Enum):
    """What is known of a write."""

    SENDING = "sending"
    """It is on its way, or not answered yet."""
    ACCEPTED = "accepted"
    """MXAccess has accepted it: its completion will come."""
    IN_DOUBT = "in doubt"
    """Its completion may come, or not."""


class PendingWrite:
    """A write whose completion somebody waits for."""

    __slots__ = ("completion", "state")

    def __init__(self) -> None:
        self.state = WriteState.SENDING
        self.completion: asyncio.Future[proto.MxEvent] = asyncio.get_running_loop().create_future()
        """The OnWriteComplete, once it has come."""

    @property
    def is_waited_for(self) -> bool:
        """True until the completion has come, or cannot come."""
        return not self.completion.done()

    def fail(self, fault: MxGatewayError) -> None:
        """Tell whoever waits that the completion will not be known."""
        if not self.completion.done():
            self.completion.set_exception(fault)

    def forget(self) -> None:
        """Take note that nobody waits any more."""
        if not self.completion.done():
            self.completion.cancel()
        elif not self.completion.cancelled():
            self.completion.exception()  # nobody else will look at it


class ItemWrites:
    """The record of one item.

    `queue` holds what is expected for certain, oldest first: a `PendingWrite`, or a number of writes in a row that nobody waits for. Behind those at most `doubtful` completions come.
    """

    __slots__ = ("_cleared", "doubtful", "queue")

    def __init__(self, doubtful: int = 0) -> None:
        self.queue: deque[PendingWrite | int] = deque()
        self.doubtful = doubtful
        self._cleared: asyncio.Future[None] | None = None

    @property
    def is_clear(self) -> bool:
        """True when nothing is expected."""
        return not self.queue and not self.doubtful

    def enter(self, write: PendingWrite | None) -> None:
        """Expect the completion of a write that is being sent; None for one that nobody waits for."""
        queue = self.queue
        if self.doubtful:
            self.doubtful += 1
            if write is not None:
                write.state = WriteState.IN_DOUBT
                write.fail(in_doubt())
        elif write is None and queue and isinstance(last := queue[-1], int):
            queue[-1] = last + 1
        else:
            queue.append(write or 1)

    def settle(self, write: PendingWrite | None, *, possible: bool) -> None:
        """Take note that a write, or the last one that nobody waits for, was not accepted; where it was `possible`, that it is in doubt."""
        if (self.doubtful > 0) if write is None else (write.state is WriteState.IN_DOUBT):
            if self.doubtful and not possible:
                self._drop_doubt()
        elif self._take_out(write):
            self.doubtful += possible
        if write is not None and possible:
            write.state = WriteState.IN_DOUBT

    def _take_out(self, write: PendingWrite | None) -> bool:
        """Expect a write's completion for certain no longer; return False when it has come."""
        queue = self.queue
        if write is not None and write in queue:
            queue.remove(write)
            return True
        if write is None and queue and isinstance(last := queue[-1], int):
            queue[-1] = last - 1
            if last == 1:
                queue.pop()
            return True
        return False

    def release(self, write: PendingWrite) -> None:
        """Take note that nobody waits for a write any more, whose completion may still come and must not pass for another's."""
        if write.is_waited_for and write in self.queue:
            self.queue[self.queue.index(write)] = 1

    def complete(self, event: proto.MxEvent) -> None:
        """Give an OnWriteComplete to the oldest write."""
        if not self.queue:
            if self.doubtful:
                self._drop_doubt()
            return
        first = self.queue.popleft()
        if isinstance(first, PendingWrite):
            if first.is_waited_for:
                first.completion.set_result(event)
        elif first > 1:
            self.queue.appendleft(first - 1)

    def lose(self, fault: Callable[[], MxGatewayError]) -> None:
        """Take note that completions may have been lost: everything is in doubt."""
        for each in self.queue:
            if isinstance(each, PendingWrite):
                each.state = WriteState.IN_DOUBT
                each.fail(fault())
            self.doubtful += each if isinstance(each, int) else 1
        self.queue.clear()

    def waiting(self) -> list[PendingWrite]:
        """Return the writes that somebody waits for."""
        return [each for each in self.queue if isinstance(each, PendingWrite) and each.is_waited_for]

    def cleared(self) -> asyncio.Future[None]:
        """Return what is done when nothing is in doubt any more."""
        self._cleared = self._cleared or asyncio.get_running_loop().create_future()
        return self._cleared

    def _drop_doubt(self) -> None:
        self.doubtful -= 1
        if not self.doubtful and self._cleared is not None:
            self._cleared.set_result(None)
            self._cleared = None


def in_doubt(item: Item | None = None) -> MxGatewaySessionError:
    """Return the error for a write that cannot be confirmed because of an earlier one."""
    where = f"item {item.item_handle}" if item is not None else "the item"
    return MxGatewaySessionError(
        f"an earlier write of {where} is in doubt: its completion, should it still come, could not be told from this write's",
        hint="remove the item and add it again, or write by tag: write_tags does that by itself",
        phase="request",
    )
