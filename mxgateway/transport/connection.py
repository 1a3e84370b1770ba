"""One HTTP/2 connection to the gateway: used once, never reused after it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mxgateway.faults import ClosedFault, ConnectionFault, PeerFault
from mxgateway.transport import frames
from mxgateway.transport.grpclib_seam import (
    Configuration,
    ErrorCodes,
    GrpclibConnection,
    H2Connection,
    H2Error,
    NoAvailableStreamIDError,
)
from mxgateway.transport.header_block import Header
from mxgateway.transport.reply_status import Headers
from mxgateway.transport.reply_stream import ReplyStream

M = TypeVar("M")

log = logging.getLogger("mxgateway.transport")

STREAM_WINDOW: Final = 4 * 1024 * 1024
"""Bytes that one call may have waiting unread: some ten thousand events, the length of the gateway's own queue."""
CONNECTION_WINDOW: Final = 4 * STREAM_WINDOW
"""Bytes in flight on all calls together. They are credited back on arrival, so an unread stream never starves another."""
CREDIT_STEP: Final = STREAM_WINDOW // 4
"""A window update is sent when this many bytes have been credited: few enough frames, and never an empty window."""


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


class OpenStream(ReplyStream[M]):
    """One RPC on a connection: its sending half, and the reply."""

    __slots__ = ("_sendable", "_uncredited_step", "connection", "h2_skips_data", "h2_skips_end", "id")

    def __init__(self, connection: Connection, stream_id: int, decode: Callable[[bytes], M], limit: int) -> None:
        super().__init__(decode, limit)
        self.connection = connection
        self.id = stream_id
        self.h2_skips_data = False
        self.h2_skips_end = False
        self._uncredited_step = 0
        self._sendable: asyncio.Future[None] | None = None

    def credit(self, size: int) -> None:
        """Send a window update for the stream once a step's worth has been taken."""
        self._uncredited_step += size
        if self._uncredited_step >= CREDIT_STEP and not self.ended:
            increment, self._uncredited_step = self._uncredited_step, 0
            self.connection.write_frame(frames.window_update(self.id, increment))

    async def send(self, data: bytes) -> None:
        """Send the request's only message and end the sending half, as the peer's windows allow.

        Returns early when the call has ended meanwhile: the reply tells why.
        """
        h2, position = self.connection.h2, 0
        while not (self.ended or self.failed):
            if not self.connection.write_ready.is_set():
                await self.connection.write_ready.wait()
                continue
            room = min(h2.local_flow_control_window(self.id), h2.max_outbound_frame_size)
            if room <= 0:
                await self._until_sendable()
                continue
            chunk = data[position : position + room]
            position += len(chunk)
            last = position == len(data)
            h2.send_data(self.id, chunk, end_stream=last)
            self.connection.flush()
            if last:
                return

    async def _until_sendable(self) -> None:
        self.connection.flush()
        self._sendable = asyncio.get_running_loop().create_future()
        try:
            await self._sendable
        finally:
            self._sendable = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the call belongs to."""
        return self.connection.loop

    def wake_sender(self) -> None:
        """Let a waiting sender look again."""
        if self._sendable is not None and not self._sendable.done():
            self._sendable.set_result(None)

    def receive_end(self, trailers: Headers | None = None) -> None:
        """Take END_STREAM; a sender need not go on."""
        super().receive_end(trailers)
        self.wake_sender()

    def fail(self, fault: BaseException) -> None:
        """End the call with `fault`; a sender need not go on."""
        super().fail(fault)
        self.wake_sender()

    def close(self) -> None:
        """Give the call up: RST_STREAM CANCEL unless both halves have ended. Idempotent, sends at once."""
        self.connection.release(self)
        if not self.ended:
            self.fail(ClosedFault("the call was given up"))  # frees another task that may still wait for it


class Connection(GrpclibConnection):
    """What grpclib's connection lacks: a state, streams in a table, slots, and an end that frees every waiter."""

    def __init__(self, h2: H2Connection, transport: asyncio.Transport, *, config: Configuration) -> None:
        super().__init__(h2, transport, config=config)
        self.h2 = h2
        self.state = ConnectionState.CONNECTING
        self.loop = asyncio.get_running_loop()
        self.greeted = asyncio.Event()
        self.lost = asyncio.Event()
        self.fault: BaseException | None = None
        self.streams: dict[int, OpenStream[Any]] = {}
        self._slots: deque[asyncio.Future[None]] = deque()
        self._uncredited = 0
        self._socket: asyncio.Transport | None = transport  # until it is gone; grpclib forgets its own when it closes
        self._abort_timer: asyncio.TimerHandle | None = None

    @property
    def closed(self) -> bool:
        """True once every call on it has ended and nothing is sent any more."""
        return self.state is ConnectionState.CLOSED

    # -- opening streams

    async def open(self, headers: list[Header], decode: Callable[[bytes], M], limit: int) -> OpenStream[M]:
        """Open a stream with `headers`; they leave together with the first data.

        Waits while the transport is full or the peer's limit on concurrent streams is reached.

        Raises:
            ConnectionFault: The connection takes no more calls; the request was not sent.
        """
        try:
            await self._until_openable()
        except asyncio.CancelledError:
            self._free_slot()  # one may have been given to us: pass it on
            raise
        stream_id = self._next_stream_id()
        self.h2.send_headers(stream_id, headers)
        self.headers_send_process()
        stream = self.streams[stream_id] = OpenStream(self, stream_id, decode, limit)
        return stream

    async def _until_openable(self) -> None:
        while True:
            if self.state is not ConnectionState.READY:
                raise ConnectionFault(str(self.fault or "the gateway is closing the connection"), processed=False)
            if not self.write_ready.is_set():
                await self.write_ready.wait()
            elif len(self.streams) >= self.h2.remote_settings.max_concurrent_streams:
                await self._slot()
            else:
                return

    def _next_stream_id(self) -> int:
        try:
            return self.h2.get_next_available_stream_id()
        except NoAvailableStreamIDError:
            fault = ConnectionFault("the connection has no stream id left for another call", processed=False)
            self._retire(fault)
            raise fault from None

    async def _slot(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._slots.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._slots:
                self._slots.remove(waiter)

    def _free_slot(self) -> None:
        while self._slots:
            waiter = self._slots.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def release(self, stream: OpenStream[Any]) -> None:
        """Forget a stream, resetting it when the peer still works on it."""
        if self.streams.pop(stream.id, None) is None or self.closed:
            return
        h2_stream = self.h2.streams.get(stream.id)
        if h2_stream is not None and not h2_stream.closed:
            self.h2.reset_stream(stream.id, ErrorCodes.CANCEL)
            self.flush()
        self._free_slot()
        if self.state is ConnectionState.DRAINING and not self.streams:
            self.end(ConnectionFault("the gateway closed the connection", processed=False))

    def flush(self) -> None:
        """Send what h2 has prepared."""
        if not self.closed:
            super().flush()

    # -- receiving

    def plain_stream(self, stream_id: int) -> OpenStream[Any] | None:
        """Return the stream of this id if h2 need not see its data."""
        stream = self.streams.get(stream_id)
        return stream if stream is not None and stream.h2_skips_data else None

    def receive_data(self, stream: OpenStream[Any] | None, payloads: list[bytes], flow_controlled: int) -> None:
        """Hand the payloads of DATA frames to their stream and credit the connection's window at once."""
        self._uncredited += flow_controlled
        if stream is None:
            return  # of a call that was given up; its reset is on the way
        if stream.unread + flow_controlled > STREAM_WINDOW:
            raise PeerFault("the gateway sent more than the flow-control window allows")
        stream.receive_data(payloads, flow_controlled)

    def settle_credit(self) -> None:
        """Return what has arrived to the connection's window; once for each read."""
        if self._uncredited >= CREDIT_STEP:
            increment, self._uncredited = self._uncredited, 0
            self.write_frame(frames.window_update(0, increment))

    def write_frame(self, frame: bytes) -> None:
        """Send a frame that h2 does not know of."""
        if not self.closed:
            self.flush()
            self._transport.write(frame)

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
        self.wake_slots()
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
        self._abort_timer = asyncio.get_running_loop().call_later(CLOSE_BOUND, self._transport.abort)
        self.close()
        self.greeted.set()
        for stream in self.streams.values():
            stream.fail(fault)
        self.wake_slots()
        self.write_ready.set()

    def wake_slots(self) -> None:
        """Let the calls that wait for a stream look again."""
        for waiter in self._slots:
            if not waiter.done():
                waiter.set_result(None)

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
