"""The one mapping from faults to errors.

The transport reports *faults*: what happened, in the terms of the layer where it happened. `map_fault` alone decides
which error class a fault becomes, whether a retry may help, and what the caller can do about it.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from typing import Final

from mxgateway.errors import faults, texts
from mxgateway.errors.faults import (
    CallSite,
    Fault,
    GrpcStatus,
    Phase,
    ProtocolStatusFault,
    ProxyFault,
    RpcStatus,
    TransportFault,
    in_seconds,
)
from mxgateway.errors.tree import (
    MxGatewayAuthenticationError,
    MxGatewayAuthorizationError,
    MxGatewayCommandError,
    MxGatewayContractError,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayNotFoundError,
    MxGatewayProtocolError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTlsError,
    MxGatewayTransportError,
    MxGatewayWorkerError,
)


def map_fault(fault: Fault, site: CallSite, *, phase: Phase = "stream") -> MxGatewayError:
    """Return the error for `fault`, with its cause set.

    Args:
        fault: An exception of a lower layer (a gRPC status is one), or a gateway reply's protocol status.
        site: Where it occurred.
        phase: In which layer it occurred; overridden by a fault that names its own layer.

    Returns:
        One exception of the tree. An `MxGatewayError` is returned as it is.
    """
    if isinstance(fault, MxGatewayError):
        return fault
    if isinstance(fault, ProtocolStatusFault):
        return _from_protocol_status(fault, site)
    faults.pass_gate(fault, site.gate)
    if isinstance(fault, faults.ConnectFault):
        return map_fault(fault.cause, site, phase=fault.phase)
    error = _from_exception(fault, site, phase)
    error.__cause__ = fault
    return error


# --------------------------------------------------------------------------------------------------------------------
# Exceptions


def _from_exception(fault: BaseException, site: CallSite, phase: Phase) -> MxGatewayError:
    if isinstance(fault, TransportFault):
        return _from_transport_fault(fault, site, phase)
    if isinstance(fault, ssl.SSLError):
        text, hint = texts.tls_refusal(fault, site.endpoint)
        return MxGatewayTlsError(text, hint=hint, site=site, phase="tls", grpc_status=GrpcStatus.UNAVAILABLE)
    if isinstance(fault, TimeoutError):  # with an errno it is an OS error, not our timeout
        return _timeout(site if fault.errno is None else replace(site, timeout=None), phase)
    if isinstance(fault, socket.gaierror | UnicodeError):
        text = f"the host name of {site.endpoint} cannot be resolved ({texts.os_text(fault)})"
        return _unavailable(text, "check the spelling and this machine's DNS", site, "resolve")
    if isinstance(fault, ConnectionRefusedError):
        text = f"nothing is listening on {site.endpoint} (connection refused)"
        return _unavailable(text, "check host and port, and that the gateway's service is running", site, "connect")
    if texts.is_out_of_descriptors(fault):
        return _out_of_descriptors(fault, site, phase)
    if isinstance(fault, OSError):
        in_handshake = phase == "tls"
        where = " during the TLS handshake" if in_handshake else _during(site)
        hint = texts.TLS_HINT if in_handshake else "check the network between this machine and the gateway"
        return _unavailable(
            f"the connection to {site.endpoint} failed ({texts.os_text(fault)}){where}", hint, site, phase
        )
    return MxGatewayTransportError(
        f"{type(fault).__name__}{f' while talking to {site.endpoint}' if site.endpoint else ''}{_during(site)}: {fault}",
        hint=texts.stray_hint(fault) if isinstance(fault, RuntimeError) else texts.DEFECT_HINT,
        site=site, phase=phase, grpc_status=GrpcStatus.INTERNAL,
    )  # fmt: skip


def _from_transport_fault(fault: TransportFault, site: CallSite, phase: Phase) -> MxGatewayError:
    if isinstance(fault, RpcStatus):
        return _from_rpc_status(fault, site)
    if isinstance(fault, faults.RequestFault):
        return MxGatewayInvalidRequestError(
            f"{fault}{_during(site)}", hint="nothing was sent", site=site, phase="request"
        )
    if isinstance(fault, faults.ContractFault):
        return MxGatewayContractError(f"{fault}{_during(site)}", hint=fault.remedy, site=site, phase=phase)
    if isinstance(fault, faults.ClosedFault):
        return MxGatewayTransportError(
            f"{fault}{_during(site)}",
            hint="open a new client",
            site=site,
            phase=phase,
            grpc_status=GrpcStatus.CANCELLED,
        )
    if isinstance(fault, faults.StreamLimitFault):
        return MxGatewayTimeoutError(
            f"no free stream for {site.method} on the connection to {site.endpoint}{_within(site)}: {fault}",
            hint="nothing was sent; close streams that are not needed, or open another client",
            site=site, phase=phase, grpc_status=GrpcStatus.DEADLINE_EXCEEDED, retryable=True,
        )  # fmt: skip
    if isinstance(fault, faults.ConnectionFault):
        hint = texts.UNANSWERED if isinstance(fault, faults.UnansweredFault) else texts.DROPPED
        return _unavailable(f"{fault}{_during(site)} at {site.endpoint}{_unseen(fault)}", hint, site, phase)
    if isinstance(fault, faults.CertificateFileFault):
        return MxGatewayTlsError(str(fault), hint=f"{fault.remedy}; nothing was sent", site=site, phase="tls")
    if isinstance(fault, ProxyFault):
        return _from_proxy(fault, site, phase)
    if isinstance(fault, faults.NotHttp2Fault):
        return MxGatewayProtocolError(
            f"{site.endpoint} is not a gRPC server: {fault}", hint="check the port, and whether the gateway expects TLS there",
            site=site, phase="http2", grpc_status=GrpcStatus.INTERNAL,
        )  # fmt: skip
    unread = isinstance(fault, faults.MessageFault) and not isinstance(fault, faults.MessageTooLargeFault)
    return MxGatewayProtocolError(
        f"{fault}{_during(site)} at {site.endpoint}",
        hint=f"the peer is not an MXAccess gateway, or a proxy in between corrupts the data{f'; otherwise {faults.CONTRACT_HINT}' * unread}",
        site=site, phase=phase, grpc_status=GrpcStatus.INTERNAL,
    )  # fmt: skip


def _unavailable(text: str, hint: str, site: CallSite, phase: Phase) -> MxGatewayTransportError:
    return MxGatewayTransportError(
        text, hint=hint, site=site, phase=phase, grpc_status=GrpcStatus.UNAVAILABLE, retryable=True
    )


def _out_of_descriptors(fault: BaseException | None, site: CallSite, phase: Phase) -> MxGatewayError:
    return MxGatewayTransportError(
        f"no connection to {site.endpoint}: this machine gives the program no more file descriptors ({texts.os_text(fault)})",
        hint="close what is not needed, or raise the limit of open files (ulimit -n)",
        site=site, phase=phase, grpc_status=GrpcStatus.RESOURCE_EXHAUSTED, retryable=True,
    )  # fmt: skip


def _from_proxy(fault: ProxyFault, site: CallSite, phase: Phase) -> MxGatewayError:
    if texts.is_out_of_descriptors(fault.cause):
        return _out_of_descriptors(fault.cause, site, phase)
    text, hint, transient = texts.proxy_refusal(fault, site.endpoint, phase, _within(site))
    if isinstance(fault.cause, TimeoutError):
        return MxGatewayTimeoutError(text, hint=hint, site=site, phase=phase, grpc_status=GrpcStatus.DEADLINE_EXCEEDED)
    return MxGatewayTransportError(
        text, hint=hint, site=site, phase=phase, grpc_status=GrpcStatus.UNAVAILABLE, retryable=transient
    )


def _timeout(site: CallSite, phase: Phase) -> MxGatewayTimeoutError:
    if phase in ("resolve", "connect", "tls", "http2"):
        text = f"no connection to {site.endpoint}{_within(site)}"
        hint = "check host, port and firewall, or allow more time"
    else:
        text = f"no answer from {site.endpoint}{_within(site)}{_during(site)}"
        hint = texts.LATER_HINT if _is_sessionless(site) else f"{texts.IN_DOUBT_HINT} before repeating it"
    return MxGatewayTimeoutError(text, hint=hint, site=site, phase=phase, grpc_status=GrpcStatus.DEADLINE_EXCEEDED)


# --------------------------------------------------------------------------------------------------------------------
# gRPC statuses

_SESSIONLESS_METHODS: Final = ("/StreamAlarms", "/QueryActiveAlarms", "/AcknowledgeAlarm", "/ServerReflectionInfo")
"""The methods outside the galaxy service that need no session."""


def _is_sessionless(site: CallSite) -> bool:
    return _is_of_galaxy(site) or _is_of_control(site) or site.method.endswith(_SESSIONLESS_METHODS)


def _is_of_galaxy(site: CallSite) -> bool:
    return "GalaxyRepository/" in site.method


def _is_of_control(site: CallSite) -> bool:
    """Return whether a call was made to the control of a simulated gateway, which has neither sessions nor workers."""
    return "SimulatorControl/" in site.method


def _from_rpc_status(fault: RpcStatus, site: CallSite) -> MxGatewayError:
    text = f"{fault.code.name} from {site.endpoint}{_during(site)}: {fault.message or 'no further message'}{_unseen(fault)}"
    cls, hint, retryable = _rpc_class(fault, site)
    if cls is MxGatewayTimeoutError and site.timeout is not None:
        text += f" (timeout {in_seconds(site.timeout)})"
    error = cls(text, hint=hint, site=site, phase="stream", grpc_status=fault.code, retryable=retryable)
    if isinstance(error, MxGatewayAuthorizationError) and (match := texts.SCOPE.search(fault.message)):
        error.required_scope = match[1]
    return error


def _rpc_class(fault: RpcStatus, site: CallSite) -> tuple[type[MxGatewayError], str, bool]:
    """Return class, hint and whether a retry may succeed."""
    if fault.misdirected:
        return MxGatewayTransportError, texts.MISDIRECTED, False
    match fault.code:
        case GrpcStatus.UNAUTHENTICATED if _is_of_control(site):
            return MxGatewayAuthenticationError, "pass the control's own key, which is not the gateway's", False
        case GrpcStatus.UNAUTHENTICATED:
            return MxGatewayAuthenticationError, texts.NO_KEY_HINT if site.keyless else texts.UNKNOWN_KEY_HINT, False
        case GrpcStatus.PERMISSION_DENIED:
            return MxGatewayAuthorizationError, texts.denial_hint(fault), False
        case GrpcStatus.INVALID_ARGUMENT | GrpcStatus.INTERNAL | GrpcStatus.UNKNOWN if (
            not fault.synthesised and texts.UNREAD.search(fault.message)
        ):
            return MxGatewayContractError, f"the gateway cannot read the request; {faults.CONTRACT_HINT}", False
        case GrpcStatus.INVALID_ARGUMENT | GrpcStatus.OUT_OF_RANGE:
            return MxGatewayInvalidRequestError, "correct the request", False
        case GrpcStatus.DEADLINE_EXCEEDED:
            return MxGatewayTimeoutError, texts.LATER_HINT if _is_sessionless(site) else texts.IN_DOUBT_HINT, False
        case GrpcStatus.UNIMPLEMENTED:
            if fault.synthesised:
                return MxGatewayProtocolError, "the server is not an MXAccess gateway, or an older one", False
            return MxGatewayContractError, f"the gateway has no such call; {faults.CONTRACT_HINT}", False
        case GrpcStatus.RESOURCE_EXHAUSTED if faults.is_reply_too_large(fault):
            return MxGatewayProtocolError, "request less at once, or raise the gateway's message size limit", False
        case GrpcStatus.NOT_FOUND if _is_of_galaxy(site):
            return MxGatewayNotFoundError, "check the name, or browse from the top level", False
        case GrpcStatus.NOT_FOUND if _is_of_control(site):
            return MxGatewayNotFoundError, "check the name, and what the gateway has now", False
        case GrpcStatus.FAILED_PRECONDITION if _is_of_control(site):
            return MxGatewayInvalidRequestError, "the gateway cannot do it as it runs now", False
    if fault.synthesised or _is_sessionless(site) or fault.code not in texts.SESSION_HINTS:
        transient = fault.code in (GrpcStatus.UNAVAILABLE, GrpcStatus.RESOURCE_EXHAUSTED, GrpcStatus.ABORTED)
        return MxGatewayTransportError, "try again later" if transient else "see the gateway's log", transient
    if fault.code is GrpcStatus.UNAVAILABLE:
        return MxGatewayWorkerError, _worker_hint(site), True
    # An event stream that ends with RESOURCE_EXHAUSTED was read too slowly, and its session is already faulted.
    transient = fault.code is GrpcStatus.RESOURCE_EXHAUSTED and not site.method.endswith("/StreamEvents")
    if fault.code is GrpcStatus.RESOURCE_EXHAUSTED and texts.TOO_LARGE.search(fault.message):
        return MxGatewaySessionError, texts.TOO_LARGE_HINT, False
    return MxGatewaySessionError, texts.SESSION_HINTS[fault.code], transient


def _worker_hint(site: CallSite) -> str:
    """Return the hint for a worker that is not there; while a session is opened, there is none yet."""
    return texts.NO_WORKER_HINT if site.method.endswith("/OpenSession") else texts.SESSION_HINTS[GrpcStatus.UNAVAILABLE]


# --------------------------------------------------------------------------------------------------------------------
# Protocol statuses of gateway replies

_PROTOCOL_STATUS: Final[dict[str, tuple[type[MxGatewayError], GrpcStatus, str]]] = {
    "INVALID_REQUEST": (MxGatewayInvalidRequestError, GrpcStatus.INVALID_ARGUMENT, "correct the request"),
    "SESSION_NOT_FOUND": (MxGatewaySessionError, GrpcStatus.NOT_FOUND, texts.SESSION_HINTS[GrpcStatus.NOT_FOUND]),
    "SESSION_NOT_READY": (
        MxGatewaySessionError, GrpcStatus.FAILED_PRECONDITION, texts.SESSION_HINTS[GrpcStatus.FAILED_PRECONDITION],
    ),
    "WORKER_UNAVAILABLE": (MxGatewayWorkerError, GrpcStatus.UNAVAILABLE, texts.SESSION_HINTS[GrpcStatus.UNAVAILABLE]),
    "TIMEOUT": (MxGatewayTimeoutError, GrpcStatus.DEADLINE_EXCEEDED, texts.IN_DOUBT_HINT),
    "PROTOCOL_VIOLATION": (MxGatewayProtocolError, GrpcStatus.INTERNAL, "see the gateway's log"),
}  # fmt: skip


def _from_protocol_status(fault: ProtocolStatusFault, site: CallSite) -> MxGatewayError:
    text = f"{fault.name} from {site.endpoint}{_during(site)}: {fault.message or 'no further message'}"
    if fault.name not in _PROTOCOL_STATUS:
        return MxGatewayCommandError(text, reply=fault.reply, hint="see the gateway's log", site=site, phase="reply")
    cls, code, hint = _PROTOCOL_STATUS[fault.name]
    if cls is MxGatewayWorkerError:
        hint = _worker_hint(site)
    return cls(text, hint=hint, site=site, phase="reply", grpc_status=code, retryable=code is GrpcStatus.UNAVAILABLE)


# --------------------------------------------------------------------------------------------------------------------
# Text


def _within(site: CallSite) -> str:
    return f" within {in_seconds(site.timeout)}" if site.timeout is not None else ""


def _unseen(fault: TransportFault) -> str:
    return "" if fault.processed else "; the gateway did not see the request"


def _during(site: CallSite) -> str:
    where = f" during {site.method}" if site.method else ""
    return f"{where} on {site.session_id}" if where and site.session_id else where
