"""One RPC: deadline outside, faults mapped, further attempts where they are safe, the stream given back whatever happens."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Generic

from mxgateway.errors import MxGatewayError, Phase, map_fault
from mxgateway.errors.faults import (
    ClosedFault,
    ConnectFault,
    ConnectionFault,
    LackingFault,
    RequestFault,
    StreamLimitFault,
    is_unprocessed,
)
from mxgateway.errors.logs import logger
from mxgateway.options.tracing import CallInfo, CallTrace
from mxgateway.transport.calls.method import CallOptions, Method, Reply, Request, call_site
from mxgateway.transport.calls.retry import Retries
from mxgateway.transport.channel import Channel
from mxgateway.transport.http2.connection import Connection
from mxgateway.transport.http2.request_headers import encode_timeout
from mxgateway.transport.streams.reply_stream import PREFIX_SIZE
from mxgateway.transport.streams.stream import OpenStream
from mxgateway.wire import LackingError, WireError
from mxgateway.wire.messages.betterproto_seam import Message

log = logger("mxgateway.transport.calls")
tracing_log = logger("mxgateway.tracing")

OPEN_ATTEMPTS: Final = 3
"""How often a call looks for a connection when the one it got goes away before anything was sent."""


class Call(Generic[Request, Reply]):
    """One RPC, from its begin to its end, over all its attempts.

    Args:
        channel: Where to call.
        method: What to call.
        options: How to call it.
        default_bound: Seconds, where the options have no bound.
    """

    __slots__ = (
        "_began", "_bound", "_connection", "_data", "_in_doubt", "_not_before", "_options", "_over", "_phase", "_retries", "_sent_again",
        "_trace", "channel", "deadline", "loop", "method", "stream",
    )  # fmt: skip

    def __init__(
        self, channel: Channel, method: Method[Request, Reply], options: CallOptions, default_bound: float | None = None
    ) -> None:
        self.channel = channel
        self.method = method
        self.loop = asyncio.get_running_loop()
        self._options = options
        bound = default_bound if options.timeout is None else options.timeout
        self._bound = None if bound == math.inf else bound
        self._began = now = self.loop.time()
        self.deadline = None if self._bound is None else now + self._bound
        self._phase: Phase = "connect"
        self._connection: Connection | None = None
        """Where the call waits for its turn, or has waited."""
        self._data = b""
        """What is being sent. No local variable: a traceback may show those, and a password stands in it in clear text."""
        self._retries: Retries | None = None
        self._sent_again = False
        """True when the call was sent again because it was surely not processed; that happens once."""
        self._in_doubt = False
        """True when an earlier attempt may have been processed."""
        self._not_before = now
        self.stream: OpenStream[Reply] | None = None
        """The stream of the last attempt."""
        self._over = False
        self._trace: CallTrace | None = None
        channel.counters.calls_started += 1
        if channel.options.tracer is not None:
            self._trace = self._begin_trace()

    # -- an attempt

    async def start(self, request: Request) -> OpenStream[Reply]:
        """Send `request`, after the pause that follows a failed attempt, on a stream that ends with the call's bound; the caller closes it."""
        channel = self.channel
        self.stream = self._connection = None
        self._check_contract()
        self._data = self._framed_ahead() or framed(channel, request)
        if (pause := self._not_before - self.loop.time()) > 0:
            await channel.pause(pause)
        if channel.closing and not self.method.needed_to_close:
            raise ClosedFault("the client is closed")
        connection = channel.current
        if connection is None or not connection.openable:
            connection = await self._openable_connection()
        self._phase, self._connection = "stream", None
        remaining = b"" if self.deadline is None else encode_timeout(self.deadline - self.loop.time())
        try:
            stream = self.stream = connection.open(
                # No local variable: the API key stands in it, and this frame may wait.
                channel.request_headers.block(self.method.path, remaining, self._options.metadata),
                self._data, channel.codec.decoder_of(self.method.reply_type), channel.reply_limits,
                channel.codec.steps_of(self.method.reply_type),
            )  # fmt: skip
        except Exception as fault:
            self._drop_frames(fault)
            raise
        stream.needed_to_close = self.method.needed_to_close
        if self.deadline is not None:
            stream.expire_at(self.deadline)
        if not stream.sent:
            try:
                await stream.send()
            except BaseException as fault:
                stream.close()
                self._drop_frames(fault)
                raise
        if stream.sent:
            self._count_sent(len(self._data) - PREFIX_SIZE)
        self._data = b""
        return stream

    def _check_contract(self) -> None:
        if self.channel.lacks(self.method.path):
            raise LackingFault(f"the gateway's contract has no call {self.method}")

    def _drop_frames(self, fault: BaseException) -> None:
        """Let the frames go in which the sending has failed: they hold pieces of the request, and a secret may stand in it."""
        if self._options.secret:
            fault.__traceback__ = None

    def _framed_ahead(self) -> bytes:
        """Take what was made of the request before its turn, if anything was."""
        if (progress := self._options.progress) is None:
            return b""
        frame, progress.frame = progress.frame, b""
        return frame

    async def _openable_connection(self) -> Connection:
        """Return a connection on which a stream can be opened at once, waiting for it within the bound."""
        try:
            async with asyncio.timeout_at(self.deadline) as bound:
                if self.method.needed_to_close:
                    return await self._look_for_connection()
                with self.channel.ended_by_closing(bound):
                    return await self._look_for_connection()
        except TimeoutError:
            if self.channel.closing and not self.method.needed_to_close:
                raise ClosedFault("the client was closed") from None
            raise

    async def _look_for_connection(self) -> Connection:
        attempt = 1
        while True:
            self._phase, self._connection = "connect", None
            connection = await self.channel.ready()
            self._phase, self._connection = "stream", connection
            try:
                await connection.until_openable()
            except ConnectionFault:
                if attempt == OPEN_ATTEMPTS:
                    raise
                attempt += 1
            else:
                return connection

    def _count_sent(self, size: int) -> None:
        self.channel.counters.messages_sent += 1
        if self._options.progress is not None:
            self._options.progress.sent = True
        if self._trace is not None:
            self._tell(lambda trace: trace.message_sent(size))

    def received(self, count: int) -> None:
        """Take note of replies."""
        self.channel.counters.messages_received += count
        if self._options.progress is not None and self.stream is not None:
            self._options.progress.received = self.stream.taken
        if self._trace is not None:
            self._tell(lambda trace: trace.messages_received(count))

    def may_be_repeated(self, fault: Exception) -> bool:
        """Tell whether there is another attempt after a fault; `start` then makes it, when its time has come."""
        error, now = self.error(fault), self.loop.time()
        delay = 0.0 if self._is_sent_again(fault) else self._retry_delay(error, now)
        if delay is None:
            return False
        self._not_before = now + delay
        self.channel.counters.calls_retried += 1
        log.debug("%s is tried again in %.3f s: %s", self.method, delay, error)
        if self._trace is not None:
            self._tell(lambda trace: trace.retrying(error, delay))
        return True

    def _is_sent_again(self, fault: Exception) -> bool:
        """Tell, once, that an attempt may be made anew because the gateway surely did not process it; a reply that has begun says otherwise."""
        stream = self.stream
        if self._sent_again or stream is None or stream.headers is not None or not is_unprocessed(fault):
            return False
        self._sent_again = True
        if self._options.progress is not None:
            self._options.progress.sent = self._in_doubt
        return True

    def _retry_delay(self, error: MxGatewayError, now: float) -> float | None:
        """Return the seconds until a call that may be repeated is tried again; None when it is not."""
        options = self.channel.options.retry
        if options is None or not (self.method.repeatable or self._options.repeatable):
            return None
        self._in_doubt = True
        self._retries = self._retries or Retries(options, self.deadline)
        trailers = self.stream.trailers or self.stream.headers if self.stream is not None else None
        return self._retries.delay(error, trailers, now)

    # -- its end; the first one counts

    def error(self, fault: Exception) -> MxGatewayError:
        """Return the error for a fault that was met in this call."""
        site = call_site(self.channel, self.method, self._options, self._bound)
        if isinstance(fault, ConnectFault):
            site = replace(site, timeout=self.channel.options.connect_timeout)
        waits_at = self._connection.slots if self._connection is not None else None
        if isinstance(fault, TimeoutError) and waits_at is not None and waits_at.all_taken:
            fault = StreamLimitFault(waits_at.limit)
        return map_fault(fault, site, phase=self._phase)

    def succeed(self) -> None:
        """Take note that the call has ended with status OK."""
        self._over = True
        self.channel.counters.calls_succeeded += 1
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s ended after %.3f s", self.method, self.loop.time() - self._began)
        if self._trace is not None:
            self._tell(lambda trace: trace.ended(None, cancelled=False))

    def fail(self, fault: Exception) -> MxGatewayError:
        """Take note that the call has failed, and return the error to raise."""
        self._over = True
        error = self.error(fault)
        self.channel.counters.fail(error)
        log.debug("%s failed after %.3f s: %s", self.method, self.loop.time() - self._began, error)
        if self._trace is not None:
            self._tell(lambda trace: trace.ended(error, cancelled=False))
        return error

    def cancel(self) -> None:
        """Take note that the caller has given the call up, unless it is over."""
        if self._over:
            return
        self._over = True
        self.channel.counters.calls_cancelled += 1
        log.debug("%s was given up after %.3f s", self.method, self.loop.time() - self._began)
        if self._trace is not None:
            self._tell(lambda trace: trace.ended(None, cancelled=True))

    # -- tracing

    def _begin_trace(self) -> CallTrace | None:
        tracer, options = self.channel.options.tracer, self._options
        info = CallInfo(
            endpoint=str(self.channel.endpoint), method=str(self.method), session_id=self.channel.gate.line(options.session_id),
            correlation_id=options.correlation_id, timeout=self._bound,
        )  # fmt: skip
        try:
            return tracer.call_started(info) if tracer is not None else None
        except Exception:  # noqa: BLE001 - whatever it raises
            tracing_log.exception("the tracer failed at the start of %s, which goes untraced", self.method)
            return None

    def _tell(self, what: Callable[[CallTrace], None]) -> None:
        if self._trace is None:
            return
        try:
            what(self._trace)
        except Exception:  # noqa: BLE001 - whatever it raises
            self._trace = None
            tracing_log.exception("the trace of %s failed and is dropped; the call goes on", self.method)


def framed(channel: Channel, request: Message) -> bytes:
    """Return `request` as it goes out on a channel, with gRPC's prefix.

    Raises:
        RequestFault: It cannot be encoded, or exceeds the limit.
        LackingFault: It says what the gateway's contract has no place for.
    """
    data, defect, limit, lacking = b"", "", channel.options.max_send_bytes, False
    try:
        data = channel.codec.encode(request)
    except Exception as error:  # noqa: BLE001 - it is left behind: the frames of its traceback show values, and one may be a password
        lacking = isinstance(error, LackingError)
        defect = str(error) if isinstance(error, WireError) else type(error).__name__
    if lacking:
        raise LackingFault(defect)
    if defect:
        raise RequestFault(f"the request cannot be encoded: {defect}")
    if (size := len(data)) > limit:
        del data  # a traceback may show local variables, and a password stands in it in clear text
        raise RequestFault(f"the request of {size} bytes exceeds the limit of {limit} bytes (max_send_bytes)")
    return len(data).to_bytes(PREFIX_SIZE, "big") + data
