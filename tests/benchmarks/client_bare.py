"""The minimum work per event in Python: an asyncio protocol that splits frames, our decoder, and one task."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any, Final

from mxgateway import proto
from mxgateway.transport.http2 import frames
from mxgateway.wire import decode
from tests.benchmarks import http2, worker

MESSAGE_HEADER: Final = 5


class BareStream(asyncio.Protocol):
    """One event stream without deadline, limits, status or recovery; it only answers PING and SETTINGS."""

    def __init__(self) -> None:
        self.events: deque[Any] = deque()
        self.over = False
        self._splitter = http2.Splitter()
        self._messages = b""
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(http2.opening())

    def start(self) -> None:
        """Start the stream."""
        self._transport.write(http2.request())

    def data_received(self, data: bytes) -> None:
        for kind, flags, payload in self._splitter.frames_of(data):
            if kind == frames.DATA:
                self._take(payload)
            elif answer := http2.reply_due(kind, flags, payload):
                self._transport.write(answer)
            elif kind == frames.HEADERS and flags & frames.END_STREAM:
                self.over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        self._wake()

    async def more(self) -> None:
        """Wait for bytes; only one task may wait."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _take(self, payload: bytes) -> None:
        buffer = self._messages + payload if self._messages else payload
        position, size = 0, len(buffer)
        while size - position >= MESSAGE_HEADER:
            start = position + MESSAGE_HEADER
            end = start + int.from_bytes(buffer[position + 1 : start])
            if end > size:
                break
            self.events.append(decode(proto.MxEvent, buffer[start:end]))
            position = end
        self._messages = buffer[position:]

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def stream(port: int, events: int) -> dict[str, float]:
    """Read every event of a stream."""
    _, received = await asyncio.get_running_loop().create_connection(BareStream, "127.0.0.1", port)
    await received.more()  # the server's SETTINGS: it is ready
    count, waiting, watch = 0, received.events, worker.Stopwatch()
    received.start()
    while waiting or not received.over:
        while waiting:
            event = waiting.popleft()
            event.item_handle, event.value.double_value, event.quality, event.source_timestamp  # noqa: B018
            count += 1
        if not received.over:
            await received.more()
    return watch.stop(count, events)


if __name__ == "__main__":
    to = int(sys.argv[1])
    worker.serve({"stream": lambda **arguments: asyncio.run(stream(to, **arguments))})
