"""Keyed locks: callers that need the same key run one after another, in the order of asking."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class _Claim:
    """One who asks for several things."""

    __slots__ = ("behind", "ready")

    def __init__(self) -> None:
        self.behind = 0
        """With how many of the things somebody else comes first."""
        self.ready: asyncio.Future[None] | None = None

    def advance(self) -> None:
        self.behind -= 1
        if not self.behind and self.ready is not None and not self.ready.done():
            self.ready.set_result(None)


class KeyedLocks(Generic[K]):
    """Holds and queues of each key.

    A claim enters the queues of all its keys in one step. So of two claims the same one is first in every queue, and none
    waits forever.
    """

    def __init__(self) -> None:
        self._queues: dict[K, tuple[_Claim, ...]] = {}

    @property
    def idle(self) -> bool:
        """True while nobody has anything or waits for it."""
        return not self._queues

    @contextlib.asynccontextmanager
    async def held(self, keys: Iterable[K]) -> AsyncIterator[None]:
        """Hold all of `keys` while the block runs."""
        claim, things, queues = _Claim(), set(keys), self._queues
        alone = (claim,)  # nearly all things are asked for by one at a time: they share this
        for key in things:
            queue = queues.setdefault(key, alone)
            if queue is not alone:
                queues[key] = (*queue, claim)
                claim.behind += 1
        try:
            if claim.behind:
                claim.ready = asyncio.get_running_loop().create_future()
                await claim.ready
            yield
        finally:
            for key in things:
                queue = queues.pop(key)
                if queue is not alone and (rest := tuple(each for each in queue if each is not claim)):
                    queues[key] = rest
                    if queue[0] is claim:
                        rest[0].advance()
