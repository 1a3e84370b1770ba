"""Deadlines and clean-up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import mxgateway


class Deadline:
    """The deadline of a whole command, counted from its start.

    Args:
        seconds: The timeout; None sets no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._started = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the time has run out."""
        return self.seconds is not None and time.monotonic() - self._started >= self.seconds

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the start."""
        return round((time.monotonic() - self._started) * 1000)

    @asynccontextmanager
    async def enforce(self, on_timeout: Callable[[], Exception | None]) -> AsyncIterator[None]:
        """Cancel the block at the deadline.

        Args:
            on_timeout: Called when the block was cancelled: returns the exception to raise, or None to continue after
                the block.
        """
        remaining = None if self.seconds is None else self.seconds - (time.monotonic() - self._started)
        scope = asyncio.timeout(remaining)
        try:
            async with scope:
                yield
        except TimeoutError as error:
            # A call that hits its own timeout raises the library's error, which is a TimeoutError too.
            if isinstance(error, mxgateway.MxGatewayError) or not scope.expired():
                raise
            failure = on_timeout()
            if failure is not None:
                raise failure from None


@asynccontextmanager
async def cleanup(action: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    """Await `action` after the block. If the block failed, an MxGatewayError of `action` is dropped."""
    try:
        yield
    except BaseException:
        with suppress(mxgateway.MxGatewayError):
            await action()
        raise
    await action()
