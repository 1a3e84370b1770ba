"""Runs blocking functions, each in its own daemon thread.

The loop and the interpreter wait for asyncio's own executor when they end: a name server or a network drive that does
not answer would delay the program's exit far beyond any timeout. Nothing waits for a daemon thread; its result is
dropped when no caller is left.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start(function: Callable[[], T]) -> Future[T]:
    """Start `function` in a thread; the future cannot be cancelled, so several callers may wait for it."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()
    threading.Thread(target=_run, args=(function, outcome), name="mxgateway", daemon=True).start()
    return outcome


async def run(function: Callable[[], T]) -> T:
    """Run `function` in a thread and return its result; cancelling ends the wait, not the thread."""
    return await asyncio.wrap_future(start(function))


def _run(function: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(function())
    except BaseException as fault:  # noqa: BLE001 - the waiter gets it
        outcome.set_exception(fault)
        del outcome  # the fault's traceback holds this frame: no cycle
