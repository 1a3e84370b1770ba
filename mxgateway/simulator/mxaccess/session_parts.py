"""The interfaces of a session for its parts, which are below it."""

from __future__ import annotations

from typing import Protocol

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.mxaccess.events import EventParts, EventQueue


class AlarmSubscriber(Protocol):
    """A session that reports alarms as events."""

    session_id: str

    def publish(self, event: EventParts) -> None:
        """Queue an event."""


class WorkerSession(AlarmSubscriber, Protocol):
    """The session that a worker works for."""

    state: mx.SessionState
    fault_message: str
    """Why it failed; empty if it did not."""
    events: EventQueue

    def require_ready(self) -> None:
        """Raise unless the session accepts commands and streams.

        Raises:
            GRPCError: It does not.
        """

    def close(self, reason: str = ...) -> None:
        """End the session; no effect if it has ended.

        Args:
            reason: The reason, for callers that wait for an answer.
        """
