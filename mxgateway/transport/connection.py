"""One HTTP/2 connection to the gateway: used once, never reused after it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mxgateway.faults import ConnectionFault, PeerFault
from mxgateway.transport import frames
from mxgateway.transport.grpclib_seam import Configuration, ErrorCodes, GrpclibConnection, H2Connection, H2Error
from mxgateway.transport.open_stream import STREAM_WINDOW, OpenStream
from mxgateway.transport.request_headers import NO_DYNAMIC_TABLE

M = TypeVar("M")

log = logging.getLogger("mxgateway.transport")

CONNECTION_WINDOW: Final = 4 * STREAM_WINDOW
"""Bytes in flight on all calls together. They are credited back on arrival, so an unread stream never starves another."""
CREDIT_STEP: Final = CONNECTION_WINDOW // 16
"""A window update for the connection is sent when this many bytes have arrived."""
DEFAULT_WINDOW: Final = 65_535
"""What a peer takes before its first window update (RFC 9113, section 6.9.2)."""

CLOSE_BOUND: Final = 1.0
"""Seconds that the peer has to take what is still unsent when the connection closes; a dead peer never does."""


class ConnectionState(enum.Enum):
    """The life of a connection, in order."""

    CONNECTING = "connecting"
    """The HTTP/2 greeting is under way."""
    READY = "ready"
    """Calls can be made."""
    DRAINING = "draining"
    """The gateway said GOAWAY: calls under way are finished, new ones go elsewhere."""
    CLOSED = "closed"
    """Over; every call on it has ended."""


class Connection(GrpclibConnection):
    """What grpclib's connection lacks: a state, streams in a table, slots, and an end that frees every waiter.

    h2 keeps the settings of both sides and answers pings; streams, their headers and their windows are kept here.
    """

    def __init__(self, h2: H2Connection, transport: asyncio.Transport, *, config: Configuration) -> None:
        super().__init__(h2, transport, config=config)
        self.h2 = h2
        self.state = ConnectionState.CONNECTING
        self.loop = asyncio.get_running_loop()
        self.greeted = asyncio.Event()
        self.lost = asyncio.Event()
        self.fault: BaseException | None = None
        self.streams: dict[int, OpenStream[Any]] = {}
        self.send_window = DEFAULT_WINDOW
        """Bytes that the peer takes on all calls together before it says more."""
        self.max_frame_size = h2.max_outbound_frame_size
        self._stream_window = DEFAULT_WINDOW
        self._max_streams = h2.remote_settings.max_concurrent_streams
        self.next_stream_id = 1
        """The id of the next call's stream; they are never used twice."""
        self._block_prefix = NO_DYNAMIC_TABLE
        self._unsent: list[bytes] = []
        self._flush_is_due = False
        self._slot_waiters: deque[asyncio.Future[None]] = deque()
        self._slots_granted = 0
        self._uncredited = 0
        self._socket: asyncio.Transport | None = transport  # until it is gone; grpclib forgets its own when it closes
        self._abort_timer: asyncio.TimerHandle | None = None

    @property
    def closed(self) -> bool:
        """True once every call on it has ended and nothing is sent any more."""
        return self.state is ConnectionState.CLOSED

    # -- opening streams

    async def open(self, block: bytes, data: bytes, decode: Callable[[bytes], M], limit: int) -> OpenStream[M]:
        """Open a stream and send a request on it.

        Waits while the transport is full, the peer's limit on concurrent streams is reached, or its windows do not take the message.

        Args:
            block: The request's header block, independent of any dynamic table.
            data: The request's only message with its prefix.
            decode: Turns the bytes of one reply into the message.
            limit: Bytes of the largest reply accepted.

        Raises:
            ConnectionFault: The connection takes no more calls; the request was not sent.
        """
        if not self._openable():
            await self._until_openable()
        stream = self._new_stream(decode, limit)
        if self._block_prefix:
            block, self._block_prefix = self._block_prefix + block, b""
        self.write(frames.headers(stream.id, block, self.max_frame_size))
        if stream.send_at_once(data):
            if len(self.streams) == 1:
                self.flush()
            else:
                self.flush_soon()  # other calls may begin in this turn of the loop as well: one write for all of them
            return stream
        try:
            await stream.send(data)
        except BaseException:
            stream.close()
            raise
        return stream

    def _openable(self) -> bool:
        return self.state is ConnectionState.READY and self._has_slot() and self.write_ready.is_set()

    async def _until_openable(self) -> None:
        while True:
            if self.state is not ConnectionState.READY:
                raise ConnectionFault(str(self.fault or "the gateway is closing the connection"), processed=False)
            if not self.write_ready.is_set():
                await self.write_ready.wait()
            elif not self._has_slot():
                await self._slot()
            else:
                return

    def _new_stream(self, decode: Callable[[bytes], M], limit: int) -> OpenStream[M]:
        stream_id = self.next_stream_id
        if stream_id > frames.MAX_STREAM_ID:
            fault = ConnectionFault("the connection has no stream id left for another call", processed=False)
            self._retire(fault)
            raise fault
        self.next_stream_id += 2
        stream = self.streams[stream_id] = OpenStream(self, stream_id, self._stream_window, decode, limit)
        return stream

    def _has_slot(self) -> bool:
        return len(self.streams) + self._slots_granted < self._max_streams

    async def _slot(self) -> None:
        """Wait for a slot, first come first served: one that is granted is held until its waiter runs."""
        waiter = self.loop.create_future()
        self._slot_waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with contextlib.suppress(ValueError):
                    self._slot_waiters.remove(waiter)
            else:
                self._slots_granted -= 1
                self._grant_slots()
            raise
        self._slots_granted -= 1

    def _grant_slots(self) -> None:
        while self._slot_waiters and self._has_slot():
            self._wake_first_waiter()

    def _wake_first_waiter(self) -> None:
        waiter = self._slot_waiters.popleft()
        if not waiter.done():
            self._slots_granted += 1
            waiter.set_result(None)

    def release(self, stream: OpenStream[Any]) -> None:
        """Forget a stream, resetting it when the peer still works on it."""
        if self.streams.pop(stream.id, None) is None or self.closed:
            return
        if not stream.over:
            stream.reset = True
            self.write(frames.rst_stream(stream.id, ErrorCodes.CANCEL))
            self.flush()
        if self._slot_waiters:
            self._grant_slots()
        if self.state is ConnectionState.DRAINING and not self.streams:
            self.end(ConnectionFault("the gateway closed the connection", processed=False))

    # -- sending

    def write(self, frame: bytes) -> None:
        """Take a frame to be sent with the next flush."""
        self._unsent.append(frame)

    def write_soon(self, frame: bytes) -> None:
        """Take a frame to be sent before the loop waits again."""
        self._unsent.append(frame)
        self.flush_soon()

    def flush(self) -> None:
        """Send what h2 has prepared, and our frames."""
        if not self.closed:
            data = b"".join([self.h2.data_to_send(), *self._unsent])
            self._unsent.clear()
            if data:
                self._transport.write(data)

    def flush_soon(self) -> None:
        """Have everything sent that this turn of the loop brings, in one write."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_is_due = False
        self.flush()

    # -- receiving

    def was_opened(self, stream_id: int) -> bool:
        """Tell whether a call has had this stream id on this connection."""
        return stream_id % 2 == 1 and stream_id < self.next_stream_id

    def receive_settings(self) -> None:
        """Follow the peer's settings, which h2 has taken: greeting over, windows, limits."""
        settings = self.h2.remote_settings
        self.max_frame_size, self._max_streams = self.h2.max_outbound_frame_size, settings.max_concurrent_streams
        change, self._stream_window = settings.initial_window_size - self._stream_window, settings.initial_window_size
        for stream in self.streams.values():
            stream.send_window = _grown(stream.send_window, change)
            stream.wake_sender()
        if self.state is ConnectionState.CONNECTING:
            self.state = ConnectionState.READY
            self.greeted.set()
        self._grant_slots()

    def receive_window_update(self, stream_id: int, increment: int) -> None:
        """Enlarge a send window and let the senders that it concerns look again."""
        if increment == 0:
            raise PeerFault(f"the gateway sent a window update of 0 (stream {stream_id})")
        if stream_id:
            if (stream := self.streams.get(stream_id)) is not None:
                stream.send_window = _grown(stream.send_window, increment)
                stream.wake_sender()
            return
        self.send_window = _grown(self.send_window, increment)
        for stream in self.streams.values():
            stream.wake_sender()

    def receive_data(self, stream: OpenStream[Any] | None, payloads: list[bytes], flow_controlled: int) -> None:
        """Hand the payloads of DATA frames to their stream and credit the connection's window at once."""
        self._uncredited += flow_controlled
        if stream is None or stream.ended or stream.failed:
            return  # of a call that was given up; its reset is on the way
        if stream.headers is None:
            stream.fail(PeerFault("the gateway sent data before any headers"))
        elif stream.unread + flow_controlled > STREAM_WINDOW:
            raise PeerFault("the gateway sent more than the flow-control window allows")
        else:
            stream.receive_data(payloads, flow_controlled)

    def settle_credit(self) -> None:
        """Return what has arrived to the connection's window; once for each read."""
        if self._uncredited >= CREDIT_STEP:
            increment, self._uncredited = self._uncredited, 0
            self.write(frames.window_update(0, increment))

    def go_away(self, last_stream_id: int, code: int, debug: bytes) -> None:
        """Take no more calls; those above `last_stream_id` were surely not processed."""
        name = ErrorCodes(code).name if code in list(ErrorCodes) else hex(code)
        detail = f", {debug[:200].decode('utf-8', 'replace')}" if debug else ""
        log.debug("GOAWAY %s, last stream %d%s", name, last_stream_id, detail)
        fault = ConnectionFault(f"the gateway is closing the connection (GOAWAY {name}{detail})", processed=False)
        for stream in [stream for stream in self.streams.values() if stream.id > last_stream_id]:
            stream.fail(fault)
        self._retire(fault)

    def _retire(self, fault: ConnectionFault) -> None:
        """Take no more calls; the connection ends with the last one that is under way."""
        self.state = ConnectionState.DRAINING
        self._wake_waiters()
        if not self.streams:
            self.end(fault)

    # -- the end

    def end(self, fault: BaseException) -> None:
        """Close the transport and end every call with `fault`; idempotent."""
        if self.closed:
            return
        self.flush()
        self.state = ConnectionState.CLOSED
        self.fault = fault
        self._abort_timer = self.loop.call_later(CLOSE_BOUND, self._transport.abort)
        self.close()
        self.greeted.set()
        for stream in self.streams.values():
            stream.fail(fault)
        self._wake_waiters()
        self.write_ready.set()

    def _wake_waiters(self) -> None:
        """Let the calls that wait for a stream see that there will be none."""
        while self._slot_waiters:
            self._wake_first_waiter()

    async def aclose(self, fault: BaseException) -> None:
        """Say GOAWAY, end every call with `fault` and wait until the transport is gone, `CLOSE_BOUND` at the most."""
        if not self.closed:
            with contextlib.suppress(H2Error):
                self.h2.close_connection()
            self.end(fault)
        await self.lost.wait()

    def abort(self, fault: BaseException) -> None:
        """End the connection without waiting for the peer to take what is still unsent."""
        self.end(fault)
        if self._socket is not None:
            self._socket.abort()

    def transport_lost(self) -> None:
        """Take note that the transport is gone."""
        self._socket = None
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self.lost.set()


def _grown(window: int, increment: int) -> int:
    """Return a send window after a change.

    Raises:
        PeerFault: It exceeds what HTTP/2 allows.
    """
    window += increment
    if window > frames.MAX_WINDOW:
        raise PeerFault(f"the gateway enlarged a flow-control window to {window} bytes, more than HTTP/2 allows")
    return window
