"""A server-streaming call."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Generic

from mxgateway.errors.faults import RequestFault
from mxgateway.transport.blocks import ClientReader
from mxgateway.transport.calls.call import Call
from mxgateway.transport.calls.method import CallOptions, Method, Reply, Request
from mxgateway.transport.channel import Channel
from mxgateway.transport.streams.stream import OpenStream


class ServerStream(ClientReader, Generic[Request, Reply]):
    """A server-streaming call: an async iterator of messages, or of batches by `messages`.

    Close it, or use it as a context manager. A cancelled read, even one that waits for a connection, does not end the
    stream: the next read continues it.

    Args:
        channel: The channel to the gateway.
        method: What to call.
        request: Sent by the first read.
        options: The timeout counts from the first read to the end of the stream.
    """

    def __init__(
        self, channel: Channel, method: Method[Request, Reply], request: Request, options: CallOptions
    ) -> None:
        self._start = (channel, method, request, options)
        self._guard = channel.guard
        self._call: Call[Request, Reply] | None = None
        self._stream: OpenStream[Reply] | None = None
        self._opening: asyncio.Timeout | None = None
        self._ready: list[Reply] = []
        self._busy = False
        self._received = False
        self._ended = False

    def __del__(self) -> None:
        """Cancel a call whose iterator was dropped in the middle of a loop, in whichever thread it is collected."""
        call = getattr(self, "_call", None)
        if call is not None and not self._ended:
            call.channel.guard.call_soon(partial(_abandon, call, self._stream))

    async def open(self) -> None:
        """Send the request now instead of with the first read, without waiting for the reply.

        Raises:
            MxGatewayInvalidRequestError: Another task is opening or reading.
            MxGatewayError: The request could not be sent.
        """
        self._guard.check()
        if self._stream is None and not self._ended:
            call = self._begin()
            try:
                await self._open(call)
            finally:
                self._busy = False

    async def messages(self) -> list[Reply]:
        """Return every message that has arrived, waiting for the first one; an empty list at the end of the stream.

        Raises:
            MxGatewayInvalidRequestError: Another task is reading.
            MxGatewayError: The stream failed; earlier calls returned what had arrived before.
        """
        self._guard.check()
        if self._ended:
            return []
        call = self._begin()
        try:
            while not self._ended:
                if self._stream is None:
                    await self._open(call)
                elif (batch := await self._read(call, self._stream)) is not None:
                    return batch
        finally:
            self._busy = False
        return []

    def _begin(self) -> Call[Request, Reply]:
        """Keep other tasks from reading, and start the call with the first read."""
        if self._call is None:
            channel, method, _, options = self._start
            self._call = Call(channel, method, options)
        elif self._busy:
            raise self._call.error(RequestFault("another task is already reading this stream"))
        self._busy = True
        return self._call

    async def _open(self, call: Call[Request, Reply]) -> None:
        """Make attempts until the request is sent, or the stream is closed by another task."""
        while self._stream is None and not self._ended:
            try:
                async with asyncio.timeout_at(call.deadline) as self._opening:
                    self._stream = await call.start(self._start[2])
            except Exception as fault:
                if await self._is_last(call, fault):
                    raise call.fail(fault) from fault
            finally:
                self._opening = None
        if self._ended and self._stream is not None:
            self._stream.close()

    async def _read(self, call: Call[Request, Reply], stream: OpenStream[Reply]) -> list[Reply] | None:
        """Return a batch; None after a failure that does not end the stream."""
        try:
            batch = await stream.messages()
        except Exception as fault:
            stream.close()
            self._stream = None
            if await self._is_last(call, fault):
                raise call.fail(fault) from fault
            return None
        if batch:
            self._received = True
            call.received(len(batch))
        elif not self._ended:
            self._ended = True
            stream.close()
            call.succeed()
        return batch

    async def _is_last(self, call: Call[Request, Reply], fault: Exception) -> bool:
        """Return whether a fault ends the stream: a stream that has delivered messages is not restarted."""
        if self._ended:  # closed by another task meanwhile: the fault no longer matters
            return False
        again = not self._received and (call.should_retry(fault) or await call.renews_key(fault))
        self._ended = self._ended or not again
        return not again

    async def aclose(self) -> None:
        """End the call: the stream is reset before this returns, and a task that waits on it is released.

        Idempotent.
        """
        self._guard.check()
        self._ended = True
        self._ready.clear()
        if self._opening is not None and not self._opening.expired():
            self._opening.reschedule(asyncio.get_running_loop().time())
        if self._stream is not None:
            self._stream.close()
        if self._call is not None:
            self._call.cancel()

    async def __anext__(self) -> Reply:
        self._guard.check()
        if not self._ready:
            self._ready = await self.messages()
            self._ready.reverse()
            if not self._ready:
                raise StopAsyncIteration
        return self._ready.pop()


def _abandon(call: Call[Request, Reply], stream: OpenStream[Reply] | None) -> None:
    if stream is not None:
        stream.close()
    call.cancel()
