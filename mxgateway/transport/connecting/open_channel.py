"""Connecting to a gateway: from the caller's arguments to a connected channel."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypedDict, TypeVar

from mxgateway.errors import (
    CallSite,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    map_fault,
)
from mxgateway.errors.faults import ClosedFault, ConnectFault
from mxgateway.errors.logs import logger
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
from mxgateway.options.subscription import RecoveryOptions
from mxgateway.options.tracing import Tracer
from mxgateway.transport.calls.backoff import Backoff
from mxgateway.transport.channel import Channel
from mxgateway.transport.connecting.failover import may_pass

log = logger("mxgateway.transport.channel")


class ClientOptionFields(TypedDict, total=False):
    """The fields of `ClientOptions`, as keywords."""

    api_key: ApiKey | str | KeySource | None
    plaintext: bool
    tls: TlsOptions | None
    connect_timeout: float
    wait: float | None
    call_timeout: float | None
    max_receive_bytes: int
    max_decoded_elements: int | None
    max_listed_bytes: int
    max_send_bytes: int
    proxy: HttpProxy | str | None
    authority: str | None
    metadata: tuple[tuple[str, str], ...]
    keepalive_time: float | None
    keepalive_timeout: float
    retry: RetryOptions | None
    tracer: Tracer | None
    contract: SpokenContract | Literal["auto"] | None


T = TypeVar("T", bound=AbstractAsyncContextManager[Any])


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
        endpoint: The gateway's address; several addresses in a sequence, or with commas between them.
        options: How to connect to it.
        fields: Fields of `ClientOptions`, instead of `options` or to replace some of them.
    """

    __slots__ = ("_endpoint", "_fields", "_options")

    def __init__(
        self, endpoint: str | Sequence[str], options: ClientOptions | None, fields: ClientOptionFields
    ) -> None:
        self._endpoint = endpoint
        self._options = options
        self._fields = dict(fields)
        wrap_secrets(self._fields)

    def checked(self) -> tuple[tuple[Endpoint, ...], ClientOptions]:
        """Return the endpoints and the options.

        Raises:
            MxGatewayInvalidRequestError: One of them is invalid. No frame of its traceback holds the arguments.
            TypeError: `ClientOptions` has no such field.
        """
        try:
            places, merged = (
                Endpoint.parse_all(self._endpoint),
                merge_options(ClientOptions, self._options, self._fields),
            )
        except Exception as error:  # noqa: BLE001 - it is raised again
            refusal = error.with_traceback(None)
        else:
            for place in places:
                _check_scheme(place, merged)
            return places, merged
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
        await _ask_for_key(channel)
        await _connect(channel)
    except BaseException:
        await channel.aclose()
        raise
    return channel


async def _ask_for_key(channel: Channel) -> None:
    try:
        async with asyncio.timeout(channel.options.connect_timeout):
            await channel.keys.ask()
    except TimeoutError as fault:
        raise _error_of(fault, channel) from fault


async def _connect(channel: Channel) -> None:
    """Connect, in further attempts while `ClientOptions.wait` allows it."""
    wait, loop, pauses = channel.options.wait, asyncio.get_running_loop(), RecoveryOptions()
    end = math.inf if wait is None else loop.time() + wait
    backoff = Backoff(pauses.initial_backoff, pauses.max_backoff)
    while (error := await _refusal(channel)) is not None:
        left = end - loop.time()
        if left <= 0 or not may_pass(error):
            try:
                raise error
            finally:
                del error  # its own traceback would make a cycle
        delay = min(backoff.next(), left)
        level = logging.WARNING if backoff.attempt == 1 else logging.DEBUG
        log.log(level, "waiting for %s, next attempt in %.1f s: %s", channel.endpoint, delay, error)
        del error
        await channel.pause(delay)


async def _refusal(channel: Channel) -> MxGatewayError | None:
    """Return why an attempt failed, None if it succeeded."""
    try:
        await channel.ready()
    except (ConnectFault, ClosedFault) as fault:
        return _error_of(fault, channel)
    return None


def _error_of(fault: Exception, channel: Channel) -> MxGatewayError:
    site = CallSite(endpoint=str(channel.endpoint), timeout=channel.options.connect_timeout, gate=channel.gate)
    error = map_fault(fault, site, phase="connect")
    error.__cause__ = fault
    return error


def _check_scheme(place: Endpoint, options: ClientOptions) -> None:
    if (place.scheme == "http") != options.plaintext and place.scheme:
        says, asked = ("no TLS", "TLS") if place.scheme == "http" else ("TLS", "plaintext")
        raise MxGatewayInvalidRequestError(
            f"the endpoint '{place.scheme}://{place}' says {says}, the options ask for {asked}",
            hint="drop the scheme, or set plaintext to match it", phase="request",
        )  # fmt: skip
