"""What a client has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStats:
    """A snapshot of one client's counts since it was made; `GatewayClient.stats` returns it."""

    calls_started: int
    """RPCs, streams among them."""
    calls_succeeded: int
    """RPCs that ended with status OK; MXAccess may have refused the command all the same."""
    calls_failed: int
    """RPCs that ended with an error."""
    calls_cancelled: int
    """RPCs that were given up: the task was cancelled, or the stream was closed before its end."""
    calls_retried: int
    """Further attempts at RPCs that may be repeated, or that the gateway surely did not process."""
    messages_sent: int
    """Requests that were handed to the connection whole; further attempts count again."""
    messages_received: int
    """Replies and messages of streams that were handed to callers."""
    bytes_sent: int
    """Bytes of HTTP/2 on connections that came about, TLS not counted."""
    bytes_received: int
    """Bytes of HTTP/2 on connections that came about, TLS not counted."""
    connections_opened: int
    """Connections that came about."""
    connected: bool
    """True while there is a connection that takes calls."""
    pings_sent: int
    """Keepalive pings: how often the gateway was silent for `ClientOptions.keepalive_time`."""
    events_delivered: int
    """Events that iterators were given, one for each iterator; marks of lost events count as well."""
    events_dropped: int
    """Events that the client threw away because nobody read them in time."""
    events_lost: int
    """Events that the gateway reported as lost, and those whose message could not be taken."""
    last_error: str
    """The last error of an RPC, as one line; empty when there was none."""
    last_error_time: datetime | None
    """When that was (UTC)."""

    @property
    def calls_open(self) -> int:
        """RPCs under way."""
        return self.calls_started - self.calls_succeeded - self.calls_failed - self.calls_cancelled

    @property
    def reconnects(self) -> int:
        """Connections beyond the first."""
        return max(0, self.connections_opened - 1)
