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
    call = UnaryCall(channel, method, request, options)
    try:
        return await call.reply()
    finally:
        call.close()


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
        while True:
            try:
                reply = await self._attempt()
            except Exception as fault:
                if not self._call.should_retry(fault) and not await self._call.renews_key(fault):
                    raise self._call.fail(fault) from fault
            else:
                self._call.succeed()
                return reply

    async def _attempt(self) -> Reply:
        """Read the reply; send the request first, if it was not sent or the attempt before failed."""
        stream = self._stream = self._stream or await self._call.start(self._request)
        try:
            reply = await stream.only_message()
        finally:
            stream.close()
            self._stream = None
        self._call.received(1)
        return reply

    def close(self) -> None:
        """Cancel the call, unless it has ended. Idempotent."""
        if self._stream is not None:
            self._stream.close()
        self._call.cancel()
