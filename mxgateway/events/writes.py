"""Which OnWriteComplete belongs to which write.

The event names its item and nothing else; MXAccess delivers one for each accepted write of an item, in the order of the writes. So the
ledger keeps, for each item, the writes whose completion has not come yet, in the order in which they were sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

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
from mxgateway.events.turns import Turns
from mxgateway.faults import is_unprocessed
from mxgateway.transport.method import Progress
from mxgateway.wire import which_one_of

Confirmation = asyncio.Future[proto.MxEvent]

_WRITES: Final = frozenset({"write", "write2", "write_secured", "write_secured2"})
_BULK_WRITES: Final = frozenset(f"{write}_bulk" for write in _WRITES)


class Item(NamedTuple):
    """An item of a session; the fields are named as the contract names them."""

    server_handle: int
    item_handle: int


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


class WriteLedger:
    """The accepted writes of one session that wait for their completion."""

    def __init__(self) -> None:
        # Each entry is a confirmation, or a number of writes in a row whose completion nobody waits for.
        self._writes: dict[Item, deque[Confirmation | int]] = {}
        self._turns = Turns[Item]()

    @property
    def waiting(self) -> bool:
        """True while a caller waits for a completion."""
        return any(not each.done() for each in self._confirmations())

    @property
    def pending(self) -> bool:
        """True while a completion is expected, waited for or not."""
        return bool(self._writes)

    @contextlib.asynccontextmanager
    async def sending(self, items: Sequence[Item], progress: Progress) -> AsyncIterator[list[Confirmation]]:
        """Enter the writes of one command for the time of its sending, in their items' turn and before a completion can come.

        The value has the completion of each, once it has come. A block that ends well leaves each entry to `abandon` or `withdraw`; one that fails
        before `progress` tells that the command was sent has withdrawn them.
        """
        async with self._turns.of(items):
            confirmations = [self._expect(item) for item in items]
            with _settling(progress, lambda possible: self._settle(items, confirmations, possible=possible)):
                yield confirmations

    def _settle(self, items: Sequence[Item], confirmations: list[Confirmation], *, possible: bool) -> None:
        for item, confirmation in zip(items, confirmations, strict=True):
            (self.abandon if possible else self.withdraw)(item, confirmation)

    @contextlib.asynccontextmanager
    async def counting(self, items: Sequence[Item], progress: Progress) -> AsyncIterator[None]:
        """Enter writes like `sending`, whose completions nobody waits for: each is a number and no future.

        A block that ends well has given those that were not accepted to `discount`.
        """
        async with self._turns.of(items):
            for item in items:
                self._count(item)
            with _settling(progress, lambda possible: None if possible else self.discount(items)):
                yield

    def _count(self, item: Item) -> None:
        entries = self._writes.get(item)
        if entries is None:
            self._writes[item] = deque((1,))
        elif isinstance(last := entries[-1], int):
            entries[-1] = last + 1
        else:
            entries.append(1)

    def discount(self, items: Iterable[Item]) -> None:
        """Strike out writes that are counted and were surely not accepted, while it is still their items' turn: each is its item's last."""
        for item in items:
            entries = self._writes.get(item)
            if entries and isinstance(last := entries[-1], int):
                if last > 1:
                    entries[-1] = last - 1
                else:
                    entries.pop()
                    self._store(item, entries)

    def withdraw(self, item: Item, confirmation: Confirmation) -> None:
        """Strike out a write that was surely not accepted."""
        self._replace(item, confirmation, 0)

    def abandon(self, item: Item, confirmation: Confirmation) -> None:
        """Stop waiting for a write that may have been accepted: its completion may still come and must not pass for another's."""
        self._replace(item, confirmation, 1)

    def complete(self, event: proto.MxEvent) -> None:
        """Give an OnWriteComplete to the oldest write of its item."""
        item = Item(event.server_handle, event.item_handle)
        entries = self._writes.get(item)
        if not entries:
            return
        first = entries.popleft()
        if isinstance(first, int):
            if first > 1:
                entries.appendleft(first - 1)
        elif not first.done():
            first.set_result(event)
        self._store(item, entries)

    def forget(self, items: Iterable[Item]) -> None:
        """Drop what is known of items whose handles may be given out again; whoever still waits is told so."""
        for item in items:
            _fail(self._writes.pop(item, ()), _item_removed())

    def forget_server(self, server_handle: int) -> None:
        """Drop the items of a server handle."""
        self.forget([item for item in self._writes if item.server_handle == server_handle])

    def fail(self, fault: BaseException) -> None:
        """Tell every waiting caller that the stream has ended. The completions stay expected: a stream that resumes delivers them."""
        _fail(self._confirmations(), fault)

    def lose(self, fault: BaseException) -> None:
        """Tell every waiting caller that its completion may be among events that were lost, and expect none of them any more."""
        self.fail(fault)
        self._writes.clear()

    def _confirmations(self) -> list[Confirmation]:
        return [each for entries in self._writes.values() for each in entries if not isinstance(each, int)]

    def _expect(self, item: Item) -> Confirmation:
        confirmation: Confirmation = asyncio.get_running_loop().create_future()
        self._writes.setdefault(item, deque()).append(confirmation)
        return confirmation

    def _replace(self, item: Item, confirmation: Confirmation, count: int) -> None:
        if confirmation.done() and not confirmation.cancelled():
            confirmation.exception()  # nobody else will look at it
        entries = self._writes.get(item)
        if entries is None or confirmation not in entries:
            return
        kept: deque[Confirmation | int] = deque()
        for entry in entries:
            new = count if entry is confirmation else entry
            if isinstance(new, int) and kept and isinstance(kept[-1], int):
                kept[-1] += new
            elif new != 0:
                kept.append(new)
        self._store(item, kept)

    def _store(self, item: Item, entries: deque[Confirmation | int]) -> None:
        if entries:
            self._writes[item] = entries
        else:
            self._writes.pop(item, None)


@contextlib.contextmanager
def _settling(progress: Progress, settle: Callable[[bool], None]) -> Iterator[None]:
    """Have writes settled when the block fails: `settle` is told whether they may have been accepted."""
    try:
        yield
    except MxGatewayError as error:
        settle(progress.sent and not not_accepted(error))
        raise
    except BaseException:
        settle(progress.sent)
        raise


def _fail(entries: Iterable[Confirmation | int], fault: BaseException) -> None:
    for entry in entries:
        if not isinstance(entry, int) and not entry.done():
            entry.set_exception(fault)


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
