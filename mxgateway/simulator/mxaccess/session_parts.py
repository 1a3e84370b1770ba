"""What the parts of a session know of it: they stand below it."""

from __future__ import annotations

from typing import Protocol

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.mxaccess.events import EventParts, EventQueue


class AlarmSubscriber(Protocol):
    """A session that is told of alarms by its events."""

    session_id: str

    def publish(self, event: EventParts) -> None:
        """Queue an event."""


class WorkerSession(AlarmSubscriber, Protocol):
    """The session that a worker works for."""

    state: mx.SessionState
    fault_message: str
    """Why it has failed; empty when it has not."""
    events: EventQueue

    def require_ready(self) -> None:
        """Do nothing when the session takes commands and streams.

        Raises:
            GRPCError: It does not.
        """

    def close(self, reason: str = ...) -> None:
        """End the session; without effect when it has ended.

        Args:
            reason: Why, for those who still wait for an answer.
        """
