"""A client's statistics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
