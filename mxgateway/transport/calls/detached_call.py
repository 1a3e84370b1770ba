"""Calls that go on when their caller is cancelled, because what they change has to be known all the same."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from mxgateway.transport.calls.method import Progress

T = TypeVar("T")


class DetachedCalls:
    """The calls of one client that outlive a cancelled caller.

    Cancelling a caller ends its waiting and not the command: once the request has left, the gateway may carry it out. A reset at that moment
    leaves in doubt whether it does. So such a call goes on alone until it is answered, within its own bound.
    """

    def __init__(self) -> None:
        self._orphans: set[asyncio.Task[None]] = set()

    async def run(
        self, work: Callable[[], Awaitable[T]], progress: Progress, orphaned: Callable[[T], object] | None = None
    ) -> T:
        """Do `work` and return its result; when the caller is cancelled it goes on, unless its request was not sent.

        Args:
            work: Makes the call.
            progress: What the call takes note of.
            orphaned: Takes the result that the caller does not take any more.
        """
        outcome = _Outcome[T]()
        task = asyncio.create_task(outcome.fill(work))
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.add_done_callback(functools.partial(self._bury, outcome, orphaned))
            if progress.sent:
                self._orphans.add(task)
            else:
                task.cancel()
                await asyncio.wait([task])
            raise
        task.result()  # raises when the task was cancelled in its turn
        return outcome.take()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do `work` that no caller waits for."""
        task = asyncio.create_task(work)
        self._orphans.add(task)
        task.add_done_callback(self._orphans.discard)
        return task

    def _bury(self, outcome: _Outcome[T], orphaned: Callable[[T], object] | None, task: asyncio.Task[None]) -> None:
        """Take note of the end of a call whose caller has gone."""
        self._orphans.discard(task)
        if outcome.succeeded and orphaned is not None:
            orphaned(outcome.take())

    async def aclose(self, patience: float = 0.0) -> None:
        """End the calls whose caller has gone.

        Args:
            patience: Seconds that they may still take to end by themselves.
        """
        if patience and self._orphans:
            await asyncio.wait(self._orphans, timeout=patience)
        if orphans := set(self._orphans):
            for task in orphans:
                task.cancel()
            await asyncio.wait(orphans)


class _Outcome(Generic[T]):
    """What a call has come to, until it is taken. The task itself keeps none: an error's traceback may hold the task."""

    def __init__(self) -> None:
        self._values: list[T] = []
        self._error: Exception | None = None

    async def fill(self, work: Callable[[], Awaitable[T]]) -> None:
        """Do the work."""
        try:
            self._values.append(await work())
        except Exception as error:  # noqa: BLE001 - whoever takes it gets it
            self._error = error

    @property
    def succeeded(self) -> bool:
        """True when there is a result to be taken."""
        return bool(self._values)

    def take(self) -> T:
        """Return the result, or raise what the work has raised."""
        if self._error is not None:
            raise self._take_error(self._error)
        return self._values.pop()

    def _take_error(self, error: Exception) -> Exception:
        self._error = None
        return error
