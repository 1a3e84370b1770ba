"""When streams hand over what has arrived: behind the frames of a read, or in turns of the loop."""

from __future__ import annotations

import asyncio
from typing import Any

from mxgateway.transport.streams.pushed_reply import PushedReply


class HandOvers:
    """The streams of one connection that have something to hand over.

    Args:
        loop: The loop of the connection.
    """

    __slots__ = ("_is_due", "_later", "_loop", "_queue", "_running", "sorting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: list[PushedReply[Any]] = []
        self._later: list[PushedReply[Any]] = []
        """Those that have had their turn, and wait for the next one however many reads there are until then."""
        self._running = self._is_due = False
        self.sorting = False
        """True while the frames of a read are sorted to their streams; whoever sorts them calls `run` afterwards."""

    def queue(self, stream: PushedReply[Any]) -> None:
        """Let `stream` hand over what has arrived: behind the frames that are being sorted, or in the next turn of the loop."""
        (self._later if self._running else self._queue).append(stream)
        if not self.sorting and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._queue += self._later
        self._later, self._is_due = [], False
        self.run()

    def run(self) -> None:
        """Let the streams hand over; a stream that has more than is due in one turn queues again."""
        streams, self._queue = self._queue, []
        self._running = True
        for stream in streams:
            try:
                stream.hand_over()
            except Exception as defect:  # noqa: BLE001 - it must not end the calls of others
                self._loop.call_exception_handler(
                    {"message": "whoever had the messages of a stream fails when told of its end", "exception": defect}
                )
        self._running = False
