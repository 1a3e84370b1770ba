"""One RPC on a connection: its sending half, its windows, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from mxgateway.faults import ClosedFault, PeerFault
from mxgateway.transport import frames
from mxgateway.transport.reply_headers import Headers
from mxgateway.transport.reply_status import reset_status
from mxgateway.transport.reply_stream import ReplyStream

if TYPE_CHECKING:
    from mxgateway.transport.connection import Connection

M = TypeVar("M")

STREAM_WINDOW: Final = 4 * 1024 * 1024
"""Bytes that one call may have waiting unread: some ten thousand events, the length of the gateway's own queue."""
CREDIT_STEP: Final = STREAM_WINDOW // 4
"""A window update is sent when this many bytes have been credited: few enough frames, and never an empty window."""


class OpenStream(ReplyStream[M]):
    """One RPC on a connection: its sending half, and the reply.

    Args:
        connection: What it was opened on.
        stream_id: Its id there.
        send_window: Bytes that the peer takes on it before it says more.
        decode: Turns the bytes of one message into the message.
        limit: Bytes of the largest message accepted.
    """

    __slots__ = ("_sendable", "_uncredited_step", "connection", "id", "reset", "send_window", "sent")

    def __init__(
        self, connection: Connection, stream_id: int, send_window: int, decode: Callable[[bytes], M], limit: int
    ) -> None:
        super().__init__(decode, limit)
        self.connection = connection
        self.id = stream_id
        self.send_window = send_window
        self.sent = False
        """True when the request was sent to its end."""
        self.reset = False
        """True when either side has reset the stream: nothing more is sent on it."""
        self._uncredited_step = 0
        self._sendable: asyncio.Future[None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the call belongs to."""
        return self.connection.loop

    # -- the request

    def send_at_once(self, data: bytes) -> bool:
        """Send the request's only message if the peer's windows take all of it in one frame."""
        connection, size = self.connection, len(data)
        if size > self.send_window or size > connection.send_window or size > connection.max_frame_size:
            return False
        self._send_frame(data, end=True)
        return True

    async def send(self, data: bytes) -> None:
        """Send the request's only message and end the sending half, as the peer's windows allow.

        Returns early when the call has ended meanwhile: the reply tells why.
        """
        connection, position = self.connection, 0
        while not (self.ended or self.failed):
            if not connection.write_ready.is_set():
                await connection.write_ready.wait()
                continue
            room = min(self.send_window, connection.send_window, connection.max_frame_size)
            if room <= 0:
                await self._until_sendable()
                continue
            chunk = data[position : position + room]
            position += len(chunk)
            self._send_frame(chunk, end=position == len(data))
            connection.flush()
            if self.sent:
                return

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
                return  # informational
            else:
                self.receive_headers(headers)
                if end:
                    self.receive_end()
        elif not end:
            self.fail(PeerFault("the gateway sent headers where only data or trailers belong"))
        elif b":status" in headers:
            self.fail(PeerFault("the gateway sent the pseudo-header :status where none belongs"))
        else:
            self.receive_end(headers)

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

    # -- the end

    @property
    def over(self) -> bool:
        """True when the peer works on the call no more: it was reset, or both halves have ended."""
        return self.reset or (self.ended and self.sent)

    def fail(self, fault: BaseException) -> None:
        """End the call with `fault`; a sender need not go on."""
        super().fail(fault)
        self.wake_sender()

    def close(self) -> None:
        """Give the call up: RST_STREAM CANCEL unless both halves have ended. Idempotent, sends at once."""
        self.connection.release(self)
        if not self.ended:
            self.fail(ClosedFault("the call was given up"))  # frees another task that may still wait for it
