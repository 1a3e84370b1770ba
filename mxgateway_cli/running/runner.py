"""Runs one coroutine on a new event loop and handles signals.

The first SIGINT, SIGTERM or SIGHUP cancels the command, which cancels its streams and closes its session; the second
exits the process at once. Windows lacks `loop.add_signal_handler`, so plain signal handlers call into the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from mxgateway_cli.terminal.exit_codes import SIGNAL_BASE, Interrupted
from mxgateway_cli.terminal.restoring import restore_terminals

_T = TypeVar("_T")
_log = logging.getLogger("mxgateway.cli")


def run(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run `main` on a new event loop and return its result.

    Raises:
        Interrupted: A signal cancelled it.
    """
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_log_stray_failure)
    task = loop.create_task(main())
    signals = _Signals(loop, task)
    with signals.installed():
        try:
            return loop.run_until_complete(task)
        except (asyncio.CancelledError, Exception):
            if signals.received is not None:
                raise Interrupted(signals.received) from None
            raise
        finally:
            _finish(loop)


class _Signals:
    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self.received: int | None = None
        self._loop = loop
        self._task = task

    @contextmanager
    def installed(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        watched = [signal.SIGINT, signal.SIGTERM]
        if sys.platform == "win32":  # Ctrl-Break, the only signal that another process can send there
            watched.append(signal.SIGBREAK)
        elif signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
            watched.append(signal.SIGHUP)
        previous = {number: signal.signal(number, self._handle) for number in watched}
        try:
            with self._wakeup_socket():
                yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @contextmanager
    def _wakeup_socket(self) -> Iterator[None]:
        """Let a signal wake the loop, even one that arrives just before the loop sleeps or in another thread.

        On Windows the loop does this itself.
        """
        if sys.platform == "win32":
            yield
            return
        reading, writing = socket.socketpair()
        with reading, writing:
            reading.setblocking(False)
            writing.setblocking(False)
            self._loop.add_reader(reading, lambda: reading.recv(64))
            previous = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
            try:
                yield
            finally:
                signal.set_wakeup_fd(previous)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None:
            restore_terminals()
            os._exit(SIGNAL_BASE + number)
        self.received = number
        self._loop.call_soon_threadsafe(self._task.cancel)


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel remaining tasks and close the loop.

    It does not wait for the default executor: an unresponsive name server would delay the exit beyond every timeout.
    """
    leftovers = asyncio.all_tasks(loop)
    for leftover in leftovers:
        leftover.cancel()
    if leftovers:
        loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _log_stray_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.debug("unhandled in the event loop: %s", context.get("message"), exc_info=context.get("exception"))
