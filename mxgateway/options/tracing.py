"""Hooks for tracing: what a client calls, when messages pass, and how each call ends.

A tracer is given with `ClientOptions.tracer`. Its methods are called on the event loop, between a call's own steps: they return quickly and never block. What one of
them raises is logged once for each call (logger ``mxgateway.tracing``) and does not disturb the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from mxgateway.errors import MxGatewayError


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """One RPC that begins."""

    endpoint: str
    """The gateway, as ``host:port``."""
    method: str
    """The gRPC method, as ``Service/Method``."""
    session_id: str
    """The session that the request names; may be empty."""
    correlation_id: str
    """The id that the request carries; may be empty."""
    timeout: float | None
    """The bound of the whole call in seconds."""


class CallTrace(Protocol):
    """The trace of one RPC. `ended` is the last call, and comes exactly once."""

    def message_sent(self, size: int) -> None:
        """Take note of the request: `size` bytes without gRPC's prefix. Comes once for each attempt."""

    def messages_received(self, count: int) -> None:
        """Take note of replies: as many as were read at once, one for a unary call."""

    def retrying(self, error: MxGatewayError, delay: float) -> None:
        """Take note of an attempt that failed; the next one begins after `delay` seconds."""

    def ended(self, error: MxGatewayError | None, *, cancelled: bool) -> None:
        """Take note of the end: an error, or a cancellation by the caller, or neither for success."""


@runtime_checkable
class Tracer(Protocol):
    """What `ClientOptions.tracer` takes."""

    def call_started(self, call: CallInfo) -> CallTrace | None:
        """Return the trace of a call that begins; None leaves this call untraced."""
