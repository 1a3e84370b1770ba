"""One direction of a proxied connection, with its faults."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mxgateway.testing.network.sockets import News, reset, unsent

MOST_QUEUED = 1 << 20
"""Bytes that a pipe queues before it stops reading, like a full socket buffer."""

QUANTUM = 0.01
"""Longest burst in seconds of bandwidth."""

FLUSH_CHECK = 0.001
"""Seconds between two checks whether the last bytes before a fault have been sent."""

Then = Callable[["Pipe"], None]
"""A fault that follows a limit: any method of a pipe without arguments."""

_FIN = memoryview(b"")
_RST = None
_Queued = tuple[float, memoryview | None]
"""When it is due, and what it is: bytes, or the sender's FIN or RST."""


@dataclass
class Traffic:
    """Bytes in one direction, over all connections."""

    received: int = 0
    """Bytes sent by the senders."""
    forwarded: int = 0
    """Bytes forwarded to the receivers."""
    news: News = field(default_factory=News, repr=False)


class Pipe:
    """Forwards what one end of a connection sends to the other, with faults.

    Every fault can be switched at any time. Bytes stay in order; only `black_hole` and the faults that end the
    connection lose any.

    Args:
        traffic: Counts the bytes.
        chance: The random source of the jitter.
    """

    def __init__(self, traffic: Traffic, chance: random.Random) -> None:
        self._traffic, self._chance = traffic, chance
        self._loop = asyncio.get_running_loop()
        self.other: Pipe = self
        """The same connection's other direction."""
        self.received = 0
        self.forwarded = 0
        self.ended = False
        """The sender has closed its half, or disconnected."""
        self.frozen = False
        self.swallowing = False
        self._source: asyncio.ReadTransport | None = None
        self._sink: asyncio.WriteTransport | None = None
        self._open_sink: Callable[[], None] | None = None
        self._queue: deque[_Queued] = deque()
        self._queued = 0
        self._closed = False
        self._plain = False
        self._timer: asyncio.Handle | None = None
        self._then_timer: asyncio.Handle | None = None
        self._sink_is_full = self._source_is_paused = False
        self._latency = self._jitter = 0.0
        self._rate: float | None = None
        self._free_at = 0.0
        self._slice: int | None = None
        self._left: int | None = None
        self._then: Then = Pipe.freeze

    # -- faults

    def delay(self, latency: float, jitter: float = 0.0) -> None:
        """Delay all later data by `latency` seconds plus a random part of `jitter` seconds; 0 removes the delay."""
        self._latency, self._jitter = latency, jitter
        self._changed()

    def bandwidth(self, bytes_per_second: float | None) -> None:
        """Limit the bandwidth; None removes the limit."""
        self._rate, self._free_at = bytes_per_second, 0.0
        self._changed()

    def slices(self, size: int | None) -> None:
        """Forward slices of `size` bytes, each in a separate packet and loop iteration; None removes the limit."""
        self._slice = size
        self._changed()

    def limit(self, size: int, then: Then) -> None:
        """Forward exactly `size` more bytes; once they have been sent, call `then`, such as ``Pipe.reset``."""
        self._left, self._then = size, then
        self._changed()

    def freeze(self) -> None:
        """Forward nothing, neither bytes nor FIN nor RST, and queue everything until the thaw."""
        self.frozen = True
        self._changed()

    def thaw(self) -> None:
        """Forward again, starting with the queued data."""
        self.frozen = False
        self._changed()

    def black_hole(self) -> None:
        """Read everything and forward nothing, for the rest of this connection."""
        self.swallowing, self._plain = True, False
        self._drop_queue()
        self._let_source_flow()
        self._close_if_over()

    def half_close(self) -> None:
        """Send FIN to the receiver instead of the queued data, and discard later data."""
        if not self._closed:
            self._closed, self._plain = True, False
            self._drop_queue()
            self._put(_FIN)
            self._let_source_flow()

    def reset(self) -> None:
        """Reset the whole connection towards both ends."""
        self.other.reset_receiver()
        self.reset_receiver()

    def reset_receiver(self) -> None:
        """Send RST to the receiver only: the sender is not informed, and its data is discarded."""
        self.other.ended = self.other._closed = True
        if self._sink is not None:
            reset(self._sink)
        self.black_hole()

    def close(self) -> None:
        """Close the whole connection with FIN towards both ends, after the forwarded data."""
        self.ended = self.other.ended = True
        self.black_hole()
        self.other.black_hole()

    def heal(self) -> None:
        """Switch off every fault that can be switched off: delay, bandwidth, slices, limit and freeze."""
        self._latency = self._jitter = 0.0
        self._rate = self._slice = self._left = None
        self._forget_then()
        self.frozen = False
        self._changed()

    # -- events from the two ends

    def source_opened(self, source: asyncio.ReadTransport) -> None:
        """The sender is connected."""
        self._source = source

    def sink_wanted(self, open_sink: Callable[[], None]) -> None:
        """Open the connection to the receiver: now, or when a frozen pipe thaws."""
        self._open_sink = open_sink
        self._changed()

    def sink_opened(self, sink: asyncio.WriteTransport) -> None:
        """The receiver is connected; queued data is forwarded."""
        self._sink = sink
        self._changed()

    def sink_filled(self) -> None:
        """The receiver's buffer is full."""
        self._sink_is_full = True
        self._hold_source()

    def sink_drained(self) -> None:
        """The receiver's buffer has room again."""
        self._sink_is_full = False
        self._pump()

    def sink_lost(self) -> None:
        """The receiver disconnected."""
        self.black_hole()

    def feed(self, data: bytes) -> None:
        """Handle data from the sender."""
        self.received += len(data)
        self._traffic.received += len(data)
        if self._plain:
            self._write(data)
        elif not (self.swallowing or self._closed):
            self._put(memoryview(data))
        self._traffic.news.tell()

    def end(self, *, by_reset: bool = False) -> None:
        """Handle the sender's FIN or RST."""
        if by_reset or not self._closed:
            self._closed, self._plain = True, False
            self._put(_RST if by_reset else _FIN)
        self.ended = True
        self._close_if_over()
        self._traffic.news.tell()

    def stop(self) -> None:
        """Stop forwarding."""
        self._forget_then()
        self._open_sink = None
        self.black_hole()
        if self._timer is not None:
            self._timer.cancel()

    # -- forwarding

    @property
    def _shaped(self) -> bool:
        return bool(self._latency or self._jitter or self._rate or self._slice or self._left is not None)

    def _changed(self) -> None:
        """After a fault was switched, decide whether bytes pass directly, and forward what is allowed."""
        if self._open_sink is not None and not (self.frozen or self.swallowing):
            open_sink, self._open_sink = self._open_sink, None
            open_sink()
        held = self.frozen or self.swallowing or self._closed or self._queue or self._sink is None
        self._plain = not (held or self._shaped)
        self._pump()

    def _put(self, what: memoryview | None) -> None:
        """Queue data until it is due, or until a fault changes."""
        if self.swallowing:
            return
        due = 0.0
        if self._latency or self._jitter:
            due = self._loop.time() + self._latency + self._chance.uniform(0.0, self._jitter)
        if self._queue:
            due = max(due, self._queue[-1][0])
        self._queue.append((due, what))
        self._queued += len(what) if what else 0
        if self._queued > MOST_QUEUED:
            self._hold_source()
        if len(self._queue) == 1:  # otherwise the first one's timer will reach this one
            self._pump()

    def _drop_queue(self) -> None:
        self._queue.clear()
        self._queued = 0

    def _pump(self) -> None:
        """Forward what is due, and schedule the next run."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._may_forward():
            due, what = self._queue[0]
            now = self._loop.time()
            due = max(due, self._free_at)
            if due > now:
                self._timer = self._loop.call_at(due, self._pump)
                return
            if not what:
                self._queue.popleft()
                self._finish(by_reset=what is _RST)
                continue
            self._forward(what, now)
            if self._slice is not None:
                self._timer = self._loop.call_later(0.0, self._pump)  # after the reads of that iteration
                return
        if not (self._sink_is_full or self._queued):
            self._let_source_flow()

    def _may_forward(self) -> bool:
        if self._sink is None or self.frozen or self._sink_is_full or self._then_timer is not None:
            return False
        if self._left == 0:
            self._then_timer = self._loop.call_soon(self._do_then)
            return False
        return bool(self._queue)

    def _forward(self, what: memoryview, now: float) -> None:
        """Send as much of the queue's first entry as is allowed in one piece."""
        bounds = [len(what)]
        if self._slice is not None:
            bounds.append(self._slice)
        if self._left is not None:
            bounds.append(self._left)
        if self._rate is not None:
            bounds.append(max(1, int(self._rate * QUANTUM)))
        size = min(bounds)
        due, _ = self._queue.popleft()
        if size < len(what):
            self._queue.appendleft((due, what[size:]))
        self._queued -= size
        if self._rate is not None:
            self._free_at = max(self._free_at, now) + size / self._rate
        if self._left is not None:
            self._left -= size
        self._write(what[:size])
        self._traffic.news.tell()
        if self._queued <= MOST_QUEUED // 2 and not self._sink_is_full:
            self._let_source_flow()
        self._plain = not (self._queue or self._shaped or self._closed or self.swallowing)

    def _write(self, data: bytes | memoryview) -> None:
        assert self._sink is not None
        self.forwarded += len(data)
        self._traffic.forwarded += len(data)
        self._sink.write(data)

    def _finish(self, *, by_reset: bool) -> None:
        """Forward the sender's end."""
        assert self._sink is not None
        if by_reset:
            reset(self._sink)
        elif not self._sink.is_closing():
            with contextlib.suppress(OSError):  # its peer has reset it
                self._sink.write_eof()
        self._close_if_over()

    def _close_if_over(self) -> None:
        """Close both sockets when both senders have ended and nothing is queued."""
        if self.ended and self.other.ended and not (self._queue or self.other._queue):
            for pipe in (self, self.other):
                if pipe._sink is not None:
                    pipe._sink.close()

    # -- the limit

    def _do_then(self) -> None:
        """Run the limit's action as soon as the bytes before it have been sent."""
        if self._sink is not None and not self._sink.is_closing() and unsent(self._sink):
            self._then_timer = self._loop.call_later(FLUSH_CHECK, self._do_then)
            return
        self._then_timer = self._left = None
        self._then(self)
        self._changed()

    def _forget_then(self) -> None:
        if self._then_timer is not None:
            self._then_timer.cancel()
            self._then_timer = None

    # -- back-pressure

    def _hold_source(self) -> None:
        if self._source is not None and not (self._source_is_paused or self.ended):
            self._source_is_paused = True
            self._source.pause_reading()

    def _let_source_flow(self) -> None:
        if self._source is not None and self._source_is_paused:
            self._source_is_paused = False
            if not self.ended:
                self._source.resume_reading()
