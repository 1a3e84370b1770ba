"""The records of all items of a session, and whose turn it is to write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Final

from mxgateway import proto
from mxgateway.commands.replies import refused
from mxgateway.errors import (
    MxAccessError,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewaySessionError,
)
from mxgateway.events.item_writes import Item, ItemWrites, PendingWrite, WriteState, in_doubt
from mxgateway.events.turns import Turns
from mxgateway.faults import is_unprocessed
from mxgateway.transport.method import Progress
from mxgateway.wire import which_one_of

STALE_LIMIT: Final = 10_000
"""Removed items whose completions may still be on their way, and which are remembered for that."""
DOUBT_PATIENCE: Final = 1.0
"""Seconds that a confirmed write waits for the completion of an earlier write in doubt: where it comes at all, it comes soon."""

_WRITES: Final = frozenset({"write", "write2", "write_secured", "write_secured2"})
_BULK_WRITES: Final = frozenset(f"{write}_bulk" for write in _WRITES)


def written_items(command: proto.MxCommand) -> list[Item]:
    """Return the item of each write that a command carries, in order; empty for a command that writes nothing."""
    arm = which_one_of(command, "payload")
    if arm in _WRITES:
        body = getattr(command, arm)
        return [Item(body.server_handle, body.item_handle)]
    if arm in _BULK_WRITES:
        body = getattr(command, arm)
        return [Item(body.server_handle, entry.item_handle) for entry in body.entries]
    return []


def accepted_writes(reply: proto.MxCommandReply, count: int) -> list[bool]:
    """Tell of each of `count` writes of one command whether MXAccess has accepted it; one of which nothing is known counts as accepted."""
    arm = which_one_of(reply, "payload")
    if arm in _BULK_WRITES and len(results := getattr(reply, arm).results) == count:
        return [result.was_successful for result in results]
    return [not refused(reply)] * count


class WriteBook:
    """The writes of one session whose completion is expected."""

    def __init__(self) -> None:
        self.records: dict[Item, ItemWrites] = {}
        self._stale: dict[Item, int] = {}
        """How many completions may be on their way of items that were removed, and whose handles may be given out again."""
        self.turns = Turns[Item]()
        """The writes of one item are sent one after the other."""

    @property
    def waiting(self) -> bool:
        """True while a caller waits for a completion."""
        return any(record.waiting() for record in self.records.values())

    @property
    def pending(self) -> bool:
        """True while a completion is expected, waited for or not."""
        return bool(self.records)

    def is_in_doubt(self, item: Item) -> bool:
        """Tell whether a completion of an item could not be told from an earlier one's."""
        return (record := self.records.get(item)) is not None and record.doubtful > 0

    def is_stale(self, item: Item) -> bool:
        """Tell whether completions may be on their way of another item that had this handle before."""
        return item in self._stale

    @contextlib.contextmanager
    def sending(self, items: Sequence[Item], progress: Progress) -> Iterator[list[PendingWrite]]:
        """Enter the writes of one command while it is sent, before a completion can come.

        A block that ends well hands them to `judge`; of one that fails it is known here whether the writes may have been accepted.
        """
        writes = [PendingWrite() for _ in items]
        with self._entered(items, writes, progress):
            yield writes

    @contextlib.asynccontextmanager
    async def counting(self, items: Sequence[Item], progress: Progress) -> AsyncIterator[None]:
        """Enter writes like `sending`, in their items' turn, whose completions nobody waits for.

        A block that ends well has given those that were not accepted to `discount`.
        """
        async with self.turns.of(items):
            with self._entered(items, [None] * len(items), progress):
                yield

    @contextlib.contextmanager
    def _entered(
        self, items: Sequence[Item], writes: Sequence[PendingWrite | None], progress: Progress
    ) -> Iterator[None]:
        for item, write in zip(items, writes, strict=True):
            self._record(item).enter(write)
        try:
            yield
        except BaseException as error:
            refused_surely = isinstance(error, MxGatewayError) and not_accepted(error)
            for item, write in zip(items, writes, strict=True):
                self._settle(item, write, possible=progress.sent and not refused_surely)
            raise

    def _settle(self, item: Item, write: PendingWrite | None, *, possible: bool) -> None:
        if (record := self.records.get(item)) is not None:
            record.settle(write, possible=possible)
            self._tidy(item, record)
        if write is not None:
            write.forget()

    def judge(
        self, items: Sequence[Item], writes: Sequence[PendingWrite], accepted: Sequence[bool]
    ) -> list[PendingWrite | None]:
        """Take note of which writes MXAccess has accepted, and return those; the others are struck out, with None in their place."""
        for item, write, is_accepted in zip(items, writes, accepted, strict=True):
            if not is_accepted:
                self._settle(item, write, possible=False)
            elif write.state is WriteState.SENDING:
                write.state = WriteState.ACCEPTED
        return [write if is_accepted else None for write, is_accepted in zip(writes, accepted, strict=True)]

    def discount(self, items: Iterable[Item]) -> None:
        """Strike out counted writes that were surely not accepted, while it is still their items' turn: each is its item's last."""
        for item in items:
            self._settle(item, None, possible=False)

    def release(self, item: Item, write: PendingWrite) -> None:
        """Stop waiting for a write that was accepted."""
        if (record := self.records.get(item)) is not None:
            record.release(write)
        write.forget()

    def complete(self, event: proto.MxEvent) -> None:
        """Give an OnWriteComplete to the oldest write of its item."""
        item = Item(event.server_handle, event.item_handle)
        if (record := self.records.get(item)) is not None:
            record.complete(event)
            self._tidy(item, record)
        elif (count := self._stale.get(item)) is not None:
            self._stale[item] = count - 1
            if count <= 1:
                del self._stale[item]

    def lose(self, fault: Callable[[], MxGatewayError]) -> None:
        """Take note that completions may have been lost; `fault` makes what each caller who waits is told."""
        for record in self.records.values():
            record.lose(fault)

    def fail(self, fault: Callable[[], MxGatewayError]) -> None:
        """Tell every caller who waits that the stream has ended. The completions stay expected: a stream that is opened again delivers them."""
        for record in self.records.values():
            for write in record.waiting():
                write.fail(fault())

    def forget(self, items: Iterable[Item]) -> None:
        """Take note that items were removed; whoever still waits is told so. What of theirs is on its way belongs to nobody who writes under the same handle later."""
        for item in items:
            if (record := self.records.pop(item, None)) is not None:
                record.lose(_item_removed)
                self._stale[item] = self._stale.pop(item, 0) + record.doubtful
        for item in list(self._stale)[: max(0, len(self._stale) - STALE_LIMIT)]:
            del self._stale[item]

    def forget_server(self, server_handle: int) -> None:
        """Take note that a registration has ended, with all its items."""
        self.forget([item for item in self.records if item.server_handle == server_handle])

    def prove_stale(self) -> None:
        """Take note that nothing of removed items is on its way any more."""
        self._stale.clear()

    async def until_clear(self, item: Item) -> None:
        """Wait a moment for an item whose earlier write is in doubt, and raise when it still is."""
        if self.is_in_doubt(item):
            await asyncio.wait([self.records[item].cleared()], timeout=DOUBT_PATIENCE)
        if self.is_in_doubt(item):
            raise in_doubt(item)

    def _record(self, item: Item) -> ItemWrites:
        record = self.records.get(item)
        if record is None:  # what comes of one that had the handle before could be either's
            record = self.records[item] = ItemWrites(self._stale.pop(item, 0))
        return record

    def _tidy(self, item: Item, record: ItemWrites) -> None:
        if record.is_clear and self.records.get(item) is record:
            del self.records[item]


def _item_removed() -> MxGatewaySessionError:
    return MxGatewaySessionError(
        "the item was removed before its write was confirmed", hint="read the tag to see whether the write happened"
    )


def not_accepted(error: MxGatewayError) -> bool:
    """Tell whether an error proves that a command did not reach MXAccess or was refused by it, so that nothing was carried out."""
    return isinstance(error, _REFUSALS) or is_unprocessed(error.__cause__)


_REFUSALS: Final = (
    MxAccessError,
    MxGatewayInvalidRequestError,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewaySessionError,
)
