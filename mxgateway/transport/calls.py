"""One RPC: deadline outside, faults mapped, the stream given back whatever happens."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

from mxgateway.errors import CallSite, MxGatewayError, Phase, map_fault
from mxgateway.faults import ConnectFault, ConnectionFault, PeerFault, RequestFault
from mxgateway.options import check_metadata, check_timeout
from mxgateway.transport.channel import Channel
from mxgateway.transport.open_stream import OpenStream
from mxgateway.transport.reply_stream import PREFIX_SIZE
from mxgateway.transport.request_headers import encode_timeout
from mxgateway.wire import WireError, decode, encode
from mxgateway.wire.betterproto_seam import Message

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)

OPEN_ATTEMPTS: Final = 3
"""How often a call looks for a connection when the one it got goes away before anything was sent."""


@dataclass(frozen=True)
class Method(Generic[Request, Reply]):
    """One method of the contract."""

    service: str
    """Full name, ``package.Service``."""
    name: str
    request_type: type[Request]
    reply_type: type[Reply]
    path: str = field(init=False)
    """The request's ``:path``."""
    decode: Callable[[bytes], Reply] = field(init=False, repr=False, compare=False)
    """Turns the bytes of one reply into the message."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"/{self.service}/{self.name}")
        object.__setattr__(self, "decode", functools.partial(decode, self.reply_type))

    def __str__(self) -> str:
        return f"{self.service.rpartition('.')[2]}/{self.name}"


@dataclass(slots=True, kw_only=True)
class CallOptions:
    """What one call adds to the client's options.

    Raises:
        MxGatewayInvalidRequestError: The bound is no positive number, or the metadata cannot be sent.
    """

    timeout: float | None = None
    """Bound of the whole call in seconds; infinity means none, and so does None for a stream."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Further metadata, beside the API key and the client's own."""
    correlation_id: str = ""
    """For errors; the request message carries it too."""
    session_id: str = ""
    """For errors."""

    def __post_init__(self) -> None:
        check_timeout("timeout", self.timeout)
        if self.metadata:
            self.metadata = tuple(check_metadata(self.metadata))


Site = Callable[[], CallSite]
"""Tells where a call was made, when an error asks for it."""


def call_site(
    channel: Channel, method: Method[Any, Any], options: CallOptions, timeout: float | None = None
) -> CallSite:
    """Return what the errors of a call tell about it; `timeout` is the bound where the options have none."""
    bound = timeout if options.timeout is None else options.timeout
    return CallSite(
        endpoint=str(channel.endpoint),
        method=str(method),
        correlation_id=options.correlation_id,
        session_id=options.session_id,
        timeout=None if bound is None or math.isinf(bound) else bound,
    )


def site_of(channel: Channel, method: Method[Any, Any], options: CallOptions) -> Site:
    """Return what makes the `call_site` of a call."""
    return functools.partial(call_site, channel, method, options)


class _Call(Generic[Request, Reply]):
    """One RPC from its request to its open stream."""

    __slots__ = ("_bound", "_options", "_phase", "channel", "deadline", "method")

    def __init__(
        self, channel: Channel, method: Method[Request, Reply], options: CallOptions, default_bound: float | None = None
    ) -> None:
        self.channel = channel
        self.method = method
        self._options = options
        self._bound = bound = default_bound if options.timeout is None else options.timeout
        now = asyncio.get_running_loop().time()
        self.deadline = None if bound is None or bound == math.inf else now + bound
        self._phase: Phase = "connect"

    def fault(self, fault: Exception) -> MxGatewayError:
        """Return the error for a fault that ended this call."""
        site = call_site(self.channel, self.method, self._options, self._bound)
        if isinstance(fault, ConnectFault):
            site = replace(site, timeout=self.channel.options.connect_timeout)
        return map_fault(fault, site, phase=self._phase)

    async def start(self, request: Request) -> OpenStream[Reply]:
        """Send `request`; the caller closes the stream that is returned."""
        channel, method = self.channel, self.method
        data = _frame(request, channel.options.max_send_bytes)
        attempt = 1
        while True:
            self._phase = "connect"
            connection = channel.current or await channel.ready()
            self._phase = "stream"
            block = channel.request_headers.block(method.path, self._remaining(), self._options.metadata)
            try:
                return await connection.open(block, data, method.decode, channel.options.max_receive_bytes)
            except ConnectionFault:
                if attempt == OPEN_ATTEMPTS:
                    raise
                attempt += 1

    def _remaining(self) -> bytes:
        if self.deadline is None:
            return b""
        return encode_timeout(self.deadline - asyncio.get_running_loop().time())


async def unary(channel: Channel, method: Method[Request, Reply], request: Request, options: CallOptions) -> Reply:
    """Make a unary call and return its reply; success means that status 0 was read.

    Without a bound of its own the call has the client's `call_timeout`.

    Raises:
        MxGatewayError: The call failed; the class tells how.
    """
    call = _Call(channel, method, options, channel.options.call_timeout)
    try:
        async with asyncio.timeout_at(call.deadline):
            stream = await call.start(request)
            try:
                return await _only_message(stream)
            finally:
                stream.close()
    except Exception as fault:
        raise call.fault(fault) from fault


async def _only_message(stream: OpenStream[Reply]) -> Reply:
    messages = await stream.messages()
    if not messages:
        raise PeerFault("a unary call was answered with status OK and no message")
    if len(messages) > 1 or await stream.messages():
        raise PeerFault("a unary call was answered with more than one message")
    return messages[0]


class ServerStream(Generic[Request, Reply]):
    """A server-streaming call: an async iterator of messages, or of batches by `messages`. Close it, or use it as a context manager.

    Args:
        channel: Where to call.
        method: What to call.
        request: Sent by the first read.
        options: The bound counts from the first read to the end of the stream.
    """

    def __init__(
        self, channel: Channel, method: Method[Request, Reply], request: Request, options: CallOptions
    ) -> None:
        self._start = (channel, method, request, options)
        self._call: _Call[Request, Reply] | None = None
        self._stream: OpenStream[Reply] | None = None
        self._ready: list[Reply] = []
        self._reading = False
        self._ended = False

    def __del__(self) -> None:
        """Cancel a call whose iterator was dropped in the middle of a loop, in whatever thread it was collected."""
        stream = getattr(self, "_stream", None)
        if stream is not None and not self._ended and not stream.loop.is_closed():
            stream.loop.call_soon_threadsafe(stream.close)

    async def open(self) -> None:
        """Send the request now rather than with the first read; the answer is not waited for.

        Raises:
            MxGatewayError: The request could not be sent.
        """
        if self._call is not None or self._ended:
            return
        channel, method, request, options = self._start
        call = self._call = _Call(channel, method, options)
        try:
            async with asyncio.timeout_at(call.deadline):
                self._stream = await call.start(request)
        except BaseException as fault:
            self._ended = True
            if not isinstance(fault, Exception):
                raise
            raise call.fault(fault) from fault
        if self._ended:  # closed by another task while the request was being sent
            self._stream.close()

    async def messages(self) -> list[Reply]:
        """Return every message that has arrived, waiting for the first one; an empty list at the end of the stream.

        Raises:
            MxGatewayInvalidRequestError: Another task is reading.
            MxGatewayError: The stream failed; what had arrived before was returned by earlier calls.
        """
        await self.open()
        if self._ended or self._stream is None or self._call is None:
            return []
        if self._reading:
            raise self._call.fault(RequestFault("another task reads this stream already"))
        self._reading = True
        try:
            async with asyncio.timeout_at(self._call.deadline):
                batch = await self._stream.messages()
        except Exception as fault:
            if self._ended:  # closed by another task meanwhile
                return []
            await self.aclose()
            raise self._call.fault(fault) from fault
        finally:
            self._reading = False
        if not batch:
            await self.aclose()
        return batch

    async def aclose(self) -> None:
        """End the call: the stream is reset before this returns. Idempotent."""
        self._ended = True
        if self._stream is not None:
            self._stream.close()

    def __aiter__(self) -> ServerStream[Request, Reply]:
        return self

    async def __anext__(self) -> Reply:
        if not self._ready:
            self._ready = await self.messages()
            self._ready.reverse()
            if not self._ready:
                raise StopAsyncIteration
        return self._ready.pop()

    async def __aenter__(self) -> ServerStream[Request, Reply]:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


def _frame(request: Message, limit: int) -> bytes:
    """Return `request` with gRPC's prefix.

    Raises:
        RequestFault: It cannot be encoded, or exceeds the limit.
    """
    try:
        data = encode(request)
    except WireError as error:
        raise RequestFault(f"the request cannot be encoded: {error}") from error
    if len(data) > limit:
        raise RequestFault(f"the request of {len(data)} bytes exceeds the limit of {limit} bytes (max_send_bytes)")
    return len(data).to_bytes(PREFIX_SIZE, "big") + data
