"""The receiving half of one RPC: bytes in, messages out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from mxgateway.faults import PeerFault, RpcStatus
from mxgateway.transport.reply_headers import Headers
from mxgateway.transport.reply_status import check_response, check_status

M = TypeVar("M")

PREFIX_SIZE = 5
"""Bytes before each gRPC message: the compressed flag and the length as 32 bits."""


class ReplyStream(Generic[M]):
    """What has arrived of one RPC, and the task that waits for more.

    The connection feeds it synchronously; the caller takes everything that is complete in one go. Bytes count against the stream's flow-control
    window until they are taken, so that a slow caller holds back the gateway and nobody else.

    Args:
        decode: Turns the bytes of one message into the message.
        max_message_bytes: The largest message accepted.
    """

    __slots__ = (
        "_chunks", "_decode", "_fault", "_limit", "_need", "_size", "_uncredited", "_waiter",
        "ended", "headers", "trailers",
    )  # fmt: skip

    def __init__(self, decode: Callable[[bytes], M], max_message_bytes: int) -> None:
        self._decode = decode
        self._limit = max_message_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self._need = PREFIX_SIZE
        self._uncredited = 0
        self._waiter: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None
        self.headers: Headers | None = None
        self.trailers: Headers | None = None
        self.ended = False

    # -- fed by the connection

    def receive_headers(self, headers: Headers) -> None:
        """Take the response's headers; a response that is no gRPC response ends the call."""
        self.headers = headers
        try:
            check_response(headers)
        except (RpcStatus, PeerFault) as fault:
            self.fail(fault)

    def receive_data(self, payloads: list[bytes], flow_controlled: int) -> None:
        """Take the payloads of DATA frames; `flow_controlled` counts their padding as well."""
        self._uncredited += flow_controlled
        if self._fault is None:
            self._chunks += filter(None, payloads)  # empty frames cost the peer nothing and must not cost us memory
            self._size += sum(map(len, payloads))
            if self._size >= self._need:
                self._wake()
            elif self._waiter is not None:
                self._settle_credit()  # the caller wants more of this message, whatever its size

    def receive_end(self, trailers: Headers | None = None) -> None:
        """Take END_STREAM, with the trailers when it came with some."""
        self.trailers = trailers
        self.ended = True
        self._wake()

    def fail(self, fault: BaseException) -> None:
        """End the call with `fault`; what had arrived before it is still delivered. The first fault counts."""
        if self._fault is None and not self.ended:
            self._fault = fault
        self._wake()

    @property
    def unread(self) -> int:
        """Bytes that count against the stream's window."""
        return self._uncredited

    @property
    def failed(self) -> bool:
        """True when a fault has ended the call."""
        return self._fault is not None

    # -- used by the caller

    async def messages(self) -> list[M]:
        """Return every complete message that has arrived, waiting for the first; an empty list when the call has ended with OK.

        Raises:
            BaseException: The fault that ended the call, or the status.
        """
        while True:
            batch = self._take()
            if batch:
                return batch
            if self._fault is not None:
                raise self._fault
            if self.ended:
                self._check_end()
                return []
            await self._wait()

    def _take(self) -> list[M]:
        if self._size < self._need:
            self._settle_credit()
            return []
        data = b"".join(self._chunks) if len(self._chunks) > 1 else self._chunks[0]
        batch: list[M] = []
        try:
            position = self._split(data, batch)
        except (PeerFault, ValueError) as fault:
            self._chunks, self._size, self._need = [], 0, PREFIX_SIZE
            self._fault = fault if isinstance(fault, PeerFault) else PeerFault(f"a reply cannot be read: {fault}")
            self.ended = False
        else:
            rest = data[position:]
            self._chunks, self._size = ([rest] if rest else []), len(rest)
        self._settle_credit()
        return batch

    def _split(self, data: bytes, batch: list[M]) -> int:
        """Append the complete messages of `data` to `batch`; return where the incomplete rest begins."""
        position, size, decode, limit = 0, len(data), self._decode, self._limit
        append = batch.append
        while (start := position + PREFIX_SIZE) <= size:
            if data[position]:
                raise PeerFault("a reply is marked compressed, though no compression was agreed")
            length = int.from_bytes(data[position + 1 : start], "big")
            if length > limit:
                raise PeerFault(f"a reply of {length} bytes exceeds the limit of {limit} bytes (max_receive_bytes)")
            end = start + length
            if end > size:
                self._need = PREFIX_SIZE + length
                return position
            append(decode(data[start:end]))
            position = end
        self._need = PREFIX_SIZE
        return position

    def _check_end(self) -> None:
        trailers = self.trailers
        if trailers is None:
            trailers = self.headers or {}
        check_status(trailers)
        if self._size:
            raise PeerFault("the reply ended in the middle of a message")

    def _settle_credit(self) -> None:
        """Let the peer send as much as was taken: everything but complete messages that nobody has taken yet."""
        if self._uncredited and self._size < self._need:
            size, self._uncredited = self._uncredited, 0
            self.credit(size)

    def credit(self, size: int) -> None:
        """Tell the peer that it may send `size` more bytes on this stream."""
        raise TypeError(f"{type(self).__name__} has no peer to credit {size} bytes to")

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
