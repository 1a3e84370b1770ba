"""Connecting to a gateway: from what a caller gives to a channel whose HTTP/2 greeting has been answered."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, Protocol, TypedDict, TypeVar

from mxgateway.credentials import ApiKey
from mxgateway.errors import CallSite, MxGatewayInvalidRequestError, map_fault
from mxgateway.faults import ClosedFault, ConnectFault
from mxgateway.options import ClientOptions, Endpoint, HttpProxy, RetryOptions, TlsOptions, merge_options
from mxgateway.tracing import Tracer
from mxgateway.transport.channel import Channel


class ClientOptionFields(TypedDict, total=False):
    """The fields of `ClientOptions`, as keywords."""

    api_key: ApiKey | str | None
    plaintext: bool
    tls: TlsOptions | None
    connect_timeout: float
    call_timeout: float | None
    max_receive_bytes: int
    max_send_bytes: int
    proxy: HttpProxy | str | None
    metadata: tuple[tuple[str, str], ...]
    keepalive_time: float | None
    keepalive_timeout: float
    retry: RetryOptions | None
    tracer: Tracer | None


class _Managed(Protocol):
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


T = TypeVar("T", bound=_Managed)


class Opening(Generic[T], AbstractAsyncContextManager[T]):
    """Something that is opened by ``await`` or by ``async with``; nothing happens before."""

    def __init__(self, open_it: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._open_it = open_it
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._open_it().__await__()

    async def __aenter__(self) -> T:
        self._opened = await self._open_it()
        return self._opened

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(exc_type, exc, traceback)


async def connected_channel(endpoint: str, options: ClientOptions | None, fields: ClientOptionFields) -> Channel:
    """Return a channel to a gateway that has answered.

    Args:
        endpoint: Where it is.
        options: How to talk to it.
        fields: Fields of `ClientOptions`, instead of `options` or to replace some of them; a key in clear text is wrapped in them.

    Raises:
        MxGatewayInvalidRequestError: The endpoint or an option is wrong; nothing was sent.
        MxGatewayTransportError: No connection came about.
    """
    _hide_key(fields)
    channel = Channel(*_checked(endpoint, options, fields))
    try:
        await channel.ready()
    except (ConnectFault, ClosedFault) as fault:
        await channel.aclose()
        site = CallSite(endpoint=str(channel.endpoint), timeout=channel.options.connect_timeout)
        raise map_fault(fault, site, phase="connect") from fault
    except BaseException:
        await channel.aclose()
        raise
    return channel


def _hide_key(fields: ClientOptionFields) -> None:
    """Wrap a key or password in clear text before anything can fail: a traceback may show the variables of its frames."""
    if isinstance(fields.get("proxy"), str):
        fields["proxy"] = HttpProxy.parse(str(fields.pop("proxy")))
    if isinstance(fields.get("api_key"), str):
        problem = ""
        try:
            fields["api_key"] = ApiKey(fields.pop("api_key") or "")
        except ValueError as error:
            problem = str(error)
        if problem:
            raise MxGatewayInvalidRequestError(problem, phase="request")


def _checked(
    endpoint: str, options: ClientOptions | None, fields: ClientOptionFields
) -> tuple[Endpoint, ClientOptions]:
    place, merged = Endpoint.parse(endpoint), merge_options(ClientOptions, options, fields)
    if (place.scheme == "http") != merged.plaintext and place.scheme:
        says, asked = ("no TLS", "TLS") if place.scheme == "http" else ("TLS", "plaintext")
        raise MxGatewayInvalidRequestError(
            f"the endpoint {endpoint!r} says {says}, the options ask for {asked}",
            hint="drop the scheme, or set plaintext to match it", phase="request",
        )  # fmt: skip
    return place, merged
