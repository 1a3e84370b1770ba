"""Connecting to a gateway: from the caller's arguments to a connected channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Protocol, TypedDict, TypeVar

from mxgateway.errors import CallSite, MxGatewayInvalidRequestError, map_fault
from mxgateway.errors.faults import ClosedFault, ConnectFault
from mxgateway.options import (
    ClientOptions,
    Endpoint,
    HttpProxy,
    RetryOptions,
    SpokenContract,
    TlsOptions,
    merge_options,
    wrap_secrets,
)
from mxgateway.options.credentials import ApiKey, KeySource
from mxgateway.options.tracing import Tracer
from mxgateway.transport.channel import Channel


class ClientOptionFields(TypedDict, total=False):
    """The fields of `ClientOptions`, as keywords."""

    api_key: ApiKey | str | KeySource | None
    plaintext: bool
    tls: TlsOptions | None
    connect_timeout: float
    call_timeout: float | None
    max_receive_bytes: int
    max_decoded_elements: int | None
    max_listed_bytes: int
    max_send_bytes: int
    proxy: HttpProxy | str | None
    metadata: tuple[tuple[str, str], ...]
    keepalive_time: float | None
    keepalive_timeout: float
    retry: RetryOptions | None
    tracer: Tracer | None
    contract: SpokenContract | Literal["auto"] | None


class _Managed(Protocol):
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


T = TypeVar("T", bound=_Managed)


class Opening(Generic[T], AbstractAsyncContextManager[T]):
    """An object that is opened by ``await`` or ``async with``; nothing happens before."""

    def __init__(self, open_it: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._open_it = open_it
        self._opened: T | None = None

    if not TYPE_CHECKING:  # a type checker names the missing await by itself

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(
                f"{name!r} is used on the result of connect() or open_session() before it is opened: await that first, "
                "or use it with async with",
                name=name,
                obj=self,
            )

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


class Given:
    """The arguments of `connect`. Keys and passwords are wrapped at once, before anything can fail, and never shown.

    Args:
        endpoint: The gateway's address.
        options: How to connect to it.
        fields: Fields of `ClientOptions`, instead of `options` or to replace some of them.
    """

    __slots__ = ("_endpoint", "_fields", "_options")

    def __init__(self, endpoint: str, options: ClientOptions | None, fields: ClientOptionFields) -> None:
        self._endpoint = endpoint
        self._options = options
        self._fields = dict(fields)
        wrap_secrets(self._fields)

    def checked(self) -> tuple[Endpoint, ClientOptions]:
        """Return the endpoint and the options.

        Raises:
            MxGatewayInvalidRequestError: One of them is invalid. No frame of its traceback holds the arguments.
            TypeError: `ClientOptions` has no such field.
        """
        try:
            place, merged = (
                Endpoint.parse(self._endpoint),
                merge_options(ClientOptions, self._options, self._fields),
            )
        except Exception as error:  # noqa: BLE001 - it is raised again
            refusal = error.with_traceback(None)
        else:
            _check_scheme(place, merged)
            return place, merged
        try:
            raise refusal from None
        finally:
            del refusal  # its own traceback would make a cycle


async def connected_channel(given: Given) -> Channel:
    """Return a channel to a gateway that has answered the HTTP/2 greeting.

    Raises:
        MxGatewayInvalidRequestError: The endpoint or an option is invalid; nothing was sent.
        MxGatewayTransportError: No connection was established.
    """
    channel = Channel(*given.checked())
    try:
        async with asyncio.timeout(channel.options.connect_timeout):
            await channel.keys.ask()
        await channel.ready()
    except (ConnectFault, ClosedFault, TimeoutError) as fault:
        await channel.aclose()
        site = CallSite(endpoint=str(channel.endpoint), timeout=channel.options.connect_timeout, gate=channel.gate)
        raise map_fault(fault, site, phase="connect") from fault
    except BaseException:
        await channel.aclose()
        raise
    return channel


def _check_scheme(place: Endpoint, options: ClientOptions) -> None:
    if (place.scheme == "http") != options.plaintext and place.scheme:
        says, asked = ("no TLS", "TLS") if place.scheme == "http" else ("TLS", "plaintext")
        raise MxGatewayInvalidRequestError(
            f"the endpoint '{place.scheme}://{place}' says {says}, the options ask for {asked}",
            hint="drop the scheme, or set plaintext to match it", phase="request",
        )  # fmt: skip
