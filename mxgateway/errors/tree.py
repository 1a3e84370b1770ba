"""The exception tree: every failure between a caller and a plant raises one class below `MxGatewayError`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mxgateway.errors.faults import CallSite, GrpcStatus, Phase, restored
from mxgateway.errors.partial_bulk import PartialBulk, text_schema
from mxgateway.system.lazy_names import LazyModule

if TYPE_CHECKING:
    from mxgateway import proto
else:
    proto = LazyModule("mxgateway.proto")


class MxGatewayError(Exception):
    """The root of every exception that this library raises.

    Args:
        message: What happened, where and for how long; one line.
        hint: What to do about it; one line, may be empty.
        site: Where it happened.
        phase: In which layer it happened.
        grpc_status: The gRPC status, if one was received or follows from the fault.
        retryable: True when the fault is transient: the same call may succeed later.
    """

    partial: PartialBulk | None = None
    """For a bulk call: what happened to its entries."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        site: CallSite | None = None,
        phase: Phase = "",
        grpc_status: GrpcStatus | None = None,
        retryable: bool = False,
    ) -> None:
        site = site or CallSite()
        self.message = site.gate.line(message)
        self.hint = site.gate.line(hint)
        self.endpoint = site.endpoint
        self.method = site.method
        self.correlation_id = site.correlation_id
        self.session_id = site.gate.hide(site.session_id)
        self.phase: Phase = phase
        self.grpc_status = grpc_status
        self.retryable = retryable
        super().__init__(f"{self.message}; {self.hint}" if self.hint else self.message)

    def add_partial(self, partial: PartialBulk) -> None:
        """Add what happened to the entries of a bulk call, also to the text, in place of what was said before."""
        message = self.message if self.partial is None else self.message.removesuffix(f"; {self.partial}")
        self.partial = partial
        self.message = f"{message}; {partial}"
        self.args = (f"{self.message}; {self.hint}" if self.hint else self.message,)

    def __reduce__(self) -> tuple[Any, ...]:
        return restored, (type(self), self.args, self.__dict__)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        return text_schema(cls)


class MxGatewayUsageError(MxGatewayError):
    """The client was used in another event loop, thread or process than the one that connected it; nothing was sent."""


class MxGatewayTransportError(MxGatewayError):
    """The connection to the gateway failed: name, connection, TLS, HTTP/2 or stream (see `phase`)."""


class MxGatewayTimeoutError(MxGatewayTransportError, TimeoutError):
    """The call timed out, here or at the gateway. The command may still be carried out: only the wait has ended."""


class MxGatewayTlsError(MxGatewayTransportError):
    """The gateway's certificate was refused, or the TLS handshake failed; nothing secret was sent."""


class MxGatewayProtocolError(MxGatewayTransportError):
    """The peer broke a rule of HTTP/2, gRPC or protobuf, or a limit was exceeded."""


class MxGatewayLimitError(MxGatewayProtocolError):
    """The gateway sends more than this client accepts; the hint names the option that allows more."""


class MxGatewayAuthenticationError(MxGatewayError):
    """The gateway does not know the API key (UNAUTHENTICATED)."""


class MxGatewayAuthorizationError(MxGatewayError):
    """The API key may not do this (PERMISSION_DENIED); `required_scope` is the scope, if the gateway names it."""

    required_scope: str = ""


class MxGatewaySessionError(MxGatewayError):
    """The session is unknown, not ready, taken by another subscriber, or at a limit; see `session_id`."""


class MxGatewayWorkerError(MxGatewayError):
    """The worker process behind the session is unavailable or faulted."""


class MxGatewayNotFoundError(MxGatewayError):
    """The galaxy has no such browse root or parent, or a simulated gateway no such tag, alarm, key or session."""


class MxGatewayInvalidRequestError(MxGatewayError, ValueError):
    """The request is invalid: refused here before it was sent (`grpc_status` is None), or by the gateway."""


class MxGatewayRedeployError(MxGatewayInvalidRequestError):
    """The galaxy was deployed between two pages: the gateway no longer accepts the token for the next one."""


class MxGatewayContractError(MxGatewayError, ValueError):
    """The gateway's contract lacks or changes what a call needs, or a file is not a contract."""


class MxGatewayMalformedReplyError(MxGatewayError):
    """A reply that claims success lacks what success must carry."""

    reply: Any = None


class MxGatewayCommandError(MxGatewayError):
    """The gateway answered the command with a failure; `reply` is the raw reply."""

    def __init__(self, message: str, *, reply: proto.MxCommandReply, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.reply = reply


class MxAccessError(MxGatewayCommandError):
    """MXAccess refused the command.

    Args:
        message: What MXAccess reported, in words.
        hresult: The HRESULT as a signed 32-bit number; None if the reply carried none.
        statuses: The status array of the reply or event.
        reply: The raw reply (None for a write that was accepted and failed later).
    """

    def __init__(
        self,
        message: str,
        *,
        reply: proto.MxCommandReply,
        hresult: int | None = None,
        statuses: Sequence[proto.MxStatusProxy] = (),
        **fields: Any,
    ) -> None:
        super().__init__(message, reply=reply, **fields)
        self.hresult = hresult
        self.statuses = tuple(statuses)
