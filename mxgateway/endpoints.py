"""Where to connect: the gateway's endpoint, and the HTTP proxy on the way to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from mxgateway.credentials import Secret
from mxgateway.errors import MxGatewayInvalidRequestError

_SCHEME: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://(.*)$")
_PORT: Final = re.compile(r"[0-9]{1,5}")


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


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """An HTTP proxy that opens tunnels (CONNECT); it resolves the gateway's name."""

    host: str
    """Host name, IPv4 address, or IPv6 address without brackets."""
    port: int
    """TCP port, 1 to 65535."""
    credentials: Secret | None = field(default=None, repr=False)
    """``user:password`` for basic authentication; None sends none."""

    @classmethod
    def parse(cls, url: str) -> HttpProxy:
        """Read ``http://host:port`` or ``http://user:password@host:port``; what a URL reserves is percent-encoded in user and password.

        Args:
            url: The proxy as a person writes it.

        Raises:
            MxGatewayInvalidRequestError: The text has another form. The error does not show it: it may hold a password.
        """
        proxy = _read_proxy(url)
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


def _read_proxy(url: str) -> HttpProxy | str:
    """Return the proxy, or what is wrong with its URL in words that show nothing of it."""
    match = _SCHEME.match(url.strip())
    if match is None or match[1].lower() != "http":
        return "it does not begin with http://"
    user_info, at, place = match[2].removesuffix("/").rpartition("@")
    try:
        endpoint = Endpoint.parse(place)
    except MxGatewayInvalidRequestError:
        return "host and port cannot be read"
    if "://" in place:
        return "host and port cannot be read"
    credentials = _credentials(user_info) if at else None
    return credentials if isinstance(credentials, str) else HttpProxy(endpoint.host, endpoint.port, credentials)


def _credentials(user_info: str) -> Secret | str:
    from urllib.parse import unquote

    user, _, password = user_info.partition(":")
    try:
        user, password = unquote(user, errors="strict"), unquote(password, errors="strict")
        (user + password).encode()
    except UnicodeError:
        return "user or password is no UTF-8 text"
    if not user:
        return "the user name is missing"
    if ":" in user:
        return "the user name holds a colon, which basic authentication cannot carry"
    if not (user + password).isprintable():
        return "user or password holds a control character"
    return Secret(f"{user}:{password}")


def is_server_name(name: str) -> bool:
    """Tell whether TLS can ask for `name`."""
    import ipaddress

    try:
        if ":" in name:
            return bool(ipaddress.IPv6Address(name))
        return bool(name.encode("idna")) and not any(char.isspace() or not char.isprintable() for char in name)
    except ValueError:  # UnicodeError is one
        return False


def check_host_name(endpoint: Endpoint) -> None:
    """Refuse a host that DNS could not carry, where nobody here will look it up.

    Raises:
        MxGatewayInvalidRequestError: It is no host name.
    """
    if not is_server_name(endpoint.host):
        raise _malformed(str(endpoint), f"the host {endpoint.host!r} is no host name")


def _malformed(text: str, why: str) -> MxGatewayInvalidRequestError:
    return MxGatewayInvalidRequestError(
        f"the endpoint {text!r} is malformed: {why}",
        hint="write host:port, for example localhost:5000",
        phase="request",
    )
