"""Where a client may be used: in the event loop and the process that connected it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import weakref
from collections.abc import Callable
from threading import get_ident
from typing import Final

from mxgateway.errors import CallSite, MxGatewayUsageError
from mxgateway.transport.http2.connection import Connection


class LoopGuard:
    """The event loop and the process of one client. Every public call, iterator and close asks it first.

    Args:
        endpoint: The gateway, for errors.
    """

    __slots__ = ("__weakref__", "_connections", "_endpoint", "_is_running", "_thread", "loop")

    def __init__(self, endpoint: str) -> None:
        self.loop = asyncio.get_running_loop()
        self._is_running = self.loop.is_running
        self._thread = get_ident()
        """The thread that the loop was last seen in; 0 in a forked child, whatever its loop is."""
        self._endpoint = endpoint
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        _GUARDS.add(self)

    def check(self) -> asyncio.AbstractEventLoop:
        """Return the client's loop, if it is the running one and this is the client's process.

        Raises:
            MxGatewayUsageError: It is not; nothing was sent.
        """
        # A thread runs one loop at a time. To ask for it is a system call on Python 3.11, and this is asked for each event.
        if get_ident() == self._thread and self._is_running():
            return self.loop
        if not self._thread or asyncio._get_running_loop() is not self.loop:
            raise self._refusal()
        self._thread = get_ident()
        return self.loop

    def _refusal(self) -> MxGatewayUsageError:
        if not self._thread:
            text, hint = "another process, this is a fork of it", "connect a new client in this process"
        elif self.loop.is_closed():
            text, hint = "an event loop that has ended", "connect, use and close a client inside one asyncio.run()"
        else:
            text = "another event loop"
            hint = "pass the call to that loop with asyncio.run_coroutine_threadsafe(), or connect a client in this one"
        return MxGatewayUsageError(
            f"nothing was sent: this client belongs to {text}", hint=hint, site=CallSite(endpoint=self._endpoint), phase="request"
        )  # fmt: skip

    def call_soon(self, call: Callable[[], object]) -> None:
        """Have the loop make a call, from any thread; nothing happens if the loop has ended or is another process's."""
        if self._thread:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and everything with it
                self.loop.call_soon_threadsafe(call)

    def add(self, connection: Connection) -> None:
        """Let no child that is forked from now on write to a connection."""
        self._connections.add(connection)

    def leave(self) -> None:
        """Refuse every use from now on: this is a forked child."""
        self._thread = 0
        for connection in self._connections:
            connection.closed = True


_GUARDS: Final[weakref.WeakSet[LoopGuard]] = weakref.WeakSet()
"""The homes of all clients of this process."""


def _leave_all() -> None:
    for guard in list(_GUARDS):
        guard.leave()


if sys.platform != "win32":  # which has no fork
    os.register_at_fork(after_in_child=_leave_all)
