"""Calls that continue after their caller is cancelled, because their outcome must be known."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from mxgateway.transport.calls.method import Progress

T = TypeVar("T")


class DetachedCalls:
    """The calls of one client that outlive a cancelled caller.

    Cancelling a caller ends its wait, not the command: once the request was sent, the gateway may carry it out. After a
    reset at that moment nobody would know whether it did. So such a call continues alone until it is answered, within
    its own timeout.
    """

    def __init__(self) -> None:
        self._orphans: set[asyncio.Task[None]] = set()

    async def run(
        self, work: Callable[[], Awaitable[T]], progress: Progress, orphaned: Callable[[T], object] | None = None
    ) -> T:
        """Do `work` and return its result; if the caller is cancelled it continues, unless its request was not sent.

        Args:
            work: Makes the call.
            progress: Updated by the call.
            orphaned: Takes the result if the caller was cancelled.
        """
        outcome = _Outcome[T]()
        task = asyncio.create_task(outcome.fill(work))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.add_done_callback(functools.partial(self._finish_orphan, outcome, orphaned))
            if progress.sent:
                self._orphans.add(task)
            else:
                task.cancel()
                await asyncio.wait([task])
                with contextlib.suppress(
                    asyncio.CancelledError
                ):  # else the task keeps it, with its own frames: a cycle
                    task.result()
            raise
        task.result()  # raises if the task itself was cancelled
        return outcome.take()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do `work` in the background."""
        task = asyncio.create_task(work)
        self._orphans.add(task)
        task.add_done_callback(self._orphans.discard)
        return task

    def _finish_orphan(
        self, outcome: _Outcome[T], orphaned: Callable[[T], object] | None, task: asyncio.Task[None]
    ) -> None:
        """Handle the end of a call whose caller was cancelled."""
        self._orphans.discard(task)
        if outcome.succeeded and orphaned is not None:
            orphaned(outcome.take())


class _Outcome(Generic[T]):
    """The outcome of a call, until it is taken.

    The task itself does not keep it: an error's traceback may hold the task.
    """

    def __init__(self) -> None:
        self._values: list[T] = []
        self._errors: list[Exception] = []

    async def fill(self, work: Callable[[], Awaitable[T]]) -> None:
        """Do the work."""
        try:
            self._values.append(await work())
        except Exception as error:  # noqa: BLE001 - `take` raises it
            self._errors.append(error)

    @property
    def succeeded(self) -> bool:
        """True if there is a result to take."""
        return bool(self._values)

    def take(self) -> T:
        """Return the result, or raise the error of the work."""
        if self._errors:
            raise self._errors.pop()
        return self._values.pop()
