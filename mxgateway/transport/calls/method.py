"""A method of the contract, the options of one call, and its call site for errors."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from mxgateway.errors.faults import CallSite
from mxgateway.errors.redaction import Gate
from mxgateway.options import Endpoint, check_metadata, check_timeout
from mxgateway.wire.messages.betterproto_seam import Message

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Request, Reply]):
    """One method of the contract."""

    service: str
    """Full name, ``package.Service``."""
    name: str
    request_type: type[Request]
    reply_type: type[Reply]
    repeatable: bool = False
    """True if any request may be carried out twice: it is retried while the gateway is unavailable."""
    needed_to_close: bool = False
    """True if it may run while the client closes: it closes a session, or returns one that must be closed."""
    path: str = field(init=False)
    """The request's ``:path``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"/{self.service}/{self.name}")

    def __str__(self) -> str:
        return f"{self.service.rpartition('.')[2]}/{self.name}"


@dataclass(slots=True)
class Progress:
    """How far a call got, for those who need to know when it ends early."""

    sent: bool = False
    """True once the whole request was sent: the gateway may act on it.

    False again before a resend, if it certainly did not.
    """
    received: int = 0
    """Bytes of the reply."""
    frame: bytes = field(default=b"", repr=False)
    """The request encoded in advance by `framed`; the call takes it instead of encoding the request."""


@dataclass(slots=True, kw_only=True)
class CallOptions:
    """The options of one call, in addition to the client's.

    Raises:
        MxGatewayInvalidRequestError: The timeout is not a positive number, or the metadata cannot be sent.
    """

    timeout: float | None = None
    """Timeout of the whole call in seconds; infinity means none, and so does None for a stream."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Additional metadata, besides the API key and the client's own."""
    correlation_id: str = ""
    """For errors; the request message carries it too."""
    session_id: str = ""
    """For errors."""
    repeatable: bool = False
    """True if this request may be carried out twice, even if others of its method may not."""
    secret: bool = False
    """True if the request contains a secret: then no frame of a traceback may hold a part of it."""
    progress: Progress | None = None
    """Where the call records its progress."""

    def __post_init__(self) -> None:
        check_timeout("timeout", self.timeout)
        if self.metadata:
            self.metadata = tuple(check_metadata(self.metadata))


class Peer(Protocol):
    """The gateway, as far as errors need it."""

    @property
    def endpoint(self) -> Endpoint:
        """Its address."""

    @property
    def gate(self) -> Gate:
        """Hides secrets in the client's texts."""


Site = Callable[[], CallSite]
"""Returns the call site, if an error needs it."""


def call_site(peer: Peer, method: Method[Any, Any], options: CallOptions, timeout: float | None = None) -> CallSite:
    """Return the site of a call for its errors; `timeout` applies if the options have none."""
    seconds = timeout if options.timeout is None else options.timeout
    return CallSite(
        endpoint=str(peer.endpoint),
        method=str(method),
        correlation_id=options.correlation_id,
        session_id=options.session_id,
        timeout=None if seconds is None or math.isinf(seconds) else seconds,
        gate=peer.gate,
    )


def site_of(peer: Peer, method: Method[Any, Any], options: CallOptions) -> Site:
    """Return a function that returns the `call_site` of a call."""
    return functools.partial(call_site, peer, method, options)
