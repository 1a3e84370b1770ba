"""A server-streaming call whose messages are pushed: handed over in the very call that has read them from the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from mxgateway.errors import MxGatewayError
from mxgateway.errors.faults import ClosedFault
from mxgateway.transport.calls.call import Call
from mxgateway.transport.calls.method import CallOptions, Method, Request
from mxgateway.transport.channel import Channel
from mxgateway.transport.counters import Counters
from mxgateway.transport.streams.stream import OpenStream

M = TypeVar("M")


class Receiver(Protocol[M]):
    """Takes the messages of a stream as they arrive. Both methods are called from the loop; what they raise ends the stream."""

    def receive(self, messages: list[M], /) -> bool:
        """Take messages, in the very call that has read them from the socket.

        Returns:
            False to hold the stream from now on: nothing more is handed over until `PushedStream.resume`, and the flow-control window then holds
            the peer back.
        """

    def ended(self, error: MxGatewayError | None, /) -> None:
        """Take note that the stream is over: with status OK (None), or with an error.

        Called once, when everything that arrived before was handed over, also during a hold; never after `PushedStream.close`. A client that begins
        to close does not wait for that: what is held is dropped.
        """


class PushedStream(Generic[Request, M]):
    """A server-streaming call that hands its messages to a receiver. Whoever opens it closes it, unless it ends by itself.

    A read of the socket first wakes the callers that it answers. Then it hands over what it has brought: all of it while this is the only call
    of its connection, otherwise in small steps with turns for others in between.

    Args:
        channel: Where to call.
        method: What to call.
        request: What is sent.
        options: The bound counts from the opening to the end of the stream.
        receiver: Takes the messages.
        decode: Turns the bytes of one message into what the receiver takes; the method's own decoder if None. A message too large for one go comes as the
            method's own message whatever this is.
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

    async def open(self) -> None:
        """Send the request; the answer is not waited for. Done once; to be cancelled is to be closed.

        Raises:
            MxGatewayError: The request could not be sent, or the stream was closed meanwhile.
        """
        assert self._call is None, "a pushed stream is opened once"
        channel, method, _, options = self._start
        call = self._call = Call(channel, method, options)
        try:
            self._stream = stream = await self._sent(call)
            self._check_open(call)
        except BaseException:
            self.close()
            raise
        if channel.options.tracer is None:
            receive, counters = self._receiver.receive, channel.counters
        else:
            receive, counters = self._receive_traced, Counters()  # the call counts what it tells its trace
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
                if not call.may_be_repeated(fault):
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
        """End the call, which is over, and tell the receiver."""
        call, stream, self._closed = self._call, self._stream, True
        assert call is not None
        assert stream is not None
        self._stream = None
        stream.close()
        if fault is None:
            call.succeed()
            self._receiver.ended(None)
        else:
            self._receiver.ended(call.fail(fault))

    def resume(self) -> None:
        """Go on after a hold, in the next turn of the loop. May be called at any time, also when nothing is held."""
        if self._stream is not None:
            self._stream.resume()

    @property
    def decode(self) -> Callable[[bytes], M]:
        """Turns the bytes of one message into what the receiver takes. May be exchanged at any time; applies to what has not been split yet."""
        return self._decode

    @decode.setter
    def decode(self, decode: Callable[[bytes], M]) -> None:
        self._decode = decode
        if self._stream is not None:
            self._stream.decode = decode

    def close(self) -> None:
        """Give the call up: the stream is reset before this returns, and its receiver hears nothing more. Idempotent."""
        self._closed = True
        if self._opening is not None and not self._opening.expired():
            self._opening.reschedule(asyncio.get_running_loop().time())
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if self._call is not None:
            self._call.cancel()
