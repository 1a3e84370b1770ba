"""The receiving half of one RPC: bytes in, messages out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from time import thread_time
from typing import Final, Generic, TypeVar

from mxgateway.errors.faults import ClosedFault, ContractFault, MessageFault, MessageTooLargeFault, PeerFault
from mxgateway.transport.http2.reply_headers import Headers
from mxgateway.transport.streams.reply_status import fault_of_response, fault_of_status
from mxgateway.wire import MisfitError, WireError
from mxgateway.wire.decode.steps import AT_ONCE, STEP, DecodingSteps
from mxgateway.wire.errors import ElementLimitError
from mxgateway.wire.garbage_collection import collector_held

M = TypeVar("M")

PREFIX_SIZE = 5
"""Bytes before each gRPC message: the compressed flag and the length as 32 bits."""
MOST_PIECES: Final = 1024
"""The most chunks of a message that are kept apart; more are joined, because a chunk of two bytes takes forty here."""
MANY_BYTES: Final = 8192
"""Bytes from which messages are expected to become some hundred objects."""
MOST_AT_ONCE: Final = 4096
"""The most messages that one read returns: more than a socket read holds of a gateway's events, so that none pile up;
but a window holds a million empty messages, and each becomes an object."""
FEW_AT_ONCE: Final = 64
"""The same limit while other calls are pending: about a millisecond's work. A reply may have arrived after these
messages, and the gateway may be idle until its caller continues."""
MANY_AT_ONCE: Final = 256 * 1024
"""Bytes that are joined to be split into messages, unless one is longer: they stay in memory until all are taken."""
TURN: Final = 0.01
"""Seconds for a channel's large messages in one iteration of the event loop."""
LONGEST_TURN: Final = 0.05
"""Seconds of CPU time for the other messages of a stream in one iteration. A peer can make small messages slow to
decode; those of a gateway take some milliseconds."""
BETWEEN_LOOKS: Final = 4096
"""Bytes of messages between two looks at the clock: some dozens of a gateway's events."""


@dataclass(slots=True)
class ReplyLimits:
    """The limits of a channel's replies."""

    max_bytes: int
    """The size limit of a message."""
    max_elements: int
    """The most elements of a message."""
    decoding: int = 0
    """How many large messages are being decoded: they share the time of an iteration."""

    @property
    def at_once(self) -> int:
        """The size up to which a message is decoded in one go, without counting its elements."""
        return min(self.max_bytes, self.max_elements, STEP)


class ReplyStream(Generic[M]):
    """The received data of one RPC, and the task that waits for more.

    The connection feeds it synchronously; the caller takes all complete messages at once. Bytes count against the
    stream's flow-control window until they are taken, so that a slow caller slows down the gateway on this stream only.

    Args:
        decode: Decodes one message.
        limits: The limits of the messages.
        decode_in_steps: Starts decoding a larger message, given its bytes and the most elements.
    """

    __slots__ = (
        "_chunks", "_data", "_decode_in_steps", "_fault", "_joined", "_more", "_need", "_position", "_size", "_steps",
        "_steps_size", "_uncredited", "_waiter", "at_once_limit", "decode", "ended", "failed", "headers", "limits",
    "taken", "trailers", )  # fmt: skip

    def __init__(
        self,
        decode: Callable[[bytes], M],
        limits: ReplyLimits,
        decode_in_steps: Callable[[bytes, int], DecodingSteps[M]],
    ) -> None:
        self.decode = decode
        """May be replaced; applies to messages that are not split yet."""
        self.limits = limits
        self.at_once_limit = limits.at_once
        """The size up to which a message is decoded in one go."""
        self._decode_in_steps = decode_in_steps
        self._steps: DecodingSteps[M] | None = None  # of the first message that was not taken
        self._steps_size = 0  # with its prefix
        self._data = b""  # being split into messages, from the position on
        self._position = 0
        self._chunks: list[bytes] = []  # received after it
        self._joined = 0  # how many of the chunks are already joined ones
        self._size = 0  # of what was not taken
        self._need = PREFIX_SIZE
        self._uncredited = 0
        self._more = False  # the last read left complete messages
        self._waiter: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None
        self.headers: Headers | None = None
        self.trailers: Headers | None = None
        self.taken = 0
        """Bytes of the returned messages, with their prefixes."""
        self.ended = False
        self.failed = False
        """True when a fault has ended the call."""

    # -- fed by the connection

    def receive_headers(self, headers: Headers) -> None:
        """Take the response headers; if it is not a gRPC response, the call ends."""
        self.headers = headers
        if (fault := fault_of_response(headers)) is not None:
            self.fail(fault)

    def receive_data(self, payloads: list[bytes], flow_controlled: int) -> None:
        """Take the payloads of DATA frames; `flow_controlled` counts their padding as well."""
        self._uncredited += flow_controlled
        if not self.failed:
            self._chunks += filter(None, payloads)  # empty frames are free for the peer and must not cost us memory
            self._size += sum(map(len, payloads))
            if len(self._chunks) - self._joined > MOST_PIECES:
                self._chunks[self._joined :] = [b"".join(self._chunks[self._joined :])]
                self._joined += 1
            if self._size >= self._need:
                self._wake()
            elif self._is_awaited():
                self._settle_credit()  # the caller needs the rest of this message, whatever its size

    def receive_end(self, trailers: Headers | None = None) -> None:
        """Take END_STREAM, with trailers if there were any."""
        self.trailers = trailers
        self.ended = True
        self._wake()

    def fail(self, fault: BaseException) -> None:
        """End the call with `fault`; the first one counts. Messages that arrived before it are still delivered, except
        one that is not fully decoded at a timeout."""
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
        """Return the complete messages that have arrived, waiting for the first; an empty list after status OK.

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
        """Wait for the only message of a unary call and its status; return whether it is OK. Nothing is decoded."""
        while not (self.ended or self.failed):
            if self._need == PREFIX_SIZE <= self._size:
                self._gather()
                length = int.from_bytes(self._data[1:PREFIX_SIZE], "big")
                if length > self.limits.max_bytes:
                    return False  # `only_message` refuses it
                self._need = PREFIX_SIZE + length
            if self._size > self._need:
                return False  # it refuses a second message as well
            self._settle_credit()
            await self._wait()
        return not self.failed and self._last_headers().get(b"grpc-status") == b"0"

    @property
    def is_small(self) -> bool:
        """True while the received data, unless irregular, is decoded in one go, without yielding to other tasks."""
        return self._size <= min(AT_ONCE, self.limits.max_elements)

    def _take_fault(self) -> BaseException:
        """Return the fault and drop it: with its reader's traceback it would form a cycle with this stream."""
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
                self._continue_steps(self._steps, batch)
        except Exception as fault:  # noqa: BLE001 - a decoder's defect ends the call too, after the messages before it
            self._spoil(fault)
        self._more = self._size >= self._need
        self._settle_credit()
        return batch

    def _continue_steps(self, steps: DecodingSteps[M], batch: list[M]) -> None:
        """Decode a large message for one iteration's time; after a timeout of the call nobody waits for it."""
        if isinstance(self._fault, TimeoutError):
            raise self._fault
        if steps.run(TURN / self.limits.decoding):
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
        """End the call with a fault of its data: nothing after it can be read."""
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
        """Append chunks to the rest of the data until a message is complete; each is copied once, whatever the number
        of reads."""
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
        """Move complete messages from the data to `batch`, at most `at_once`, and within an iteration's time."""
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
        if len(batch) < most or position == size:  # the beginning of another message must not keep taken data in memory
            data, position = data[position:], 0
        self._data, self._position = data, position

    def _check_size(self, length: int) -> None:
        if length > self.limits.max_bytes:
            raise MessageTooLargeFault(
                f"a reply of {length} bytes exceeds the limit of {self.limits.max_bytes} bytes (max_receive_bytes)"
            )

    def _begin_steps(self, data: bytes) -> None:
        """Start decoding a large message; it counts as not taken until it is complete."""
        self._steps = self._decode_in_steps(data, self.limits.max_elements)
        self._steps_size = PREFIX_SIZE + len(data)
        self.limits.decoding += 1

    def _end_steps(self) -> None:
        """Stop decoding a large message, and drop it."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
            self.limits.decoding -= 1

    @property
    def at_once(self) -> int:
        """The most messages that one read returns."""
        return MOST_AT_ONCE

    def _check_end(self) -> None:
        self._fault = self._end_fault()
        if self._fault is not None:
            raise self._take_fault()

    def _end_fault(self) -> Exception | None:
        """Return what is wrong with the end of the reply; None for status OK after whole messages."""
        fault = fault_of_status(self._last_headers())
        return PeerFault("the reply ended in the middle of a message") if fault is None and self._size else fault

    def _last_headers(self) -> Headers:
        return self.trailers if self.trailers is not None else self.headers or {}

    def _settle_credit(self) -> None:
        """Return window credit to the peer for all bytes except complete messages that were not taken yet."""
        complete = self._size if self._size >= self._need else 0
        if self._uncredited > complete:
            size, self._uncredited = self._uncredited - complete, complete
            self.credit(size)

    def credit(self, size: int) -> None:
        """Allow the peer to send `size` more bytes on this stream."""
        raise TypeError(f"{type(self).__name__} has no peer to credit {size} bytes to")

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _is_awaited(self) -> bool:
        """Return whether the caller waits for more."""
        return self._waiter is not None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def end_of_turn(size: int) -> float:
    """Return the CPU time until which `size` bytes of messages may be decoded; for few bytes there is no limit."""
    return thread_time() + LONGEST_TURN if size > BETWEEN_LOOKS else math.inf


def is_over(end: float) -> bool:
    """Return whether an iteration's time is over."""
    return end < math.inf and thread_time() >= end


def _next_step(position: int, size: int, over: float) -> int:
    """Return the position up to which messages are split before the next look at the clock; 0 when the time is over."""
    return 0 if position < size and is_over(over) else min(size, position + BETWEEN_LOOKS)
