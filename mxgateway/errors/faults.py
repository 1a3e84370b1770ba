"""What can go wrong, in the terms of the layer where it happens; `errors.map_fault` turns faults into errors.

Faults never leave the library: a caller sees them at most as the cause of an `MxGatewayError`.
"""

from __future__ import annotations

import enum
import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

from mxgateway.errors.redaction import OPEN_GATE, Gate

E = TypeVar("E", bound=BaseException)

Phase = Literal["", "request", "resolve", "connect", "proxy", "tls", "http2", "stream", "reply"]
"""Where a fault occurred: before sending, or in which layer of the connection."""


class GrpcStatus(enum.IntEnum):
    """The gRPC status codes, by their names in the gRPC specification."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSite:
    """Where a fault occurred; copied to the error."""

    endpoint: str = ""
    """The gateway, as ``host:port``."""
    method: str = ""
    """The gRPC method, as ``Service/Method``; empty while connecting."""
    correlation_id: str = ""
    """The id that the request carried."""
    session_id: str = ""
    """The session that the request named."""
    timeout: float | None = None
    """The timeout that applied, in seconds."""
    keyless: bool = False
    """True if the call carried no API key."""
    gate: Gate = field(default=OPEN_GATE, repr=False, compare=False)
    """Hides secrets in the error's texts."""


@dataclass(frozen=True, slots=True)
class ProtocolStatusFault:
    """A gateway reply whose protocol status is a failure; `name` is the enum name without its prefix."""

    name: str
    message: str = ""
    reply: Any = None


class TransportFault(Exception):
    """Root of the transport's internal exceptions.

    Callers see them as causes only, so their texts are as clean as an error's.
    """

    processed = True
    """False when the peer says that it did not act on the request: then any request may be sent again."""

    def __init__(self, text: str) -> None:
        super().__init__(OPEN_GATE.line(text))

    def pass_gate(self, gate: Gate) -> None:
        """Hide the client's secrets, which the layer that raised the fault does not know, and drop its frames."""
        self.args = tuple(gate.line(text) for text in self.args)
        self.__traceback__ = None


class RpcStatus(TransportFault):
    """A gRPC status other than OK: from trailers or, if `synthesised`, derived from an HTTP status or RST_STREAM."""

    def __init__(
        self,
        code: GrpcStatus,
        message: str = "",
        *,
        synthesised: bool = False,
        processed: bool = True,
        misdirected: bool = False,
    ) -> None:
        super().__init__(f"{code.name}: {message}")
        self.misdirected = misdirected
        """True for HTTP status 421: the server does not answer for the name in ``:authority`` on this connection."""
        self.code = code
        self.message = OPEN_GATE.line(message)
        self.synthesised = synthesised
        self.processed = processed

    def pass_gate(self, gate: Gate) -> None:
        """Hide the secrets of the client in the message as well."""
        super().pass_gate(gate)
        self.message = gate.line(self.message)


class ConnectFault(TransportFault):
    """No connection was established; `cause` is what failed in `phase`."""

    def __init__(self, phase: Phase, cause: BaseException) -> None:
        super().__init__(f"{phase}: {cause}")
        self.phase: Phase = phase
        self.cause = cause


class ProxyFault(TransportFault):
    """The HTTP proxy did not connect us to the gateway.

    Args:
        proxy: The proxy, without its credentials.
        text: What it did, as the rest of a sentence about it.
        status: The HTTP status that it answered with; 0 for none.
        schemes: The authentication schemes that it offers.
        authenticated: Whether credentials were sent.
        transient: Whether the next attempt may succeed.
        cause: The underlying fault, if it was an OS error or a timeout.
    """

    def __init__(
        self,
        proxy: str,
        text: str,
        *,
        status: int = 0,
        schemes: tuple[str, ...] = (),
        authenticated: bool = False,
        transient: bool = False,
        cause: Exception | None = None,
    ) -> None:
        super().__init__(f"the proxy {proxy} {text}")
        self.proxy = proxy
        self.status = status
        self.schemes = schemes
        self.authenticated = authenticated
        self.transient = transient
        self.cause = self.__cause__ = cause


class CertificateFileFault(TransportFault):
    """A file that TLS needs cannot be used; `remedy` says what to do."""

    def __init__(self, text: str, *, remedy: str = "give a readable PEM file") -> None:
        super().__init__(text)
        self.remedy = remedy


class NotHttp2Fault(TransportFault):
    """The peer does not speak HTTP/2."""


class PeerFault(TransportFault):
    """The peer broke a rule, or exceeded one of our limits."""


class MessageFault(PeerFault):
    """One message of a reply is too large or cannot be decoded. The messages before it were delivered."""


class RequestFault(TransportFault):
    """The request cannot be sent as it is."""


CONTRACT_HINT: Final = "bind the client to this gateway's contract: mxgw-py contract --from-gateway --export gateway.binpb, then Contract.load('gateway.binpb')"


class ContractFault(TransportFault):
    """A reply does not match the contract in use."""

    remedy: str = CONTRACT_HINT


class LackingFault(ContractFault):
    """The gateway's contract has no field or call for what was to be sent."""

    remedy = "nothing was sent; do without it, or reload the gateway's contract if the gateway was updated"


class ConnectionFault(TransportFault):
    """The connection ended.

    Args:
        text: Why.
        processed: False when the peer certainly did not see the request.
        polite: True when the peer announced the end with GOAWAY NO_ERROR.
    """

    def __init__(self, text: str, *, processed: bool = True, polite: bool = False) -> None:
        super().__init__(text)
        self.processed = processed
        self.polite = polite


class UnansweredFault(ConnectionFault):
    """The peer closed a new connection without a byte: as forwarders do while the gateway behind them restarts."""

    def __init__(self, text: str) -> None:
        super().__init__(text, processed=False)


class StreamLimitFault(TransportFault):
    """The call timed out while waiting for a stream: the gateway allows `limit` at once, and all were in use."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"all {limit} streams that the gateway allows at once were in use")
        self.limit = limit


class MessageTooLargeFault(MessageFault):
    """One message of a reply exceeds the limit."""


class ClosedFault(TransportFault):
    """The client was closed."""


class PinFault(ssl.SSLCertVerificationError):
    """The gateway presented a certificate other than the trusted one.

    Args:
        expected: The trusted SHA-256 fingerprint.
        presented: The presented one.
        remedy: How to trust a renewed certificate.
    """

    def __init__(self, expected: str, presented: str, remedy: str = "trust the new fingerprint") -> None:
        super().__init__(1, f"the certificate's SHA-256 fingerprint is {presented}, expected {expected}")
        self.expected = expected
        self.presented = presented
        self.remedy = remedy


Fault = BaseException | ProtocolStatusFault


def is_unprocessed(fault: BaseException | None) -> bool:
    """Return whether a fault proves that the peer did not act on the request (RFC 9113, sections 6.8 and 8.7)."""
    return isinstance(fault, TransportFault) and not fault.processed


def is_reply_too_large(fault: BaseException | None) -> bool:
    """Return whether a finished reply exceeds our receive limit or the peer's send limit.

    A peer says so in words only.
    """
    if isinstance(fault, RpcStatus):
        return fault.code is GrpcStatus.RESOURCE_EXHAUSTED and bool(_NOT_SENT.search(fault.message))
    return isinstance(fault, MessageTooLargeFault)


_NOT_SENT: Final = re.compile(r"\b(sending|sent|send) message (exceeds|larger than)\b", re.IGNORECASE)
"""What .NET, gRPC's C core and Go say about a message beyond their own limit."""


def copy_of(fault: E) -> E:
    """Return a copy of an exception: one that several callers raise would collect the tracebacks of all of them."""
    copied = restored(type(fault), fault.args, fault.__dict__)
    copied.__cause__ = fault.__cause__
    return copied


def restored(cls: type[E], args: tuple[Any, ...], fields: dict[str, Any]) -> E:
    """Return an exception made of its parts, without its constructor: its text is already complete."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


def pass_gate(fault: BaseException, gate: Gate) -> None:
    """Hide the client's secrets in a fault and its causes, which the error's traceback shows."""
    seen: set[int] = set()
    each: BaseException | None = fault
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        if isinstance(each, TransportFault):
            each.pass_gate(gate)
        each = each.__cause__ or each.__context__


def in_seconds(timeout: float) -> str:
    """Return a timeout as text; what remains of one is rounded to three digits."""
    return f"{timeout:.3g} s" if timeout < 100 else f"{timeout:g} s"
