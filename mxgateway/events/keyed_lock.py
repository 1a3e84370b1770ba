"""Keyed locks: callers that need the same key run one after another, in the order of asking."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class _Claim:
    """A request for the locks of several keys."""

    __slots__ = ("behind", "ready")

    def __init__(self) -> None:
        self.behind = 0
        """How many of the keys another claim holds or gets first."""
        self.ready: asyncio.Future[None] | None = None

    def advance(self) -> None:
        self.behind -= 1
        if not self.behind and self.ready is not None and not self.ready.done():
            self.ready.set_result(None)


class KeyedLocks(Generic[K]):
    """A lock for each key, with a queue.

    A claim enters the queues of all its keys in one step. So of two claims the same one is first in every queue, and
    there is no deadlock.
    """

    def __init__(self) -> None:
        self._queues: dict[K, tuple[_Claim, ...]] = {}

    @property
    def idle(self) -> bool:
        """True while no lock is held or awaited."""
        return not self._queues

    @contextlib.asynccontextmanager
    async def held(self, keys: Iterable[K]) -> AsyncIterator[None]:
        """Hold the locks of all `keys` while the block runs."""
        claim, own_keys, queues = _Claim(), set(keys), self._queues
        alone = (claim,)  # nearly every key has one claim at a time: its keys share this tuple
        for key in own_keys:
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
            for key in own_keys:
                queue = queues.pop(key)
                if queue is not alone and (rest := tuple(each for each in queue if each is not claim)):
                    queues[key] = rest
                    if queue[0] is claim:
                        rest[0].advance()
