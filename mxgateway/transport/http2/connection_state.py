"""The states of an HTTP/2 connection."""

from __future__ import annotations

import enum


class ConnectionState(enum.Enum):
    """The states of a connection, in order."""

    CONNECTING = "connecting"
    """The HTTP/2 greeting is in progress."""
    READY = "ready"
    """Calls can be made."""
    DRAINING = "draining"
    """The gateway sent GOAWAY: open calls are finished, new ones use another connection."""
    CLOSED = "closed"
    """Every call on it has ended."""
