"""Limits and timing of a simulated gateway; every default is the real gateway's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mxgateway.simulator.hidden_text import HiddenText

DEFAULT_USERS: Final = (
    ("operator", "operator-password", "5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0001"),
    ("supervisor", "supervisor-password", "5d2a1c3e-7f40-4b51-9c0a-1f6f1f0f0002"),
)


@dataclass(frozen=True, slots=True)
class SimulatedUser:
    """A galaxy user that AuthenticateUser knows."""

    name: str
    """The user name; case is ignored."""
    password: str
    """The password; case matters. Never shown."""
    guid: str
    """The argument of ArchestrAUserToId."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "password", HiddenText(self.password))

    def __deepcopy__(self, memo: object) -> SimulatedUser:
        return self

    def __repr__(self) -> str:
        return f"SimulatedUser(name={self.name!r}, password='***', guid={self.guid!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """Limits, times and versions of a simulated gateway."""

    gateway_protocol_version: int = 3
    """The version in OpenSessionReply; another number provokes the client's warning."""
    worker_protocol_version: int = 1
    """The version between gateway and worker, reported in OpenSessionReply."""
    capabilities: tuple[str, ...] = ("unary-acknowledge-alarm", "server-stream-active-alarms")
    """The capabilities in OpenSessionReply."""
    session_limit: int = 64
    """Most open sessions; a further OpenSession fails with RESOURCE_EXHAUSTED."""
    pending_command_limit: int = 128
    """Most pending commands of one session; the next one fails at once with RESOURCE_EXHAUSTED."""
    command_timeout: float = 30.0
    """Seconds a call waits for its command, unless OpenSession sets another limit."""
    read_timeout: float = 2.0
    """Seconds ReadBulk waits for a first value if the caller sets no timeout."""
    lease: float = 1800.0
    """Seconds without a unary call after which a session without event stream is closed."""
    lease_sweep: float = 30.0
    """Seconds between two checks for expired leases."""
    detach_grace: float = 30.0
    """Seconds from the end of a session's event stream until the session is closed, unless a stream attaches again."""
    worker_start_time: float = 0.0
    """Seconds a worker needs to start. Workers start one after another."""
    worker_start_limit: float = 30.0
    """Seconds OpenSession waits for its worker before it fails with UNAVAILABLE."""
    event_queue_limit: int = 10_000
    """Most queued events of one session; one more ends the stream and faults the session (FailFast).

    The same limit ends an alarm feed."""
    event_subscribers: int = 1
    """Most event streams of one session, 8 in a gateway. With several, only the slow one is cut off, not the session."""
    replay_limit: int = 1024
    """Delivered events of one session kept for a resuming stream."""
    replay_age: float = 300.0
    """Seconds a delivered event is kept for a resuming stream."""
    message_limit: int = 16 * 1024 * 1024
    """Largest message in bytes, each way."""
    header_limit: int = 32 * 1024
    """Largest header list of a request, in bytes."""
    streams_per_connection: int = 100
    """Most open HTTP/2 streams per connection."""
    connection_window: int = 1024 * 1024
    """Flow-control window of a connection, in bytes."""
    stream_window: int = 768 * 1024
    """Flow-control window of a stream, in bytes."""
    idle_connection_timeout: float = 130.0
    """Seconds after which a connection is closed without a call, and reset if its client does not read what was sent."""
    suspend_time: float = 0.2
    """Seconds between Suspend or Activate and its OperationComplete."""
    write_time: float = 0.0
    """Seconds between an accepted write and its OnWriteComplete."""
    buffered_update_interval: float = 1.0
    """Seconds between two OnBufferedDataChange events, until SetBufferedUpdateInterval changes it."""
    record_limit: int = 1000
    """Calls kept in `SimulatedGateway.received`; the oldest is dropped first."""
    record_bytes: int = 64 * 1024 * 1024
    """Bytes of the requests kept with these calls, together; the oldest request is dropped first."""
    users: tuple[SimulatedUser, ...] = tuple(SimulatedUser(*user) for user in DEFAULT_USERS)
    """The users known to AuthenticateUser and ArchestrAUserToId."""
