"""Frozen option dataclasses; every default with its reason."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, TypeVar

from mxgateway.credentials import ApiKey
from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.versions import PROTOCOL_VERSION as PROTOCOL_VERSION

DEFAULT_ENDPOINT: Final = "localhost:5000"

_Options = TypeVar("_Options", "ClientOptions", "OpenSessionOptions", "TlsOptions")

_Hidden = TypeVar("_Hidden")

_SCHEME: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://(.*)$")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_METADATA_NAME: Final = re.compile(r"[a-z0-9_.-]+")
_RESERVED_METADATA: Final = frozenset(
    {
        "authorization", "te", "content-type", "content-length", "user-agent", "host",
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",  # RFC 9113, section 8.2.2
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a gateway listens."""

    host: str
    """Host name, IPv4 address, or IPv6 address without brackets."""
    port: int
    """TCP port, 1 to 65535."""
    scheme: str = ""
    """``http`` or ``https`` when the text named one, else empty."""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``host:port``, ``[ipv6]:port``, or either behind ``http://`` or ``https://``.

        Args:
            text: The endpoint as a person writes it.

        Raises:
            MxGatewayInvalidRequestError: The text has another form; the message says which part is wrong.
        """
        scheme, rest = "", text.strip()
        if match := _SCHEME.match(rest):
            scheme, rest = match[1].lower(), match[2].removesuffix("/")
            if scheme not in ("http", "https"):
                raise _malformed(text, f"the scheme is {scheme!r}, not http or https")
        host, colon, port = rest.rpartition(":")
        if not colon or not port or port.endswith("]"):
            raise _malformed(text, "the port is missing")
        if not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
            raise _malformed(text, f"the port {port!r} is no number from 1 to 65535")
        return cls(_host(text, host), int(port), scheme)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        import ipaddress

        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise _malformed(text, f"{host} is no IPv6 address") from None
        return host[1:-1]
    if ":" in host:
        raise _malformed(text, "an IPv6 address stands in brackets")
    if not host:
        raise _malformed(text, "the host is missing")
    if any(char.isspace() or not char.isprintable() or char in "/@?#[]\\" for char in host):
        raise _malformed(text, f"the host {host!r} holds a character that no host name has")
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise _malformed(text, f"the host {host!r} is no host name") from None


def _is_server_name(name: str) -> bool:
    """Tell whether TLS can ask for `name`."""
    import ipaddress

    try:
        if ":" in name:
            return bool(ipaddress.IPv6Address(name))
        return bool(name.encode("idna")) and not any(char.isspace() or not char.isprintable() for char in name)
    except ValueError:  # UnicodeError is one
        return False


def _malformed(text: str, why: str) -> MxGatewayInvalidRequestError:
    return MxGatewayInvalidRequestError(
        f"the endpoint {text!r} is malformed: {why}",
        hint="write host:port, for example localhost:5000",
        phase="request",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How the gateway's certificate is judged.

    With nothing set, the certificate of the first handshake is trusted and pinned for the life of the client (plants often have
    no PKI, and the gateway can serve a certificate that it made itself).
    """

    ca_file: str | os.PathLike[str] | None = None
    """PEM file of the authorities that may have signed the certificate; verification is then complete, host name included."""
    require_certificate_validation: bool = False
    """Verify against the system's roots instead of trusting the first certificate seen."""
    server_name_override: str | None = None
    """The name to ask for (SNI) and to verify, where it differs from the endpoint's host."""

    def __post_init__(self) -> None:
        name = self.server_name_override
        if name is not None and not _is_server_name(name):
            raise _refused(f"server_name_override is {name!r}", "give a host name or an address, without a port")


def _hide_arguments(cls: type[_Hidden]) -> type[_Hidden]:
    """Let no frame of an error's traceback hold the arguments that `cls` was given: one of them is a key."""
    generated = cls.__init__

    @functools.wraps(generated)
    def __init__(self: Any, **fields: Any) -> None:
        try:
            generated(self, **fields)
        except (MxGatewayInvalidRequestError, TypeError) as error:
            fields.clear()
            del self
            raise error.with_traceback(None) from None

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


@_hide_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a client talks to one gateway. `GatewayClient.connect` takes these, or the fields as keywords."""

    api_key: ApiKey | str | None = field(default=None, repr=False)
    """The key sent with every call; None sends none (a gateway may run without authentication)."""
    plaintext: bool = False
    """Speak HTTP/2 without TLS. Never chosen silently, also not for localhost: the API key would travel in clear text."""
    tls: TlsOptions | None = None
    """How the certificate is judged; None means trust on first use."""
    connect_timeout: float = 10.0
    """Seconds for resolving, connecting, TLS and the HTTP/2 greeting together; beyond it a plant's network is down."""
    call_timeout: float | None = 30.0
    """Default bound of a unary call in seconds: the gateway's own command timeout. None waits for ever."""
    max_receive_bytes: int = 16 * 1024 * 1024
    """The largest message accepted; the gateway's own limit. Checked before anything is buffered."""
    max_send_bytes: int = 16 * 1024 * 1024
    """The largest message sent; the gateway refuses more."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Further metadata of every call (names in lower case, without ``authorization``)."""

    def __post_init__(self) -> None:
        if self.api_key is not None and not isinstance(self.api_key, ApiKey):
            object.__setattr__(self, "api_key", _api_key(self.api_key))
        if self.plaintext and self.tls is not None:
            raise _refused("plaintext and tls contradict each other", "drop one of the two")
        check_timeout("connect_timeout", self.connect_timeout)
        check_timeout("call_timeout", self.call_timeout)
        for name in ("max_receive_bytes", "max_send_bytes"):
            if not 1 <= getattr(self, name) < 2**32:
                raise _refused(f"{name} is {getattr(self, name)}", "give a number of bytes from 1 to 4294967295")
        object.__setattr__(self, "metadata", tuple(check_metadata(self.metadata)))

    @property
    def key(self) -> ApiKey | None:
        """The API key in its redacted form."""
        return self.api_key if isinstance(self.api_key, ApiKey) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSessionOptions:
    """What a session is opened with."""

    client_session_name: str = ""
    """Shown in the gateway's dashboard and log."""
    requested_backend: str = ""
    """The gateway's backend; empty takes its default (``mxaccess-worker``)."""
    command_timeout: timedelta | float | None = None
    """How long the gateway lets one command take (seconds or timedelta); None takes its default of 30 s."""
    correlation_id: str = ""
    """Sent with OpenSession; empty takes a fresh one."""


def merge_options(cls: type[_Options], options: _Options | None, overrides: Mapping[str, Any]) -> _Options:
    """Return `options` (or the defaults of `cls`) with the fields in `overrides` replaced.

    Raises:
        TypeError: `overrides` names a field that `cls` does not have.
        MxGatewayInvalidRequestError: A value is out of its range.
    """
    if options is None:
        return cls(**overrides)
    return replace(options, **overrides) if overrides else options


def check_timeout(name: str, value: float | None) -> None:
    """Refuse a bound that is no positive number of seconds; None and infinity mean no bound."""
    if value is not None and not value > 0:
        raise _refused(f"{name} is {value}", "give a positive number of seconds, or None for no bound")


def check_metadata(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield `pairs`, refusing names and values that HTTP/2 or gRPC reserve or cannot carry.

    Binary metadata (names that end in ``-bin``) is given as base64 text without padding, as it stands on the wire.
    """
    for name, value in pairs:
        if not _METADATA_NAME.fullmatch(name):
            raise _refused(f"the metadata name {name!r} is no lower-case header name", "use a-z, 0-9, '-', '_', '.'")
        if name in _RESERVED_METADATA or name.startswith("grpc-"):
            raise _refused(f"the metadata name {name!r} is reserved", "drop it; the API key has an option of its own")
        if not all(" " <= char <= "~" for char in value):
            raise _refused(f"the metadata value of {name!r} is not printable ASCII", "encode it, for example as base64")
        if value != value.strip():
            raise _refused(f"the metadata value of {name!r} begins or ends with a space", "HTTP/2 carries none there")
        yield name, value


def _api_key(value: str) -> ApiKey:
    try:
        return ApiKey(value)
    except ValueError as error:
        defect = str(error)
    del value  # a traceback may show local variables
    raise _refused(defect, "")


def _refused(what: str, remedy: str) -> MxGatewayInvalidRequestError:
    return MxGatewayInvalidRequestError(what, hint=remedy, phase="request")
