"""Error texts and hints for failures of TLS, of a proxy, and for a gateway's refusals."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from typing import Final

from mxgateway.errors.faults import GrpcStatus, Phase, PinFault, ProxyFault, RpcStatus

DROPPED: Final = "the gateway or the network dropped the connection"
UNANSWERED: Final = "the gateway may be starting behind a forwarder; otherwise check the port, and whether the gateway expects TLS there"
LATER_HINT: Final = "try again later, or allow more time"
IN_DOUBT_HINT: Final = "the command may still be carried out; check the session's state"
TLS_HINT: Final = "check that this port serves TLS, and that both sides share TLS 1.2 or newer"

_X509_NOT_YET_VALID: Final = 9
_X509_EXPIRED: Final = 10
_X509_OTHER_HOST: Final = 62
_X509_OTHER_ADDRESS: Final = 64
_OTHER_NAME: Final = "connect by a name in the certificate, or pass the name it was issued for (server_name_override)"
_VERIFICATION_HINTS: Final = {
    _X509_NOT_YET_VALID: "check this machine's clock and time zone",
    _X509_EXPIRED: "have the gateway's certificate renewed, or check this machine's clock",
    _X509_OTHER_HOST: _OTHER_NAME,
    _X509_OTHER_ADDRESS: _OTHER_NAME,
}
"""Keyed by OpenSSL's number of the verification failure."""

_CLIENT_CERTIFICATE_ALERTS: Final = frozenset(
    {
        "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "UNSUPPORTED_CERTIFICATE",
        "UNKNOWN_CA", "ACCESS_DENIED", "DECRYPT_ERROR",
    }
)  # fmt: skip
"""The alerts that a server sends about the client's certificate."""


def tls_refusal(fault: ssl.SSLError, endpoint: str) -> tuple[str, str]:
    """Return the error text and the hint for a failed TLS handshake."""
    if isinstance(fault, PinFault):
        return (
            f"the certificate of {endpoint} is not the trusted one: "
            f"expected SHA-256 {fault.expected}, presented {fault.presented}",
            f"if the gateway's certificate was renewed, {fault.remedy}; otherwise someone may intercept the connection",
        )
    words = _tls_words(fault)
    if isinstance(fault, ssl.SSLCertVerificationError):
        hint = _VERIFICATION_HINTS.get(getattr(fault, "verify_code", 0))
        return (
            f"the certificate of {endpoint} was refused: {words}",
            hint or "pass the CA file that signed it, or its fingerprint as a pin",
        )
    alert = words.rpartition("ALERT_")[2] if "ALERT_" in words else ""
    if alert == "CERTIFICATE_REQUIRED":
        return f"{endpoint} asks for a client certificate ({words})", "pass client_cert and client_key"
    if alert in _CLIENT_CERTIFICATE_ALERTS:
        return (
            f"{endpoint} refused this client's certificate ({words})",
            "pass a client certificate (client_cert, client_key) that the gateway trusts",
        )
    if "WRONG_VERSION_NUMBER" in words or "HTTP_REQUEST" in words:
        return (
            f"the TLS handshake with {endpoint} failed: {words}",
            "check that this port serves TLS; for a gateway without it pass plaintext=True (--plaintext)",
        )
    also = ", and whether the gateway asks for a client certificate" if alert == "HANDSHAKE_FAILURE" else ""
    return f"the TLS handshake with {endpoint} failed: {words}", TLS_HINT + also


def proxy_refusal(fault: ProxyFault, endpoint: str, phase: Phase, within: str) -> tuple[str, str, bool]:
    """Return the error text and the hint for a failure of the proxy, and whether a retry may help.

    Args:
        fault: What happened.
        endpoint: The gateway.
        phase: Where it occurred.
        within: The timeout in words; empty if none applied.
    """
    if isinstance(fault.cause, TimeoutError) and fault.cause.errno is None:
        silent = _SILENT.get(phase, "stayed silent").format(fault.proxy)
        return f"no connection to {endpoint}{within}: {silent}", "check proxy and firewall, or allow more time", True
    if fault.cause is not None:
        return (*_unreachable(fault, fault.cause, endpoint, phase), True)
    text = f"no connection to {endpoint}: {fault}"
    if fault.status == 407:
        return text, _authentication_hint(fault), False
    if fault.status in (502, 503, 504):
        return text, "check the gateway's host and port as seen from the proxy's network", True
    if fault.status == 403:
        return text, "have the proxy allow connections (CONNECT) to this host and port", False
    return text, "check that this is the address of an HTTP proxy that opens tunnels (CONNECT)", fault.transient


_SILENT: Final[dict[Phase, str]] = {
    "resolve": "the name of the proxy {} was not resolved",
    "connect": "the proxy {} could not be reached",
    "proxy": "the proxy {} did not answer",
    "tls": "nothing came through the tunnel of the proxy {}",
    "http2": "nothing came through the tunnel of the proxy {}",
}


def _unreachable(fault: ProxyFault, cause: Exception, endpoint: str, phase: Phase) -> tuple[str, str]:
    way = f"no connection to {endpoint}: "
    if phase == "resolve" or isinstance(cause, socket.gaierror | UnicodeError):
        return (
            f"{way}the host name of the proxy {fault.proxy} cannot be resolved ({os_text(cause)})",
            "check the spelling of the proxy's name, and this machine's DNS",
        )
    if isinstance(cause, ConnectionRefusedError):
        return (
            f"{way}nothing is listening on the proxy {fault.proxy} (connection refused)",
            "check the proxy's host and port",
        )
    if phase in ("connect", "proxy"):
        return (
            f"{way}the connection to the proxy {fault.proxy} failed ({os_text(cause)})",
            "check the network between this machine and the proxy",
        )
    return (
        f"{way}the tunnel of the proxy {fault.proxy} broke ({os_text(cause)})",
        "check the gateway's host and port as seen from the proxy's network",
    )


def _authentication_hint(fault: ProxyFault) -> str:
    if fault.schemes and "Basic" not in fault.schemes:
        offered = ", ".join(fault.schemes)
        return f"the proxy requires {offered}, this client supports Basic only; use a proxy that offers it, or none"
    if fault.authenticated:
        return "the proxy does not accept this user name and password; correct them"
    return "give the proxy's user name and password: http://user:password@host:port"


def _tls_words(fault: ssl.SSLError) -> str:
    """Return OpenSSL's own text; an error that Python raised itself has neither attribute."""
    return getattr(fault, "verify_message", None) or getattr(fault, "reason", None) or str(fault)


def is_out_of_descriptors(fault: BaseException | None) -> bool:
    """Return whether this process, or this machine, has no file descriptor left."""
    return isinstance(fault, OSError) and fault.errno in (errno.EMFILE, errno.ENFILE)


def os_text(fault: BaseException | None) -> str:
    """Return the operating system's text for a fault."""
    silent = "closed by the peer" if isinstance(fault, ConnectionError) else type(fault).__name__
    return getattr(fault, "strerror", None) or str(fault) or silent


# -- faults of the program

DEFECT_HINT: Final = "this is a bug in the client; please report it"


def stray_hint(fault: RuntimeError) -> str:
    """Return the hint for a RuntimeError: the client's own defect only if the client's own code raised it.

    The event loop and the interpreter raise it as well: when the loop is closed, when no thread can be started, when
    the program's stack is too deep.
    """
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    own = trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("mxgateway.")
    if own and not isinstance(fault, RecursionError):
        return DEFECT_HINT
    return "the event loop or the interpreter refused it; see how the program runs the loop, its threads and its stack"


# -- refusals by a gateway

MISDIRECTED: Final = (
    "connect by a name for which it answers, or set authority or server_name_override to one; "
    "the name in TLS (SNI) and that in :authority must be the same"
)
UNREAD: Final = re.compile(
    r"request is malformed|deserializing request|parsing (request|message)|InvalidProtocolBuffer", re.IGNORECASE
)
"""What servers say about a request that they cannot read."""
SCOPE: Final = re.compile(r"required scope '([^']+)'")
"""How a gateway names the scope that a key lacks."""
NO_KEY_HINT: Final = "no API key was sent: pass api_key=; on the command line set MXGATEWAY_API_KEY, or use --api-key-env or --api-key-file"
UNKNOWN_KEY_HINT: Final = "pass an API key that this gateway knows"
NO_WORKER_HINT: Final = "the gateway has no worker for a new session; try again later, or see its log"
TOO_LARGE: Final = re.compile(
    r"\b(message|reply|response) (exceeds|larger than|(is )?too (large|big))\b", re.IGNORECASE
)
"""What servers say about a message beyond their limit."""
TOO_LARGE_HINT: Final = (
    "the message is too large for the gateway; send or request less, or raise its message size limit"
)
SESSION_HINTS: Final = {
    GrpcStatus.NOT_FOUND: "the session has ended or never existed; open a new one",
    GrpcStatus.FAILED_PRECONDITION: "the session accepts no commands in this state; open a new one",
    GrpcStatus.RESOURCE_EXHAUSTED: "a limit of the gateway was reached; close sessions, or read events faster",
    GrpcStatus.ALREADY_EXISTS: "another event stream is attached to this session; share it or close it",
    GrpcStatus.UNAVAILABLE: "the session's worker is gone; open a new session",
}
"""What these codes mean when the gateway's own service answers with them."""


def denial_hint(fault: RpcStatus) -> str:
    """Return the hint for a key without the permission."""
    if fault.synthesised:
        return "see the log of the gateway, or of the proxy in front of it"
    if SCOPE.search(fault.message):
        return "use a key with that scope, or have it granted at the gateway"
    return "use a key that has this permission, or have it granted at the gateway"
