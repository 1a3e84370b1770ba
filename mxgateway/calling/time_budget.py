"""The timeout that several calls share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from mxgateway.calling import replies
from mxgateway.calling.argument_checks import check_correlation_id
from mxgateway.errors import CallSite, MxGatewayError


class Budget:
    """The timeout of an operation with several calls, counted from now, and the correlation id that they share.

    Args:
        seconds: The timeout; None leaves each call its own.
        site: Returns the call site for a correlation id, for the error.
        correlation_id: For the gateway's log; empty generates one.

    Raises:
        MxGatewayInvalidRequestError: The correlation id cannot be sent.
    """

    def __init__(self, seconds: float | None, site: Callable[[str], CallSite], correlation_id: str) -> None:
        self.correlation_id = check_correlation_id(correlation_id)
        self._seconds = seconds
        self._site = site
        self._end = None if seconds is None else asyncio.get_running_loop().time() + seconds

    def left(self) -> float | None:
        """Return the timeout of the next call in seconds; None for its own.

        Raises:
            MxGatewayTimeoutError: Nothing is left.
        """
        if self._end is None:
            return None
        left = self._end - asyncio.get_running_loop().time()
        if left <= 0:
            site = replace(self._site(self.correlation_id), timeout=self._seconds)
            raise replies.unsent("the next call", "the calls before it", site, "allow more time")
        return left

    @contextlib.asynccontextmanager
    async def waiting(self, subject: str, what_for: str, otherwise: float | None = None) -> AsyncIterator[None]:
        """Bound a wait for `what_for`: by what is left, or by `otherwise` seconds if there is no timeout.

        Raises:
            MxGatewayTimeoutError: It took longer.
        """
        try:
            async with asyncio.timeout(self.seconds_left(otherwise)):
                yield
        except TimeoutError as fault:
            if isinstance(fault, MxGatewayError):
                raise
            seconds = otherwise if self._seconds is None else self._seconds
            site = replace(self._site(self.correlation_id), timeout=seconds)
            raise replies.unsent(subject, what_for, site) from fault

    def seconds_left(self, otherwise: float | None) -> float | None:
        """Return the seconds left for a wait other than a call, 0 or more; `otherwise` if there is no timeout."""
        if self._end is None:
            return otherwise
        return max(0.0, self._end - asyncio.get_running_loop().time())
