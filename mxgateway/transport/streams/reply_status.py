"""The outcome of a call from its headers and trailers (gRPC's PROTOCOL-HTTP2)."""

from __future__ import annotations

from typing import Final

from mxgateway.errors import GrpcStatus
from mxgateway.errors.faults import PeerFault, RpcStatus
from mxgateway.transport.http2.grpclib_seam import ErrorCodes
from mxgateway.transport.http2.reply_headers import Headers

_FROM_HTTP: Final = {
    b"400": GrpcStatus.INTERNAL,
    b"401": GrpcStatus.UNAUTHENTICATED,
    b"403": GrpcStatus.PERMISSION_DENIED,
    b"404": GrpcStatus.UNIMPLEMENTED,
    b"429": GrpcStatus.UNAVAILABLE,
    b"502": GrpcStatus.UNAVAILABLE,
    b"503": GrpcStatus.UNAVAILABLE,
    b"504": GrpcStatus.UNAVAILABLE,
}
_FROM_RESET: Final[dict[int, GrpcStatus]] = {
    ErrorCodes.REFUSED_STREAM: GrpcStatus.UNAVAILABLE,
    ErrorCodes.CANCEL: GrpcStatus.CANCELLED,
    ErrorCodes.ENHANCE_YOUR_CALM: GrpcStatus.RESOURCE_EXHAUSTED,
    ErrorCodes.INADEQUATE_SECURITY: GrpcStatus.PERMISSION_DENIED,
}


_RESET_MEANS: Final[dict[int, str]] = {
    ErrorCodes.ENHANCE_YOUR_CALM: ": the client exceeds its limits (bandwidth, or load)",
    ErrorCodes.INADEQUATE_SECURITY: ": the connection is not secure enough for it",
    ErrorCodes.HTTP_1_1_REQUIRED: ": it requires HTTP/1.1, which gRPC cannot use",
}


# Both are returned, not raised here: a traceback may show local variables, and what a gateway says may repeat a secret.


def fault_of_response(headers: Headers) -> RpcStatus | PeerFault | None:
    """Return the fault of a response that is not a gRPC response: its HTTP status, or its content type."""
    if b"grpc-status" in headers:  # the peer speaks gRPC, whatever its HTTP status says
        return None
    http_status = headers.get(b":status", b"")
    if http_status != b"200":
        code = _FROM_HTTP.get(http_status, GrpcStatus.UNKNOWN)
        text = f"HTTP status {_text(http_status) or 'missing'} instead of a gRPC reply"
        if misdirected := http_status == b"421":
            text += ": the server does not answer for this host name (Misdirected Request)"
        return RpcStatus(code, text, synthesised=True, misdirected=misdirected)
    content_type = headers.get(b"content-type", b"")
    if content_type == b"application/grpc" or content_type.startswith((b"application/grpc+", b"application/grpc;")):
        return None
    return PeerFault(f"the reply's content type is {_text(content_type)!r}, not application/grpc")


def fault_of_status(trailers: Headers) -> RpcStatus | None:
    """Return the fault of a call that failed, or ended without a valid status; None for status 0."""
    raw = trailers.get(b"grpc-status")
    if raw == b"0":
        return None
    if raw is None:
        return RpcStatus(GrpcStatus.UNKNOWN, "the reply ended without a gRPC status", synthesised=True)
    from urllib.parse import unquote

    message = unquote(_text(trailers.get(b"grpc-message", b"")), errors="replace")
    if len(raw) > 2 or not raw.isdigit() or int(raw) > max(GrpcStatus):
        text = f"the gRPC status {_text(raw[:20])!r} is invalid; {message}".rstrip("; ")
        return RpcStatus(GrpcStatus.UNKNOWN, text, synthesised=True)
    return RpcStatus(GrpcStatus(int(raw)), message) if int(raw) else None


def reset_status(code: int) -> RpcStatus:
    """Return the gRPC status for RST_STREAM with an HTTP/2 error code."""
    name = ErrorCodes(code).name if code in set(ErrorCodes) else hex(code)
    return RpcStatus(
        _FROM_RESET.get(code, GrpcStatus.INTERNAL),
        f"the gateway reset the stream with {name}{_RESET_MEANS.get(code, '')}",
        synthesised=True,
        processed=code != ErrorCodes.REFUSED_STREAM,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
