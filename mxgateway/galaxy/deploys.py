"""The deployments of the galaxy, as they happen, through faults of the connection."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Final

from mxgateway import proto
from mxgateway.calling.arguments import check_correlation_id, check_time
from mxgateway.calling.requests import new_correlation_id
from mxgateway.calling.rpcs import WATCH_DEPLOY_EVENTS
from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewayInvalidRequestError, MxGatewayTransportError
from mxgateway.errors.faults import ClosedFault
from mxgateway.events.recovery import GivingUp, Recovery
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.transport.calls.method import CallOptions, call_site
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.channel import Channel
from mxgateway.wire import Timestamp

Deploys = ServerStream[proto.WatchDeployEventsRequest, proto.DeployEvent]

_METHOD: Final = replace(WATCH_DEPLOY_EVENTS, repeatable=False)
"""The watch tries again by itself, with pauses of its own and the last deployment that it has told."""

_WHAT: Final = "the stream of deployments"


class DeployGapCause(enum.Enum):
    """Why deployments are missing."""

    SEQUENCE = "sequence"
    """The gateway's numbers jumped: this watcher was too slow."""
    INTERRUPTED = "interrupted"
    """The connection was away meanwhile."""
    RESTARTED = "restarted"
    """The gateway was restarted: its numbers begin again, and nobody knows what it has not told."""


@dataclass(frozen=True, slots=True)
class DeployGap:
    """Deployments that this watch has not delivered and will not; the event after it tells how the galaxy is now."""

    first_missed: int
    """The number of the first one."""
    last_missed: int | None
    """The number of the last one; None when nobody knows, after a restart of the gateway."""
    cause: DeployGapCause
    """Why they are missing."""


class DeployWatch:
    """The deployments of the galaxy: an async iterator of `proto.DeployEvent` and `DeployGap`. Close it, or use it as a context manager.

    The first event tells the present state, unless it is the one that `last_seen_deploy_time` names; then comes one for each deployment. A stream
    that is lost is opened again, and a state that was told is not told again. A read that is cancelled leaves the watch to the next read. One task
    at a time reads. A watch that is dropped ends as if it were closed; one that a task reads lives for as long as the task does.

    Args:
        channel: Where to ask.
        last_seen_deploy_time: The deployment that the caller knows.
        recovery: How interruptions end.
        correlation_id: For errors and tracers.

    Raises:
        MxGatewayInvalidRequestError: An argument cannot be meant so; nothing was sent.
    """

    def __init__(
        self,
        channel: Channel,
        last_seen_deploy_time: datetime | None,
        recovery: RecoveryOptions | None,
        correlation_id: str,
    ) -> None:
        self._channel = channel
        self._known: Timestamp | None = None
        if last_seen_deploy_time is not None:
            self._known = Timestamp.from_datetime(check_time("last_seen_deploy_time", last_seen_deploy_time))
        self._options = recovery or RecoveryOptions()
        self._call = CallOptions(correlation_id=check_correlation_id(correlation_id) or new_correlation_id())
        self._recovery = self._new_series()
        self._stream: Deploys | None = None
        self._opened = 0.0
        self._fault: MxGatewayError | None = None
        self._ready: deque[proto.DeployEvent | DeployGap] = deque()
        self._last: proto.DeployEvent | None = None
        self._anew = False
        self._begun = False
        self._busy = False
        self._over = False
        self.reconnects = 0
        """How often the stream was opened again."""

    def __aiter__(self) -> DeployWatch:
        return self

    async def __anext__(self) -> proto.DeployEvent | DeployGap:
        if not self._ready:
            await self._read()
            if not self._ready:
                raise StopAsyncIteration
        return self._ready.popleft()

    async def __aenter__(self) -> DeployWatch:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the watch; a task that reads it is freed. Idempotent."""
        self._over = True
        self._ready.clear()
        self._recovery.wake()
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    # -- through faults

    async def _read(self) -> None:
        """Wait until something is ready, or the watch is over.

        Raises:
            MxGatewayError: The watch has failed for good.
        """
        if self._busy:
            raise MxGatewayInvalidRequestError(
                "another task reads this watch already",
                hint="let one task read, or begin another watch",
                phase="request",
            )
        self._busy = True
        try:
            while not (self._ready or self._over):
                await self._pause()
                await self._read_batch()
        except GivingUp as end:
            fault = end.error
        else:
            return
        finally:
            self._busy = False
        self._over, self._fault = True, None
        raise fault

    def _new_series(self) -> Recovery:
        return Recovery(_WHAT, self._options, self._channel)

    async def _pause(self) -> None:
        if self._fault is not None:
            await self._recovery.pause(self._fault)
            self._fault = None
            self._anew = True
            self.reconnects += 1

    async def _read_batch(self) -> None:
        if self._over:
            return
        if self._stream is None:
            request = proto.WatchDeployEventsRequest()
            if self._known is not None:
                request.last_seen_deploy_time = self._known
            self._stream = ServerStream(self._channel, _METHOD, request, self._call)
            self._opened = asyncio.get_running_loop().time()
        try:
            batch = await self._stream.messages()
            if not batch and not self._over:
                raise self._ended()
        except MxGatewayError as error:
            await self._interrupted(error)
        else:
            for event in batch:
                self._ready.extend(self._take(event))
            if batch:
                self._recovery.succeeded()

    def _ended(self) -> MxGatewayError:
        return MxGatewayTransportError(
            f"{self._channel.endpoint} has ended {_WHAT}",
            hint="it is opened again",
            site=call_site(self._channel, _METHOD, self._call),
            phase="stream",
            grpc_status=GrpcStatus.UNAVAILABLE,
            retryable=True,
        )

    async def _interrupted(self, error: MxGatewayError) -> None:
        """Take note that the stream is lost.

        Raises:
            MxGatewayError: Another stream would be no better.
        """
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
        if self._over:
            return
        if asyncio.get_running_loop().time() - self._opened >= self._options.stable_after:
            self._recovery = self._new_series()  # it has lasted
            self._begun = True
        if isinstance(error.__cause__, ClosedFault) or not (self._begun or error.retryable):
            self._over = True
            raise error
        self._fault = error.with_traceback(None)  # the traceback holds this watch

    # -- what is told

    def _take(self, event: proto.DeployEvent) -> Iterator[proto.DeployEvent | DeployGap]:
        """Yield what an event is to the caller: nothing when it was told before, and a gap before it when some are missing."""
        last, anew = self._last, self._anew
        self._anew, self._begun = False, True
        if last is not None:
            if _state(last) == _state(event):
                return
            yield from _gap(last.sequence, event.sequence, anew=anew)
        self._last = event
        present = event.time_of_last_deploy_present
        self._known = Timestamp.from_datetime(event.time_of_last_deploy) if present else None
        yield event


def _state(event: proto.DeployEvent) -> tuple[int, datetime | None]:
    return event.sequence, event.time_of_last_deploy if event.time_of_last_deploy_present else None


def _gap(last: int, now: int, *, anew: bool) -> Iterator[DeployGap]:
    """Yield what is missing between two events, `anew` when the stream was opened again between them."""
    if now <= last:
        yield DeployGap(last + 1, None, DeployGapCause.RESTARTED)
    elif now > last + 1:
        yield DeployGap(last + 1, now - 1, DeployGapCause.INTERRUPTED if anew else DeployGapCause.SEQUENCE)
