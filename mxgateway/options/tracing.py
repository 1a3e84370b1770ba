"""Hooks for tracing: what a client calls, when messages are sent and received, and how each call ends.

A tracer is set with `ClientOptions.tracer`. Its methods are called on the event loop, between a call's own steps: they
must return quickly and never block. An exception in one of them is logged once for each call (logger
``mxgateway.tracing``) and does not affect the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mxgateway.system.lazy_names import LazyModule

if TYPE_CHECKING:
    from mxgateway import errors
else:
    errors = LazyModule("mxgateway.errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """An RPC that starts."""

    endpoint: str
    """The gateway, as ``host:port``."""
    method: str
    """The gRPC method, as ``Service/Method``."""
    session_id: str
    """The session in the request; may be empty."""
    correlation_id: str
    """The id in the request; may be empty."""
    timeout: float | None
    """The timeout of the whole call in seconds."""


class CallTrace(Protocol):
    """The trace of one RPC. `ended` is called last, and exactly once."""

    def message_sent(self, size: int) -> None:
        """Record that the request was sent: `size` bytes without gRPC's prefix. Called once for each attempt."""

    def messages_received(self, count: int) -> None:
        """Record replies: as many as were read at once, one for a unary call."""

    def retrying(self, error: errors.MxGatewayError, delay: float) -> None:
        """Record a failed attempt; the next one starts after `delay` seconds."""

    def ended(self, error: errors.MxGatewayError | None, *, cancelled: bool) -> None:
        """Record the end: an error, a cancellation by the caller, or neither for success."""


@runtime_checkable
class Tracer(Protocol):
    """What `ClientOptions.tracer` takes."""

    def call_started(self, call: CallInfo) -> CallTrace | None:
        """Return the trace for a new call; None leaves this call untraced."""
