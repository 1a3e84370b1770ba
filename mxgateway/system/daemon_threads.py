"""Runs what may block in a daemon thread of its own.

asyncio's own executor is waited for when the loop ends, and by the interpreter when it exits: a name server or a network drive that does not answer would hold a
program far beyond every bound that it set. A daemon thread holds nobody; what it was asked for is dropped when nobody waits any more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start(function: Callable[[], T]) -> Future[T]:
    """Start `function` in a thread; the future cannot be cancelled, so that several may wait for it."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()
    threading.Thread(target=_run, args=(function, outcome), name="mxgateway", daemon=True).start()
    return outcome


async def run(function: Callable[[], T]) -> T:
    """Run `function` in a thread and return what it returns; cancelling ends the waiting, not the thread."""
    return await asyncio.wrap_future(start(function))


def _run(function: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(function())
    except BaseException as fault:  # noqa: BLE001 - whoever waits gets it
        outcome.set_exception(fault)
        del outcome  # the fault's traceback holds this frame: no cycle
