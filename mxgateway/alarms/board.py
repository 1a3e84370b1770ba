"""The alarm board, as its consumer sees it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from mxgateway.alarms.changes import BoardChange
from mxgateway.alarms.memory_limits import MOST_ALARMS
from mxgateway.alarms.messages import ActiveAlarm, AlarmProviderStatus
from mxgateway.alarms.supervisor import BoardSupervisor
from mxgateway.calling.argument_checks import UINT32_MAX, check_range, check_text
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options import check_timeout
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.subscription.states import OVER
from mxgateway.subscription.updates import SubscriptionState
from mxgateway.transport.blocks import ClientReader
from mxgateway.transport.channel import Channel


class AlarmBoard(ClientReader):
    """The active alarms, kept current through faults.

    An async iterator and context manager; it yields `AlarmChange`, `AlarmProviderStatus` and `ConnectionChange`.

    ``async with`` starts the board: every active alarm is in `active` when the block is entered, and the iterator
    yields later changes. Without the block the first read starts it, and the alarms already active are yielded as
    changes too.

    After a fault, and when the alarm provider changes, the board reads the active alarms again and yields the
    differences as changes. An unchanged alarm yields none. Alarms raised and cleared during an interruption are never
    seen.

    A board that is garbage collected is closed. A board that a task waits on lives as long as the task.

    Args:
        channel: Where to call.
        prefix: Only alarms whose full reference starts with this; empty for all.
        recovery: How to recover from interruptions; None for the defaults.
        stale_after: Seconds without a message after which the board queries the active alarms. Without an answer within
            `stale_timeout` the feed counts as lost; if the answer differs from the board, the feed is restarted. None
            relies on the connection's keepalive alone, which does not detect a gateway whose alarms hang.
        stale_timeout: Timeout of that query, in seconds.
        max_alarms: Most alarms on the board; every 1,024 characters of an alarm's texts and values count as another
            alarm. More raise MxGatewayLimitError: no plant has so many, and a gateway that keeps sending them would use
            up the memory.
    """

    def __init__(
        self,
        channel: Channel,
        prefix: str,
        recovery: RecoveryOptions | None,
        stale_after: float | None,
        stale_timeout: float,
        max_alarms: int = MOST_ALARMS,
    ) -> None:
        if recovery is not None and not isinstance(recovery, RecoveryOptions):
            raise MxGatewayInvalidRequestError(
                f"recovery is of type {type(recovery).__name__}", hint="give RecoveryOptions, or None", phase="request"
            )
        check_timeout("stale_after", stale_after)
        check_timeout("stale_timeout", stale_timeout)
        check_range("max_alarms", max_alarms, 1, UINT32_MAX)
        self._supervisor = BoardSupervisor(
            channel, check_text("prefix", prefix), recovery or RecoveryOptions(), stale_after, stale_timeout, max_alarms
        )
        self._guard = channel.guard
        self._view = MappingProxyType(self._supervisor.active.alarms)
        # The supervisor's task does not reference the board, so the consumer holds the last reference to it.
        weakref.finalize(self, channel.guard.call_soon, self._supervisor.end).atexit = False

    # -- current state

    @property
    def active(self) -> Mapping[str, ActiveAlarm]:
        """The active alarms by full reference: a live view, which may be ahead of the changes yielded by the iterator.

        While `state` is not CONNECTED it holds the last known alarms.
        """
        return self._view

    @property
    def provider(self) -> AlarmProviderStatus | None:
        """Where the alarms come from; None until the gateway reports it."""
        return self._supervisor.provider

    @property
    def state(self) -> SubscriptionState:
        """The state of the board."""
        return self._supervisor.board.state

    @property
    def conflated(self) -> int:
        """How many changes were replaced by a newer one of the same alarm because the consumer was too slow."""
        return self._supervisor.queue.conflated

    def __repr__(self) -> str:
        return f"<AlarmBoard of {len(self._view)} active alarms, {self.state.value}>"

    # -- changes

    async def __anext__(self) -> BoardChange:
        self._guard.check()
        supervisor, has_waited = self._supervisor, False
        while (change := supervisor.queue.pop()) is None:
            supervisor.raise_fault(again=has_waited)
            if self.state in OVER:
                raise StopAsyncIteration
            if not supervisor.start():  # an eager task may already have ended what it started: check first, then wait
                await supervisor.arrival()
                has_waited = True
        return change

    async def __aenter__(self) -> Self:
        self._guard.check()
        try:
            self._supervisor.start()
            await self._supervisor.settled.wait()
            self._supervisor.raise_fault(again=True)
        except BaseException:
            await self.aclose()  # __aexit__ does not run when __aenter__ fails
            raise
        self._supervisor.queue.forget_alarms()  # `active` has them
        return self

    def wake(self) -> None:
        """Try to reconnect now."""
        self._guard.check()
        self._supervisor.wake()

    async def aclose(self) -> None:
        """Close the board; `active` stays as it is. Idempotent. If cancelled, closing continues."""
        self._guard.check()
        self._supervisor.end()
        await self._supervisor.ended()
