"""Where to connect: the gateway's endpoint, and the HTTP proxy in front of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from mxgateway.errors import MxGatewayInvalidRequestError
from mxgateway.options.credentials import Secret
from mxgateway.options.hosts import ascii_name, host_defect, is_port, is_server_name

_SCHEME: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://(.*)$")
_SHOWN: Final = 300
"""Characters of a malformed endpoint that the error shows."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a gateway listens."""

    host: str
    """Host name, IPv4 address, or IPv6 address without brackets."""
    port: int
    """TCP port, 1 to 65535."""
    scheme: str = ""
    """``http`` or ``https`` if the text named one, else empty."""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``host:port``, ``[ipv6]:port``, or either behind ``http://`` or ``https://``.

        Args:
            text: The endpoint as a person writes it.

        Raises:
            MxGatewayInvalidRequestError: The text has another form; the message says which part is wrong.
        """
        is_text = isinstance(text, str)
        endpoint = _read_endpoint(text) if is_text else f"it is a {type(text).__name__}, not a str"
        if isinstance(endpoint, str):
            error = _malformed(text if is_text else "", endpoint)
            del text  # a traceback may show local variables
            raise error
        return endpoint

    @classmethod
    def parse_all(cls, given: str | Iterable[str]) -> tuple[Endpoint, ...]:
        """Read several endpoints: texts, or one text with commas between them. Each is kept once.

        Raises:
            MxGatewayInvalidRequestError: One of them has another form, or there is none.
        """
        try:
            one = isinstance(given, str | bytes | bytearray | Mapping) or not isinstance(given, Iterable)
            texts = _split(cast("str", given)) if one else [*given]
            endpoints = tuple(dict.fromkeys(map(cls.parse, texts)))
            if endpoints:
                return endpoints
            refusal = _malformed("", "there is none")
        except MxGatewayInvalidRequestError as error:
            refusal = error.with_traceback(None)
        given, texts = "", []  # a traceback may show local variables
        try:
            raise refusal from None
        finally:
            del refusal  # its own traceback would make a cycle

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _split(text: str) -> list[str]:
    """Split a text at its commas, unless one of them may be in a password."""
    return text.split(",") if isinstance(text, str) and _is_shown(text) else [text]


def _read_endpoint(text: str) -> Endpoint | str:
    """Return the endpoint, or what is wrong with its text, in words that show no secret in it."""
    scheme, rest = "", text.strip()
    if match := _SCHEME.match(rest):
        scheme, rest = match[1].lower(), match[2].removesuffix("/")
        if scheme not in ("http", "https"):
            return f"the scheme is {scheme!r}, not http or https"
    if "@" in rest:
        return "it has a user or a password before an @, which is not allowed in a host name"
    host, colon, port = rest.rpartition(":")
    if not colon or not port or port.endswith("]"):
        return "the port is missing"
    if not is_port(port):
        shown = _is_shown(text)
        return f"the port {port[:_SHOWN]!r} is not a number from 1 to 65535" if shown else "the port is not a number"
    if why := host_defect(host):
        return why
    return Endpoint(host[1:-1] if host.startswith("[") else ascii_name(host), int(port), scheme)


def _is_shown(text: str) -> bool:
    """Return whether an error may show an endpoint: a whole URL may contain a password or a key."""
    return not any(char in text for char in "@?#")


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """An HTTP proxy that opens tunnels (CONNECT); it resolves the gateway's name."""

    host: str
    """Host name, IPv4 address, or IPv6 address without brackets."""
    port: int
    """TCP port, 1 to 65535."""
    credentials: Secret | None = field(default=None, repr=False)
    """``user:password`` for basic authentication; None sends none."""

    def __post_init__(self) -> None:
        if self.credentials is not None and not isinstance(self.credentials, Secret):
            object.__setattr__(self, "credentials", Secret(self.credentials))

    @property
    def defect(self) -> str:
        """Why it cannot be used, in words that show no secret; empty if it can."""
        if not (isinstance(self.host, str) and isinstance(self.port, int) and 1 <= self.port <= 65535):
            return "its host is not a str, or its port is not a number from 1 to 65535"
        if not ascii_name(self.host):
            return "its host is not a host name"
        return "" if self.credentials is None else _credentials_defect(self.credentials.reveal())

    @classmethod
    def parse(cls, url: str) -> HttpProxy:
        """Read ``http://host:port`` or ``http://user:password@host:port``.

        Args:
            url: The proxy as a person writes it; reserved characters in user and password are percent-encoded.

        Raises:
            MxGatewayInvalidRequestError: The text has another form. The error does not show it: it may contain a
                password.
        """
        proxy = _read_proxy(url) if isinstance(url, str) else f"it is a {type(url).__name__}, not a str"
        del url  # a traceback may show local variables
        if isinstance(proxy, str):
            raise MxGatewayInvalidRequestError(
                f"the proxy URL is malformed: {proxy}",
                hint="write http://host:port or http://user:password@host:port",
                phase="request",
            )
        return proxy

    def __str__(self) -> str:
        return f"http://{Endpoint(self.host, self.port)}"

    def secrets(self) -> Iterator[Secret]:
        """Yield the texts to hide: user and password together, plain and in base64 as sent, and the password alone."""
        if self.credentials is not None:
            yield self.credentials
            yield Secret(base64.b64encode(self.credentials.reveal().encode()).decode())
            if password := self.credentials.reveal().partition(":")[2]:
                yield Secret(password)


def _read_proxy(url: str) -> HttpProxy | str:
    """Return the proxy, or what is wrong with its URL, in words that show nothing of it."""
    match = _SCHEME.match(url.strip())
    if match is None or match[1].lower() != "http":
        return "it does not begin with http://"
    user_info, at, place = match[2].removesuffix("/").rpartition("@")
    endpoint = _read_endpoint(place)
    if isinstance(endpoint, str) or endpoint.scheme:
        return "host and port cannot be read"
    credentials = _credentials(user_info) if at else None
    return credentials if isinstance(credentials, str) else HttpProxy(endpoint.host, endpoint.port, credentials)


def _credentials(user_info: str) -> Secret | str:
    from urllib.parse import unquote

    user, _, password = user_info.partition(":")
    try:
        user, password = unquote(user, errors="strict"), unquote(password, errors="strict")
    except UnicodeError:
        return "user or password is not UTF-8 text"
    if ":" in user:
        return "the user name has a colon, which basic authentication does not allow"
    if why := _credentials_defect(f"{user}:{password}"):
        return why
    if not (user + password).isprintable():
        return "user or password has a control character"
    return Secret(f"{user}:{password}")


def _credentials_defect(given: object) -> str:
    """Return why basic authentication cannot send ``user:password``; empty if it can."""
    if not isinstance(given, str):
        return f"user and password are of type {type(given).__name__}, not one str"
    try:
        given.encode()
    except UnicodeError:
        return "user or password is not UTF-8 text"
    return "" if given.partition(":")[0] else "the user name is missing"


def check_host_name(endpoint: Endpoint) -> None:
    """Refuse an invalid host name that would not be looked up here.

    Raises:
        MxGatewayInvalidRequestError: It is not a host name.
    """
    if not is_server_name(endpoint.host):
        raise _malformed(str(endpoint), "the host is not a host name")


def _malformed(text: str, why: str) -> MxGatewayInvalidRequestError:
    return MxGatewayInvalidRequestError(
        f"the endpoint {f'{text[:_SHOWN]!r} ' * (bool(text) and _is_shown(text))}is malformed: {why}",
        hint="write host:port, for example localhost:5000",
        phase="request",
    )
