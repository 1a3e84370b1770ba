"""The transport's counters."""

from __future__ import annotations

from datetime import UTC, datetime


class Counters:
    """The counters of one client, over all its connections and calls.

    `mxgateway.transport.stats` is a snapshot of them.
    """

    __slots__ = (
        "bytes_received", "bytes_sent", "calls_cancelled", "calls_failed", "calls_retried", "calls_started",
        "calls_succeeded", "connections_opened", "events_delivered", "events_dropped", "events_lost", "last_error",
        "last_error_time", "messages_received", "messages_sent", "pings_sent",
    )  # fmt: skip

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
