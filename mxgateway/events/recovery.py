"""When to retry after the event stream, its session, or another feed was lost."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final, Protocol

from mxgateway.errors import (
    CallSite,
    GrpcStatus,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    map_fault,
)
from mxgateway.errors.faults import ClosedFault
from mxgateway.errors.logs import logger
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.transport.calls.backoff import Backoff

log = logger("mxgateway.recovery")

_SESSION_GONE: Final = frozenset({GrpcStatus.NOT_FOUND, GrpcStatus.FAILED_PRECONDITION})
"""The statuses which mean that no stream of a session can be opened any more: it is unknown, or not ready. A session
whose queue has overflowed answers with one of them at the next attempt."""


def is_session_lost(error: MxGatewayError) -> bool:
    """Return whether a failure of the event stream means that the session is gone.

    ALREADY_EXISTS does not: the gateway may not have noticed yet that the previous stream's connection is dead.
    """
    return isinstance(error, MxGatewaySessionError) and (
        error.grpc_status in _SESSION_GONE or error.grpc_status is None
    )


def is_taken(error: MxGatewayError) -> bool:
    """Return whether the gateway reports that the session's one event stream is already in use."""
    return error.grpc_status is GrpcStatus.ALREADY_EXISTS


def is_rejection(error: MxGatewayError) -> bool:
    """Return whether the gateway has refused the API key."""
    return isinstance(error, MxGatewayAuthenticationError | MxGatewayAuthorizationError)


def is_other_cause(told: MxGatewayError | None, now: MxGatewayError) -> bool:
    """Tell whether an outage that was told of has another cause now.

    What passes by itself is one cause, whatever it looks like. Another one is what somebody has to see to, such as a
    refused API key, and that nobody has to any more.
    """
    if type(told) is type(now) or isinstance(now, MxGatewaySessionError):  # a session that is gone is rebuilt at once
        return False
    return any(each is not None and not each.retryable and not isinstance(each, _PASSING) for each in (told, now))


_PASSING: Final = (MxGatewaySessionError, MxGatewayTimeoutError)
"""Errors that no retry of the same call helps, and that pass all the same."""


class GivingUp(Exception):
    """Retrying ends, because the options say so or because it cannot succeed."""

    def __init__(self, error: MxGatewayError) -> None:
        super().__init__(str(error))
        self.error = error


class Pauses(Protocol):
    """What pauses need of the client."""

    @property
    def closing(self) -> bool:
        """True once the client is closing."""

    async def pause(self, seconds: float, awake: asyncio.Event | None = None) -> None:
        """Sleep for `seconds`, or until `awake` is set or the client closes."""


class Recovery:
    """Series of attempts with pauses between them; each failure after a success begins a new series.

    Args:
        what: What is recovered, for the log.
        options: How long the pauses are; `pause` may change them.
        client: Ends the pauses when it closes.
        source: The source of random numbers.
    """

    def __init__(
        self, what: str, options: RecoveryOptions, client: Pauses, source: random.Random | None = None
    ) -> None:
        self._what = what
        self._options = options
        self._client = client
        self._random = source or random.Random()
        self._backoff = Backoff(options.initial_backoff, options.max_backoff, self._random)
        self._awake = asyncio.Event()
        self._failing_since: float | None = None
        self._up_since: float | None = None
        self._reported = False

    def gives_up(self, options: RecoveryOptions) -> bool:
        """Return whether `give_up_after` of the options has passed."""
        bound, since = options.give_up_after, self._failing_since
        return bound is not None and since is not None and asyncio.get_running_loop().time() - since >= bound

    @property
    def is_failing(self) -> bool:
        """True from the first failure of a series until the next success."""
        return self._failing_since is not None

    @property
    def is_unstable(self) -> bool:
        """True for a while after a success: a loss this soon is not recovered without a pause."""
        now = asyncio.get_running_loop().time()
        return self._up_since is not None and now - self._up_since < self._options.stable_after

    def wake(self) -> None:
        """End the current pause."""
        self._awake.set()

    def succeeded(self) -> None:
        """Note a success. The backoff starts anew only if it lasts."""
        if self._reported:
            log.info("%s is back", self._what)
        self._up_since = asyncio.get_running_loop().time()
        self._failing_since, self._reported = None, False

    def failed(self, error: MxGatewayError) -> None:
        """Note a failure; when the client is closed, raise `GivingUp`."""
        is_closed = isinstance(error.__cause__, ClosedFault)
        if is_closed or self._client.closing:
            raise GivingUp(error if is_closed else _closed())
        now = asyncio.get_running_loop().time()
        if self._up_since is not None and now - self._up_since >= self._options.stable_after:
            self._backoff.reset()
        self._up_since = None
        self._failing_since = now if self._failing_since is None else self._failing_since

    async def pause(self, error: MxGatewayError, options: RecoveryOptions | None = None) -> None:
        """Wait until the next attempt may begin. Other `options` apply from now on.

        Raises:
            GivingUp: `give_up_after` has passed, or the client is closed.
        """
        if options is not None and options != self._options:
            self._options = options
            self._backoff.initial, self._backoff.longest = options.initial_backoff, options.max_backoff
        self.failed(error)
        if self.gives_up(self._options):
            raise GivingUp(error)
        delay = self._delay(error)
        level = logging.DEBUG if self._reported else logging.WARNING
        log.log(level, "%s is lost, next attempt in %.1f s: %s", self._what, delay, error)
        self._reported = True
        self._awake.clear()
        await self._client.pause(delay, self._awake)
        if self._client.closing:
            raise GivingUp(_closed())

    def _delay(self, error: MxGatewayError) -> float:
        if is_rejection(error):
            return self._options.rejected_backoff * self._random.uniform(0.5, 1.0)
        return self._backoff.next()


def _closed() -> MxGatewayError:
    fault = ClosedFault("the client is closed")
    error = map_fault(fault, CallSite())
    error.__cause__ = fault
    return error
