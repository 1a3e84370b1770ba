"""When to try again after the event stream, or its session, was lost."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import Final

from mxgateway.errors import (
    GrpcStatus,
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayError,
    MxGatewaySessionError,
)
from mxgateway.faults import ClosedFault
from mxgateway.subscription_options import RecoveryOptions
from mxgateway.transport.backoff import Backoff

log = logging.getLogger("mxgateway.recovery")

_REJECTIONS: Final = (MxGatewayAuthenticationError, MxGatewayAuthorizationError)

_SESSION_GONE: Final = frozenset({GrpcStatus.NOT_FOUND, GrpcStatus.FAILED_PRECONDITION})
"""What says of a session that no stream of it can be opened any more: it is unknown, or not ready. One whose queue has overflowed says so at the next attempt."""


def is_session_lost(error: MxGatewayError) -> bool:
    """Tell whether a failure of the event stream means that the session is gone.

    ALREADY_EXISTS does not: the gateway may not have noticed yet that the connection of the stream before is dead.
    """
    return isinstance(error, MxGatewaySessionError) and (
        error.grpc_status in _SESSION_GONE or error.grpc_status is None
    )


def is_taken(error: MxGatewayError) -> bool:
    """Tell whether the gateway says that the session's one event stream is somebody's."""
    return error.grpc_status is GrpcStatus.ALREADY_EXISTS


def is_client_closed(error: MxGatewayError) -> bool:
    """Tell whether the client itself is closed: no attempt can succeed any more."""
    return isinstance(error.__cause__, ClosedFault)


def is_rejection(error: MxGatewayError) -> bool:
    """Tell whether the gateway has refused the API key."""
    return isinstance(error, _REJECTIONS)


class GivingUp(Exception):
    """The options say not to try any longer, or it would be of no use.

    Args:
        error: Why the last attempt has failed.
    """

    def __init__(self, error: MxGatewayError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class StreamCare:
    """How the event stream of a session is kept up."""

    recovery: Recovery
    """When to try again."""
    stale_after: float | None
    """Seconds of silence after which the worker is asked for a sign of life."""
    stale_timeout: float
    """Seconds that the sign of life may take."""
    taken_bound: float | None = None
    """Seconds that the gateway may say that the session has a reader already; then the session counts as lost."""


class Recovery:
    """One series of attempts after another, each with its pauses.

    Args:
        what: What is brought back, for the log.
        options: How long the pauses are.
        source: Where chance comes from.
    """

    def __init__(self, what: str, options: RecoveryOptions, source: random.Random | None = None) -> None:
        self._what = what
        self._options = options
        self._random = source or random.Random()
        self._backoff = Backoff(options.initial_backoff, options.max_backoff, self._random)
        self._awake = asyncio.Event()
        self._failing_since: float | None = None
        self._up_since: float | None = None
        self._told = False
        self.has_given_up = False
        """True once it was said not to try any longer."""

    @property
    def is_failing(self) -> bool:
        """True from the first failure of a series until the next success."""
        return self._failing_since is not None

    @property
    def is_unstable(self) -> bool:
        """True for a while after a success: what is lost again so soon is not brought back without a pause."""
        now = asyncio.get_running_loop().time()
        return self._up_since is not None and now - self._up_since < self._options.stable_after

    def wake(self) -> None:
        """End the present pause."""
        self._awake.set()

    def succeeded(self) -> None:
        """Take note that it is there again; a new series begins only when it lasts."""
        if self._told:
            log.info("%s is back", self._what)
        self._up_since = asyncio.get_running_loop().time()
        self._failing_since, self._told = None, False

    async def pause(self, error: MxGatewayError) -> None:
        """Wait until the next attempt may begin.

        Raises:
            GivingUp: The options say not to try any longer, or the client is closed.
        """
        if is_client_closed(error):
            self.has_given_up = True
            raise GivingUp(error)
        now = asyncio.get_running_loop().time()
        if self._up_since is not None and now - self._up_since >= self._options.stable_after:
            self._backoff.reset()
        self._up_since = None
        self._failing_since = now if self._failing_since is None else self._failing_since
        if self._options.give_up_after is not None and now - self._failing_since >= self._options.give_up_after:
            self.has_given_up = True
            raise GivingUp(error)
        delay = self._delay(error)
        log.log(
            logging.DEBUG if self._told else logging.WARNING, "%s is lost, next attempt in %.1f s: %s",
            self._what, delay, error,
        )  # fmt: skip
        self._told = True
        self._awake.clear()
        try:
            async with asyncio.timeout(delay):
                await self._awake.wait()
        except TimeoutError:
            pass

    def _delay(self, error: MxGatewayError) -> float:
        if is_rejection(error):
            return self._options.rejected_backoff * self._random.uniform(0.5, 1.0)
        return self._backoff.next()
