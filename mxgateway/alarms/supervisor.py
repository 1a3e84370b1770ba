"""Keeps an alarm board current: reads the feed, restarts it after a fault, and finds what changed in between."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Final

from mxgateway.alarms.active_set import ActiveSet
from mxgateway.alarms.change_queue import ChangeQueue
from mxgateway.alarms.changes import BoardChange
from mxgateway.alarms.early_transitions import EarlyTransitions
from mxgateway.alarms.feed import AlarmFeed, query_active_alarms
from mxgateway.alarms.memory_limits import too_many, weight
from mxgateway.alarms.messages import ActiveAlarm, AlarmMessage, AlarmProviderStatus, AlarmTransition, SnapshotComplete
from mxgateway.errors import (
    CallSite,
    GrpcStatus,
    MxGatewayError,
    MxGatewayLimitError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    map_fault,
)
from mxgateway.errors.faults import ClosedFault, copy_of, in_seconds
from mxgateway.events.recovery import GivingUp, Recovery, is_other_cause
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.subscription.states import OVER, StateBoard
from mxgateway.subscription.updates import ConnectionChange, Outcome, SubscriptionState
from mxgateway.transport.channel import Channel

READING_INTERVAL: Final = 0.25
"""Seconds between two reads without a fault, so that a flapping provider does not keep the gateway busy."""


class _Outdated(Exception):
    """The active alarms must be read again although the feed still works."""


class BoardSupervisor:
    """Keeps one alarm board current.

    Args:
        channel: Where to call.
        prefix: Only alarms whose full reference starts with this.
        recovery: How to recover from interruptions.
        stale_after: Seconds of silence after which the active alarms are queried.
        stale_timeout: Timeout of that query, in seconds.
        max_alarms: Most alarms held.
    """

    def __init__(
        self,
        channel: Channel,
        prefix: str,
        recovery: RecoveryOptions,
        stale_after: float | None,
        stale_timeout: float,
        max_alarms: int,
    ) -> None:
        self._channel = channel
        self._max_alarms = max_alarms
        self._prefix = prefix
        self._recovery = Recovery("the alarm feed of a board", recovery, channel)
        self._stale_after = None if stale_after == math.inf else stale_after
        self._stale_timeout = stale_timeout
        self._task: asyncio.Task[None] | None = None
        self._next_reading = 0.0
        self._arrived = asyncio.Event()
        self._snapshot: list[ActiveAlarm] | None = None
        """The current feed's snapshot so far; None once it is complete."""
        self._snapshot_weight = 0
        self._early = EarlyTransitions()
        """Transitions that arrived before the snapshot was complete."""
        self._mode: AlarmProviderStatus | None = None
        """The provider's status as the current feed reported it."""
        self.active = ActiveSet(channel.gate.line)
        self.queue = ChangeQueue()
        self.board = StateBoard()
        self.settled = asyncio.Event()
        """Set once the first snapshot is complete, or there will be none."""
        self.provider: AlarmProviderStatus | None = None
        self._cause: MxGatewayError | None = None
        """The last cause of the present outage that was told."""
        self._fault: MxGatewayError | None = None
        """The error that ended the board."""
        self._fault_was_raised = False

    # -- the consumer's side

    def start(self) -> bool:
        """Start and return True; return False if already started."""
        if self._task is not None or self.board.state in OVER:
            return False
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._forget_task)
        return True

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        """Drop the task: the traceback of its cancellation references this supervisor."""
        self._task = None

    async def arrival(self) -> None:
        """Wait for news."""
        self._arrived.clear()
        await self._arrived.wait()

    def wake(self) -> None:
        """Try to reconnect now."""
        self._recovery.wake()

    def raise_fault(self, *, again: bool) -> None:
        """Raise a copy of the error that ended the board: once, or at every call with `again`."""
        if self._fault is not None and (again or not self._fault_was_raised):
            self._fault_was_raised = True
            raise copy_of(self._fault)

    def end(self) -> None:
        """Close everything; `ended` waits for that. Idempotent."""
        self._finish(SubscriptionState.CLOSED)
        if self._task is not None:  # also if it is just being cancelled: by a timeout, that would not end it
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until the feed is reset and the task is done."""
        if self._task is not None:
            await asyncio.wait([self._task])

    # -- through faults

    async def _run(self) -> None:
        self._change(SubscriptionState.CONNECTING)
        try:
            fault = await self._read_feeds()
        except Exception as defect:  # noqa: BLE001 - to the consumer it would look like a normal end
            fault = map_fault(defect, CallSite())
        except BaseException:
            self._finish(SubscriptionState.CLOSED)
            raise
        if self.board.state not in OVER:
            self._fault = fault
            self._finish(SubscriptionState.FAILED)

    async def _read_feeds(self) -> MxGatewayError:
        """Read one feed after another, and return the fault that cannot be recovered."""
        while (fault := await self._read_feed()) is None or self._may_recover(fault):
            if fault is None:
                await self._wait_for_interval()
                continue
            self._change(SubscriptionState.RECOVERING, cause=fault)
            try:
                await self._recovery.pause(fault)
            except GivingUp as end:
                return end.error
        return fault

    async def _wait_for_interval(self) -> None:
        """Wait for the minimum interval between two reads of the active alarms."""
        loop = asyncio.get_running_loop()
        turn = max(loop.time(), self._next_reading)
        self._next_reading = turn + READING_INTERVAL
        await self._channel.pause(turn - loop.time())

    def _may_recover(self, fault: MxGatewayError) -> bool:
        """Return whether to retry: not on the first attempt, after the client was closed, or with too many alarms."""
        if isinstance(fault, MxGatewayLimitError):
            return False
        return self.board.state is not SubscriptionState.CONNECTING and not isinstance(fault.__cause__, ClosedFault)

    async def _read_feed(self) -> MxGatewayError | None:
        """Read one feed to its end and return why it ended; None if the active alarms must be read again."""
        self._snapshot, self._early, self._mode = [], EarlyTransitions(), None
        self._snapshot_weight = 0
        try:
            async with AlarmFeed(self._channel, self._prefix, None, "") as feed:
                while batch := await self._next_batch(feed):
                    outdated = sum(map(self._take, batch)) > 0  # sum, not any: take every message
                    if self._snapshot is None:
                        self._connected()
                    self._arrived.set()
                    if outdated:
                        return None
        except _Outdated:
            return None
        except MxGatewayError as error:
            return error.with_traceback(None)  # the error is queued, and its traceback references this supervisor
        return MxGatewayTransportError(
            f"{self._channel.endpoint} closed the alarm feed", hint="see the gateway's log",
            phase="stream", grpc_status=GrpcStatus.UNAVAILABLE, retryable=True,
        )  # fmt: skip

    async def _next_batch(self, feed: AlarmFeed) -> list[AlarmMessage]:
        """Return the next messages. After a silence, query the active alarms and restart the feed if they differ."""
        while True:
            try:
                async with asyncio.timeout(self._stale_after):
                    return await feed.messages()
            except TimeoutError as silence:
                if isinstance(silence, MxGatewayError):
                    raise
            if self._snapshot is not None:
                raise self._silent()
            alarms = await query_active_alarms(
                self._channel, self._prefix, self._stale_timeout, "", max_alarms=self._max_alarms
            )
            if not self.active.agrees_with(alarms):
                raise _Outdated

    def _silent(self) -> MxGatewayTimeoutError:
        return MxGatewayTimeoutError(
            f"{self._channel.endpoint} has not sent the whole snapshot of active alarms, "
            f"and nothing for {in_seconds(self._stale_after or 0.0)}",
            hint="see the gateway's log, or raise stale_after",
            phase="stream", grpc_status=GrpcStatus.DEADLINE_EXCEEDED,
        )  # fmt: skip

    # -- messages of the feed

    def _take(self, message: AlarmMessage) -> bool:
        """Handle a message; return True if the active alarms must be read again.

        Raises:
            MxGatewayLimitError: There are more alarms than the limit.
        """
        match message:
            case ActiveAlarm() if self._snapshot is not None:
                self._snapshot.append(message)
                self._snapshot_weight += weight(message)
                self._check(self._snapshot_weight)
            case SnapshotComplete() if self._snapshot is not None:
                self._complete(self._snapshot)
            case AlarmTransition() if self._snapshot is not None:
                self._early.add(message)
                self._check(self._early.weight)
            case AlarmTransition():
                self._apply(message)
            case AlarmProviderStatus():
                return self._take_status(message)
        return False

    def _complete(self, snapshot: list[ActiveAlarm]) -> None:
        early, self._snapshot, self._early = self._early, None, EarlyTransitions()
        for change in self.active.replace(snapshot):
            self._put(change)
        for transition in early:
            self._apply(transition)

    def _apply(self, transition: AlarmTransition) -> None:
        if (change := self.active.apply(transition)) is not None:
            self._put(change)
            self._check(self.active.weight)

    def _check(self, weight_so_far: int) -> None:
        if weight_so_far > self._max_alarms:
            raise too_many("alarms of a board", self._max_alarms)

    def _take_status(self, status: AlarmProviderStatus) -> bool:
        """Handle the provider's status; another provider in mid-feed may know other alarms and other details."""
        before, self._mode = self._mode, status
        if status != self.provider:
            self.provider = status
            self._put(status)
        return before is not None and (before.mode, before.degraded) != (status.mode, status.degraded)

    # -- states

    def _connected(self) -> None:
        """Mark the board as current. The changes of the recovery are queued before this mark."""
        outcome = Outcome.REBUILT if self.board.state is SubscriptionState.RECOVERING else None
        if self.board.state is not SubscriptionState.CONNECTED:
            self._recovery.succeeded()
            self._change(SubscriptionState.CONNECTED, outcome=outcome)
            self.settled.set()

    def _change(
        self, state: SubscriptionState, cause: MxGatewayError | None = None, outcome: Outcome | None = None
    ) -> None:
        if self.board.state in OVER:
            return
        if state is not self.board.state or (cause is not None and is_other_cause(self._cause, cause)):
            self._cause = cause
            self._put(ConnectionChange(state, cause, outcome, datetime.now(UTC), str(self._channel.endpoint)))
            self.board.put(state)

    def _put(self, change: BoardChange) -> None:
        self.queue.put(change)
        self._arrived.set()

    def _finish(self, state: SubscriptionState) -> None:
        self.board.put(state)
        self.settled.set()
        self._arrived.set()
