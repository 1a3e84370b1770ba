"""Frozen option dataclasses; every default with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, TypeVar, runtime_checkable

from mxgateway.options.checks import (
    check_metadata,
    check_positive,
    check_switch,
    check_timeout,
    is_number,
    is_whole,
    refuse_unusable,
    refused,
    require,
)
from mxgateway.options.credentials import ApiKey, KeySource, Secret
from mxgateway.options.endpoints import Endpoint, HttpProxy
from mxgateway.options.hosts import authority_defect, peer_name
from mxgateway.options.secret_fields import hide_arguments
from mxgateway.options.tls import TlsOptions
from mxgateway.options.tracing import Tracer

DEFAULT_ENDPOINT: Final = "localhost:5000"
BYTES_PER_ELEMENT: Final = 16
"""The default element limit allows one element for this many bytes of `max_receive_bytes`."""
MIN_ELEMENT_LIMIT: Final = 16_384
"""The smallest default element limit: so many elements take some megabytes and milliseconds."""

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Options = TypeVar("_Options", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOptions:
    """How repeatable calls are retried: exponential backoff with full jitter, within the call's own timeout."""

    max_attempts: int = 5
    """Number of attempts, including the first."""
    initial_backoff: float = 0.1
    """Seconds: the first delay is random between 0 and this; the upper limit doubles with each retry."""
    max_backoff: float = 2.0
    """Seconds: the maximum of that upper limit.

    A gateway's service restarts within seconds, while commissioning staff watch the screen.
    """

    def __post_init__(self) -> None:
        require(self, "max_attempts", is_whole(self.max_attempts, below=101), "give a number from 1 to 100")
        for name in ("initial_backoff", "max_backoff"):
            value = getattr(self, name)
            require(self, name, is_number(value) and 0 < value <= 3600, "give seconds above 0 and up to 3600")


@runtime_checkable
class SpokenContract(Protocol):
    """The part of a contract that a client needs; `mxgateway.contract.Contract` is one."""

    @property
    def codec(self) -> Any:
        """Encodes requests and decodes replies by the contract."""

    @property
    def fingerprint(self) -> str:
        """Identifies the contract."""

    def lacks(self, path: str) -> bool:
        """Return whether it has no call with this ``:path``."""


@hide_arguments
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a client connects to one gateway. `GatewayClient.connect` takes these, or the fields as keywords."""

    __pydantic_config__: ClassVar = {"arbitrary_types_allowed": True}

    api_key: ApiKey | str | KeySource | None = field(default=None, repr=False)
    """The key sent with every call; None sends none (a gateway may run without authentication).

    A function, or a coroutine function, returns the key: it is asked at the connect, and once after each refusal
    (UNAUTHENTICATED). If the key has changed, the refused call is sent again, and everything goes on with the new key.
    """
    plaintext: bool = False
    """Use HTTP/2 without TLS.

    Never chosen silently, not even for localhost: the API key would be sent in clear text.
    """
    tls: TlsOptions | None = None
    """How the certificate is verified; None means trust on first use."""
    connect_timeout: float = 10.0
    """Seconds for resolving, connecting, TLS and the HTTP/2 greeting together; beyond it, a plant's network is down."""
    wait: float | None = 0.0
    """Seconds within which `connect` starts further attempts while the gateway is not up yet; None waits forever.

    With 0 there is one attempt: a person who mistyped the host wants to know at once. The pauses are those of
    `RecoveryOptions`. What waiting does not mend, such as a refused certificate, ends it at once. Reconnecting later is
    a matter of each call and subscription.
    """
    call_timeout: float | None = 30.0
    """Default timeout of a unary call in seconds: the gateway's own command timeout. None waits forever."""
    max_receive_bytes: int = 16 * 1024 * 1024
    """The largest message accepted, in bytes; the gateway's own limit. Checked before anything is buffered."""
    max_decoded_elements: int | None = None
    """The maximum number of elements in one received message.

    Elements are messages and list entries; sixteen numbers of a packed list count as one. None allows one for each 16
    bytes of `max_receive_bytes` (1,048,576 by default), but at least 16,384: the gateway's replies need 20 bytes or
    more for each. An element takes 100 bytes of memory and a microsecond, even if it takes only two bytes in the
    message.
    """
    max_listed_bytes: int = 256 * 1024 * 1024
    """The maximum size of all pages of one list, in bytes.

    Applies to `discover_hierarchy`, `tree` and `find` of the galaxy, and to all nodes of one `browse` together.
    Four times the size of 100,000 objects with ten attributes each; without a limit, a gateway could name a next page
    forever. In memory they take about ten times as much.
    """
    max_send_bytes: int = 16 * 1024 * 1024
    """The largest message sent, in bytes; the gateway refuses more."""
    proxy: HttpProxy | str | None = None
    """The HTTP proxy, ``http://[user:password@]host:port``; None connects directly.

    Never taken from the environment: a proxy set there for a browser seldom leads into a plant, and the API key's route
    must be an explicit choice.
    """
    authority: str | None = None
    """The ``:authority`` of every call, ``host`` or ``host:port``, for a reverse proxy that routes by it.

    None sends the name that TLS verifies (`TlsOptions.server_name_override`, else the endpoint's host) and the port: a
    server may refuse a call whose name differs from that of the connection.
    """
    metadata: tuple[tuple[str, str], ...] = ()
    """Additional metadata of every call (names in lower case, without ``authorization``)."""
    keepalive_time: float | None = 30.0
    """Seconds without a byte from the gateway, while calls are open, before an HTTP/2 ping is sent.

    The gateway itself never pings. With None the client does not ping either: then only the system's TCP notices a dead
    link, after a quarter of an hour or never.
    """
    keepalive_timeout: float = 15.0
    """Seconds that the gateway then has to send any byte; otherwise the connection is closed and its calls fail."""
    retry: RetryOptions | None = field(default_factory=RetryOptions)
    """How repeatable calls are retried while the gateway is unavailable; None never retries.

    In addition, any call that the gateway certainly did not process is sent again once. No other call is ever sent
    twice.
    """
    tracer: Tracer | None = None
    """Notified of every call (`mxgateway.Tracer`)."""
    contract: SpokenContract | Literal["auto"] | None = None
    """The gateway's own contract (`mxgateway.contract.Contract`), whose field numbers are used on the wire.

    None uses the contract that this package was generated from. ``"auto"`` asks the gateway for its own once (gRPC
    server reflection), and uses the built-in one if the gateway does not answer. Of several gateways it asks the first that it
    reaches, and uses that contract for all of them.
    """

    def __post_init__(self) -> None:
        refuse_unusable(self.api_key)
        refuse_unusable(self.proxy)
        check_switch("plaintext", self.plaintext)
        if self.plaintext and self.tls is not None:
            raise refused("plaintext and tls contradict each other", "drop one of the two")
        is_auto = isinstance(self.contract, str) and self.contract == "auto"
        is_one = self.contract is None or is_auto or hasattr(self.contract, "codec")
        require(self, "contract", is_one, 'give a Contract, such as Contract.load(FILE), or "auto"')
        check_timeout("connect_timeout", self.connect_timeout)
        check_timeout("call_timeout", self.call_timeout)
        if self.authority is not None:
            why = authority_defect(self.authority) if isinstance(self.authority, str) else "it is not a str"
            if why:
                raise refused(f"authority is {self.authority!r:.100}: {why}", "give host or host:port")
        if not (is_number(self.wait) and self.wait == 0):
            check_timeout("wait", self.wait)
        is_one = isinstance(self.retry, RetryOptions | None)
        require(self, "retry", is_one, "give RetryOptions, or None to never retry")
        require(self, "tls", isinstance(self.tls, TlsOptions | None), "give TlsOptions, or None for trust on first use")
        check_timeout("keepalive_time", self.keepalive_time)
        check_positive("keepalive_timeout", self.keepalive_timeout)
        for name in ("max_receive_bytes", "max_send_bytes"):
            is_size = is_whole(getattr(self, name), below=2**32)
            require(self, name, is_size, "give a number of bytes from 1 to 4294967295")
        require(self, "max_listed_bytes", is_whole(self.max_listed_bytes), "give a positive number of bytes")
        limit = self.max_decoded_elements
        is_limit = limit is None or is_whole(limit, below=2**32)
        require(self, "max_decoded_elements", is_limit, "give a number from 1 to 4294967295, or None")
        object.__setattr__(self, "metadata", tuple(check_metadata(self.metadata)))

    @property
    def element_limit(self) -> int:
        """The element limit in force: `max_decoded_elements`, or its default."""
        return self.max_decoded_elements or max(MIN_ELEMENT_LIMIT, self.max_receive_bytes // BYTES_PER_ELEMENT)

    @property
    def key(self) -> ApiKey | None:
        """The API key in its redacted form; None if a function returns it."""
        return self.api_key if isinstance(self.api_key, ApiKey) else None

    @property
    def key_source(self) -> KeySource | None:
        """The function that returns the API key."""
        return self.api_key if callable(self.api_key) else None

    @property
    def http_proxy(self) -> HttpProxy | None:
        """The proxy in its parsed form."""
        return self.proxy if isinstance(self.proxy, HttpProxy) else None

    def peer_name(self, endpoint: Endpoint) -> str:
        """Return the name by which a gateway is verified and addressed: the same in SNI and in ``:authority``."""
        override = self.tls.server_name_override if self.tls is not None else None
        return peer_name(override or endpoint.host)

    def authority_of(self, endpoint: Endpoint) -> str:
        """Return the ``:authority`` of calls to a gateway."""
        return self.authority or str(Endpoint(self.peer_name(endpoint), endpoint.port))

    def secrets(self) -> Iterator[Secret]:
        """Yield the secrets to hide in texts: the API key, the password of the proxy and that of the client key."""
        if self.key is not None:
            yield self.key
        if self.http_proxy is not None:
            yield from self.http_proxy.secrets()
        if self.tls is not None and self.tls.key_password is not None:
            yield self.tls.key_password


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSessionOptions:
    """Options of a session."""

    client_session_name: str = ""
    """Shown in the gateway's dashboard and log."""
    requested_backend: str = ""
    """The gateway's backend; empty uses its default (``mxaccess-worker``)."""
    command_timeout: timedelta | float | None = None
    """The gateway's timeout for one command (seconds or timedelta); None uses its default of 30 s."""
    correlation_id: str = ""
    """Sent with OpenSession; empty generates one."""


def merge_options(cls: type[_Options], options: _Options | None, overrides: Mapping[str, Any]) -> _Options:
    """Return `options` (or the defaults of `cls`) with the fields in `overrides` replaced.

    Raises:
        TypeError: `overrides` names a field that `cls` does not have.
        MxGatewayInvalidRequestError: A value is out of its range.
    """
    if options is None:
        return cls(**overrides)
    return replace(options, **overrides) if overrides else options
