"""One RPC: its deadline, the mapping of its faults, and its retries where they are safe."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Generic

from mxgateway.errors import GrpcStatus, MxGatewayError, Phase, map_fault
from mxgateway.errors.faults import (
    ClosedFault,
    ConnectFault,
    ConnectionFault,
    LackingFault,
    RequestFault,
    RpcStatus,
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
"""How often a call gets a connection, if the one before is lost before anything was sent."""


class Call(Generic[Request, Reply]):
    """One RPC over all its attempts; `default_timeout` is in seconds, for options without a timeout."""

    __slots__ = (
        "_began", "_connection", "_data", "_in_doubt", "_not_before", "_options", "_over", "_phase", "_resent", "_retries",
        "_sent_key", "_timeout", "_trace", "_with_new_key", "channel", "deadline", "loop", "method", "stream",
    )  # fmt: skip

    def __init__(
        self,
        channel: Channel,
        method: Method[Request, Reply],
        options: CallOptions,
        default_timeout: float | None = None,
    ) -> None:
        self.channel = channel
        self.method = method
        self.loop = channel.guard.check()
        self._options = options
        timeout = default_timeout if options.timeout is None else options.timeout
        self._timeout = None if timeout == math.inf else timeout
        self._began = now = self.loop.time()
        self.deadline = None if self._timeout is None else now + self._timeout
        self._phase: Phase = "connect"
        self._connection: Connection | None = None
        """The connection on which the call waits, or waited, for a stream."""
        self._data = b""
        """The request being sent.

        Not a local variable: a traceback may show those, and it may contain a password in clear text.
        """
        self._retries: Retries | None = None
        self._resent = False
        """True once the call was sent again because it was certainly not processed; that happens only once."""
        self._with_new_key = False
        """True once the call was sent again because there is another API key; that happens only once."""
        self._sent_key = (0, 0)
        """The number of the API key of the last attempt, and how often the key had been asked for."""
        self._in_doubt = False
        """True if an earlier attempt may have been processed."""
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
        """Send `request` on a stream that ends at the deadline; the caller closes it.

        After a failed attempt, this first waits for the delay of the retry.
        """
        channel = self.channel
        self.stream = self._connection = None
        if channel.lacks(self.method.path):
            raise LackingFault(f"the gateway's contract has no call {self.method}")
        self._data = self._take_encoded() or framed(channel, request)
        if (delay := self._not_before - self.loop.time()) > 0:
            await channel.pause(delay)
        if channel.closing and not self.method.needed_to_close:
            raise ClosedFault("the client is closed")
        connection = channel.current
        if connection is None or not connection.openable:
            connection = await self._openable_connection()
        self._phase, self._connection = "stream", None
        remaining = b"" if self.deadline is None else encode_timeout(self.deadline - self.loop.time())
        self._sent_key = (channel.keys.number, channel.keys.asked)
        try:
            stream = self.stream = connection.open(
                # Not a local variable: it contains the API key, and a traceback may show this frame.
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

    def _drop_frames(self, fault: BaseException) -> None:
        """Drop the frames in which sending failed, if the request has secrets: they hold parts of it."""
        if self._options.secret:
            fault.__traceback__ = None

    def _take_encoded(self) -> bytes:
        """Take the request that was encoded in advance, if there is one."""
        if (progress := self._options.progress) is None:
            return b""
        frame, progress.frame = progress.frame, b""
        return frame

    async def _openable_connection(self) -> Connection:
        """Return a connection on which a stream can be opened at once, waiting for it until the deadline."""
        try:
            async with asyncio.timeout_at(self.deadline) as timeout:
                if self.method.needed_to_close:
                    return await self._find_connection()
                with self.channel.ended_by_closing(timeout):
                    return await self._find_connection()
        except TimeoutError:
            if self.channel.closing and not self.method.needed_to_close:
                raise ClosedFault("the client was closed") from None
            raise

    async def _find_connection(self) -> Connection:
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
            self._notify(lambda trace: trace.message_sent(size))

    def received(self, count: int) -> None:
        """Record replies."""
        self.channel.counters.messages_received += count
        if self._options.progress is not None and self.stream is not None:
            self._options.progress.received = self.stream.taken
        if self._trace is not None:
            self._notify(lambda trace: trace.messages_received(count))

    def should_retry(self, fault: Exception) -> bool:
        """Return whether there is another attempt after a fault; `start` then makes it, after its delay."""
        error, now = self.error(fault), self.loop.time()
        delay = 0.0 if self._should_resend(fault) else self._retry_delay(error, now)
        if delay is None:
            return False
        self._not_before = now + delay
        self.channel.counters.calls_retried += 1
        log.debug("%s is retried in %.3f s: %s", self.method, delay, error)
        if self._trace is not None:
            self._notify(lambda trace: trace.retrying(error, delay))
        return True

    def may_renew_key(self, fault: Exception) -> bool:
        """Return whether the gateway has refused the API key, and there may be another."""
        refused = isinstance(fault, RpcStatus) and fault.code is GrpcStatus.UNAUTHENTICATED
        return refused and not self.channel.keys.is_fixed and not self._with_new_key

    async def renews_key(self, fault: Exception) -> bool:
        """Return whether the call is sent again with another API key: once, after the gateway has refused the key.

        A call that was refused so was not processed.
        """
        if not self.may_renew_key(fault):
            return False
        try:
            async with asyncio.timeout_at(self.deadline) as timeout:
                with self.channel.ended_by_closing(timeout):
                    self._with_new_key = await self.channel.keys.replaced(*self._sent_key)
        except TimeoutError:
            return False
        if self._with_new_key:
            self._not_before = self.loop.time()
            self.channel.counters.calls_retried += 1
            if self._options.progress is not None:
                self._options.progress.sent = self._in_doubt
        return self._with_new_key

    def _should_resend(self, fault: Exception) -> bool:
        """Return True, once, if the gateway certainly did not process the attempt, and no reply has begun."""
        if self._resent or self.stream is None or not (self._is_turned_away(fault) or is_unprocessed(fault)):
            return False
        self._resent = True
        if self._options.progress is not None:
            self._options.progress.sent = self._in_doubt
        return True

    def _is_turned_away(self, fault: Exception) -> bool:
        """Return whether the gateway refuses the API key, and another gateway can be asked instead."""
        if not isinstance(fault, RpcStatus) or fault.code is not GrpcStatus.UNAUTHENTICATED or self.stream is None:
            return False
        return not fault.synthesised and self.channel.turn_from(self.stream.connection)

    def _retry_delay(self, error: MxGatewayError, now: float) -> float | None:
        """Return the seconds until a repeatable call is retried; None if it is not."""
        options = self.channel.options.retry
        if options is None or not (self.method.repeatable or self._options.repeatable):
            return None
        self._in_doubt = True
        self._retries = self._retries or Retries(options, self.deadline)
        trailers = self.stream.trailers or self.stream.headers if self.stream is not None else None
        return self._retries.delay(error, trailers, now)

    # -- its end; only the first counts

    def error(self, fault: Exception) -> MxGatewayError:
        """Return the error for a fault in this call."""
        site = call_site(self.channel, self.method, self._options, self._timeout)
        if self.channel.keys.current is None:
            site = replace(site, keyless=True)
        if isinstance(fault, ConnectFault):
            site = replace(site, timeout=self.channel.options.connect_timeout)
        slots = self._connection.slots if self._connection is not None else None
        if isinstance(fault, TimeoutError) and slots is not None and slots.all_taken:
            fault = StreamLimitFault(slots.limit)
        return map_fault(fault, site, phase=self._phase)

    def succeed(self) -> None:
        """Record that the call ended with status OK."""
        self._over = True
        self.channel.counters.calls_succeeded += 1
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s ended after %.3f s", self.method, self.loop.time() - self._began)
        if self._trace is not None:
            self._notify(lambda trace: trace.ended(None, cancelled=False))

    def fail(self, fault: Exception) -> MxGatewayError:
        """Record that the call failed, and return the error to raise."""
        self._over = True
        if not self._resent and self._is_turned_away(fault):
            fault = ConnectionFault("the gateway refuses the API key, and another one is tried", processed=False)
        error = self.error(fault)
        self.channel.counters.fail(error)
        log.debug("%s failed after %.3f s: %s", self.method, self.loop.time() - self._began, error)
        if self._trace is not None:
            self._notify(lambda trace: trace.ended(error, cancelled=False))
        return error

    def cancel(self) -> None:
        """Record that the caller abandoned the call, unless it has already ended."""
        if self._over:
            return
        self._over = True
        self.channel.counters.calls_cancelled += 1
        log.debug("%s was cancelled after %.3f s", self.method, self.loop.time() - self._began)
        if self._trace is not None:
            self._notify(lambda trace: trace.ended(None, cancelled=True))

    # -- tracing

    def _begin_trace(self) -> CallTrace | None:
        tracer, options = self.channel.options.tracer, self._options
        info = CallInfo(
            endpoint=str(self.channel.endpoint), method=str(self.method), session_id=self.channel.gate.line(options.session_id),
            correlation_id=options.correlation_id, timeout=self._timeout,
        )  # fmt: skip
        try:
            return tracer.call_started(info) if tracer is not None else None
        except Exception:  # noqa: BLE001 - whatever it raises
            tracing_log.exception("the tracer failed at the start of %s; the call is not traced", self.method)
            return None

    def _notify(self, what: Callable[[CallTrace], None]) -> None:
        if self._trace is None:
            return
        try:
            what(self._trace)
        except Exception:  # noqa: BLE001 - whatever it raises
            self._trace = None
            tracing_log.exception("the trace of %s failed and is dropped; the call continues", self.method)


def framed(channel: Channel, request: Message) -> bytes:
    """Return `request` encoded for a channel, with gRPC's prefix.

    Raises:
        RequestFault: It cannot be encoded, or exceeds the limit.
        LackingFault: It has a field or value that the gateway's contract lacks.
    """
    data, defect, limit, lacking = b"", "", channel.options.max_send_bytes, False
    try:
        data = channel.codec.encode(request)
    except Exception as error:  # noqa: BLE001 - dropped: its traceback shows values, maybe a password
        lacking = isinstance(error, LackingError)
        defect = str(error) if isinstance(error, WireError) else type(error).__name__
    if lacking:
        raise LackingFault(defect)
    if defect:
        raise RequestFault(f"the request cannot be encoded: {defect}")
    if (size := len(data)) > limit:
        del data  # a traceback may show local variables, and it may contain a password in clear text
        raise RequestFault(f"the request of {size} bytes exceeds the limit of {limit} bytes (max_send_bytes)")
    return len(data).to_bytes(PREFIX_SIZE, "big") + data
