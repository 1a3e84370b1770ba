"""Waiting within a bound, and undoing what was done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import mxgateway


class Deadline:
    """The moment until which a whole command may take, counted from its start.

    Args:
        seconds: How long; None sets no bound.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._started = time.monotonic()

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the start."""
        return round((time.monotonic() - self._started) * 1000)

    @asynccontextmanager
    async def bound(self, when_reached: Callable[[], Exception | None]) -> AsyncIterator[None]:
        """Bound the block by the deadline.

        Args:
            when_reached: Called when the deadline cut the block short: returns what to raise, None to go on after the
                block as if it had ended.
        """
        remaining = None if self.seconds is None else self.seconds - (time.monotonic() - self._started)
        scope = asyncio.timeout(remaining)
        try:
            async with scope:
                yield
        except TimeoutError as error:
            # A call that ran into its own bound raises the library's error, which is a TimeoutError too.
            if isinstance(error, mxgateway.MxGatewayError) or not scope.expired():
                raise
            failure = when_reached()
            if failure is not None:
                raise failure from None


@asynccontextmanager
async def undone(undo: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    """Call `undo` after the block. If the block failed, its failure is what counts, whatever undoing says."""
    try:
        yield
    except BaseException:
        with suppress(mxgateway.MxGatewayError):
            await undo()
        raise
    await undo()
