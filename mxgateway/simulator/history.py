"""A record of what a simulated gateway did, to check a client's reports against."""

from __future__ import annotations

from dataclasses import dataclass, field

from mxgateway.generated.mxaccess_gateway import v1 as mx


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """A numbered item event of a session, delivered or not."""

    worker_sequence: int
    family: mx.MxEventFamily
    reference: str
    """The item's reference as it was added."""
    server_handle: int
    item_handle: int


@dataclass(frozen=True, slots=True)
class ExecutedWrite:
    """An accepted write that was executed, or that failed when it was executed."""

    session_id: str
    reference: str
    """The item's reference as it was added."""
    server_handle: int
    item_handle: int
    value: mx.MxValue
    """As sent; a sparse array is expanded."""
    succeeded: bool
    """Whether the tag took the value."""
    worker_sequence: int
    """The number of its OnWriteComplete."""


@dataclass(slots=True)
class History:
    """Every numbered item event and every executed write since recording started, for open and ended sessions."""

    events: dict[str, list[PublishedEvent]] = field(default_factory=dict)
    """By session id, in sequence order."""
    writes: list[ExecutedWrite] = field(default_factory=list)
    """In the order of execution."""

    def note_event(self, session_id: str, event: PublishedEvent) -> None:
        """Record an event."""
        self.events.setdefault(session_id, []).append(event)

    def clear(self) -> None:
        """Clear the record."""
        self.events.clear()
        self.writes.clear()
