"""How a subscription deals with a slow consumer and with interruptions; every default with its reason."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypedDict

from mxgateway.errors import MxGatewayInvalidRequestError


class Overflow(enum.Enum):
    """What happens to updates that the consumer does not take in time."""

    BLOCK = "block"
    """Reading from the gateway pauses, for `block_timeout` at most; then the subscription fails."""
    DROP_OLDEST = "drop_oldest"
    """The oldest updates make room; a `Gap` with the cause OVERFLOW stands in their place."""
    LATEST_PER_TAG = "latest_per_tag"
    """Of each tag only the newest update waits; it says how many it stands for."""
    FAIL = "fail"
    """The subscription fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryOptions:
    """How an interrupted stream, or a lost session, is brought back."""

    initial_backoff: float = 0.5
    """Seconds: the bound of the first pause. Each pause is drawn evenly from 0 to its bound, so that the clients of a gateway that restarts do not come back at once."""
    max_backoff: float = 30.0
    """Seconds: what the doubling bound ends at; a gateway is back within half a minute after its own start."""
    stable_after: float = 30.0
    """Seconds that a stream must last before the next fault begins with the first pause again: a link that flaps is not hammered."""
    rejected_backoff: float = 60.0
    """Seconds between attempts while the gateway refuses the API key: it will not know it sooner, and others may watch its log."""
    give_up_after: float | None = None
    """Seconds of failing attempts after which the subscription fails; None never gives up."""

    def __post_init__(self) -> None:
        for name in ("initial_backoff", "max_backoff", "stable_after", "rejected_backoff"):
            _check_positive(name, getattr(self, name))
        if self.give_up_after is not None:
            _check_positive("give_up_after", self.give_up_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionOptions:
    """How a subscription works."""

    overflow: Overflow = Overflow.DROP_OLDEST
    """What happens to updates that the consumer does not take in time: a service that lags wants to know what it has missed, and go on."""
    max_items: int = 100_000
    """Updates that wait for the consumer: ten times the gateway's own queue."""
    max_bytes: int = 64 * 1024 * 1024
    """Bytes of their values, about: what a service can spare."""
    block_timeout: float = 5.0
    """Seconds that BLOCK lets the gateway wait; its own queue of 10,000 events fills up meanwhile."""
    recovery: RecoveryOptions = field(default_factory=RecoveryOptions)
    """How interruptions end."""
    stale_after: float | None = 60.0
    """Seconds without an event after which the worker is asked for a sign of life; without one within `stale_timeout` the stream counts as lost. None trusts
    the connection's keepalive alone, which does not see a worker that hangs."""
    stale_timeout: float = 10.0
    """Seconds that the sign of life may take."""
    call_wait: float = 30.0
    """Seconds that `add`, `remove` and `session` wait for an interruption to end; 0 fails at once."""
    client_session_name: str = "mxgateway-subscription"
    """What the subscription's own session is called in the gateway's log."""

    def __post_init__(self) -> None:
        if not isinstance(self.overflow, Overflow):
            raise _refused(f"overflow is {self.overflow!r}", "give a member of Overflow, such as Overflow.DROP_OLDEST")
        for name in ("max_items", "max_bytes"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise _refused(f"{name} is {value!r}", "give an integer above 0")
        for name in ("block_timeout", "stale_timeout"):
            _check_positive(name, getattr(self, name))
        if self.stale_after is not None:
            _check_positive("stale_after", self.stale_after)
        if not self.call_wait >= 0:
            raise _refused(f"call_wait is {self.call_wait}", "give seconds from 0")


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


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise _refused(f"{name} is {value}", "give a positive number of seconds")


def _refused(what: str, hint: str) -> MxGatewayInvalidRequestError:
    return MxGatewayInvalidRequestError(what, hint=hint, phase="request")
