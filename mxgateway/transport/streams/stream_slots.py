"""Whose turn it is: calls beyond the peer's limit on concurrent streams wait, and all do while the transport is full; first come first served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


class StreamSlots:
    """As many slots as the peer allows streams at once.

    Args:
        loop: The loop of the connection.
        limit: How many there are; the peer may change it at any time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._granted = 0
        self._taken = 0
        self.limit = limit
        self.paused = False
        """True while nobody may take a slot, though there are some."""

    @property
    def all_taken(self) -> bool:
        """True while the limit is reached; a slot that was granted to a waiter is taken."""
        return self._taken + self._granted >= self.limit

    @property
    def free(self) -> bool:
        """True while a call may take a slot."""
        return self._taken + self._granted < self.limit and not self.paused

    def take(self) -> None:
        """Take a slot that is free."""
        self._taken += 1

    def give_back(self) -> None:
        """Give a slot back; the first waiter has it."""
        self._taken -= 1
        self.pass_on()

    def set_limit(self, limit: int) -> None:
        """Change how many slots there are."""
        self.limit = limit
        self.pass_on()

    def pass_on(self) -> None:
        """Let the first waiters have the slots that are free."""
        while self._waiters and self.free:
            self._wake_first()

    async def wait(self) -> None:
        """Wait until a slot was free; or until `wake_all`: the caller looks again."""
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
        """Let every waiter see that there will be no slot."""
        while self._waiters:
            self._wake_first()

    def _wake_first(self) -> None:
        waiter = self._waiters.popleft()
        if not waiter.done():
            self._granted += 1
            waiter.set_result(None)
