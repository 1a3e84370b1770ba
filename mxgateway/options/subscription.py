"""How a subscription handles a slow consumer and interruptions; every default with its reason."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypedDict

from mxgateway.options.checks import check_positive, is_number, is_whole, require


class Overflow(enum.Enum):
    """What happens to updates that the consumer does not read in time."""

    BLOCK = "block"
    """Reading from the gateway pauses, for `block_timeout` at most; then the subscription fails."""
    DROP_OLDEST = "drop_oldest"
    """The oldest updates are dropped; a `Gap` with the cause OVERFLOW replaces them."""
    LATEST_PER_TAG = "latest_per_tag"
    """Only the newest update of each tag is kept; it counts the updates that it replaces."""
    FAIL = "fail"
    """The subscription fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryOptions:
    """How an interrupted stream or a lost session is recovered."""

    initial_backoff: float = 0.5
    """Seconds: the upper limit of the first delay.

    Each delay is random between 0 and its limit, so that the clients of a restarting gateway do not all reconnect at
    the same time.
    """
    max_backoff: float = 30.0
    """Seconds: the maximum of the limit, which doubles with each attempt; a gateway starts within half a minute."""
    stable_after: float = 30.0
    """Seconds that a stream must last before the backoff is reset: a flapping link is not hammered."""
    rejected_backoff: float = 60.0
    """Seconds between attempts while the gateway refuses the API key: keys are not granted sooner, and it logs each."""
    give_up_after: float | None = None
    """Seconds of failing attempts after which the subscription fails; None retries forever."""

    def __post_init__(self) -> None:
        for name in ("initial_backoff", "max_backoff", "stable_after", "rejected_backoff"):
            check_positive(name, getattr(self, name))
        if self.give_up_after is not None:
            check_positive("give_up_after", self.give_up_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionOptions:
    """Options of a subscription."""

    overflow: Overflow = Overflow.DROP_OLDEST
    """What happens to updates that are not read in time: a lagging service wants to learn what it missed, and go on."""
    max_items: int = 100_000
    """The maximum number of updates in the backlog: ten times the gateway's own queue."""
    max_bytes: int = 64 * 1024 * 1024
    """The approximate maximum size of their values in bytes: what a service can spare."""
    block_timeout: float = 5.0
    """Seconds that BLOCK pauses reading; meanwhile the gateway's own queue of 10,000 events fills up."""
    recovery: RecoveryOptions = field(default_factory=RecoveryOptions)
    """How the subscription recovers from interruptions."""
    stale_after: float | None = 60.0
    """Seconds without an event after which the worker is pinged.

    Without an answer within `stale_timeout` the stream counts as lost. None relies on the connection's keepalive alone,
    which does not notice a hung worker.
    """
    stale_timeout: float = 10.0
    """Seconds that the worker's answer may take."""
    call_wait: float = 30.0
    """Seconds that `add`, `remove` and `session` wait for an interruption to end; 0 fails at once."""
    client_session_name: str = "mxgateway-subscription"
    """The name of the subscription's own session in the gateway's log."""

    def __post_init__(self) -> None:
        require(self, "client_session_name", isinstance(self.client_session_name, str), "give a str")
        require(self, "recovery", isinstance(self.recovery, RecoveryOptions), "give RecoveryOptions")
        is_one = isinstance(self.overflow, Overflow)
        require(self, "overflow", is_one, "give a member of Overflow, such as Overflow.DROP_OLDEST")
        for name in ("max_items", "max_bytes"):
            require(self, name, is_whole(getattr(self, name)), "give an integer above 0")
        for name in ("block_timeout", "stale_timeout"):
            check_positive(name, getattr(self, name))
        if self.stale_after is not None:
            check_positive("stale_after", self.stale_after)
        can_wait = is_number(self.call_wait) and self.call_wait >= 0
        require(self, "call_wait", can_wait, "give a number of seconds, 0 or more")


class SubscriptionFields(TypedDict, total=False):
    """The fields of `SubscriptionOptions`, as keywords."""

    overflow: Overflow
    max_items: int
    max_bytes: int
    block_timeout: float
    recovery: RecoveryOptions
    stale_after: float | None
    stale_timeout: float
    call_wait: float
    client_session_name: str
