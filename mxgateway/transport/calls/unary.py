"""Unary calls: sent and waited for, or step by step."""

from __future__ import annotations

import asyncio
from typing import Generic

from mxgateway.transport.calls.call import Call
from mxgateway.transport.calls.method import CallOptions, Method, Reply, Request
from mxgateway.transport.channel import Channel
from mxgateway.transport.streams.stream import OpenStream


async def unary(channel: Channel, method: Method[Request, Reply], request: Request, options: CallOptions) -> Reply:
    """Make a unary call and return its reply; success means that status 0 was read.

    Without a bound of its own the call has the client's `call_timeout`. Within that bound it is sent again, once, if the gateway surely did not
    process it, and it is tried again if it is `repeatable` and the gateway is unavailable. No other call is ever sent twice.

    Raises:
        MxGatewayError: The call failed; the class tells how.
    """
    call = Call(channel, method, options, channel.options.call_timeout)
    try:
        while True:
            try:
                reply = await _attempt(call, request)
            except Exception as fault:
                if not call.may_be_repeated(fault):
                    raise call.fail(fault) from fault
            else:
                call.succeed()
                return reply
    finally:
        call.cancel()


async def _attempt(call: Call[Request, Reply], request: Request) -> Reply:
    stream = await call.start(request)
    try:
        reply = await stream.only_message()
    finally:
        stream.close()
    call.received(1)
    return reply


class SentCall(Generic[Request, Reply]):
    """A unary call that is sent, waited for and read step by step, so that there is something to do in between.

    Whoever has sent one reads its reply or closes it. It is sent again as `unary` does it, while its reply is read.
    """

    def __init__(self, channel: Channel, method: Method[Request, Reply], options: CallOptions) -> None:
        self._call = Call(channel, method, options, channel.options.call_timeout)
        self._request: Request | None = None
        self._stream: OpenStream[Reply] | None = None

    async def send(self, request: Request) -> SentCall[Request, Reply]:
        """Send the request and return this call.

        Raises:
            MxGatewayError: It could not be sent; the call is over.
        """
        self._request = request
        try:
            self._stream = await self._call.start(request)
            await asyncio.sleep(0)  # the connection writes what one turn of the loop has brought
        except Exception as fault:
            raise self._call.fail(fault) from fault
        except BaseException:
            self.close()
            raise
        return self

    async def arrived(self) -> bool:
        """Wait until `reply` has no more to wait for, and tell whether the gateway reports success; the reply is not decoded."""
        assert self._stream is not None, "the request was sent"
        return await self._stream.arrived()

    async def ready(self) -> bool:
        """Wait as `arrived` does, and tell whether `reply` then returns without a turn for others."""
        assert self._stream is not None, "the request was sent"
        return await self._stream.arrived() and self._stream.is_small

    async def reply(self) -> Reply:
        """Return the reply; success means that status 0 was read.

        Raises:
            MxGatewayError: The call failed; the class tells how.
        """
        while True:
            try:
                reply = await self._attempt()
            except Exception as fault:
                if not self._call.may_be_repeated(fault):
                    raise self._call.fail(fault) from fault
            else:
                self._call.succeed()
                return reply

    async def _attempt(self) -> Reply:
        """Read the reply to what was sent, or to what is sent anew where that has failed."""
        assert self._request is not None, "the request was sent"
        if self._stream is None:
            self._stream = await self._call.start(self._request)
        try:
            reply = await self._stream.only_message()
        finally:
            self._stream.close()
            self._stream = None
        self._call.received(1)
        return reply

    def close(self) -> None:
        """Give the call up, unless it is over. Idempotent."""
        if self._stream is not None:
            self._stream.close()
        self._call.cancel()
