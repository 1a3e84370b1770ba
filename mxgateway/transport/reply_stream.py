"""The receiving half of one RPC: bytes in, messages out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from mxgateway.faults import ClosedFault, MessageTooLargeFault, PeerFault, RpcStatus
from mxgateway.transport.reply_headers import Headers
from mxgateway.transport.reply_status import check_response, check_status
from mxgateway.wire.collector import collector_held

M = TypeVar("M")

PREFIX_SIZE = 5
"""Bytes before each gRPC message: the compressed flag and the length as 32 bits."""
MOST_PIECES: Final = 1024
"""Pieces of a message that are kept as they came; more are joined, because a piece of two bytes takes forty here."""
MANY_BYTES: Final = 8192
"""Bytes from which on messages are taken to become some hundred objects."""
MOST_AT_ONCE: Final = 4096
"""Messages that one read returns, more than one read of the socket brings of a gateway's events, so that none pile up here; a window holds a million empty ones, and each becomes an object."""
FEW_AT_ONCE: Final = 64
"""The same, a millisecond's work, while other calls are made: a reply may have come behind these messages, and the gateway be idle until its caller goes on."""
MANY_AT_ONCE: Final = 256 * 1024
"""Bytes that are put together to be split into messages, unless one message is longer: what was taken of them stays in memory until all are."""


class ReplyStream(Generic[M]):
    """What has arrived of one RPC, and the task that waits for more.

    The connection feeds it synchronously; the caller takes everything that is complete in one go. Bytes count against the stream's flow-control
    window until they are taken, so that a slow caller holds back the gateway and nobody else.

    Args:
        decode: Turns the bytes of one message into the message.
        max_message_bytes: The largest message accepted.
    """

    __slots__ = (
        "_chunks", "_data", "_decode", "_fault", "_joined", "_limit", "_more", "_need", "_position", "_size", "_uncredited",
        "_waiter", "ended", "failed", "headers", "trailers",
    )  # fmt: skip

    def __init__(self, decode: Callable[[bytes], M], max_message_bytes: int) -> None:
        self._decode = decode
        self._limit = max_message_bytes
        self._data = b""  # what is being split into messages, from the position on
        self._position = 0
        self._chunks: list[bytes] = []  # what has come after it
        self._joined = 0  # how many of the chunks were joined already
        self._size = 0  # of what was not taken
        self._need = PREFIX_SIZE
        self._uncredited = 0
        self._more = False  # the last read has left complete messages
        self._waiter: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None
        self.headers: Headers | None = None
        self.trailers: Headers | None = None
        self.ended = False
        self.failed = False
        """True when a fault has ended the call."""

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
        if not self.failed:
            self._chunks += filter(None, payloads)  # empty frames cost the peer nothing and must not cost us memory
            self._size += sum(map(len, payloads))
            if len(self._chunks) - self._joined > MOST_PIECES:
                self._chunks[self._joined :] = [b"".join(self._chunks[self._joined :])]
                self._joined += 1
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
        if not self.failed and not self.ended:
            self.failed, self._fault = True, fault
        self._wake()

    @property
    def unread(self) -> int:
        """Bytes that count against the stream's window."""
        return self._uncredited

    # -- used by the caller

    async def messages(self) -> list[M]:
        """Return the complete messages that have arrived, waiting for the first; an empty list when the call has ended with OK.

        Raises:
            BaseException: The fault that ended the call, or the status.
        """
        if self._more:
            self._more = False
            await asyncio.sleep(0)
        while True:
            if batch := self._take():
                return batch
            if self.failed:
                raise self._take_fault()
            if self.ended:
                self._check_end()
                return []
            await self._wait()

    async def only_message(self) -> M:
        """Return the only message of a unary call, once the call has ended with OK.

        Raises:
            PeerFault: There was none, or more than one.
            BaseException: The fault that ended the call, or the status.
        """
        messages = await self.messages()
        if len(messages) == 1:
            while not (self.ended or self.failed or self._size):
                await self._wait()
            if self.ended and not self._size:
                self._check_end()
            else:
                messages += await self.messages()
        if len(messages) != 1:
            number = "more than one message" if messages else "status OK and no message"
            raise PeerFault(f"a unary call was answered with {number}")
        return messages[0]

    async def arrived(self) -> bool:
        """Wait until the only message of a unary call and its status are here, and tell whether the status is OK; nothing is decoded."""
        while not (self.ended or self.failed):
            if self._need == PREFIX_SIZE <= self._size:
                self._gather()
                length = int.from_bytes(self._data[1:PREFIX_SIZE], "big")
                if length > self._limit:
                    return False  # `only_message` refuses it
                self._need = PREFIX_SIZE + length
            if self._size > self._need:
                return False  # and so it does another message
            self._settle_credit()
            await self._wait()
        return not self.failed and self._last_headers().get(b"grpc-status") == b"0"

    def _take_fault(self) -> BaseException:
        """Return the fault and let go of it: with the traceback of its reader it would hold this stream in a cycle."""
        fault, self._fault = self._fault, None
        return fault or ClosedFault("the call is over")

    def _take(self) -> list[M]:
        batch: list[M] = []
        try:
            with collector_held() if self._size >= MANY_BYTES else contextlib.nullcontext():
                while self._size >= self._need and not batch:
                    if len(self._data) - self._position < self._need:
                        self._gather()
                    self._split(batch)
        except (PeerFault, ValueError) as fault:
            self._data, self._position, self._chunks, self._joined = b"", 0, [], 0
            self._size, self._need = 0, PREFIX_SIZE
            self.failed, self.ended = True, False
            self._fault = fault if isinstance(fault, PeerFault) else PeerFault(f"a reply cannot be read: {fault}")
        self._more = self._size >= self._need
        self._settle_credit()
        return batch

    def _gather(self) -> None:
        """Put what has come next behind what is left of the data, so that a message is complete; it is copied once, however many reads it takes to split it."""
        rest = self._data[self._position :]
        size, enough, count = len(rest), max(self._need, MANY_AT_ONCE), 0
        while size < enough and count < len(self._chunks):
            size += len(self._chunks[count])
            count += 1
        next_ones = self._chunks[:count]
        self._data = next_ones[0] if not rest and count == 1 else b"".join((rest, *next_ones))
        del self._chunks[:count]
        self._position, self._joined = 0, max(0, self._joined - count)

    def _split(self, batch: list[M]) -> None:
        """Move complete messages from the data to `batch`, `at_once` at the most."""
        data, begin, decode, limit, most = self._data, self._position, self._decode, self._limit, self.at_once
        position, size, append = begin, len(data), batch.append
        self._need = PREFIX_SIZE
        while (start := position + PREFIX_SIZE) <= size and len(batch) < most:
            if data[position]:
                raise PeerFault("a reply is marked compressed, though no compression was agreed")
            length = int.from_bytes(data[position + 1 : start], "big")
            if length > limit:
                raise MessageTooLargeFault(
                    f"a reply of {length} bytes exceeds the limit of {limit} bytes (max_receive_bytes)"
                )
            end = start + length
            if end > size:
                self._need = PREFIX_SIZE + length
                break
            append(decode(data[start:end]))
            position = end
        self._size -= position - begin
        if len(batch) < most:  # the beginning of a message does not keep those before it in memory
            data, position = data[position:], 0
        self._data, self._position = data, position

    @property
    def at_once(self) -> int:
        """How many messages one read returns at the most."""
        return MOST_AT_ONCE

    def _check_end(self) -> None:
        check_status(self._last_headers())
        if self._size:
            raise PeerFault("the reply ended in the middle of a message")

    def _last_headers(self) -> Headers:
        return self.trailers if self.trailers is not None else self.headers or {}

    def _settle_credit(self) -> None:
        """Let the peer send as much as was taken: everything but complete messages that nobody has taken yet."""
        complete = self._size if self._size >= self._need else 0
        if self._uncredited > complete:
            size, self._uncredited = self._uncredited - complete, complete
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
