"""What a simulated gateway allows and how quick it is; every default is the gateway's own."""

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
    """The user name, matched without case."""
    password: str
    """The password, matched exactly; never shown."""
    guid: str
    """What ArchestrAUserToId takes."""

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
    """What OpenSessionReply tells the client; another number provokes its warning."""
    worker_protocol_version: int = 1
    """The version between gateway and worker, told in OpenSessionReply."""
    capabilities: tuple[str, ...] = ("unary-acknowledge-alarm", "server-stream-active-alarms")
    """What OpenSessionReply lists."""
    session_limit: int = 64
    """Sessions that are not closed; one more OpenSession is RESOURCE_EXHAUSTED."""
    pending_command_limit: int = 128
    """Commands of one session that wait or run; the next one fails at once with RESOURCE_EXHAUSTED."""
    command_timeout: float = 30.0
    """Seconds that a call waits for its command, unless OpenSession asked for another limit."""
    read_timeout: float = 2.0
    """Seconds that ReadBulk waits for a first value when the caller leaves it to the worker."""
    lease: float = 1800.0
    """Seconds without a unary call after which a session without event stream is closed."""
    lease_sweep: float = 30.0
    """Seconds between two searches for sessions whose lease is over."""
    detach_grace: float = 30.0
    """Seconds between the end of a session's event stream and the close of the session, unless a stream attaches again."""
    worker_start_time: float = 0.0
    """Seconds that one worker needs to start. Workers start one after another."""
    worker_start_limit: float = 30.0
    """Seconds that OpenSession waits for its worker before it fails with UNAVAILABLE."""
    event_queue_limit: int = 10_000
    """Events of one session that wait for a reader; one more ends the stream and faults the session (FailFast). It bounds an alarm feed, too."""
    replay_limit: int = 1024
    """Delivered events of one session that are kept for a resuming stream."""
    replay_age: float = 300.0
    """Seconds that a delivered event is kept for a resuming stream."""
    message_limit: int = 16 * 1024 * 1024
    """Bytes of the largest message, each way."""
    header_limit: int = 32 * 1024
    """Bytes of the largest header list of a request."""
    streams_per_connection: int = 100
    """HTTP/2 streams that one connection may have open."""
    connection_window: int = 1024 * 1024
    """Bytes that a connection may send before the gateway has taken them."""
    stream_window: int = 768 * 1024
    """Bytes that a stream may send before the gateway has taken them."""
    idle_connection_timeout: float = 130.0
    """Seconds without a call after which a connection is closed."""
    suspend_time: float = 0.2
    """Seconds between Suspend or Activate and its OperationComplete."""
    write_time: float = 0.0
    """Seconds between a write that was accepted and its OnWriteComplete."""
    buffered_update_interval: float = 1.0
    """Seconds between two OnBufferedDataChange events until SetBufferedUpdateInterval says otherwise."""
    record_limit: int = 1000
    """Calls that `SimulatedGateway.received` remembers; the oldest is dropped first."""
    record_bytes: int = 64 * 1024 * 1024
    """Bytes of the requests that these calls keep, together; the oldest request is dropped first."""
    users: tuple[SimulatedUser, ...] = tuple(SimulatedUser(*user) for user in DEFAULT_USERS)
    """The users that AuthenticateUser and ArchestrAUserToId know."""
