"""Taking turns: who needs the same thing comes one after the other, in the order of asking."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class _Claim(Generic[K]):
    """One who asks for his turn with several things."""

    __slots__ = ("behind", "keys", "ready")

    def __init__(self, keys: Iterable[K]) -> None:
        self.keys = list(dict.fromkeys(keys))
        self.behind = 0
        """With how many of the things somebody else comes first."""
        self.ready: asyncio.Future[None] | None = None

    def advance(self) -> None:
        """Take note that one thing more has become free."""
        self.behind -= 1
        if not self.behind and self.ready is not None and not self.ready.done():
            self.ready.set_result(None)


class Turns(Generic[K]):
    """Who comes next with each thing.

    A claim enters the queues of all its things in one step, so that of two claims the same one is first everywhere, and none waits for ever.
    """

    def __init__(self) -> None:
        self._queues: dict[K, deque[_Claim[K]]] = {}

    @contextlib.asynccontextmanager
    async def of(self, keys: Iterable[K]) -> AsyncIterator[None]:
        """Have all of `keys` for the time of the block."""
        claim = _Claim(keys)
        for key in claim.keys:
            if (queue := self._queues.get(key)) is None:
                self._queues[key] = deque((claim,))
            else:
                claim.behind += 1
                queue.append(claim)
        try:
            if claim.behind:
                claim.ready = asyncio.get_running_loop().create_future()
                await claim.ready
            yield
        finally:
            self._leave(claim)

    def _leave(self, claim: _Claim[K]) -> None:
        for key in claim.keys:
            queue = self._queues[key]
            if queue[0] is not claim:
                queue.remove(claim)
                continue
            queue.popleft()
            if queue:
                queue[0].advance()
            else:
                del self._queues[key]
