"""What the iterators of events and updates share: waiters, batches, and clean-up after garbage collection."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from mxgateway.transport.loop_guard import LoopGuard

T = TypeVar("T")


class Waiters(list[asyncio.Future[None]]):
    """The futures of readers that wait for news. They live as long as this list."""

    def enter(self) -> asyncio.Future[None]:
        """Return a future that is done at the next `wake`."""
        if len(self) > 8:  # left by reads that were cancelled one after another
            self[:] = [each for each in self if not each.done()]
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.append(waiter)
        return waiter

    def wake(self) -> None:
        """Wake every waiter."""
        for waiter in self:
            if not waiter.done():
                waiter.set_result(None)
        self.clear()


class Batches(Generic[T]):
    """An async iterator of lists: each read waits for the first item, then takes all that are queued."""

    def __init__(self, read: Callable[[], Awaitable[list[T]]]) -> None:
        self._read = read

    def __aiter__(self) -> Batches[T]:
        return self

    async def __anext__(self) -> list[T]:
        return await self._read()


def when_dropped(owner: object, guard: LoopGuard, end: Callable[[], object]) -> weakref.finalize[Any, Any]:
    """Have the client's loop call `end` when `owner` is garbage-collected, in whatever thread that happens."""
    finalizer = weakref.finalize(owner, guard.call_soon, end)
    finalizer.atexit = False
    return finalizer
