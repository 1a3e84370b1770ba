"""Which failures are retried, and when."""

from __future__ import annotations

from typing import Final

from mxgateway.errors import GrpcStatus, MxGatewayError
from mxgateway.options import RetryOptions
from mxgateway.transport.calls.backoff import Backoff
from mxgateway.transport.http2.reply_headers import Headers

PUSHBACK: Final = b"grpc-retry-pushback-ms"
LONGEST_PUSHBACK: Final = 2**31 - 1
"""Milliseconds: the maximum of the header's 32 bits."""


class Retries:
    """The retries of one repeatable call.

    Args:
        options: Their number and delays.
        deadline: The call's deadline, in the loop's time; no retry starts after it.
    """

    def __init__(self, options: RetryOptions, deadline: float | None) -> None:
        self._left = options.max_attempts - 1
        self._backoff = Backoff(options.initial_backoff, options.max_backoff)
        self._deadline = deadline

    def delay(self, error: MxGatewayError, trailers: Headers | None, now: float) -> float | None:
        """Return the seconds until the next attempt; None if there is none.

        Args:
            error: How the last attempt ended.
            trailers: Its trailers, which may say when to retry, or not to.
            now: The loop's time.
        """
        if self._left <= 0 or not error.retryable or error.grpc_status is not GrpcStatus.UNAVAILABLE:
            return None
        self._left -= 1
        pushback = (trailers or {}).get(PUSHBACK)
        delay = self._backoff.next() if pushback is None else self._pushback_delay(pushback)
        if delay is None or (self._deadline is not None and now + delay >= self._deadline):
            return None
        return delay

    def _pushback_delay(self, pushback: bytes) -> float | None:
        """Return the delay in seconds that the gateway requests, None if it requests no retry or is not understood."""
        if not pushback.isdigit() or len(pushback) > len(str(LONGEST_PUSHBACK)) or int(pushback) > LONGEST_PUSHBACK:
            return None
        self._backoff.reset()
        return int(pushback) / 1000
