"""One RPC on a connection: sending the request, flow control, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from mxgateway.errors.faults import ClosedFault, PeerFault, TransportFault
from mxgateway.transport.http2 import frames
from mxgateway.transport.http2.floods import INFORMATIONAL_NOISE, FloodGuard
from mxgateway.transport.http2.grpclib_seam import ErrorCodes
from mxgateway.transport.http2.reply_headers import Headers
from mxgateway.transport.streams.delivery_schedule import HandOvers
from mxgateway.transport.streams.pushed_reply import PushedReply
from mxgateway.transport.streams.reply_status import reset_status
from mxgateway.transport.streams.reply_stream import FEW_AT_ONCE, ReplyLimits
from mxgateway.wire.decode.steps import DecodingSteps

M = TypeVar("M")

STREAM_WINDOW: Final = 4 * 1024 * 1024
"""Bytes that one call may have unread: about ten thousand events, the length of the gateway's own queue."""
MAX_WRITE_SIZE: Final = 1024 * 1024
"""Bytes of a request written to the transport at once, whatever the peer allows; the rest waits."""
CREDIT_STEP: Final = STREAM_WINDOW // 4
"""A window update is sent when this many bytes were credited: few frames, and the window never empties."""


class Carrier(Protocol):
    """A connection, as far as its streams need it."""

    loop: asyncio.AbstractEventLoop
    write_ready: asyncio.Event
    """Set while the transport's buffer has room."""
    send_window: int
    """Bytes that may be sent on all calls together until the next window update."""
    max_frame_size: int
    guard: FloodGuard
    hand_overs: HandOvers

    @property
    def makes_calls(self) -> bool:
        """True while several calls are open, and shortly after one ended."""

    def write(self, frame: bytes) -> None:
        """Buffer a frame for the next flush."""

    def write_soon(self, frame: bytes) -> None:
        """Buffer a frame, and flush before the loop waits again."""

    def flush(self) -> None:
        """Send what was buffered."""

    def receive_noise(self, count: int, kind: str) -> None:
        """Count frames that carry nothing for a call."""

    def release(self, stream: OpenStream[Any]) -> None:
        """Forget a stream, and reset it if the peer still works on it."""


class OpenStream(PushedReply[M]):
    """One RPC on a connection: its request and its reply.

    Args:
        connection: Its connection.
        stream_id: Its id.
        send_window: Bytes that may be sent on it until the next window update.
        decode: Decodes one message.
        limits: The limits on messages.
        decode_in_steps: Starts decoding a large message.
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
        """True once the request was sent completely."""
        self.needed_to_close = False
        """True if the call continues while the client closes."""
        self.reset = False
        """True once either side has reset the stream: nothing more is sent on it."""
        self._outgoing = b""
        """The unsent rest of the request.

        Not a local variable: a traceback may show those, and it may contain a password in clear text.
        """
        self._uncredited_step = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sendable: asyncio.Future[None] | None = None

    # -- the request

    def send_at_once(self, data: bytes) -> None:
        """Send the request's only message if the windows allow it in one frame; the caller flushes.

        Otherwise `send` must send it.
        """
        if len(data) <= self._room():
            self._send_frame(data, end=True)
        else:
            self._outgoing = data

    async def send(self) -> None:
        """Send the request, if `send_at_once` did not, as far as the peer's windows allow, and end the sending half.

        Returns early if the call ends meanwhile: the reply says why.
        """
        position = 0
        try:
            while not (self.sent or self.ended or self.failed):
                room = self._room()
                if room <= 0 or not self.connection.write_ready.is_set():
                    await self._until_sendable()
                else:
                    end = position + room
                    self._send_frame(self._outgoing[position:end], end=end >= len(self._outgoing))
                    self.connection.flush()
                    position = end
        finally:
            self._outgoing = b""

    def _room(self) -> int:
        """Return how many bytes can be sent in one frame now."""
        connection = self.connection
        return min(self.send_window, connection.send_window, connection.max_frame_size, MAX_WRITE_SIZE)

    def _send_frame(self, chunk: bytes, *, end: bool) -> None:
        self.connection.write(frames.data(self.id, chunk, end=end))
        self.connection.send_window -= len(chunk)
        self.send_window -= len(chunk)
        self.sent = end

    async def _until_sendable(self) -> None:
        self._sendable = self.connection.loop.create_future()
        try:
            await self._sendable
        finally:
            self._sendable = None

    def wake_sender(self) -> None:
        """Wake a waiting sender."""
        if self._sendable is not None and not self._sendable.done():
            self._sendable.set_result(None)

    def receive_window_update(self, increment: int) -> None:
        """Let the sender send more; an invalid update ends only this call (RFC 9113, section 6.9)."""
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
        """Handle a header block: informational headers, headers, or trailers."""
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
            self.fail(PeerFault("the gateway sent headers where only data or trailers are allowed"))
        elif b":status" in headers:
            self.fail(PeerFault("the gateway sent the pseudo-header :status where it is not allowed"))
        else:
            self.connection.guard.useful(1, 0)
            self.receive_end(headers)

    @property
    def at_once(self) -> int:
        """The maximum number of messages returned by one read: few while other calls are made."""
        return FEW_AT_ONCE if self.connection.makes_calls else super().at_once

    def receive_end(self, trailers: Headers | None = None) -> None:
        """Handle END_STREAM; a sender can stop."""
        super().receive_end(trailers)
        self.wake_sender()

    def receive_reset(self, code: int) -> None:
        """Handle RST_STREAM: the call ends with the status for the code, unless the reply was complete."""
        self.reset = True
        self.fail(reset_status(code))

    def credit(self, size: int) -> None:
        """Credit bytes to the stream's window; a window update is sent once `CREDIT_STEP` is reached."""
        self._uncredited_step += size
        if self._uncredited_step >= CREDIT_STEP and not (self.ended or self.reset):
            increment, self._uncredited_step = self._uncredited_step, 0
            self.connection.write_soon(frames.window_update(self.id, increment))

    def queue_hand_over(self) -> None:
        """Schedule `hand_over`: after the current read, or in the next iteration of the loop."""
        self.connection.hand_overs.queue(self)

    # -- the end

    def expire_at(self, deadline: float) -> None:
        """End the call at `deadline`, in the loop's time, unless it is closed before.

        Waiters get a fault; no task is cancelled.
        """
        self._timer = self.connection.loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.fail(TimeoutError())

    @property
    def over(self) -> bool:
        """True once the peer no longer works on the call: it was reset, or both halves have ended."""
        return self.reset or (self.ended and self.sent)

    def fail(self, fault: BaseException) -> None:
        """End the call with `fault`; a sender can stop. If the reply has begun, the peer has seen the request, whatever
        it says."""
        if self.headers is not None and isinstance(fault, TransportFault):
            fault.processed = True
        super().fail(fault)
        self._outgoing = b""
        self.wake_sender()

    def _refuse(self, fault: PeerFault, code: ErrorCodes) -> None:
        """End the call, and reset the stream with an error code for the peer."""
        if not self.over:
            self.reset = True
            self.connection.write_soon(frames.rst_stream(self.id, code))
        self.fail(fault)

    def close(self) -> None:
        """Cancel the call: RST_STREAM CANCEL is sent at once, unless both halves have ended. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._outgoing = b""
        self._end_steps()
        self.stop_pushing()
        self.connection.release(self)
        if not self.ended:
            self.fail(ClosedFault("the call was cancelled"))  # releases another task that may still wait for it


def grown(window: int, increment: int) -> int:
    """Return a send window after a change.

    Raises:
        PeerFault: It exceeds HTTP/2's maximum.
    """
    window += increment
    if window > frames.MAX_WINDOW:
        raise PeerFault(f"the gateway enlarged a flow-control window to {window} bytes, more than HTTP/2 allows")
    return window
