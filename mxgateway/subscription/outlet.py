"""What a subscription has for its consumer: updates that wait, its state, its counts, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.events.consuming import Waiters
from mxgateway.subscription.states import StateBoard
from mxgateway.subscription.stats import Counts
from mxgateway.subscription.update_queue import UpdateQueue
from mxgateway.subscription.updates import ConnectionChange, Gap, Outcome, SubscriptionState, TagUpdate, Update
from mxgateway.subscription_options import Overflow, SubscriptionOptions

log = logging.getLogger("mxgateway.subscription")


class Outlet:
    """The consumer's end of a subscription. It outlives every session."""

    def __init__(self, options: SubscriptionOptions, *over: Callable[[], None]) -> None:
        self._options = options
        self._over = over
        """Called when the subscription has failed."""
        self.queue = UpdateQueue(options.overflow, options.max_items, options.max_bytes, self._consumer_is_slow)
        self.board = StateBoard()
        self.is_over = False
        """True when it has ended."""
        self.counts = Counts()
        self.fault: MxGatewayError | None = None
        """What has ended the subscription, until the consumer has been told."""
        self.on_room: Callable[[], None] = _nobody
        """Called when a consumer that has held up the gateway has made room."""
        self.waiters = Waiters()
        """Who waits for anything new: the subscription holds them by this."""
        self._patience: asyncio.TimerHandle | None = None

    @property
    def state(self) -> SubscriptionState:
        """How the subscription stands."""
        return self.board.state

    def pop(self) -> Update | None:
        """Take what comes next; None when nothing waits."""
        item = self.queue.pop()
        if type(item) is TagUpdate:
            self.counts.delivered += 1
            if self._patience is not None and not self.queue.is_full:
                self._end_patience()
                self.on_room()
        return item

    def take_fault(self) -> MxGatewayError | None:
        """Return what has ended the subscription, once."""
        fault, self.fault = self.fault, None
        return fault

    def put(self, mark: Gap | ConnectionChange) -> None:
        """Queue what is never dropped."""
        self.queue.put_mark(mark)
        self.waiters.wake()

    def change(
        self, state: SubscriptionState, cause: MxGatewayError | None = None, outcome: Outcome | None = None
    ) -> None:
        """Go over to another state and tell the consumer."""
        if state is not self.state and not self.is_over:
            self.put(ConnectionChange(state, cause, outcome, datetime.now(UTC)))
            self.board.put(state)

    def fail(self, error: MxGatewayError) -> None:
        """End the subscription with an error, behind what waits."""
        if not self.is_over:
            self.fault = error
            self._end(SubscriptionState.FAILED)
            for call in self._over:
                call()

    def finish(self) -> None:
        """End the subscription."""
        self._end(SubscriptionState.CLOSED)

    def _end(self, state: SubscriptionState) -> None:
        self._end_patience()
        self.queue.on_slow = _nobody  # else the queue would hold what holds it
        self.board.put(state)
        self.is_over = True
        self.waiters.wake()

    @property
    def is_blocked(self) -> bool:
        """True while the gateway is to wait for the consumer. Its patience begins with the first question."""
        if self._options.overflow is not Overflow.BLOCK or not self.queue.is_full or self.is_over:
            return False
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._options.block_timeout, self._patience_ends)
            self.queue.note_slow()
        return True

    def _consumer_is_slow(self) -> None:
        policy, waiting = self._options.overflow, len(self.queue)
        log.warning("the consumer of a subscription is too slow: %d updates wait (%s)", waiting, policy.value)
        if policy is Overflow.FAIL:
            self.fail(_too_slow(f"{waiting} updates wait for the consumer"))

    def _patience_ends(self) -> None:
        self.fail(_too_slow(f"the consumer has made no room within {self._options.block_timeout:g} s"))
        self.on_room()

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _nobody() -> None:
    """Nobody is told any more."""


def _too_slow(what: str) -> MxGatewaySessionError:
    return MxGatewaySessionError(
        f"the subscription was ended: {what}",
        hint="take updates sooner, or choose another overflow policy",
        phase="stream",
    )
