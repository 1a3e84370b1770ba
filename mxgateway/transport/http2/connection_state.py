"""The life of an HTTP/2 connection."""

from __future__ import annotations

import enum


class ConnectionState(enum.Enum):
    """The life of a connection, in order."""

    CONNECTING = "connecting"
    """The HTTP/2 greeting is under way."""
    READY = "ready"
    """Calls can be made."""
    DRAINING = "draining"
    """The gateway said GOAWAY: calls under way are finished, new ones go elsewhere."""
    CLOSED = "closed"
    """Over; every call on it has ended."""
