"""The alarm board as its consumer sees it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mxgateway.alarms.changes import BoardChange
from mxgateway.alarms.messages import ActiveAlarm, AlarmProviderStatus
from mxgateway.alarms.supervisor import BoardSupervisor
from mxgateway.alarms.weights import MOST_ALARMS
from mxgateway.calling.arguments import UINT32_MAX, check_range, check_text
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options import check_timeout
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.subscription.states import OVER
from mxgateway.subscription.updates import SubscriptionState
from mxgateway.transport.channel import Channel

STALE_AFTER: Final = 60.0
"""Seconds of silence after which a board asks the gateway what is active."""
STALE_TIMEOUT: Final = 10.0
"""Seconds that the answer may take."""


class AlarmBoard:
    """The active alarms, kept right through every fault: an async iterator and a context manager of `AlarmChange`, `AlarmProviderStatus` and `ConnectionChange`.

    ``async with`` begins it: every active alarm is in `active` when the block is entered, and the iterator yields what changes from then on. Without the block the first read
    begins it, and the alarms that are active come as changes, too.

    After a fault, and when the alarms come from another provider, the active alarms are read anew and the differences are yielded as changes; an alarm that has stayed as it was
    yields none. What was raised and cleared within an interruption is never known.

    A board that is dropped ends as if it were closed; one that a task waits on lives for as long as the task does.

    Args:
        channel: Where to call.
        prefix: Only alarms whose full reference starts with this; empty is all.
        recovery: How interruptions end; None takes the defaults.
        stale_after: Seconds without a message after which the gateway is asked for the active alarms: without an answer within `stale_timeout` the feed counts as lost, and
            with another answer than the board it is begun anew. None trusts the connection's keepalive alone, which does not see a gateway whose alarms hang.
        stale_timeout: Seconds that the answer may take.
        max_alarms: Alarms that the board holds at the most; one counts as another one for each 1,024 characters of its texts and values. With more of them it fails with
            MxGatewayLimitError: no plant has so many, and a gateway that goes on telling them takes all the memory.
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
        self._view = MappingProxyType(self._supervisor.active.alarms)
        # The supervisor's task knows nothing of the board, so that the last reference to the board is its consumer's.
        weakref.finalize(self, self._supervisor.end_from_anywhere).atexit = False

    # -- what is known

    @property
    def active(self) -> Mapping[str, ActiveAlarm]:
        """The active alarms by full reference: a view of the present set, which may be ahead of the changes that the iterator has yielded.

        While `state` is not CONNECTED it is what was known last.
        """
        return self._view

    @property
    def provider(self) -> AlarmProviderStatus | None:
        """Where the alarms come from; None before the gateway has told."""
        return self._supervisor.provider

    @property
    def state(self) -> SubscriptionState:
        """How the board stands."""
        return self._supervisor.board.state

    @property
    def conflated(self) -> int:
        """How many changes the consumer did not take in time, so that a newer one of the same alarm stands for them."""
        return self._supervisor.queue.conflated

    def __repr__(self) -> str:
        return f"<AlarmBoard of {len(self._view)} active alarms, {self.state.value}>"

    # -- changes

    async def __anext__(self) -> BoardChange:
        supervisor, has_waited = self._supervisor, False
        while (change := supervisor.queue.pop()) is None:
            supervisor.raise_fault(again=has_waited)
            if self.state in OVER:
                raise StopAsyncIteration
            if not supervisor.start():  # a task that is eager may have ended what it has begun: look first, then wait
                await supervisor.arrival()
                has_waited = True
        return change

    def __aiter__(self) -> AlarmBoard:
        return self

    async def __aenter__(self) -> AlarmBoard:
        try:
            self._supervisor.start()
            await self._supervisor.settled.wait()
            self._supervisor.raise_fault(again=True)
        except BaseException:
            await self.aclose()  # a block that was not entered is not left, either
            raise
        self._supervisor.queue.forget_alarms()  # `active` has them
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def wake(self) -> None:
        """Try at once to end an interruption."""
        self._supervisor.wake()

    async def aclose(self) -> None:
        """End the board; `active` stays as it is. Idempotent, and safe to be cancelled: the end goes on."""
        self._supervisor.end()
        await self._supervisor.ended()
