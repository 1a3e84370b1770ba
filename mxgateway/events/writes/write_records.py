"""The write records of all items of a session, and the locks that order their writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Final

from mxgateway import proto
from mxgateway.calling.replies import refused
from mxgateway.errors import (
    MxAccessError,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewaySessionError,
)
from mxgateway.errors.faults import is_unprocessed
from mxgateway.events.consuming import Waiters
from mxgateway.events.keyed_lock import KeyedLocks
from mxgateway.events.writes.item_writes import Completion, Item, ItemWrites, forget, in_doubt
from mxgateway.transport.calls.method import Progress
from mxgateway.wire import which_one_of

STALE_LIMIT: Final = 10_000
"""The most removed items that are remembered because their completions may still come."""
DOUBT_PATIENCE: Final = 1.0
"""Seconds that a confirmed write waits for the completion of an earlier write in doubt: if it comes at all, it comes
soon."""

_WRITES: Final = frozenset({"write", "write2", "write_secured", "write_secured2"})
_BULK_WRITES: Final = frozenset(f"{write}_bulk" for write in _WRITES)


def written_items(command: proto.MxCommand) -> list[Item]:
    """Return the item of each write that a command carries, in order; empty for a command that writes nothing."""
    arm = which_one_of(command, "payload")
    if arm not in _WRITES | _BULK_WRITES:
        return []
    body = getattr(command, arm)
    return [Item(body.server_handle, each.item_handle) for each in (body.entries if arm in _BULK_WRITES else [body])]


def accepted_writes(reply: proto.MxCommandReply, count: int) -> list[bool]:
    """Return for each of `count` writes of one command whether MXAccess has accepted it; unknown counts as accepted."""
    arm = which_one_of(reply, "payload")
    if arm in _BULK_WRITES and len(results := getattr(reply, arm).results) == count:
        return [result.was_successful for result in results]
    return [not refused(reply)] * count


class WriteRecords:
    """The writes of one session whose completions are expected."""

    def __init__(self) -> None:
        self.of_item: dict[Item, ItemWrites] = {}
        self.stale: dict[Item, int] = {}
        """How many completions may still come for each removed item. Its handle may be reused, and nothing shows
        whether MXAccess has dropped a write with its item."""
        self._cleared = Waiters()
        """The writes that wait until their item is no longer in doubt."""
        self.locks = KeyedLocks[Item]()
        """The writes of one item are sent one after another."""

    @property
    def waiting(self) -> bool:
        """True while a caller waits for a completion."""
        return any(record.waiting for record in self.of_item.values())

    @property
    def pending(self) -> bool:
        """True while a completion is expected, even if no caller waits for it."""
        return bool(self.of_item)

    def is_in_doubt(self, item: Item) -> bool:
        """Return whether a completion of an item could belong to an earlier write in doubt."""
        record = self.of_item.get(item)
        return item in self.stale if record is None else record.doubtful > 0 or record.held is not None

    @contextlib.contextmanager
    def sending(
        self, items: Sequence[Item], progress: Progress, completions: Sequence[Completion] = ()
    ) -> Iterator[None]:
        """Enter the writes of one command, then run the block that sends it; without `completions` no caller waits.

        The caller holds the items' locks. A block that succeeds has to be followed by `judge`; if it fails, the writes
        are struck out, and are in doubt unless they certainly were not accepted.
        """
        for item, completion in zip_longest(items, completions):
            record = self.of_item.get(item)
            if record is None:  # stale completions of an earlier item with this handle could be this one's
                record = self.of_item[item] = ItemWrites(self.stale.pop(item, 0))
            record.enter(completion)
        try:
            yield
        except BaseException as error:
            refused_surely = isinstance(error, MxGatewayError) and not_accepted(error)
            self._strike_out(items, possible=progress.sent and not refused_surely)
            forget(completions)
            raise

    def judge(
        self, items: Sequence[Item], accepted: Sequence[bool], completions: Sequence[Completion] = ()
    ) -> list[Completion | None]:
        """Strike out the writes that MXAccess did not accept. Return the completion of each other one, None for those.

        Completions of one item come in the order of its writes: if one command writes it several times, the first
        completions belong to the accepted writes.
        """
        if all(accepted):
            return list(completions)
        self._strike_out([item for item, each in zip(items, accepted, strict=True) if not each], possible=False)
        own: dict[Item, deque[Completion]] = {}
        for item, completion in zip(items, completions, strict=False):
            own.setdefault(item, deque()).append(completion)
        found = [own[item].popleft() if each and own else None for item, each in zip(items, accepted, strict=True)]
        forget(chain(*own.values()))
        return found

    def _strike_out(self, items: Iterable[Item], *, possible: bool) -> None:
        for item, count in Counter(items).items():
            if (record := self.of_item.get(item)) is not None:
                record.strike_out(count, possible=possible)
                self._tidy(item, record)
            elif not possible:  # the item was removed meanwhile
                self._reduce_stale(item, count)

    def complete(self, event: proto.MxEvent) -> None:
        """Give an OnWriteComplete to the oldest write of its item."""
        item = Item(event.server_handle, event.item_handle)
        if (record := self.of_item.get(item)) is not None:
            record.complete(event)
            self._tidy(item, record)
        else:
            self._reduce_stale(item, 1)

    def _reduce_stale(self, item: Item, count: int) -> None:
        if (left := self.stale.pop(item, 0) - count) > 0:
            self.stale[item] = left
        else:
            self._cleared.wake()

    def lose(self, fault: Callable[[], MxGatewayError]) -> None:
        """Put all writes in doubt: completions may have been lost. `fault` makes the error of each waiting caller."""
        for record in self.of_item.values():
            record.lose(fault)

    def fail(self, fault: Callable[[], MxGatewayError]) -> None:
        """Fail every waiting caller: the stream has ended. The completions stay expected: a reopened stream delivers
        them."""
        for record in self.of_item.values():
            record.fail(fault)

    def forget(self, items: Iterable[Item]) -> None:
        """Fail the callers that wait for removed items. Completions that still come belong to no later write of the
        same handle."""
        for item in items:
            if (record := self.of_item.pop(item, None)) is not None:
                record.lose(_item_removed)
                if record.doubtful:
                    self.stale[item] = record.doubtful
        self._cleared.wake()
        for item in list(self.stale)[: max(0, len(self.stale) - STALE_LIMIT)]:
            del self.stale[item]

    def forget_server(self, server_handle: int) -> None:
        """Forget all items of a registration that has ended."""
        self.forget([item for item in self.of_item if item.server_handle == server_handle])

    async def until_clear(self, item: Item) -> None:
        """Wait for a moment while an item has a write in doubt; raise if it still has."""
        try:
            async with asyncio.timeout(DOUBT_PATIENCE):
                while self.is_in_doubt(item):
                    await self._cleared.enter()
        except TimeoutError:
            raise in_doubt(item) from None

    def _tidy(self, item: Item, record: ItemWrites) -> None:
        if record.is_clear:
            del self.of_item[item]
            self._cleared.wake()


def _item_removed() -> MxGatewaySessionError:
    return MxGatewaySessionError(
        "the item was removed before its write was confirmed", hint="read the tag to see whether the write happened"
    )


def not_accepted(error: MxGatewayError) -> bool:
    """Return whether an error proves that a command did not reach MXAccess or was refused: nothing was executed."""
    return isinstance(error, _NOT_ACCEPTED) or is_unprocessed(error.__cause__)


_NOT_ACCEPTED: Final = (
    MxAccessError,
    MxGatewayInvalidRequestError,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewaySessionError,
)
