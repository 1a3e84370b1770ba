"""Schedules when streams deliver their messages: after the frames of a read, or in the next iteration of the loop."""

from __future__ import annotations

import asyncio
from typing import Any

from mxgateway.transport.streams.pushed_reply import PushedReply


class HandOvers:
    """The streams of one connection with messages to deliver."""

    __slots__ = ("_is_due", "_later", "_loop", "_queue", "_running", "sorting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: list[PushedReply[Any]] = []
        self._later: list[PushedReply[Any]] = []
        """Streams that were already served, and wait for the loop's next iteration, whatever is read until then."""
        self._running = self._is_due = False
        self.sorting = False
        """True while the frames of a read are passed to their streams; the caller then calls `run`."""

    def queue(self, stream: PushedReply[Any]) -> None:
        """Let `stream` deliver its messages: after the current read's frames, or in the loop's next iteration."""
        (self._later if self._running else self._queue).append(stream)
        if not self.sorting and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._run_all)

    def _run_all(self) -> None:
        self._queue += self._later
        self._later, self._is_due = [], False
        self.run()

    def run(self) -> None:
        """Let the streams deliver; a stream with more than one batch queues itself again."""
        streams, self._queue = self._queue, []
        self._running = True
        for stream in streams:
            try:
                stream.hand_over()
            except Exception as defect:  # noqa: BLE001 - it must not end the calls of others
                self._loop.call_exception_handler(
                    {"message": "the receiver of a stream failed when it was notified of the end", "exception": defect}
                )
        self._running = False
