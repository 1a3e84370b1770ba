"""What a test leaves behind: sessions, connections and calls at a gateway, tasks on a loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from mxgateway.simulator import SimulatedGateway
from mxgateway.testing.loop_thread import LoopThread

SETTLING: Final = 2.0
"""Seconds that clients and tasks have for what they are about to end."""
_PAUSE: Final = 0.002
"""Seconds between two looks at what is left."""


def left_at(thread: LoopThread, gateway: SimulatedGateway) -> list[str]:
    """Return what clients have left at a gateway, a line for each."""
    end = time.monotonic() + SETTLING
    while (left := thread.call(lambda: _open_at(gateway))) and time.monotonic() < end:
        time.sleep(_PAUSE)
    return left


def _open_at(gateway: SimulatedGateway) -> list[str]:
    if gateway._run is None:
        return []
    sessions = [
        f"the session {session.session_id}{f' of {session.name!r}' if session.name else ''} is open"
        for session in gateway.sessions.values()
    ]
    connections = [
        f"the connection of {connection.peer} is open{_calls(connection.open_calls)}"
        for connection in gateway._run.listener.connections
    ]
    return sessions + connections


def _calls(methods: list[str]) -> str:
    return f", with {', '.join(sorted(methods))} running" if methods else ""


async def left_tasks(before: Iterable[asyncio.Task[Any]]) -> list[str]:
    """Return the tasks of this loop that were not there before and go on, a line for each."""
    known = {*before, asyncio.current_task()}
    end = time.monotonic() + SETTLING
    while left := [task for task in asyncio.all_tasks() if task not in known]:
        if time.monotonic() > end:
            break
        await asyncio.wait(left, timeout=_PAUSE)
    return [f"the task {task.get_name()!r} goes on: {_place(task)}" for task in left]


def _place(task: asyncio.Task[Any]) -> str:
    """Say which coroutine a task runs, and where it is."""
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    stack = task.get_stack(limit=1)
    return f"{name} at {stack[-1].f_code.co_filename}:{stack[-1].f_lineno}" if stack else name
