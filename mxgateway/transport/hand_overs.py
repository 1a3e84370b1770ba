"""When streams hand over what has arrived: behind the frames of a read, or in turns of the loop."""

from __future__ import annotations

import asyncio
from typing import Any

from mxgateway.transport.pushed_reply import PushedReply


class HandOvers:
    """The streams of one connection that have something to hand over.

    Args:
        loop: The loop of the connection.
    """

    __slots__ = ("_loop", "_queue", "sorting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: list[PushedReply[Any]] = []
        self.sorting = False
        """True while the frames of a read are sorted to their streams; whoever sorts them calls `run` afterwards."""

    def queue(self, stream: PushedReply[Any]) -> None:
        """Let `stream` hand over what has arrived: behind the frames that are being sorted, or in the next turn of the loop."""
        if not self._queue and not self.sorting:
            self._loop.call_soon(self.run)
        self._queue.append(stream)

    def run(self) -> None:
        """Let the streams hand over; a stream that has more than is due in one turn queues again."""
        streams, self._queue = self._queue, []
        for stream in streams:
            try:
                stream.hand_over()
            except Exception as defect:  # noqa: BLE001 - it must not end the calls of others
                self._loop.call_exception_handler(
                    {"message": "whoever had the messages of a stream fails when told of its end", "exception": defect}
                )
