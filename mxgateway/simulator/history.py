"""What a simulated gateway has done, for a test that holds a client's words against it."""

from __future__ import annotations

from dataclasses import dataclass, field

from mxgateway.generated.mxaccess_gateway import v1 as mx


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event of an item that its session has numbered, whoever has got it."""

    worker_sequence: int
    family: mx.MxEventFamily
    reference: str
    """The item's tag, as it was added."""
    server_handle: int
    item_handle: int


@dataclass(frozen=True, slots=True)
class ExecutedWrite:
    """An accepted write that was carried out, or that failed when it was its turn."""

    session_id: str
    reference: str
    """The item's tag, as it was added."""
    server_handle: int
    item_handle: int
    value: mx.MxValue
    """As it was sent; of a sparse array the whole."""
    succeeded: bool
    """Whether the tag has taken the value."""
    worker_sequence: int
    """The number of the OnWriteComplete that tells so."""


@dataclass(slots=True)
class History:
    """Every event of an item that was numbered and every write that was carried out, since the history is kept; of all sessions, also ended ones."""

    events: dict[str, list[PublishedEvent]] = field(default_factory=dict)
    """By session id, in the order of their numbers."""
    writes: list[ExecutedWrite] = field(default_factory=list)
    """In the order of their execution."""

    def note_event(self, session_id: str, event: PublishedEvent) -> None:
        """Note an event."""
        self.events.setdefault(session_id, []).append(event)

    def clear(self) -> None:
        """Forget everything so far."""
        self.events.clear()
        self.writes.clear()
