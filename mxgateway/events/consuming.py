"""What the iterators of events and updates have in common: who waits for anything new, reads in lists, and what becomes of one that is dropped."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from mxgateway.transport.home import Home

T = TypeVar("T")


class Waiters(list[asyncio.Future[None]]):
    """Who waits for anything new. Whatever holds this holds them."""

    def enter(self) -> asyncio.Future[None]:
        """Return what is done when there is anything new."""
        if len(self) > 8:  # of reads that were cancelled, one after another
            self[:] = [each for each in self if not each.done()]
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.append(waiter)
        return waiter

    def wake(self) -> None:
        """Let them look again."""
        for waiter in self:
            if not waiter.done():
                waiter.set_result(None)
        self.clear()


class Batches(Generic[T]):
    """What an iterator brings, in lists: each read takes all that waits, waiting for the first. An async iterator."""

    def __init__(self, read: Callable[[], Awaitable[list[T]]]) -> None:
        self._read = read

    def __aiter__(self) -> Batches[T]:
        return self

    async def __anext__(self) -> list[T]:
        return await self._read()


def when_dropped(owner: object, home: Home, end: Callable[[], object]) -> weakref.finalize[Any, Any]:
    """Have `end` called by the client's loop when `owner` is collected, in whatever thread that happens."""
    finalizer = weakref.finalize(owner, home.call_soon, end)
    finalizer.atexit = False
    return finalizer
