"""Deadlines, clean-up, and work in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import mxgateway

if TYPE_CHECKING:
    from mxgateway import Session

_T = TypeVar("_T")


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


async def first_of(*works: Coroutine[Any, Any, _T]) -> _T:
    """Run several works until one ends; cancel the others. Return its result: of several that end at once, the last one's."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks if task in ended][-1]


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Do some work while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def discarded_events(session: Session) -> AsyncIterator[None]:
    """Read and discard the session's events while the block runs: a full queue at the gateway ends the session.

    If they cannot be read, because the key may not, the session still works for as long as the queue is not full.
    """

    async def discard() -> None:
        with suppress(mxgateway.MxGatewayError):
            async with session.stream_events() as events:
                async for _ in events:
                    pass

    async with in_background(discard()):
        yield
