"""What is known of a session in any state, and the interfaces of a session for its parts, which are below it."""

from __future__ import annotations

from typing import Protocol

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.mxaccess.events import EventParts, EventQueue


class SessionRecord:
    """What is known of a session, also after its end.

    Args:
        session_id: Its id.
        state: Its state.
        fault_message: Why it failed or ended; empty if it did not.
    """

    def __init__(self, session_id: str, state: mx.SessionState, fault_message: str = "") -> None:
        self.session_id = session_id
        self.state = state
        self.fault_message = fault_message

    def touch(self) -> None:
        """Extend the lease; no effect if the session has ended."""

    def close(self, reason: str = "the client closed it") -> None:
        """End the session; no effect if it has ended.

        Args:
            reason: The reason, as a clause.
        """

    def require_ready(self) -> None:
        """Raise unless the session accepts commands and streams.

        Raises:
            GRPCError: FAILED_PRECONDITION.
        """
        if self.state is not mx.SessionState.READY:
            raise self.not_ready()

    def not_ready(self) -> GRPCError:
        """Return what a call gets that needs the session to be ready."""
        state = str(self.state.name).title()
        why = f": {self.fault_message}" if self.fault_message else ""
        return GRPCError(Status.FAILED_PRECONDITION, f"Session {self.session_id} is not ready, it is {state}{why}.")


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
