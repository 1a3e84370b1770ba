"""The deployments of the galaxy as they happen, with recovery from connection faults."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mxgateway import proto
from mxgateway.calling.argument_checks import check_correlation_id, check_time
from mxgateway.calling.rpcs import WATCH_DEPLOY_EVENTS
from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewayInvalidRequestError, MxGatewayTransportError
from mxgateway.errors.faults import ClosedFault
from mxgateway.events.recovery import GivingUp, Recovery
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.transport.blocks import ClientReader
from mxgateway.transport.calls.method import CallOptions, call_site
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.channel import Channel
from mxgateway.wire import Timestamp

Deploys = ServerStream[proto.WatchDeployEventsRequest, proto.DeployEvent]

_METHOD: Final = replace(WATCH_DEPLOY_EVENTS, repeatable=False)
"""The watch does its own retries: with its own pauses, and from the last deployment that it reported."""

_WHAT: Final = "the stream of deployments"


class DeployGapCause(enum.Enum):
    """Why deployments are missing."""

    SEQUENCE = "sequence"
    """The gateway's sequence numbers jumped: this watcher was too slow."""
    INTERRUPTED = "interrupted"
    """The connection was lost in between."""
    RESTARTED = "restarted"
    """The gateway restarted: its sequence numbers start again, so the number of missed deployments is unknown."""


@dataclass(frozen=True, slots=True)
class DeployGap:
    """Deployments that this watch missed for good; the next event holds the galaxy's current state."""

    first_missed: int
    """The sequence number of the first one."""
    last_missed: int | None
    """The sequence number of the last one; None if unknown, after a restart of the gateway."""
    cause: DeployGapCause
    """Why they are missing."""


class DeployWatch(ClientReader):
    """The deployments of the galaxy: an async iterator of `proto.DeployEvent` and `DeployGap`.

    Close it, or use it as a context manager. The first event reports the current state, unless `last_seen_deploy_time`
    names it; then comes one event for each deployment. A lost stream is reopened, and a state is never reported twice.
    After a cancelled read, the next read continues the watch. Only one task may read at a time. A watch that is garbage
    collected is closed; a watch that a task reads lives as long as the task.

    Args:
        channel: The channel to call on.
        last_seen_deploy_time: The last deployment known to the caller.
        recovery: How to recover from interruptions.
        correlation_id: For errors and tracers.

    Raises:
        MxGatewayInvalidRequestError: An argument is invalid; nothing was sent.
    """

    def __init__(
        self,
        channel: Channel,
        last_seen_deploy_time: datetime | None,
        recovery: RecoveryOptions | None,
        correlation_id: str,
    ) -> None:
        self._channel = channel
        self._guard = channel.guard
        self._known: Timestamp | None = None
        if last_seen_deploy_time is not None:
            self._known = Timestamp.from_datetime(check_time("last_seen_deploy_time", last_seen_deploy_time))
        self._options = recovery or RecoveryOptions()
        self._call = CallOptions(correlation_id=check_correlation_id(correlation_id))
        self._recovery = self._new_series()
        self._stream: Deploys | None = None
        self._opened = 0.0
        self._fault: MxGatewayError | None = None
        self._ready: deque[proto.DeployEvent | DeployGap] = deque()
        self._last: proto.DeployEvent | None = None
        self._reopened = False
        self._begun = False
        self._busy = False
        self._over = False
        self.reconnects = 0
        """How often the stream was reopened."""

    async def __anext__(self) -> proto.DeployEvent | DeployGap:
        self._guard.check()
        if not self._ready:
            await self._read()
            if not self._ready:
                raise StopAsyncIteration
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Close the watch; a task that reads it is released. Idempotent."""
        self._guard.check()
        self._over = True
        self._ready.clear()
        self._recovery.wake()
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()

    # -- through faults

    async def _read(self) -> None:
        """Wait until an event is ready, or the watch is closed.

        Raises:
            MxGatewayError: The watch failed permanently.
        """
        if self._busy:
            raise MxGatewayInvalidRequestError(
                "another task is already reading this watch",
                hint="let one task read, or start another watch",
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
            self._reopened = True
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
            f"{self._channel.endpoint} closed {_WHAT}",
            hint="it is reopened automatically",
            site=call_site(self._channel, _METHOD, self._call),
            phase="stream",
            grpc_status=GrpcStatus.UNAVAILABLE,
            retryable=True,
        )

    async def _interrupted(self, error: MxGatewayError) -> None:
        """Handle the loss of the stream.

        Raises:
            MxGatewayError: Reopening the stream would not help.
        """
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
        if self._over:
            return
        if asyncio.get_running_loop().time() - self._opened >= self._options.stable_after:
            self._recovery = self._new_series()  # it was stable
            self._begun = True
        if isinstance(error.__cause__, ClosedFault) or not (self._begun or error.retryable):
            self._over = True
            raise error
        self._fault = error.with_traceback(None)  # the traceback references this watch

    # -- events

    def _take(self, event: proto.DeployEvent) -> Iterator[proto.DeployEvent | DeployGap]:
        """Yield an event after the gap before it, if any; nothing if its state was already reported."""
        last, reopened = self._last, self._reopened
        self._reopened, self._begun = False, True
        if last is not None:
            if _state(last) == _state(event):
                return
            yield from _gap(last.sequence, event.sequence, reopened=reopened)
        self._last = event
        present = event.time_of_last_deploy_present
        self._known = Timestamp.from_datetime(event.time_of_last_deploy) if present else None
        yield event


def _state(event: proto.DeployEvent) -> tuple[int, datetime | None]:
    return event.sequence, event.time_of_last_deploy if event.time_of_last_deploy_present else None


def _gap(last: int, now: int, *, reopened: bool) -> Iterator[DeployGap]:
    """Yield the gap between two events, if any; `reopened` if the stream was reopened between them."""
    if now <= last:
        yield DeployGap(last + 1, None, DeployGapCause.RESTARTED)
    elif now > last + 1:
        yield DeployGap(last + 1, now - 1, DeployGapCause.INTERRUPTED if reopened else DeployGapCause.SEQUENCE)
