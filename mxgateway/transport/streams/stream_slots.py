"""Limits concurrent streams: calls beyond the peer's limit wait in order; all wait while the transport is full."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


class StreamSlots:
    """One slot for each concurrent stream that the peer allows.

    Args:
        loop: The loop of the connection.
        limit: The number of slots; the peer may change it at any time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._granted = 0
        self._taken = 0
        self.limit = limit
        self.paused = False
        """True while no slot may be taken, even if some are free."""

    @property
    def all_taken(self) -> bool:
        """True while the limit is reached; a slot granted to a waiter counts as taken."""
        return self._taken + self._granted >= self.limit

    @property
    def free(self) -> bool:
        """True while a call may take a slot."""
        return self._taken + self._granted < self.limit and not self.paused

    def take(self) -> None:
        """Take a free slot."""
        self._taken += 1

    def give_back(self) -> None:
        """Release a slot; the first waiter gets it."""
        self._taken -= 1
        self.pass_on()

    def set_limit(self, limit: int) -> None:
        """Change the number of slots."""
        self.limit = limit
        self.pass_on()

    def pass_on(self) -> None:
        """Grant free slots to the first waiters."""
        while self._waiters and self.free:
            self._wake_first()

    async def wait(self) -> None:
        """Wait until a slot was granted, or until `wake_all`; the caller then checks again."""
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with contextlib.suppress(ValueError):
                    self._waiters.remove(waiter)
            else:
                self._granted -= 1
                self.pass_on()
            raise
        self._granted -= 1

    def wake_all(self) -> None:
        """Wake every waiter, because no slot will become free."""
        while self._waiters:
            self._wake_first()

    def _wake_first(self) -> None:
        waiter = self._waiters.popleft()
        if not waiter.done():
            self._granted += 1
            waiter.set_result(None)
