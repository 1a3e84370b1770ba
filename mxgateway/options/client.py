"""Frozen option dataclasses; every default with its reason."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options.credentials import ApiKey, Secret, Unusable
from mxgateway.options.endpoints import Endpoint as Endpoint
from mxgateway.options.endpoints import HttpProxy as HttpProxy
from mxgateway.options.endpoints import is_server_name
from mxgateway.options.protocol_version import PROTOCOL_VERSION as PROTOCOL_VERSION
from mxgateway.options.tracing import Tracer

DEFAULT_ENDPOINT: Final = "localhost:5000"
BYTES_PER_ELEMENT: Final = 16
"""Of the largest message accepted, for each element that it may have."""
LEAST_ELEMENTS: Final = 16_384
"""Elements that every message may have: they take some megabytes and milliseconds."""

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Options = TypeVar("_Options", bound="DataclassInstance")

_Hidden = TypeVar("_Hidden")

_FINGERPRINT: Final = re.compile(r"(?i)(?:sha-?256(?:\s+fingerprint)?\s*[:=])?\s*+([0-9a-f:\s]*+)")
_METADATA_NAME: Final = re.compile(r"[a-z0-9_.-]+")
_RESERVED_METADATA: Final = frozenset(
    {
        "authorization", "te", "content-type", "content-length", "user-agent", "host",
        "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",  # RFC 9113, section 8.2.2
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOptions:
    """How a call that may be repeated is tried again: exponential back-off with full jitter, within the call's own bound."""

    max_attempts: int = 5
    """Attempts in all, the first among them."""
    initial_backoff: float = 0.1
    """Seconds: the first delay is drawn from 0 to this, and the bound doubles with each further one."""
    max_backoff: float = 2.0
    """Seconds: the largest bound. A gateway's service restarts within some seconds, and commissioning staff look at the screen meanwhile."""

    def __post_init__(self) -> None:
        if not (isinstance(self.max_attempts, int) and 1 <= self.max_attempts <= 100):
            raise _refused(f"max_attempts is {self.max_attempts}", "give a number from 1 to 100")
        for name in ("initial_backoff", "max_backoff"):
            if not 0 < getattr(self, name) <= 3600:
                raise _refused(f"{name} is {getattr(self, name)}", "give seconds above 0 and up to 3600")


def wrap_secrets(fields: dict[str, Any]) -> None:
    """Wrap keys and passwords among fields of options, before anything can fail: a traceback may show the variables of its frames.

    What cannot be used is replaced as well, by an `Unusable`, which the options refuse.
    """
    for name, wrap in _SECRET_FIELDS.items():
        if fields.get(name) is not None:
            fields[name] = wrap(fields.pop(name))


def _wrapped_key(given: Any) -> ApiKey | Unusable:
    try:
        return given if isinstance(given, ApiKey | Unusable) else ApiKey(given)
    except (TypeError, ValueError) as error:
        return Unusable(str(error))


def _wrapped_proxy(given: Any) -> HttpProxy | Unusable:
    if isinstance(given, Unusable):
        return given
    if isinstance(given, HttpProxy):
        return Unusable(f"the proxy is unusable: {why}") if (why := given.defect) else given
    try:
        return HttpProxy.parse(given)
    except MxGatewayInvalidRequestError as error:
        return Unusable(error.message, error.hint)


def _wrapped_password(given: Any) -> Secret | Unusable:
    if isinstance(given, Unusable):
        return given
    held = given.reveal() if isinstance(given, Secret) else given
    try:
        text = held.decode() if isinstance(held, bytes) else held
    except UnicodeDecodeError:
        return Unusable("client_key_password is no UTF-8 text")
    kind = type(text).__name__
    return Secret(text) if isinstance(text, str) else Unusable(f"client_key_password is of type {kind}", "give a str")


_SECRET_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    "api_key": _wrapped_key,
    "proxy": _wrapped_proxy,
    "client_key_password": _wrapped_password,
}


def _hide_arguments(cls: type[_Hidden]) -> type[_Hidden]:
    """Let no frame of an error's traceback hold the arguments that `cls` was given: one of them is a secret."""
    generated = cls.__init__

    @functools.wraps(generated)
    def __init__(self: Any, **fields: Any) -> None:
        wrap_secrets(fields)
        try:
            generated(self, **fields)
        except Exception as error:  # noqa: BLE001 - it is raised again
            fields.clear()
            del self
            raise error.with_traceback(None) from None

    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls


@_hide_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How the gateway's certificate is judged, and which one this side shows.

    With nothing set, the certificate of the first handshake is trusted and pinned for the life of the client (plants often have
    no PKI, and the gateway can serve a certificate that it made itself).
    """

    ca_file: str | os.PathLike[str] | None = None
    """PEM file of the authorities that may have signed the certificate; verification is then complete, host name included."""
    require_certificate_validation: bool = False
    """Verify against the system's roots instead of trusting the first certificate seen."""
    server_name_override: str | None = None
    """The name to ask for (SNI) and to verify, where it differs from the endpoint's host."""
    pin: str | Sequence[str] | None = None
    """SHA-256 fingerprint that the certificate must have, as hex with or without colons; of several one must fit, for a roll-over.

    Without `ca_file` and `require_certificate_validation` the pin is all that is asked of the certificate; with them both must hold.
    """
    known_gateways: str | os.PathLike[str] | None = None
    """File that keeps the first certificate of each gateway, so that another process or a later start refuses another one.

    None keeps it in memory, for the life of the client. The file is made when the first gateway is trusted.
    """
    client_cert: str | os.PathLike[str] | None = None
    """PEM file of the certificate (and its chain) that this side shows when the gateway asks for one."""
    client_key: str | os.PathLike[str] | None = None
    """PEM file of the key that belongs to `client_cert`; None when that file holds it too. Only its owner or root may write it."""
    client_key_password: Secret | str | None = field(default=None, repr=False)
    """The password of an encrypted `client_key`."""

    def __post_init__(self) -> None:
        name = self.server_name_override
        if name is not None and not (isinstance(name, str) and is_server_name(name)):
            raise _refused(f"server_name_override is {name!r}", "give a host name or an address, without a port")
        _check_switch("require_certificate_validation", self.require_certificate_validation)
        for option in ("ca_file", "known_gateways", "client_cert", "client_key"):
            _check_file(option, getattr(self, option))
        if self.pin is not None:
            object.__setattr__(self, "pin", _pins(self.pin))
        _refuse_unusable(self.client_key_password)
        self._check_combination()

    def _check_combination(self) -> None:
        if self.known_gateways is not None:
            for option in ("ca_file", "require_certificate_validation", "pin"):
                if getattr(self, option):
                    raise _refused(
                        f"known_gateways and {option} contradict each other",
                        "drop one of the two: the file is for certificates that nothing else vouches for",
                    )
        for option in ("client_key", "client_key_password"):
            if getattr(self, option) is not None and self.client_cert is None:
                raise _refused(f"{option} is given without client_cert", "name the certificate as well")
        if self.key_password is not None and not self.key_password.reveal():
            raise _refused("client_key_password is empty", "give the password, or leave the option out")

    @property
    def pins(self) -> tuple[str, ...]:
        """The pins as upper-case hex pairs joined by colons; empty when there is none."""
        return self.pin if isinstance(self.pin, tuple) else ()

    @property
    def key_password(self) -> Secret | None:
        """The key's password in its hidden form."""
        return self.client_key_password if isinstance(self.client_key_password, Secret) else None


def read_fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint as upper-case hex pairs joined by colons.

    Args:
        text: Hex digits in either case, with or without colons, also behind ``SHA256:`` or what OpenSSL writes there.

    Raises:
        ValueError: It is none; the text of the error says why.
    """
    match = _FINGERPRINT.fullmatch(text.strip())
    if match is None:
        raise ValueError("it holds something that is no hex digit")
    digits = re.sub(r"[:\s]", "", match[1]).upper()
    if len(digits) != 64:
        raise ValueError(f"it has {len(digits)} hex digits, a SHA-256 fingerprint has 64")
    return ":".join(digits[i : i + 2] for i in range(0, 64, 2))


def _pins(given: object) -> tuple[str, ...]:
    """Return the pins in one form. What is no fingerprint is refused: it would be a judgement that is asked for and missing."""
    pins = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not pins:
        raise _refused("pin is an empty list", "give one fingerprint or more, or None for trust on first use")
    return tuple(dict.fromkeys(_pin(pin) for pin in pins))


def _pin(text: object) -> str:
    try:
        return read_fingerprint(text if isinstance(text, str) else "")
    except ValueError as error:
        defect = str(error)
    raise _refused(
        f"the pin {text!r} is no SHA-256 fingerprint: {defect}",
        "give 64 hex digits, as 'openssl x509 -noout -fingerprint -sha256 -in FILE' shows them",
    )


class SpokenContract(Protocol):
    """A contract as far as a client needs it; `mxgateway.contract.Contract` is one."""

    @property
    def codec(self) -> Any:
        """Encodes requests and decodes replies by the contract."""

    @property
    def fingerprint(self) -> str:
        """What tells it from another one."""

    def lacks(self, path: str) -> bool:
        """Tell whether it has no call of a ``:path``."""


def _check_switch(name: str, value: object) -> None:
    """Refuse what only looks like a boolean: the text ``"false"`` is true, and an empty one would turn off what was asked for."""
    if not isinstance(value, bool):
        raise _refused(f"{name} is {value!r:.100}", "give True or False")


def _is_whole(value: object, *, below: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < below


def _check_file(name: str, value: object) -> None:
    """Refuse what names no file, empty texts among it: an option that was meant to be set must not count as left out."""
    if value is None:
        return
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise _refused(f"{name} is {value!r:.100}", "name a file, as a text or a path, or leave the option out")
    if not path.strip():
        raise _refused(f"{name} is empty", "name a file, or leave the option out")


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
    max_decoded_elements: int | None = None
    """The most elements of one message accepted: messages, and what stands in lists (sixteen numbers of a packed list are one). None is one for each 16 bytes
    of `max_receive_bytes`, 1,048,576, and 16,384 at the least: a gateway's replies need 20 bytes and more for one. An element takes 100 bytes of memory and a
    microsecond, also where it takes two bytes in the message."""
    max_listed_bytes: int = 256 * 1024 * 1024
    """The most bytes of the pages that are kept for one list, `discover_hierarchy`, `tree` or `find` of the galaxy, or for all nodes of one `browse`. Four times what
    100,000 objects with ten attributes each take; a gateway may name a next page for ever. In memory they take some ten times as much."""
    max_send_bytes: int = 16 * 1024 * 1024
    """The largest message sent; the gateway refuses more."""
    proxy: HttpProxy | str | None = None
    """The HTTP proxy on the way, ``http://[user:password@]host:port``; None connects directly. Never taken from the environment: what
    is set there for a browser seldom leads into a plant, and the way of the API key is chosen, not inherited."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Further metadata of every call (names in lower case, without ``authorization``)."""
    keepalive_time: float | None = 30.0
    """Seconds without a byte from the gateway, while calls are open, before it is asked for a sign of life (an HTTP/2 ping): the gateway itself never asks.
    None never asks, and then a dead link is noticed by the system's TCP alone, after a quarter of an hour or never."""
    keepalive_timeout: float = 15.0
    """Seconds that the gateway then has to send any byte; otherwise the connection is given up and its calls fail."""
    retry: RetryOptions | None = field(default_factory=RetryOptions)
    """How calls that may be repeated are tried again while the gateway is unavailable; None never does. Besides, a call that the gateway surely did
    not process is sent again once, whatever it is. No other call is ever sent twice."""
    tracer: Tracer | None = None
    """Told of every call (`mxgateway.Tracer`)."""
    contract: SpokenContract | Literal["auto"] | None = None
    """The gateway's own contract (`mxgateway.contract.Contract`), by whose numbers everything is spoken. None speaks the one that this package was
    generated from; ``"auto"`` asks the gateway for its own (gRPC server reflection), once, and speaks the built-in one where it does not say."""

    def __post_init__(self) -> None:
        _refuse_unusable(self.api_key)
        _refuse_unusable(self.proxy)
        if self.plaintext and self.tls is not None:
            raise _refused("plaintext and tls contradict each other", "drop one of the two")
        if not (self.contract is None or self.contract == "auto" or hasattr(self.contract, "codec")):
            raise _refused(f"contract is {self.contract!r}", 'give a Contract, such as Contract.load(FILE), or "auto"')
        check_timeout("connect_timeout", self.connect_timeout)
        check_timeout("call_timeout", self.call_timeout)
        _check_switch("plaintext", self.plaintext)
        if self.tls is not None and not isinstance(self.tls, TlsOptions):
            raise _refused(f"tls is {self.tls!r:.100}", "give TlsOptions, or None for trust on first use")
        check_timeout("keepalive_time", self.keepalive_time)
        if self.keepalive_timeout is None:
            raise _refused("keepalive_timeout is None", "give a positive number of seconds")
        check_timeout("keepalive_timeout", self.keepalive_timeout)
        for name in ("max_receive_bytes", "max_send_bytes"):
            if not _is_whole(getattr(self, name), below=2**32):
                raise _refused(f"{name} is {getattr(self, name)!r:.100}", "give a number of bytes from 1 to 4294967295")
        if not _is_whole(self.max_listed_bytes):
            raise _refused(f"max_listed_bytes is {self.max_listed_bytes!r:.100}", "give a positive number of bytes")
        most = self.max_decoded_elements
        if most is not None and not _is_whole(most, below=2**32):
            raise _refused(f"max_decoded_elements is {most!r:.100}", "give a number from 1 to 4294967295, or None")
        object.__setattr__(self, "metadata", tuple(check_metadata(self.metadata)))

    @property
    def element_limit(self) -> int:
        """The most elements of one message, whether it was given or not."""
        return self.max_decoded_elements or max(LEAST_ELEMENTS, self.max_receive_bytes // BYTES_PER_ELEMENT)

    @property
    def key(self) -> ApiKey | None:
        """The API key in its redacted form."""
        return self.api_key if isinstance(self.api_key, ApiKey) else None

    @property
    def http_proxy(self) -> HttpProxy | None:
        """The proxy in its parsed form."""
        return self.proxy if isinstance(self.proxy, HttpProxy) else None

    def secrets(self) -> Iterator[Secret]:
        """Yield what no text of this client's shows: the API key, the proxy's password and the client key's."""
        if self.key is not None:
            yield self.key
        if self.http_proxy is not None:
            yield from self.http_proxy.secrets()
        if self.tls is not None and self.tls.key_password is not None:
            yield self.tls.key_password


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
    if value is None:
        return
    if not isinstance(value, float | int | Real) or isinstance(value, bool) or not value > 0:
        raise _refused(f"{name} is {value!r:.100}", "give a positive number of seconds, or None for no bound")


def check_metadata(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield `pairs`, refusing names and values that HTTP/2 or gRPC reserve or cannot carry.

    Binary metadata (names that end in ``-bin``) is given as base64 text without padding, as it stands on the wire.
    """
    for pair in pairs if isinstance(pairs, Iterable) else (pairs,):
        is_pair = isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2
        if not (is_pair and all(isinstance(each, str) for each in pair)):
            raise _refused("metadata is no list of pairs of texts", "give (name, value) pairs")
        name, value = pair
        if not _METADATA_NAME.fullmatch(name):
            raise _refused(f"the metadata name {name!r} is no lower-case header name", "use a-z, 0-9, '-', '_', '.'")
        if name in _RESERVED_METADATA or name.startswith("grpc-"):
            raise _refused(f"the metadata name {name!r} is reserved", "drop it; the API key has an option of its own")
        if not all(" " <= char <= "~" for char in value):
            raise _refused(f"the metadata value of {name!r} is not printable ASCII", "encode it, for example as base64")
        if value != value.strip():
            raise _refused(f"the metadata value of {name!r} begins or ends with a space", "HTTP/2 carries none there")
        yield name, value


def _refuse_unusable(given: object) -> None:
    if isinstance(given, Unusable):
        raise _refused(given.defect, given.hint)


def _refused(what: str, remedy: str) -> MxGatewayInvalidRequestError:
    return MxGatewayInvalidRequestError(what, hint=remedy, phase="request")
