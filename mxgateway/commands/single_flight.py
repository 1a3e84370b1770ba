"""One shared attempt at something that several tasks request, such as closing; after a failure it can be retried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from mxgateway.errors.faults import copy_of

T = TypeVar("T")


class SharedAttempt(Generic[T]):
    """An attempt that all callers share. The first success is final; after a failure the next caller starts a new one.

    Args:
        on_cancelled: Called if the attempt itself is cancelled, as every task is at the end of `asyncio.run`.
    """

    def __init__(self, on_cancelled: Callable[[], object] = lambda: None) -> None:
        self._on_cancelled = on_cancelled
        # An error is not set as the future's exception: nobody may be left to retrieve it.
        self._outcome: asyncio.Future[tuple[T | None, BaseException | None]] | None = None
        self._task: asyncio.Task[T] | None = None
        self.begun = False
        """True once `join` was called."""

    @property
    def is_running(self) -> bool:
        """True while an attempt is not over."""
        return self._task is not None

    @property
    def has_failed(self) -> bool:
        """True after an attempt that has failed, until the next one."""
        return self.begun and self._outcome is None

    async def join(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the attempt, which starts now unless there is one. Cancelling a caller does not stop it.

        Raises:
            Exception: The attempt failed; each caller gets its own copy of the exception.
        """
        outcome = self._outcome
        if outcome is None:
            self.begun = True  # before the task: an eager one runs at once
            outcome = self._outcome = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(work())
            self._task.add_done_callback(self._settle)
        await asyncio.wait([outcome])
        result, error = outcome.result()
        if error is not None:
            raise copy_of(error)
        return result  # type: ignore[return-value]  # None may be the result

    def _settle(self, task: asyncio.Task[T]) -> None:
        outcome = self._outcome
        assert outcome is not None
        self._task = None  # its traceback may refer to the owner of this object
        if task.cancelled():
            self._outcome = None
            outcome.cancel()
            self._on_cancelled()
        elif (error := task.exception()) is not None:
            self._outcome = None
            outcome.set_result((None, error))
        else:
            outcome.set_result((task.result(), None))
