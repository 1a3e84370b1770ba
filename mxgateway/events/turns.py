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
        self._held: dict[K, _Claim[K]] = {}
        """Whose turn it is with each thing."""
        self._waiting: dict[K, deque[_Claim[K]]] = {}
        """Who comes after him; without an entry nobody does, as it is with nearly all things."""

    @property
    def idle(self) -> bool:
        """True while nobody has anything or waits for it."""
        return not self._held and not self._waiting

    @contextlib.asynccontextmanager
    async def of(self, keys: Iterable[K]) -> AsyncIterator[None]:
        """Have all of `keys` for the time of the block."""
        claim = _Claim(keys)
        for key in claim.keys:
            if self._held.setdefault(key, claim) is not claim:
                claim.behind += 1
                self._waiting.setdefault(key, deque()).append(claim)
        try:
            if claim.behind:
                claim.ready = asyncio.get_running_loop().create_future()
                await claim.ready
            yield
        finally:
            self._leave(claim)

    def _leave(self, claim: _Claim[K]) -> None:
        for key in claim.keys:
            queue = self._waiting.get(key)
            if self._held[key] is claim:
                if queue is None:
                    del self._held[key]
                    continue
                self._held[key] = queue.popleft()
                self._held[key].advance()
            elif queue is not None:
                queue.remove(claim)
            if not queue:
                self._waiting.pop(key, None)
