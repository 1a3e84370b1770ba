"""What is called, and how: a method of the contract, the options of one call, and what errors tell about it."""

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
    """True when carrying it out twice does no harm, whatever the request: it is tried again when the gateway is unavailable."""
    needed_to_close: bool = False
    """True when it goes on, and may begin, while the client closes: it closes a session, or tells which one is to be closed."""
    path: str = field(init=False)
    """The request's ``:path``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"/{self.service}/{self.name}")

    def __str__(self) -> str:
        return f"{self.service.rpartition('.')[2]}/{self.name}"


@dataclass(slots=True)
class Progress:
    """How far a call has come, for those who need to know it when the call ends early."""

    sent: bool = False
    """True once the whole request was handed to the connection: from then on the gateway may act on it. False again when it surely did not and the
    request is about to be sent anew."""
    received: int = 0
    """Bytes of the reply."""
    waits_for: str = "a connection"
    """What a request that was not sent has waited for."""
    frame: bytes = field(default=b"", repr=False)
    """The request as `framed` made it before its turn; the call takes it instead of making it."""


@dataclass(slots=True, kw_only=True)
class CallOptions:
    """What one call adds to the client's options.

    Raises:
        MxGatewayInvalidRequestError: The bound is no positive number, or the metadata cannot be sent.
    """

    timeout: float | None = None
    """Bound of the whole call in seconds; infinity means none, and so does None for a stream."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Further metadata, beside the API key and the client's own."""
    correlation_id: str = ""
    """For errors; the request message carries it too."""
    session_id: str = ""
    """For errors."""
    repeatable: bool = False
    """True when this request may be carried out twice, though others of its method may not."""
    secret: bool = False
    """True when a secret stands in the request: no frame of a traceback holds a piece of it then."""
    progress: Progress | None = None
    """Where the call takes note of how far it has come."""

    def __post_init__(self) -> None:
        check_timeout("timeout", self.timeout)
        if self.metadata:
            self.metadata = tuple(check_metadata(self.metadata))


class Peer(Protocol):
    """What errors tell about whom a call was made to."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""

    @property
    def gate(self) -> Gate:
        """What the texts of the client pass."""


Site = Callable[[], CallSite]
"""Tells where a call was made, when an error asks for it."""


def call_site(peer: Peer, method: Method[Any, Any], options: CallOptions, timeout: float | None = None) -> CallSite:
    """Return what the errors of a call tell about it; `timeout` is the bound where the options have none."""
    bound = timeout if options.timeout is None else options.timeout
    return CallSite(
        endpoint=str(peer.endpoint),
        method=str(method),
        correlation_id=options.correlation_id,
        session_id=options.session_id,
        timeout=None if bound is None or math.isinf(bound) else bound,
        gate=peer.gate,
    )


def site_of(peer: Peer, method: Method[Any, Any], options: CallOptions) -> Site:
    """Return what makes the `call_site` of a call."""
    return functools.partial(call_site, peer, method, options)
