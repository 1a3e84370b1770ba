"""A client's statistics: the counters of its transport, and snapshots of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStats:
    """A snapshot of one client's counts since its creation; `GatewayClient.stats` returns it."""

    calls_started: int
    """RPCs, including streams."""
    calls_succeeded: int
    """RPCs that ended with status OK; MXAccess may still have refused the command."""
    calls_failed: int
    """RPCs that ended with an error."""
    calls_cancelled: int
    """RPCs that were cancelled: the task was cancelled, or the stream was closed before its end."""
    calls_retried: int
    """Retries of RPCs that are repeatable, or that the gateway certainly did not process."""
    messages_sent: int
    """Requests sent completely; retries count again."""
    messages_received: int
    """Replies and stream messages delivered to callers."""
    bytes_sent: int
    """Bytes of HTTP/2 on established connections, without TLS."""
    bytes_received: int
    """Bytes of HTTP/2 on established connections, without TLS."""
    connections_opened: int
    """Connections established."""
    connected: bool
    """True while there is a connection that takes calls."""
    pings_sent: int
    """Keepalive pings: how often the gateway was silent for `ClientOptions.keepalive_time`."""
    events_delivered: int
    """Events delivered to iterators, counted for each iterator; marks of lost events count as well."""
    events_dropped: int
    """Events that the client dropped because nobody read them in time."""
    events_lost: int
    """Events that the gateway reported as lost, and those whose message could not be decoded."""
    last_error: str
    """The last error of an RPC, as one line; empty if there was none."""
    last_error_time: datetime | None
    """The time of that error (UTC)."""

    @property
    def calls_open(self) -> int:
        """RPCs in progress."""
        return self.calls_started - self.calls_succeeded - self.calls_failed - self.calls_cancelled

    @property
    def reconnects(self) -> int:
        """Connections beyond the first."""
        return max(0, self.connections_opened - 1)


class Counters:
    """The counters of one client, over all its connections and calls; `ClientStats` says what each of them counts."""

    __slots__ = tuple(each.name for each in fields(ClientStats) if each.name != "connected")

    def __init__(self) -> None:
        self.calls_started = self.calls_succeeded = self.calls_failed = self.calls_cancelled = self.calls_retried = 0
        self.messages_sent = self.messages_received = 0
        self.bytes_sent = self.bytes_received = 0
        self.connections_opened = self.pings_sent = 0
        self.events_delivered = self.events_dropped = self.events_lost = 0
        self.last_error = ""
        self.last_error_time: datetime | None = None

    def fail(self, error: Exception) -> None:
        """Count a failed call."""
        self.calls_failed += 1
        self.last_error, self.last_error_time = str(error), datetime.now(UTC)

    def snapshot(self, *, connected: bool) -> ClientStats:
        """Return the counts as they are now."""
        return ClientStats(**{name: getattr(self, name) for name in self.__slots__}, connected=connected)
