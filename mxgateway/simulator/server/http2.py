"""HTTP/2 for the simulated gateway: grpclib's server protocol, hardened against peers that misbehave or vanish.

This is the one module of the simulator that uses names which grpclib and h2 keep to themselves; a test pins them.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol, cast

from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, EventsProcessor, H2Protocol, Stream
from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event
from h2.exceptions import H2Error
from h2.settings import SettingCodes

from mxgateway.simulator.hidden_text import REDACTED
from mxgateway.simulator.options import SimulatorOptions

Headers = list[tuple[str, str]]


class ReceivedHeaders(tuple[tuple[str, str], ...]):
    """The headers of a request, in their order. No repr shows the API key among them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(tuple((name, REDACTED if name == "authorization" else value) for name, value in self))


STREAM_GONE: Final = H2Error
"""What sending on a stream raises when the peer has reset it or the connection is lost."""

# What waits unsent may grow to this: data stops at the transport's own mark, so that only a peer that provokes answers to
# its control frames and never reads them comes here.
_UNSENT_LIMIT: Final = 1024 * 1024
# The most that is written before that mark is looked at again: a peer may take frames of 16 MiB.
_PIECE: Final = 64 * 1024

# Connections that have said GOAWAY and go on with older streams only.
_leaving: Final[weakref.WeakSet[Any]] = weakref.WeakSet()

# The frame's head: 8 bytes, type GOAWAY, no flags, stream 0.
_GOAWAY: Final = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00"

_PREFIX: Final = struct.Struct(">BI")

_logger = logging.getLogger(__name__)


class CompressedMessageError(Exception):
    """A message is marked compressed; no compression was agreed."""


class ServeStream(Protocol):
    """What answers one request."""

    async def __call__(self, stream: Stream, headers: ReceivedHeaders, peer: str) -> None:
        """Read the request from `stream` and answer it; raises nothing."""


class Connection(H2Protocol):
    """One connection of a client.

    Args:
        serve: Answers each request, in a task of its own.
        options: Limits and times.
        open_connections: Where the connection stands while it is open.
    """

    def __init__(self, serve: ServeStream, options: SimulatorOptions, open_connections: set[Connection]) -> None:
        configuration = Configuration(
            _keepalive_time=None,
            http2_connection_window_size=options.connection_window,
            http2_stream_window_size=options.stream_window,
        )
        # Headers stay bytes and unchecked: what a peer puts into those of one call must not end the others.
        http2 = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._requests = _Requests(serve, self)
        super().__init__(self._requests, configuration.__for_server__(), http2)
        self._options = options
        self._open_connections = open_connections
        self._idle: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.peer = ""
        self.closed = asyncio.get_running_loop().create_future()
        """Done when the connection has ended and its requests with it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client."""
        # Known by what it does: the transports of other loops have other ancestors.
        self._transport = cast(asyncio.Transport, transport)
        self._open_connections.add(self)
        self.peer = _peer_name(self._transport)
        super().connection_made(transport)
        self.connection._connection.update_settings(
            {
                SettingCodes.MAX_HEADER_LIST_SIZE: self._options.header_limit,
                SettingCodes.MAX_CONCURRENT_STREAMS: self._options.streams_per_connection,
            }
        )
        self.connection.flush()
        self.processor = _Events(self.handler, self.connection)
        self.watch_idleness()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent; a peer that breaks the rules loses its connection and nothing else."""
        if self.connection.is_closing():
            return
        try:
            for event in self.connection.feed(data):
                self.processor.process(event)
            self.connection.flush()
        except Exception as error:  # noqa: BLE001 - h2 and hpack raise many kinds for hostile bytes
            _logger.debug("closing the connection of %s: %s", self.peer, type(error).__name__)
            self.goodbye()
            return
        if self._transport is not None and self._transport.get_write_buffer_size() > _UNSENT_LIMIT:
            _logger.debug("aborting the connection of %s: it does not read", self.peer)
            self._transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the requests of the connection."""
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)
        self._requests.when_done(self._finish)

    def goodbye(self) -> None:
        """Tell the client that the connection ends, and end it."""
        if self.connection.is_closing():
            return
        with suppress(H2Error):
            self.connection._connection.close_connection()
        self.connection.flush()
        self.processor.close("Connection closed")

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def watch_idleness(self) -> None:
        """Count the idle time from now; called when no request is left."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._options.idle_connection_timeout, self._when_idle)

    def _when_idle(self) -> None:
        if not self._requests:
            self.goodbye()

    def _finish(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._open_connections.discard(self)


class _Requests(AbstractHandler):
    """The requests of one connection that are being answered."""

    def __init__(self, serve: ServeStream, connection: Connection) -> None:
        self._serve = serve
        self._connection = connection
        self._tasks: dict[Stream, asyncio.Task[None]] = {}
        self._done: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def accept(self, stream: Stream, headers: Any, release_stream: Callable[[], Any]) -> None:
        if stream.connection in _leaving:
            release_stream()
            return
        decoded = ReceivedHeaders((_text(name), _text(value)) for name, value in headers)
        task = asyncio.get_running_loop().create_task(
            self._serve(stream, decoded, self._connection.peer), name=f"call from {self._connection.peer}"
        )
        self._tasks[stream] = task

        def ended(_: asyncio.Task[None]) -> None:
            # Not in the task itself: one that is cancelled before its first step never runs.
            with suppress(STREAM_GONE):
                release_stream()
            self._ended(stream)

        task.add_done_callback(ended)

    def cancel(self, stream: Stream) -> None:
        if stream in self._tasks:
            self._tasks[stream].cancel()

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    def when_done(self, done: Callable[[], None]) -> None:
        """Call `done` when the last request has ended."""
        self._done = done
        if not self._tasks:
            done()

    def _ended(self, stream: Stream) -> None:
        del self._tasks[stream]
        if not self._tasks:
            if self._done is not None:
                self._done()
            else:
                self._connection.watch_idleness()


class _Events(EventsProcessor):
    """Ignores what it does not know, and frames without data: a peer may send both."""

    def process(self, event: Event) -> None:
        if type(event) in getattr(self, "processors", ()):
            super().process(event)

    def process_data_received(self, event: DataReceived) -> None:
        # grpclib takes a frame of length 0 for the end of the stream.
        if event.flow_controlled_length:
            super().process_data_received(event)


async def send_reply(stream: Stream, headers: Headers, message: bytes, trailers: Headers) -> None:
    """Send headers, one message and trailers, in one write where flow control allows it.

    Raises:
        STREAM_GONE: The stream has ended.
    """
    data = _PREFIX.pack(0, len(message)) + message
    await stream.connection.write_ready.wait()
    h2 = stream._h2_connection
    assert stream.id is not None
    if len(data) > min(h2.local_flow_control_window(stream.id), h2.max_outbound_frame_size, _PIECE):
        await stream.send_headers(headers)
        await _send_data(stream, data)
        await stream.send_headers(trailers, end_stream=True)
        return
    h2.send_headers(stream.id, headers)
    h2.send_data(stream.id, data)
    h2.send_headers(stream.id, trailers, end_stream=True)
    stream._transport.write(h2.data_to_send())


async def send_messages(stream: Stream, messages: Iterable[bytes]) -> None:
    """Send messages, as many as fit in each frame.

    Raises:
        STREAM_GONE: The stream has ended.
    """
    data = b"".join(part for message in messages for part in (_PREFIX.pack(0, len(message)), message))
    await _send_data(stream, data)


async def _send_data(stream: Stream, data: bytes) -> None:
    for start in range(0, len(data), _PIECE):
        await stream.send_data(data[start : start + _PIECE])


def turn_away(stream: Stream, *, goaway: bool) -> None:
    """Refuse a request in a way that tells the client that nothing of it was processed.

    Args:
        stream: The request's stream.
        goaway: Send GOAWAY with a last stream before this one: the connection's older streams go on, newer ones are not answered. Only the
            newest stream can be refused so; otherwise, and for an older one, it is RST_STREAM with REFUSED_STREAM.
    """
    assert stream.id is not None
    if not goaway or stream.id != stream._h2_connection.highest_inbound_stream_id:
        stream.reset_nowait(ErrorCodes.REFUSED_STREAM)
        return
    _leaving.add(stream.connection)
    # Not by h2, which would send nothing more on the connection's other streams.
    stream._transport.write(_GOAWAY + struct.pack(">II", max(stream.id - 2, 0), ErrorCodes.NO_ERROR))


async def read_message(stream: Stream, limit: int) -> bytes | None:
    """Read one message; None when the stream ends before or within it.

    Args:
        stream: The request's stream.
        limit: Bytes of the largest message.

    Raises:
        ValueError: The message is larger.
        CompressedMessageError: The message is compressed.
    """
    try:
        prefix = await stream.recv_data(_PREFIX.size)
        if not prefix:
            return None
        is_compressed, length = _PREFIX.unpack(prefix)
        if is_compressed:
            raise CompressedMessageError
        if length > limit:
            raise ValueError(length)
        return await stream.recv_data(length)
    except AssertionError:
        # What grpclib's buffer raises when the stream ends within what was asked for.
        return None


def _text(value: bytes | str) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


def _peer_name(transport: asyncio.Transport) -> str:
    address = transport.get_extra_info("peername")
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
