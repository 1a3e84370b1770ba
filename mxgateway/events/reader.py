"""A reader of a session's event stream, and how the stream is kept open for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mxgateway.errors import MxGatewayError
from mxgateway.events.cursor import Cursor, Event, Loss
from mxgateway.options.subscription import RecoveryOptions

TAKEN_BOUND: Final = 30.0
"""Seconds for which the gateway may report that our session already has a reader. That reader is our previous
connection: the gateway has not noticed its end and, while no event is sent, may not notice it for hours."""
DEFAULT_STALE_TIMEOUT: Final = 10.0
"""The default timeout of the ping for a sign of life, in seconds."""


@dataclass(frozen=True, slots=True)
class StreamCare:
    """How the stream is kept open for a reader."""

    recovery: RecoveryOptions
    """The pauses between attempts, and when this reader gives up."""
    stale_after: float | None = None
    """Seconds of silence after which the worker is pinged."""
    stale_timeout: float = DEFAULT_STALE_TIMEOUT
    """The timeout of that ping, in seconds."""
    taken_bound: float | None = None
    """Seconds for which the gateway may report that the session already has a reader; then this reader is ended."""


class Reader:
    """A reader of the stream. By default it keeps the stream open and is interested in nothing but events.

    Only its cursor knows what it has taken.
    """

    cursor: Cursor
    care: StreamCare | None = None
    """How the stream is kept open for it; None when it ends with the stream's first fault."""
    keeps = True
    """True while the stream is kept open for it."""
    whole = False
    """True when it needs whole messages, not only those fields of a data change that a subscription needs."""
    blocks = False
    """True when the gateway has to wait for it whenever it is full, whatever other readers need."""

    @property
    def pins(self) -> bool:
        """True while the stream must not be opened later than its cursor."""
        return True

    @property
    def full(self) -> bool:
        """True while it wants no further events."""
        return False

    @property
    def hungry(self) -> bool:
        """True when a full reader must not keep events from it."""
        return False

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Take new events: a list, or a tuple if losses may be among them."""

    def confused(self) -> None:
        """The numbers made no sense: events may be missing without a loss that reports them."""

    def overrun(self) -> None:
        """The stream goes on although this reader is full."""

    def interrupted(self, fault: MxGatewayError) -> None:
        """The stream was lost, and recovery has begun."""

    def resumed(self, *, gap: bool) -> None:
        """The stream is open again; with `gap` it begins with a replay gap."""

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """No more events will come; `final`: a new session would not help."""
