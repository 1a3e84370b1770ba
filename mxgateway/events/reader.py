"""Who reads a session's event stream, and how the stream is kept up for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mxgateway.errors import MxGatewayError
from mxgateway.events.cursor import Cursor, Event, Loss
from mxgateway.options.subscription import RecoveryOptions

TAKEN_BOUND: Final = 30.0
"""Seconds that a session may be said to have a reader already while it is ours: that is the connection before, of whose end the gateway knows nothing
and, while no event is sent, will know nothing for hours."""
DEFAULT_STALE_TIMEOUT: Final = 10.0
"""Seconds that a sign of life may take where no reader says anything else."""


@dataclass(frozen=True, slots=True)
class StreamCare:
    """How a reader wants the stream to be kept up."""

    recovery: RecoveryOptions
    """The pauses between attempts, and when this reader gives up."""
    stale_after: float | None = None
    """Seconds of silence after which the worker is asked for a sign of life."""
    stale_timeout: float = DEFAULT_STALE_TIMEOUT
    """Seconds that the sign of life may take."""
    taken_bound: float | None = None
    """Seconds that the gateway may say that the session has a reader already; then the stream is lost for this reader."""


class Reader:
    """One who reads the stream: unless it says otherwise, one that keeps it open and is told nothing but events. What it has taken is known by its cursor alone."""

    cursor: Cursor
    care: StreamCare | None = None
    """How the stream is kept up for it; None when it ends with the stream's first fault."""
    keeps = True
    """True while the stream is kept open for it."""
    whole = False
    """True when it needs whole messages, and not only what a subscription needs of a data change."""
    blocks = False
    """True when the gateway has to wait for it whenever it is full, whoever else reads."""

    @property
    def pins(self) -> bool:
        """True while the stream may not be opened behind its cursor."""
        return True

    @property
    def full(self) -> bool:
        """True while it wants no further event."""
        return False

    @property
    def hungry(self) -> bool:
        """True when no other reader that is full may keep events from it."""
        return False

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Take what is news: a list of events, or a tuple where losses may be among them."""

    def confused(self) -> None:
        """Take note that the numbers made no sense: events may be missing that no loss stands for."""

    def overrun(self) -> None:
        """Take note that the stream goes on although it is full."""

    def interrupted(self, fault: MxGatewayError) -> None:
        """Take note that the stream is lost, and is being brought back."""

    def resumed(self, *, gap: bool) -> None:
        """Take note that the stream is there again; with `gap` it begins with the mark of lost events."""

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """Take note that there will be no more events; `final`: a new session would not help."""
