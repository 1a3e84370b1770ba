"""A server-streaming call whose messages are pushed: delivered in the same call that read them from the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from mxgateway.errors import MxGatewayError
from mxgateway.errors.faults import ClosedFault
from mxgateway.transport.calls.call import Call
from mxgateway.transport.calls.method import CallOptions, Method, Request
from mxgateway.transport.channel import Channel
from mxgateway.transport.stats import Counters
from mxgateway.transport.streams.stream import OpenStream

M = TypeVar("M")


class Receiver(Protocol[M]):
    """Takes the messages of a stream as they arrive.

    Both methods are called on the loop; an exception in them ends the stream.
    """

    def receive(self, messages: list[M], /) -> bool:
        """Take messages, in the same call that read them from the socket.

        Returns:
            False to pause the stream: nothing more is delivered until `PushedStream.resume`, and flow control then
            stops the peer.
        """

    def ended(self, error: MxGatewayError | None, /) -> None:
        """Called when the stream has ended: with status OK (None), or with an error.

        Called once, after everything that arrived before was delivered, even while paused; never after
        `PushedStream.close`. A closing client does not wait for that: undelivered messages are dropped.
        """


class PushedStream(Generic[Request, M]):
    """A server-streaming call that passes its messages to a receiver.

    Its opener must close it, unless it ends by itself.

    After a read of the socket, callers whose replies arrived are woken first. Then the stream's messages are delivered:
    all of them if this is the only call of its connection, otherwise in small batches, yielding to the loop in between.

    Args:
        channel: The channel to the gateway.
        method: What to call.
        request: The request.
        options: The timeout counts from the opening to the end of the stream.
        receiver: Takes the messages.
        decode: Decodes one message into what the receiver takes; None uses the method's own decoder. A message too
            large to be decoded at once is always decoded as the method's own message.
    """

    def __init__(
        self,
        channel: Channel,
        method: Method[Request, Any],
        request: Request,
        options: CallOptions,
        receiver: Receiver[M],
        decode: Callable[[bytes], M] | None = None,
    ) -> None:
        self._start = (channel, method, request, options)
        self._receiver = receiver
        self._decode: Callable[[bytes], M] = decode or channel.codec.decoder_of(method.reply_type)
        self._call: Call[Request, Any] | None = None
        self._stream: OpenStream[M] | None = None
        self._opening: asyncio.Timeout | None = None
        self._closed = False
        self._renewing: asyncio.Task[None] | None = None
        """Asks for another API key, after the gateway has refused the stream for it."""

    async def open(self) -> None:
        """Send the request without waiting for the reply. Call it once; if it is cancelled, the stream is closed.

        Raises:
            MxGatewayError: The request could not be sent, or the stream was closed meanwhile.
        """
        assert self._call is None, "a pushed stream is opened once"
        channel, method, _, options = self._start
        self._call = Call(channel, method, options)
        try:
            await self._begin(self._call)
        except BaseException:
            self.close()
            raise

    async def _begin(self, call: Call[Request, Any]) -> None:
        channel = call.channel
        self._stream = stream = await self._sent(call)
        self._check_open(call)
        if channel.options.tracer is None:
            receive, counters = self._receiver.receive, channel.counters
        else:
            receive, counters = self._receive_traced, Counters()  # the call itself counts what it reports to its trace
        stream.decode = self._decode
        stream.push(receive, self._end, counters)

    async def _sent(self, call: Call[Request, Any]) -> OpenStream[Any]:
        """Make attempts until the request is sent, or the stream is closed by another task."""
        while True:
            try:
                async with asyncio.timeout_at(call.deadline) as self._opening:
                    return await call.start(self._start[2])
            except Exception as fault:
                self._check_open(call)
                if not call.should_retry(fault):
                    raise call.fail(fault) from fault
            finally:
                self._opening = None

    def _check_open(self, call: Call[Request, Any]) -> None:
        if self._closed:
            raise call.error(ClosedFault("the stream was closed")) from None

    def _receive_traced(self, messages: list[M]) -> bool:
        if self._call is not None:
            self._call.received(len(messages))
        return self._receiver.receive(messages)

    def _end(self, fault: Exception | None) -> None:
        """End the call and notify the receiver."""
        call, stream = self._call, self._stream
        assert call is not None
        assert stream is not None
        self._stream = None
        stream.close()
        if fault is not None and not stream.taken and call.may_renew_key(fault):
            self._renewing = asyncio.create_task(self._begin_again(call, fault))
            return
        self._closed = True
        if fault is None:
            call.succeed()
            self._receiver.ended(None)
        else:
            self._receiver.ended(call.fail(fault))

    async def _begin_again(self, call: Call[Request, Any], fault: Exception) -> None:
        """Begin anew with another API key, or notify the receiver that there is none."""
        try:
            if await call.renews_key(fault):
                await self._begin(call)
                return
            error = call.fail(fault)
        except MxGatewayError as failed:
            error = failed.with_traceback(None)  # its frames hold this stream
        finally:
            self._renewing = None
        if not self._closed:
            self._closed = True
            self._receiver.ended(error)

    def resume(self) -> None:
        """Continue after a pause, in the next iteration of the loop. May be called at any time, even if not paused."""
        if self._stream is not None:
            self._stream.resume()

    @property
    def decode(self) -> Callable[[bytes], M]:
        """Decodes one message into what the receiver takes.

        May be replaced at any time; applies to messages not yet split.
        """
        return self._decode

    @decode.setter
    def decode(self, decode: Callable[[bytes], M]) -> None:
        self._decode = decode
        if self._stream is not None:
            self._stream.decode = decode

    def close(self) -> None:
        """Cancel the call: the stream is reset before this returns, and its receiver is not called any more.

        Idempotent.
        """
        self._closed = True
        if self._renewing is not None:
            self._renewing.cancel()
        if self._opening is not None and not self._opening.expired():
            self._opening.reschedule(asyncio.get_running_loop().time())
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if self._call is not None:
            self._call.cancel()
