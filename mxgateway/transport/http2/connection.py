"""One HTTP/2 connection to the gateway; it is not reused after it ends."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mxgateway.errors.faults import ConnectionFault, PeerFault, copy_of
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import OPEN_GATE
from mxgateway.transport.http2 import frames
from mxgateway.transport.http2.connection_state import ConnectionState
from mxgateway.transport.http2.floods import FloodGuard
from mxgateway.transport.http2.grpclib_seam import Configuration, ErrorCodes, GrpclibConnection, H2Connection, H2Error
from mxgateway.transport.http2.keepalive import Keepalive
from mxgateway.transport.http2.request_headers import NO_DYNAMIC_TABLE
from mxgateway.transport.stats import Counters
from mxgateway.transport.streams.delivery_schedule import HandOvers
from mxgateway.transport.streams.reply_stream import ReplyLimits
from mxgateway.transport.streams.stream import STREAM_WINDOW, OpenStream, grown
from mxgateway.transport.streams.stream_slots import StreamSlots
from mxgateway.wire.decode.steps import DecodingSteps

M = TypeVar("M")

log = logger("mxgateway.transport.connection")

CONNECTION_WINDOW: Final = 4 * STREAM_WINDOW
"""The connection's flow-control window in bytes.

It is credited on arrival, so an unread stream never blocks another.
"""
CREDIT_STEP: Final = CONNECTION_WINDOW // 16
"""A window update for the connection is sent when this many bytes have arrived."""
CALL_GAP: Final = 0.05
"""The maximum number of seconds between consecutive calls of the same task."""
DEFAULT_WINDOW: Final = 65_535
"""The window before the first window update (RFC 9113, section 6.9.2)."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds for the peer to read unsent bytes when the connection closes; a dead peer never does."""


class Connection(GrpclibConnection):
    """A grpclib connection with a state, a table of streams, slots, and an end that releases every waiter.

    h2 keeps the settings of both sides; streams, their headers and their windows are kept here.
    """

    def __init__(self, h2: H2Connection, transport: asyncio.Transport, *, config: Configuration) -> None:
        super().__init__(h2, transport, config=config)
        self.h2 = h2
        self.state = ConnectionState.CONNECTING
        self.closed = False
        """True once every call on it has ended and nothing more is sent."""
        self.loop = asyncio.get_running_loop()
        self.greeted = asyncio.Event()
        self.lost = asyncio.Event()
        self.lost_by: BaseException | None = None
        self.fault: BaseException | None = None
        self.streams: dict[int, OpenStream[Any]] = {}
        self.send_window = DEFAULT_WINDOW
        """Bytes that may be sent on all calls together until the next window update."""
        self.max_frame_size = h2.max_outbound_frame_size
        self._stream_window = DEFAULT_WINDOW
        self.slots = StreamSlots(self.loop, h2.remote_settings.max_concurrent_streams)
        """The peer's limit on concurrent streams."""
        self.next_stream_id = 1
        """The id of the next call's stream; ids are never reused."""
        self._block_prefix = NO_DYNAMIC_TABLE
        self._unsent: list[bytes] = []
        self._last_release = -math.inf
        self._flush_is_due = False
        self.uncredited = 0
        """Bytes that have arrived and were not credited by a window update yet."""
        self.hand_overs = HandOvers(self.loop)
        self.counters = Counters()
        self.last_received = self.loop.time()
        """When the last byte arrived, in the loop's time."""
        self.keepalive = Keepalive(self, None, 0.0)
        self.on_too_many_pings: Callable[[], None] | None = None
        """Called once, if the peer complains about too many pings."""
        self.announced_end = ""
        """The peer's GOAWAY in words; empty if there was none."""
        self._ends_politely = False
        """True if that GOAWAY had NO_ERROR."""
        self.on_end: Callable[[BaseException], None] | None = None
        """Called with the reason when the connection ends."""
        self.show: Callable[[str], str] = OPEN_GATE.line
        """Cleans a text from the peer for the log."""
        self.guard = FloodGuard(self.last_received)
        self._waiting = 0
        self._socket: asyncio.Transport | None = transport  # until it is gone; grpclib forgets its own when it closes
        self._abort_timer: asyncio.TimerHandle | None = None

    def begin(self, counters: Counters, keepalive_time: float | None, keepalive_timeout: float) -> None:
        """Start counting for a client, the bytes of the greeting included, and watching the peer (`Keepalive`)."""
        counters.bytes_sent += self.counters.bytes_sent
        counters.bytes_received += self.counters.bytes_received
        counters.connections_opened += 1
        self.counters = counters
        self.keepalive = Keepalive(self, keepalive_time, keepalive_timeout)

    # -- opening streams

    @property
    def busy(self) -> bool:
        """True while calls are open, or wait for a stream."""
        return bool(self.streams) or self._waiting > 0

    @property
    def openable(self) -> bool:
        """True while a stream can be opened at once."""
        return self.state is ConnectionState.READY and self.slots.free and self.next_stream_id <= frames.MAX_STREAM_ID

    async def until_openable(self) -> None:
        """Wait while the transport is full or the peer's limit on concurrent streams is reached.

        Raises:
            ConnectionFault: The connection accepts no more calls.
        """
        self._waiting += 1
        if self.keepalive.asleep:
            self.keepalive.wake()
        try:
            while not self.openable:
                if self.state is ConnectionState.READY and self.next_stream_id > frames.MAX_STREAM_ID:
                    self.retire(ConnectionFault("the connection has no stream ids left", processed=False))
                if self.state is not ConnectionState.READY:
                    why = str(self.fault or "the gateway is closing the connection")
                    raise ConnectionFault(why, processed=False, polite=self._ends_politely)
                await self.slots.wait()
        finally:
            self._waiting -= 1

    def open(
        self,
        block: bytes,
        data: bytes,
        decode: Callable[[bytes], M],
        limits: ReplyLimits,
        decode_in_steps: Callable[[bytes, int], DecodingSteps[M]],
    ) -> OpenStream[M]:
        """Open a stream while `openable`, and send the request if the peer's windows allow it in one frame.

        Args:
            block: The request's header block, independent of any dynamic table.
            data: The request's only message with its prefix. If `OpenStream.sent` is False afterwards,
                `OpenStream.send` must send it.
            decode: Decodes one reply.
            limits: The limits on replies.
            decode_in_steps: Starts decoding a large reply.
        """
        stream_id = self.next_stream_id
        self.next_stream_id += 2
        self.slots.take()
        stream = OpenStream(self, stream_id, self._stream_window, decode, limits, decode_in_steps)
        self.streams[stream_id] = stream
        if self.keepalive.asleep:
            self.keepalive.wake()
        if self._block_prefix:
            block, self._block_prefix = self._block_prefix + block, b""
        self._unsent.append(frames.headers(stream.id, block, self.max_frame_size))
        stream.send_at_once(data)
        if len(self.streams) == 1:
            self.flush()
        else:
            self.flush_soon()  # other calls may start in the same iteration of the loop: one write for all of them
        return stream

    @property
    def makes_calls(self) -> bool:
        """True while several calls are open, and shortly after one ended: another may follow."""
        return len(self.streams) > 1 or self.loop.time() - self._last_release < CALL_GAP

    def release(self, stream: OpenStream[Any]) -> None:
        """Forget a stream, and reset it if the peer still works on it."""
        if self.streams.pop(stream.id, None) is None or self.closed:
            return
        self._last_release = self.loop.time()
        if not stream.over:
            stream.reset = True
            self.write(frames.rst_stream(stream.id, ErrorCodes.CANCEL))
            self.flush()
        self.slots.give_back()
        if self.state is ConnectionState.DRAINING and not self.streams:
            self.end(ConnectionFault("the gateway closed the connection", processed=False))

    # -- sending

    def write(self, frame: bytes) -> None:
        """Buffer a frame for the next flush."""
        self._unsent.append(frame)

    def write_soon(self, frame: bytes) -> None:
        """Buffer a frame, and flush before the loop waits again."""
        self._unsent.append(frame)
        self.flush_soon()

    def flush(self) -> None:
        """Send what was buffered."""
        if self.closed or not self._unsent:
            return
        data = b"".join(self._unsent)
        self._unsent.clear()
        self.counters.bytes_sent += len(data)
        self._transport.write(data)

    def write_h2(self) -> None:
        """Buffer h2's output for the next flush."""
        if data := self.h2.data_to_send():
            self._unsent.append(data)

    def flush_answers(self) -> None:
        """Send the answers to a read.

        Raises:
            PeerFault: The peer requests more answers than it reads.
        """
        if self._unsent:
            unread, before = not self.write_ready.is_set(), self.counters.bytes_sent
            self.flush()
            if unread:  # then only answers were sent here, no calls
                self.guard.answer_waits(self.counters.bytes_sent - before)

    def pause_writing(self) -> None:
        """Pause calls: the transport's buffer is full."""
        super().pause_writing()
        self.slots.paused = True

    def resume_writing(self) -> None:
        """Resume calls: the transport's buffer has room."""
        super().resume_writing()
        self.guard.peer_reads()
        self.slots.paused = False
        self.slots.pass_on()
        self._wake_senders()

    def flush_soon(self) -> None:
        """Flush at the end of this iteration of the loop, in one write."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_is_due = False
        self.flush()

    def _wake_senders(self) -> None:
        for stream in self.streams.values():
            stream.wake_sender()

    # -- receiving

    def was_opened(self, stream_id: int) -> bool:
        """Return whether a call used this stream id on this connection."""
        return stream_id % 2 == 1 and stream_id < self.next_stream_id

    def receive_settings(self) -> None:
        """Apply the peer's settings, which h2 has parsed: end of the greeting, windows, limits."""
        settings = self.h2.remote_settings
        self.max_frame_size = self.h2.max_outbound_frame_size
        change, self._stream_window = settings.initial_window_size - self._stream_window, settings.initial_window_size
        for stream in self.streams.values():
            stream.send_window = grown(stream.send_window, change)
            stream.wake_sender()
        if self.state is ConnectionState.CONNECTING:
            self.state = ConnectionState.READY
            self.greeted.set()
        self.slots.set_limit(settings.max_concurrent_streams)

    def receive_window_update(self, stream_id: int, increment: int) -> None:
        """Enlarge a send window and wake its senders."""
        if stream_id:
            if (stream := self.streams.get(stream_id)) is not None:
                stream.receive_window_update(increment)
            return
        if increment == 0:
            raise PeerFault("the gateway sent a window update of 0 for the connection")
        self.send_window = grown(self.send_window, increment)
        self._wake_senders()

    def receive_data(self, stream: OpenStream[Any] | None, payloads: list[bytes], flow_controlled: int) -> None:
        """Pass the payloads of DATA frames to their stream and credit the connection's window at once."""
        self.uncredited += flow_controlled
        if flow_controlled < len(payloads):  # some are empty
            self.receive_noise(len(payloads) - flow_controlled, "empty DATA")
        elif self.guard.noise and stream is not None:
            self.guard.useful(len(payloads), flow_controlled)
        if stream is None or stream.ended or stream.failed:
            return  # of a cancelled call; its reset was sent
        if stream.headers is None:
            stream.fail(PeerFault("the gateway sent data before headers"))
        elif stream.unread + flow_controlled > STREAM_WINDOW:
            raise PeerFault("the gateway sent more than the flow-control window allows")
        else:
            stream.receive_data(payloads, flow_controlled)

    def receive_noise(self, count: int, kind: str) -> None:
        """Count frames that carry nothing for a call.

        Raises:
            PeerFault: They are a flood.
        """
        self.guard.useless(count, kind, self.last_received)

    def settle_credit(self) -> None:
        """Credit received bytes to the connection's window; called once for each read."""
        if self.uncredited >= CREDIT_STEP:
            increment, self.uncredited = self.uncredited, 0
            self.write(frames.window_update(0, increment))

    def go_away(self, last_stream_id: int, code: int, debug: bytes) -> None:
        """Accept no more calls; those above `last_stream_id` were certainly not processed."""
        name = ErrorCodes(code).name if code in list(ErrorCodes) else hex(code)
        detail = f", {debug[:200].decode('utf-8', 'replace')}" if debug else ""
        self.announced_end = f"GOAWAY {name}{detail}"
        self._ends_politely = code == ErrorCodes.NO_ERROR
        fault = ConnectionFault(
            f"the gateway is closing the connection ({self.announced_end})", processed=False, polite=self._ends_politely
        )
        log.debug("%s; it finishes the calls up to stream %d", self.show(str(fault)), last_stream_id)
        if debug == b"too_many_pings" and self.on_too_many_pings is not None:
            complain, self.on_too_many_pings = self.on_too_many_pings, None
            complain()
        for stream in [stream for stream in self.streams.values() if stream.id > last_stream_id]:
            stream.reset = True  # by the peer, which may already have closed the transport: RST_STREAM is not needed
            stream.fail(copy_of(fault))
        self.retire(fault)

    def retire(self, fault: ConnectionFault) -> None:
        """Accept no more calls; the connection ends with the last open one."""
        self.state = ConnectionState.DRAINING
        self.slots.wake_all()
        if not self.streams:
            self.end(fault)

    # -- the end

    def end(self, fault: BaseException) -> None:
        """Close the transport and end every call with `fault`; idempotent."""
        if self.closed:
            return
        if isinstance(fault, ConnectionFault):
            fault.polite = self._ends_politely
        self.flush()
        self.state, self.closed = ConnectionState.CLOSED, True
        self.fault = fault
        self.keepalive.stop()
        self._abort_timer = self.loop.call_later(CLOSE_TIMEOUT, self._transport.abort)
        self.close()
        self.greeted.set()
        for stream in self.streams.values():
            stream.fail(copy_of(fault))
        self.slots.wake_all()
        self.write_ready.set()
        if self.on_end is not None:
            self.on_end(fault)

    def begin_closing(self, fault: Exception) -> None:
        """End every call with `fault`, except those that are `needed_to_close`."""
        for stream in self.streams.values():
            if not stream.needed_to_close:
                stream.abandon(copy_of(fault))

    def shut_down(self, fault: BaseException) -> None:
        """Send GOAWAY and end every call with `fault`; `lost` is set once the transport is closed (`CLOSE_TIMEOUT`)."""
        if not self.closed:
            with contextlib.suppress(H2Error):
                self.h2.close_connection()
            self.write_h2()
            self.end(fault)

    def abort(self, fault: BaseException) -> None:
        """End the connection without waiting for the peer to read unsent bytes."""
        self.end(fault)
        if self._socket is not None:
            self._socket.abort()

    def transport_lost(self, exc: BaseException | None) -> None:
        """Record that the transport is closed, and the error that closed it."""
        self._socket, self.lost_by = None, exc
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self.lost.set()
