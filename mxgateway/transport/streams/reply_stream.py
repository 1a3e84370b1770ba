"""The receiving half of one RPC: bytes in, messages out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import thread_time
from typing import Final, Generic, TypeVar

from mxgateway.errors.faults import ClosedFault, ContractFault, MessageFault, MessageTooLargeFault, PeerFault, RpcStatus
from mxgateway.transport.http2.reply_headers import Headers
from mxgateway.transport.streams.reply_status import check_response, check_status
from mxgateway.wire import MisfitError, WireError
from mxgateway.wire.decode.steps import AT_ONCE, STEP, DecodingSteps
from mxgateway.wire.errors import ElementLimitError
from mxgateway.wire.garbage_collection import collector_held

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
TURN: Final = 0.01
"""Seconds that are spent on the large messages of a channel in one turn of the loop."""
LONGEST_TURN: Final = 0.05
"""Seconds of the processor that are spent on the other messages of a stream, of which few bytes can be made to take long; those of a gateway take some milliseconds."""
BETWEEN_LOOKS: Final = 4096
"""Bytes of messages behind which the clock is looked at again: some dozens of a gateway's events."""


class Decodings:
    """The large messages of a channel that are being decoded."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0
        """How many there are."""


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """What the messages of a reply may be."""

    max_bytes: int
    """The largest one accepted."""
    max_elements: int
    """The most elements of one."""
    decodings: Decodings = field(default_factory=Decodings)
    """Those that share a turn of the loop."""

    @property
    def at_once(self) -> int:
        """Bytes of the largest message that is decoded in one go, and need not be counted."""
        return min(self.max_bytes, self.max_elements, STEP)


class ReplyStream(Generic[M]):
    """What has arrived of one RPC, and the task that waits for more.

    The connection feeds it synchronously; the caller takes everything that is complete in one go. Bytes count against the stream's flow-control
    window until they are taken, so that a slow caller holds back the gateway and nobody else.

    Args:
        decode: Turns the bytes of one message into the message.
        limits: What the messages may be.
        decode_in_steps: Begins to decode a larger message, of which it takes the bytes and the most elements; None decodes every message in one go.
    """

    __slots__ = (
        "_chunks", "_data", "_decode_in_steps", "_fault", "_joined", "_more", "_need", "_position", "_size", "_steps", "_steps_size",
        "_uncredited", "_waiter", "at_once_limit", "decode", "ended", "failed", "headers", "limits", "taken", "trailers",
    )  # fmt: skip

    def __init__(
        self,
        decode: Callable[[bytes], M],
        limits: ReplyLimits,
        decode_in_steps: Callable[[bytes, int], DecodingSteps[M]] | None = None,
    ) -> None:
        self.decode = decode
        """Applies to the messages that are split from now on."""
        self.limits = limits
        self.at_once_limit = limits.max_bytes if decode_in_steps is None else limits.at_once
        """Bytes of the largest message that is decoded in one go."""
        self._decode_in_steps = decode_in_steps
        self._steps: DecodingSteps[M] | None = None  # of the first message that was not taken
        self._steps_size = 0  # with its prefix
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
        self.taken = 0
        """Bytes of the messages that were asked for and returned, with their prefixes."""
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
            elif self._is_awaited():
                self._settle_credit()  # the caller wants more of this message, whatever its size

    def receive_end(self, trailers: Headers | None = None) -> None:
        """Take END_STREAM, with the trailers when it came with some."""
        self.trailers = trailers
        self.ended = True
        self._wake()

    def fail(self, fault: BaseException) -> None:
        """End the call with `fault`; what had arrived before it is still delivered, but for a message that is not decoded when the time is over. The first
        fault counts."""
        is_late = self._steps is not None and isinstance(fault, TimeoutError)
        if not self.failed and (is_late or not self.ended):
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
            if self._steps is not None:
                await asyncio.sleep(0)
                continue
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
                if length > self.limits.max_bytes:
                    return False  # `only_message` refuses it
                self._need = PREFIX_SIZE + length
            if self._size > self._need:
                return False  # and so it does another message
            self._settle_credit()
            await self._wait()
        return not self.failed and self._last_headers().get(b"grpc-status") == b"0"

    @property
    def is_small(self) -> bool:
        """True while what has arrived is decoded in one go, without a turn for others; unless it is irregular."""
        return self._size <= min(AT_ONCE, self.limits.max_elements)

    def _take_fault(self) -> BaseException:
        """Return the fault and let go of it: with the traceback of its reader it would hold this stream in a cycle."""
        fault, self._fault = self._fault, None
        return fault or ClosedFault("the call is over")

    def _take(self) -> list[M]:
        batch: list[M] = []
        try:
            if self._steps is None and self._size >= MANY_BYTES:
                with collector_held():
                    self._fill(batch)
            elif self._steps is None:
                self._fill(batch)
            if self._steps is not None and not batch:
                self._go_on(self._steps, batch)
        except Exception as fault:  # noqa: BLE001 - a decoder's defect ends the call as well, behind the messages before it
            self._spoil(fault)
        self._more = self._size >= self._need
        self._settle_credit()
        return batch

    def _go_on(self, steps: DecodingSteps[M], batch: list[M]) -> None:
        """Decode a large message for a turn's time; nobody waits for it when the time of the call is over."""
        if isinstance(self._fault, TimeoutError):
            raise self._fault
        if steps.run(TURN / self.limits.decodings.count):
            batch.append(steps.message)
            self._end_steps()
            self._size -= self._steps_size
            self.taken += self._steps_size

    def _fill(self, batch: list[M]) -> None:
        while self._size >= self._need and not batch and self._steps is None:
            if len(self._data) - self._position < self._need:
                self._gather()
            self._split(batch)

    def _spoil(self, fault: Exception) -> None:
        """End the call with what was met while it was read: nothing that follows can be read any more."""
        self._data, self._position, self._chunks, self._joined = b"", 0, [], 0
        self._size, self._need = 0, PREFIX_SIZE
        self._end_steps()
        self.failed, self.ended = True, False
        if isinstance(fault, ElementLimitError):
            self._fault = MessageTooLargeFault(
                f"a reply has more elements than the limit of {fault.limit} (max_decoded_elements)"
            )
        elif isinstance(fault, MisfitError):
            self._fault = ContractFault(f"a reply does not fit the contract that is spoken: {fault}")
        elif isinstance(fault, WireError):
            self._fault = MessageFault(f"a reply cannot be read: {fault}")
        else:
            self._fault = fault

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
        """Move complete messages from the data to `batch`, `at_once` at the most, and no more than a turn's work."""
        data, begin, decode, most = self._data, self._position, self.decode, self.at_once
        position, size, append, limit = begin, len(data), batch.append, self.at_once_limit
        self._need = PREFIX_SIZE
        step, over = min(size, begin + BETWEEN_LOOKS), end_of_turn(size - begin)
        while len(batch) < most and (
            (start := position + PREFIX_SIZE) <= step or start <= (step := _next_step(position, size, over))
        ):
            if data[position]:
                raise PeerFault("a reply is marked compressed, though no compression was agreed")
            length = int.from_bytes(data[position + 1 : start], "big")
            end = start + length
            if end > size or length > limit:
                self._check_size(length)
                if end > size:
                    self._need = PREFIX_SIZE + length
                elif not batch:
                    self._begin_steps(data[start:end])
                    data, begin, position = data[end:], 0, 0
                break
            append(decode(data[start:end]))
            position = end
        self._size -= position - begin
        self.taken += position - begin
        if (
            len(batch) < most or position == size
        ):  # what was taken is not kept in memory by the beginning of another message
            data, position = data[position:], 0
        self._data, self._position = data, position

    def _check_size(self, length: int) -> None:
        if length > self.limits.max_bytes:
            raise MessageTooLargeFault(
                f"a reply of {length} bytes exceeds the limit of {self.limits.max_bytes} bytes (max_receive_bytes)"
            )

    def _begin_steps(self, data: bytes) -> None:
        """Begin to decode a large message; it counts as not taken until it is complete."""
        assert self._decode_in_steps is not None, "without it no message is large"
        self._steps = self._decode_in_steps(data, self.limits.max_elements)
        self._steps_size = PREFIX_SIZE + len(data)
        self.limits.decodings.count += 1

    def _end_steps(self) -> None:
        """Decode no further, and let go of what there is of a large message."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
            self.limits.decodings.count -= 1

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

    def _is_awaited(self) -> bool:
        """Tell whether the caller waits for more."""
        return self._waiter is not None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def end_of_turn(size: int) -> float:
    """Return until when so many bytes of messages may be decoded, in seconds of the processor; few bytes take no time that counts."""
    return thread_time() + LONGEST_TURN if size > BETWEEN_LOOKS else math.inf


def is_over(end: float) -> bool:
    """Tell whether a turn is over."""
    return end < math.inf and thread_time() >= end


def _next_step(position: int, size: int, over: float) -> int:
    """Return up to where messages are split before the clock is looked at again; 0 when the time is over."""
    return 0 if position < size and is_over(over) else min(size, position + BETWEEN_LOOKS)
