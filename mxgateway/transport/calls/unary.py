"""Unary calls: in one step, or in several."""

from __future__ import annotations

import asyncio
from typing import Generic, Self

from mxgateway.transport.calls.call import Call
from mxgateway.transport.calls.method import CallOptions, Method, Reply, Request
from mxgateway.transport.channel import Channel
from mxgateway.transport.streams.stream import OpenStream


async def unary(channel: Channel, method: Method[Request, Reply], request: Request, options: CallOptions) -> Reply:
    """Make a unary call and return its reply; success means that status 0 was received.

    Without its own timeout the call has the client's `call_timeout`. Within the timeout it is sent again, once, if the
    gateway certainly did not process it, and it is retried if it is `repeatable` and the gateway is unavailable. No
    other call is ever sent twice.

    Raises:
        MxGatewayError: The call failed; the class says how.
    """
    call = Call(channel, method, options, channel.options.call_timeout)
    try:
        return await _reply(call, request)
    finally:
        call.cancel()


async def _reply(call: Call[Request, Reply], request: Request, sent: OpenStream[Reply] | None = None) -> Reply:
    """Make attempts until one has a reply, or there is none; the first one may have been `sent`."""
    while True:
        try:
            stream, sent = sent or await call.start(request), None
            try:
                reply = await stream.only_message()
            finally:
                stream.close()
        except Exception as fault:
            if not call.should_retry(fault) and not await call.renews_key(fault):
                raise call.fail(fault) from fault
        else:
            call.received(1)
            call.succeed()
            return reply


class UnaryCall(Generic[Request, Reply]):
    """A unary call in steps: send, wait, read. Other work can be done in between.

    After `send`, either read its reply or close it. It is retried as by `unary`, while its reply is read.
    """

    def __init__(
        self, channel: Channel, method: Method[Request, Reply], request: Request, options: CallOptions
    ) -> None:
        self._call = Call(channel, method, options, channel.options.call_timeout)
        self._request = request
        self._stream: OpenStream[Reply] | None = None

    async def send(self) -> Self:
        """Send the request and return this call.

        Raises:
            MxGatewayError: It could not be sent; the call is over.
        """
        try:
            self._stream = await self._call.start(self._request)
            await asyncio.sleep(0)  # the connection writes at the end of the loop's iteration
        except Exception as fault:
            raise self._call.fail(fault) from fault
        except BaseException:
            self.close()
            raise
        return self

    async def arrived(self) -> bool:
        """Wait for the complete reply, without decoding it, and return whether the gateway reports success."""
        assert self._stream is not None, "the request was sent"
        return await self._stream.arrived()

    async def ready(self) -> bool:
        """Wait like `arrived`, and return whether `reply` then returns without yielding to the loop."""
        assert self._stream is not None, "the request was sent"
        return await self._stream.arrived() and self._stream.is_small

    async def reply(self) -> Reply:
        """Return the reply, sending the request if `send` did not; success means that status 0 was received.

        Raises:
            MxGatewayError: The call failed; the class says how.
        """
        sent, self._stream = self._stream, None
        return await _reply(self._call, self._request, sent)

    def close(self) -> None:
        """Cancel the call, unless it has ended. Idempotent."""
        if self._stream is not None:
            self._stream.close()
        self._call.cancel()
