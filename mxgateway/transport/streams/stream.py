"""One RPC on a connection: its sending half, its windows, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from mxgateway.errors.faults import ClosedFault, PeerFault
from mxgateway.transport.http2 import frames
from mxgateway.transport.http2.floods import INFORMATIONAL_NOISE, FloodGuard
from mxgateway.transport.http2.grpclib_seam import ErrorCodes
from mxgateway.transport.http2.reply_headers import Headers
from mxgateway.transport.streams.hand_overs import HandOvers
from mxgateway.transport.streams.pushed_reply import PushedReply
from mxgateway.transport.streams.reply_status import reset_status
from mxgateway.transport.streams.reply_stream import FEW_AT_ONCE, ReplyLimits
from mxgateway.wire.decode.steps import DecodingSteps

M = TypeVar("M")

STREAM_WINDOW: Final = 4 * 1024 * 1024
"""Bytes that one call may have waiting unread: some ten thousand events, the length of the gateway's own queue."""
MOST_AT_ONCE: Final = 1024 * 1024
"""Bytes of a request that are handed to the transport in one go, whatever the peer allows: the rest waits until they have left."""
CREDIT_STEP: Final = STREAM_WINDOW // 4
"""A window update is sent when this many bytes have been credited: few enough frames, and never an empty window."""


class Carrier(Protocol):
    """What a stream needs of the connection that carries it."""

    loop: asyncio.AbstractEventLoop
    write_ready: asyncio.Event
    """Set while the transport takes more."""
    send_window: int
    """Bytes that the peer takes on all calls together before it says more."""
    max_frame_size: int
    guard: FloodGuard
    hand_overs: HandOvers

    @property
    def makes_calls(self) -> bool:
        """True while several calls are under way, and shortly after one has ended."""

    def write(self, frame: bytes) -> None:
        """Take a frame to be sent with the next flush."""

    def write_soon(self, frame: bytes) -> None:
        """Take a frame to be sent before the loop waits again."""

    def flush(self) -> None:
        """Send what was written."""

    def receive_noise(self, count: int, kind: str) -> None:
        """Take note of frames that carry nothing for a call."""

    def release(self, stream: OpenStream[Any]) -> None:
        """Forget a stream, resetting it when the peer still works on it."""


class OpenStream(PushedReply[M]):
    """One RPC on a connection: its sending half, and the reply.

    Args:
        connection: What it was opened on.
        stream_id: Its id there.
        send_window: Bytes that the peer takes on it before it says more.
        decode: Turns the bytes of one message into the message.
        limits: What the messages may be.
        decode_in_steps: Begins to decode a large one.
    """

    __slots__ = (
        "_outgoing", "_sendable", "_timer", "_uncredited_step", "connection", "id", "needed_to_close", "reset", "send_window",
        "sent",
    )  # fmt: skip

    def __init__(
        self,
        connection: Carrier,
        stream_id: int,
        send_window: int,
        decode: Callable[[bytes], M],
        limits: ReplyLimits,
        decode_in_steps: Callable[[bytes, int], DecodingSteps[M]],
    ) -> None:
        super().__init__(decode, limits, decode_in_steps)
        self.connection = connection
        self.id = stream_id
        self.send_window = send_window
        self.sent = False
        """True when the request was sent to its end."""
        self.needed_to_close = False
        """True when the call goes on while the client closes."""
        self.reset = False
        """True when either side has reset the stream: nothing more is sent on it."""
        self._outgoing = b""
        """What is still to be sent of the request. No local variable: a traceback may show those, and a password stands in it in clear text."""
        self._uncredited_step = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sendable: asyncio.Future[None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the call belongs to."""
        return self.connection.loop

    # -- the request

    def send_at_once(self, data: bytes) -> None:
        """Send the request's only message if the peer's windows take all of it in one frame; the caller flushes. Otherwise `send` does it."""
        if len(data) <= self._room():
            self._send_frame(data, end=True)
        else:
            self._outgoing = data

    async def send(self) -> None:
        """Send what `send_at_once` has left of the request and end the sending half, as the peer's windows allow.

        Returns early when the call has ended meanwhile: the reply tells why.
        """
        position = 0
        try:
            while not (self.sent or self.ended or self.failed):
                room = self._room()
                if room <= 0 or not self.connection.write_ready.is_set():
                    await self._until_sendable()
                else:
                    self._send_piece(position, room)
                    position += room
        finally:
            self._outgoing = b""

    def _room(self) -> int:
        """Return how many bytes the peer and the transport take in one frame."""
        connection = self.connection
        return min(self.send_window, connection.send_window, connection.max_frame_size, MOST_AT_ONCE)

    def _send_piece(self, position: int, size: int) -> None:
        end = position + size
        self._send_frame(self._outgoing[position:end], end=end >= len(self._outgoing))
        self.connection.flush()

    def _send_frame(self, chunk: bytes, *, end: bool) -> None:
        self.connection.write(frames.data(self.id, chunk, end=end))
        self.connection.send_window -= len(chunk)
        self.send_window -= len(chunk)
        self.sent = end

    async def _until_sendable(self) -> None:
        self._sendable = self.loop.create_future()
        try:
            await self._sendable
        finally:
            self._sendable = None

    def wake_sender(self) -> None:
        """Let a waiting sender look again."""
        if self._sendable is not None and not self._sendable.done():
            self._sendable.set_result(None)

    def receive_window_update(self, increment: int) -> None:
        """Let the sender send more; what is no window ends this call alone (RFC 9113, section 6.9)."""
        if increment == 0:
            self._refuse(PeerFault("the gateway sent a window update of 0 for the call"), ErrorCodes.PROTOCOL_ERROR)
            return
        try:
            self.send_window = grown(self.send_window, increment)
        except PeerFault as fault:
            self._refuse(fault, ErrorCodes.FLOW_CONTROL_ERROR)
        else:
            self.wake_sender()

    # -- the reply

    def receive_block(self, headers: Headers, *, end: bool) -> None:
        """Take a header block: informational, the headers, or the trailers."""
        if self.ended or self.failed:
            return
        if self.headers is None:
            status = headers.get(b":status", b"")
            if not status:
                self.fail(PeerFault("the gateway sent a reply without :status"))
            elif status.startswith(b"1") and not end:
                self.connection.receive_noise(INFORMATIONAL_NOISE, "1xx HEADERS")
            else:
                self.connection.guard.useful(1, 0)
                self.receive_headers(headers)
                if end:
                    self.receive_end()
        elif not end:
            self.fail(PeerFault("the gateway sent headers where only data or trailers belong"))
        elif b":status" in headers:
            self.fail(PeerFault("the gateway sent the pseudo-header :status where none belongs"))
        else:
            self.connection.guard.useful(1, 0)
            self.receive_end(headers)

    @property
    def at_once(self) -> int:
        """How many messages one read returns at the most: few while other calls are made."""
        return FEW_AT_ONCE if self.connection.makes_calls else super().at_once

    def receive_end(self, trailers: Headers | None = None) -> None:
        """Take END_STREAM; a sender need not go on."""
        super().receive_end(trailers)
        self.wake_sender()

    def receive_reset(self, code: int) -> None:
        """Take RST_STREAM: the call ends with the status that the code stands for, unless the reply was complete."""
        self.reset = True
        self.fail(reset_status(code))

    def credit(self, size: int) -> None:
        """Send a window update for the stream once a step's worth has been taken."""
        self._uncredited_step += size
        if self._uncredited_step >= CREDIT_STEP and not (self.ended or self.reset):
            increment, self._uncredited_step = self._uncredited_step, 0
            self.connection.write_soon(frames.window_update(self.id, increment))

    def queue_hand_over(self) -> None:
        """Have `hand_over` called: at the end of the read that is being sorted, or in the next turn of the loop."""
        self.connection.hand_overs.queue(self)

    # -- the end

    def expire_at(self, deadline: float) -> None:
        """End the call at `deadline`, in the loop's time, unless it is closed before. Nothing is cancelled: whoever waits finds a fault."""
        self._timer = self.loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.fail(TimeoutError())

    @property
    def over(self) -> bool:
        """True when the peer works on the call no more: it was reset, or both halves have ended."""
        return self.reset or (self.ended and self.sent)

    def fail(self, fault: BaseException) -> None:
        """End the call with `fault`; a sender need not go on."""
        super().fail(fault)
        self._outgoing = b""
        self.wake_sender()

    def _refuse(self, fault: PeerFault, code: ErrorCodes) -> None:
        """End the call and tell the peer what it did wrong."""
        if not self.over:
            self.reset = True
            self.connection.write_soon(frames.rst_stream(self.id, code))
        self.fail(fault)

    def close(self) -> None:
        """Give the call up: RST_STREAM CANCEL unless both halves have ended. Idempotent, sends at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._outgoing = b""
        self._end_steps()
        self.stop_pushing()
        self.connection.release(self)
        if not self.ended:
            self.fail(ClosedFault("the call was given up"))  # frees another task that may still wait for it


def grown(window: int, increment: int) -> int:
    """Return a send window after a change.

    Raises:
        PeerFault: It exceeds what HTTP/2 allows.
    """
    window += increment
    if window > frames.MAX_WINDOW:
        raise PeerFault(f"the gateway enlarged a flow-control window to {window} bytes, more than HTTP/2 allows")
    return window
