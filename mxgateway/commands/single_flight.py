"""Something that several tasks ask for and that is done once, such as closing; after a failure it can be tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mxgateway.errors.faults import copy_of

T = TypeVar("T")


class SharedAttempt(Generic[T]):
    """An attempt that all callers share. The first success is final; after a failure the next caller makes a new attempt.

    Args:
        on_cancelled: Called when the attempt itself was cancelled, as every task is at the end of `asyncio.run`.
    """

    def __init__(self, on_cancelled: Callable[[], object] = lambda: None) -> None:
        self._on_cancelled = on_cancelled
        self._outcome: asyncio.Future[_Outcome[T]] | None = None
        self._task: asyncio.Task[T] | None = None
        self.begun = False
        """True once anybody has asked for it."""

    async def join(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the attempt, begun now unless there is one. Cancelling a caller does not stop it.

        Raises:
            Exception: What the attempt has failed with; each caller gets an exception object of its own.
        """
        outcome = self._outcome if self._outcome is not None else self._begin(work)
        await asyncio.wait([outcome])
        return outcome.result().take()

    def _begin(self, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Future[_Outcome[T]]:
        self.begun = True  # before the task: an eager one runs at once
        outcome = self._outcome = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(work())
        self._task.add_done_callback(self._settle)
        return outcome

    def _settle(self, task: asyncio.Task[T]) -> None:
        outcome = self._outcome
        assert outcome is not None
        self._task = None  # its traceback may hold whoever holds this
        if task.cancelled():
            self._outcome = None
            outcome.cancel()
            self._on_cancelled()
        elif (error := task.exception()) is not None:
            self._outcome = None
            outcome.set_result(_Outcome(error=error))
        else:
            outcome.set_result(_Outcome(task.result()))


@dataclass(slots=True)
class _Outcome(Generic[T]):
    """How an attempt has ended. It is no exception of the future's: nobody may be left to look at it."""

    value: T | None = None
    error: BaseException | None = None

    def take(self) -> T:
        """Return the result, or raise what the attempt has raised."""
        if self.error is not None:
            raise copy_of(self.error)
        return self.value  # type: ignore[return-value]  # None may be the result
