"""Cancels a call at its k-th suspension, be it the call's own or that of a task which the call has begun.

Every coroutine is driven by hand, so that the cancellation hits exactly there and not some turns of the loop later.
"""

from __future__ import annotations

import asyncio
import enum
import os
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from mxgateway import GatewayClient
from tests.client.support import until


class Moment(enum.Enum):
    """When exactly the cancellation comes."""

    WAITING = "while it waits"
    RESULT = "in the turn in which it has its result"
    TWICE = "while it waits, and at the next suspension again"
    EVERYTHING = "with every task that it has begun, as at the end of asyncio.run"
    EVERYTHING_AT_RESULT = "with every task that it has begun, in the turn in which one has its result"


EVERYTHING: Final = (Moment.EVERYTHING, Moment.EVERYTHING_AT_RESULT)
"""When nothing can be expected of the call's own objects afterwards, but that they leave nothing behind."""


class Suspensions:
    """Counts the suspensions of one call and cancels its caller at one of them.

    Args:
        number: At which one, from 1.
        moment: When exactly.
    """

    def __init__(self, number: int, moment: Moment) -> None:
        self._number = number
        self._moment = moment
        self._count = 0
        self._over = False
        self._tasks: list[asyncio.Task[Any]] = []
        self.requested = 0
        """How often the caller was cancelled."""

    async def outcome_of(self, call: Coroutine[Any, Any, object]) -> BaseException | None:
        """Make a call in a task of its own and return what it raised; the task has then proved that it can still be used."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_task_factory)
        try:
            return await asyncio.create_task(self._caller(call))
        finally:
            loop.set_task_factory(None)

    async def _caller(self, call: Coroutine[Any, Any, object]) -> BaseException | None:
        task, outcome = asyncio.current_task(), None
        assert task is not None
        self._tasks.append(task)
        token = _counting.set(self)
        try:
            await _Driven(call, self)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            outcome = error
        finally:
            self._over = True  # what its tasks still do is not the call's any more
            _counting.reset(token)
        assert task.cancelling() == self.requested, "a cancellation was counted twice, or taken back"
        while task.uncancel():
            pass
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:  # either minds what is left of a cancellation
            group.create_task(asyncio.sleep(0))
        return outcome

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Take note of a task that the call has begun."""
        self._tasks.append(task)

    def note(self, waits_for: asyncio.Future[Any] | None) -> None:
        """Take note of a suspension; without a future the task only lets others have a turn."""
        self._count += 1
        if self._count == self._number + 1 and self._moment is Moment.TWICE:
            self._cancel()
        elif self._count != self._number:
            return
        elif self._moment not in (Moment.RESULT, Moment.EVERYTHING_AT_RESULT):
            self._cancel()
        elif waits_for is None:
            asyncio.get_running_loop().call_soon(self._cancel)
        else:
            waits_for.add_done_callback(lambda _: self._cancel())  # before the task itself hears of it

    def _cancel(self) -> None:
        if self._over:
            return
        caller, *others = self._tasks
        self.requested += caller.cancel()
        for task in others if self._moment in EVERYTHING else ():
            task.cancel()


_counting: Final[ContextVar[Suspensions | None]] = ContextVar("counting", default=None)


def _task_factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **fields: Any) -> asyncio.Task[Any]:
    """Make a task; those that the call begins are counted. The gateway's own come from another context."""
    suspensions = _counting.get()
    if suspensions is None:
        return asyncio.Task(coroutine, loop=loop, **fields)
    task: asyncio.Task[Any] = asyncio.Task(_Driven(coroutine, suspensions), loop=loop, **fields)
    suspensions.begin(task)
    return task


class _Driven(Coroutine[Any, Any, Any]):
    """A coroutine whose every suspension is counted."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], suspensions: Suspensions) -> None:
        self._coroutine = coroutine
        self._suspensions = suspensions

    def send(self, value: Any) -> Any:
        waits_for = self._coroutine.send(value)
        self._suspensions.note(waits_for)
        return waits_for

    def throw(self, *error: Any) -> Any:
        waits_for = self._coroutine.throw(*error)
        self._suspensions.note(waits_for)
        return waits_for

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # type: ignore[return-value]

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.send(None)


# --------------------------------------------------------------------------------------------------------------------
# What is left behind

_DESCRIPTORS: Final = Path("/proc/self/fd")
counts_descriptors: Final = sys.platform == "linux"


class Leftovers:
    """What this process holds now, to be compared with later."""

    def __init__(self) -> None:
        self._tasks = asyncio.all_tasks()
        self._descriptors = _count()

    async def gone(self, patience: float = 5.0) -> None:
        """Wait until there is no further task and no further descriptor; fail with what there is."""
        await _until(lambda: not self._further_tasks(), self._further_tasks, patience)
        await _until(lambda: _count() <= self._descriptors, descriptors, patience)

    def _further_tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks without those in which the simulated gateway answers."""
        return {task for task in asyncio.all_tasks() - self._tasks if not task.get_name().startswith("call from ")}


async def streams_gone(client: GatewayClient, *, expected: int = 0) -> None:
    """Wait until the client has no further stream open; fail with what there is."""

    def streams() -> list[object]:
        return [stream for connection in client._channel._connections for stream in connection.streams.values()]

    await _until(lambda: len(streams()) == expected, streams)


async def _until(holds: Callable[[], bool], found: Callable[[], object], patience: float = 5.0) -> None:
    try:
        await until(holds, patience=patience)
    except TimeoutError:
        raise AssertionError(f"left behind: {found()}") from None


def _count() -> int:
    """Return how much this process has open, where the system tells; what each is takes longer to find out."""
    return len(os.listdir(_DESCRIPTORS)) if counts_descriptors else 0


def descriptors() -> list[str]:
    """Return what this process has open, where the system tells."""
    return [_target(each) for each in os.listdir(_DESCRIPTORS)] if counts_descriptors else []


def _target(name: str) -> str:
    try:
        return f"{name} -> {os.readlink(_DESCRIPTORS / name)}"
    except OSError:  # the one that the listing itself has used
        return name
