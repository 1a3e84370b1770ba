"""A gRPC call on the server side: its metadata, its request, its messages and its status."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from grpclib import GRPCError
from grpclib.const import Status
from grpclib.metadata import decode_timeout, encode_grpc_message
from grpclib.protocol import Stream

from mxgateway.simulator.galaxy.messages import PreparedReply
from mxgateway.simulator.server.encoding import Encoding
from mxgateway.simulator.server.http2 import ReceivedHeaders
from mxgateway.simulator.server.keys import SimulatedKey
from mxgateway.simulator.server.messages import (
    CompressedMessageError,
    read_message,
    refuse_unprocessed,
    send_messages,
    send_reply,
)
from mxgateway.wire import WireError

_CONTENT_TYPES: Final = ("application/grpc", "application/grpc+proto")
_HEADERS: Final = ((":status", "200"), ("content-type", "application/grpc+proto"))
_OK: Final = (("grpc-status", "0"),)
_LONGEST_MESSAGE: Final = 4096
"""Most bytes of a ``grpc-message``: a text may repeat what a request has, and clients refuse trailers above 8 KiB."""

M = TypeVar("M")


@dataclass(slots=True, repr=False)
class ReceivedCall:
    """A call as the gateway received it."""

    path: str
    """``/package.Service/Method``"""
    metadata: ReceivedHeaders
    """Every header in its order, the pseudo headers included."""
    peer: str
    """The client's address."""
    _request: Callable[[], Any] | None = None

    @property
    def request(self) -> Any:
        """The request; None if the call was rejected before it was read, or if newer requests displaced it."""
        return None if self._request is None else self._request()

    @property
    def method(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def header(self, name: str) -> str | None:
        """Return the first header with a name, None if there is none."""
        return self.metadata.first(name)

    def keep(self, request: Callable[[], Any]) -> None:
        """Keep a function that decodes the request: a decoded bulk message takes many times its bytes."""
        self._request = request

    def forget_request(self) -> None:
        """Drop the request."""
        self._request = None

    def __repr__(self) -> str:
        # Neither metadata nor request: they contain keys and passwords.
        return f"<ReceivedCall {self.path} from {self.peer}>"


class CallRecord:
    """The last calls, with their requests up to a total size.

    Args:
        count: Most calls.
        size: Most bytes of all kept requests.
    """

    def __init__(self, count: int, size: int) -> None:
        self.calls: deque[ReceivedCall] = deque(maxlen=count)
        """The calls, oldest first."""
        self._count = count
        self._left = size
        self._kept: deque[tuple[ReceivedCall, int]] = deque()

    def keep_request(self, received: ReceivedCall, request: Callable[[], Any], size: int) -> None:
        """Let a call keep its request of `size` bytes; the oldest requests are dropped for it."""
        received.keep(request)
        self._kept.append((received, size))
        self._left -= size
        while self._left < 0 or len(self._kept) > self._count:
            oldest, freed = self._kept.popleft()
            oldest.forget_request()
            self._left += freed


class Call:
    """One call.

    Args:
        stream: The call's HTTP/2 stream.
        headers: The request's headers.
        peer: The client's address.
        limit: Largest message in bytes, each way.
        record: Where the request is kept.
        encoding: How messages are encoded.
    """

    def __init__(
        self, stream: Stream, headers: ReceivedHeaders, peer: str, limit: int, record: CallRecord, encoding: Encoding
    ) -> None:
        self._encoding = encoding
        self.received = ReceivedCall(headers.first(":path") or "", headers, peer)
        self.names: tuple[str, ...] = (self.received.method,)
        """The names by which switches identify the call."""
        self.key: SimulatedKey = SimulatedKey(key_id="nobody", secret="", scopes=frozenset())
        """The caller's key; set by the authentication."""
        self._stream = stream
        self._limit = limit
        self._record = record
        self._started = False

    def http_refusal(self) -> int | None:
        """Return the HTTP status for a request that is not a gRPC call; None if it is one."""
        if self.received.header(":method") != "POST":
            return 405
        if self.received.header("content-type") not in _CONTENT_TYPES:
            return 415
        return None

    def timeout(self) -> float | None:
        """Return the client's timeout in seconds; None for no limit.

        Raises:
            GRPCError: INVALID_ARGUMENT if it is malformed.
        """
        text = self.received.header("grpc-timeout")
        try:
            return None if text is None else decode_timeout(text)
        except ValueError:
            raise GRPCError(Status.INVALID_ARGUMENT, "The grpc-timeout header is malformed.") from None

    async def receive(self, message_type: type[M]) -> M:
        """Read the request.

        Raises:
            GRPCError: It is incomplete, too large, compressed or malformed.
        """
        try:
            data = await read_message(self._stream, self._limit)
            if data is None:
                raise GRPCError(Status.INTERNAL, "Incomplete message.")
            request: M = self._encoding.decode(message_type, data)
        except CompressedMessageError:
            raise GRPCError(Status.UNIMPLEMENTED, "The message is compressed, which is not supported.") from None
        except WireError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, f"The request is malformed: {error}.") from None
        except ValueError:
            text = "Received message exceeds the maximum configured message size."
            raise GRPCError(Status.RESOURCE_EXHAUSTED, text) from None
        kept = partial(self._encoding.decode, message_type, data)
        self._record.keep_request(self.received, kept, len(data))
        return request

    async def reply(self, message: Any) -> None:
        """Send the reply of a unary call and end the call.

        Raises:
            GRPCError: The message is too large.
        """
        data = self._sendable(message.data if isinstance(message, PreparedReply) else self._encoding.encode(message))
        self._started = True
        await send_reply(self._stream, _HEADERS, data, _OK)

    async def start(self) -> None:
        """Send the headers of a stream, to show the client that it is open."""
        self._started = True
        await self._stream.send_headers(list(_HEADERS))

    async def send(self, messages: Sequence[bytes]) -> None:
        """Send encoded messages of a stream.

        Raises:
            GRPCError: A message is too large.
        """
        for place, message in enumerate(messages):
            if len(message) > self._limit:  # the messages before it are still sent
                await send_messages(self._stream, messages[:place])
                self._sendable(message)
        await send_messages(self._stream, messages)

    async def send_all(self, messages: Iterable[Any]) -> None:
        """Send messages of a stream.

        Raises:
            GRPCError: A message is too large.
        """
        await self.send([self._encoding.encode(message) for message in messages])

    async def finish(self, status: Status = Status.OK, message: str | None = None) -> None:
        """Send the status: as trailers, or as the only headers of a call without messages."""
        headers = [] if self._started else list(_HEADERS)
        headers.append(("grpc-status", str(status.value)))
        if message:
            headers.append(("grpc-message", _bounded(message)))
        await self._end(headers)

    async def refuse(self, http_status: int) -> None:
        """Answer a request that is not a gRPC call."""
        await self._end([(":status", str(http_status))])

    def refuse_unprocessed(self, *, goaway: bool) -> None:
        """Refuse the call as unprocessed: by resetting its stream, or by closing its connection."""
        refuse_unprocessed(self._stream, goaway=goaway)

    async def _end(self, headers: list[tuple[str, str]]) -> None:
        await self._stream.send_headers(headers, end_stream=True)
        # A client that is still sending may stop.
        if self._stream.closable:
            self._stream.reset_nowait()

    def _sendable(self, message: bytes) -> bytes:
        if len(message) > self._limit:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, "Sending message exceeds the maximum configured message size.")
        return message


def _bounded(message: str) -> str:
    """Return the message of a status as its header has it; a long one is cut, and ends with an ellipsis."""
    text = message[:_LONGEST_MESSAGE]
    while len(encoded := encode_grpc_message(text)) > _LONGEST_MESSAGE:
        text = text[: len(text) * _LONGEST_MESSAGE // len(encoded)]
    return encoded if text == message else encoded + encode_grpc_message("…")
