"""HTTP/2 for the simulated gateway: grpclib's server protocol, hardened against misbehaving or vanishing peers.

This is the only module of the simulator that uses private names of grpclib and h2; a test pins them.
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
from mxgateway.simulator.server.valve import Valve

Headers = list[tuple[str, str]]


class ReceivedHeaders(tuple[tuple[str, str], ...]):
    """The headers of a request, in their order. No repr shows the API key among them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(tuple((name, REDACTED if name == "authorization" else value) for name, value in self))


STREAM_GONE: Final = H2Error
"""Raised by sends on a stream that the peer has reset, or whose connection is lost."""

# Most unsent bytes: data stops at the transport's own limit, so only a peer that provokes answers to its control frames
# and never reads them reaches this one.
_UNSENT_LIMIT: Final = 1024 * 1024
# Most bytes written before that limit is checked again: a peer may accept frames of 16 MiB.
_PIECE: Final = 64 * 1024

# Connections that have sent GOAWAY and continue with older streams only.
_leaving: Final[weakref.WeakSet[Any]] = weakref.WeakSet()

# The frame header: 8 bytes, type GOAWAY, no flags, stream 0.
_GOAWAY: Final = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00"

_PREFIX: Final = struct.Struct(">BI")

_logger = logging.getLogger(__name__)


class CompressedMessageError(Exception):
    """A message is marked as compressed, but no compression was negotiated."""


class ServeStream(Protocol):
    """Answers one request."""

    async def __call__(self, stream: Stream, headers: ReceivedHeaders, peer: str) -> None:
        """Read the request from `stream` and answer it; raises nothing."""


class OpenConnections(set["Connection"]):
    """The connections of a listener while they are open.

    Args:
        changed: Called when a connection begins or ends.
    """

    are_refused = False
    """True once the listener has stopped: a connection that it had accepted by then ends as soon as it is made."""
    are_held = False
    """Whether connections receive and send nothing."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self.changed = changed


class Connection(H2Protocol):
    """One client connection.

    Args:
        serve: Answers each request, in its own task.
        options: Limits and times.
        open_connections: Contains the connection while it is open.
    """

    def __init__(self, serve: ServeStream, options: SimulatorOptions, open_connections: OpenConnections) -> None:
        configuration = Configuration(
            _keepalive_time=None,
            http2_connection_window_size=options.connection_window,
            http2_stream_window_size=options.stream_window,
        )
        # Headers stay bytes and unchecked: bad headers of one call must not end the others.
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
        self._transport: Valve | None = None
        self._is_leaving = False
        self.peer = ""
        self.closed = asyncio.get_running_loop().create_future()
        """Done when the connection and its requests have ended."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the connection."""
        # Check for capabilities: other loops' transports have other base classes.
        self._transport = Valve(cast(asyncio.Transport, transport))
        if self._open_connections.are_held:
            self.hold()
        self._open_connections.add(self)
        self._open_connections.changed()
        self.peer = _peer_name(transport)
        super().connection_made(cast(asyncio.BaseTransport, self._transport))
        self.connection._connection.update_settings(
            {
                SettingCodes.MAX_HEADER_LIST_SIZE: self._options.header_limit,
                SettingCodes.MAX_CONCURRENT_STREAMS: self._options.streams_per_connection,
            }
        )
        self.connection.flush()
        self.processor = _Events(self.handler, self.connection)
        self.start_idle_timer()
        if self.is_refused:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Handle received bytes; a peer that violates the protocol loses its connection and nothing else."""
        if self.connection.is_closing():
            return
        try:
            for event in self.connection.feed(data):
                self.processor.process(event)
            self.connection.flush()
        except Exception as error:  # noqa: BLE001 - h2 and hpack raise many kinds for hostile bytes
            _logger.debug("closing the connection of %s: %s", self.peer, type(error).__name__)
            self.close_gracefully()
            return
        if self._transport is not None and self._transport.get_write_buffer_size() > _UNSENT_LIMIT:
            _logger.debug("aborting the connection of %s: it does not read", self.peer)
            self._transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the connection's requests."""
        if self._idle is not None:
            self._idle.cancel()
        super().connection_lost(exc)
        self._requests.when_done(self._finish)

    @property
    def open_calls(self) -> list[str]:
        """The methods of the calls that have not ended."""
        return self._requests.methods

    @property
    def is_refused(self) -> bool:
        """Whether the listener has stopped, so that a connection which begins now must end."""
        return self._open_connections.are_refused

    @property
    def is_held(self) -> bool:
        """Whether connections receive and send nothing now."""
        return self._open_connections.are_held

    def close_gracefully(self) -> None:
        """Send GOAWAY and close the connection."""
        if self.connection.is_closing():
            return
        with suppress(H2Error):
            self.connection._connection.close_connection()
        self.connection.flush()
        self.processor.close("Connection closed")

    def go_away(self) -> None:
        """Send GOAWAY: the running requests go on, no new one is answered, and the connection ends with the last."""
        if self.connection.is_closing() or self._transport is None or self._is_leaving:
            return
        if not self._requests:
            self.close_gracefully()
            return
        self._is_leaving = True
        _leaving.add(self.connection)
        # Not through h2, as in `refuse_unprocessed`.
        last = self.connection._connection.highest_inbound_stream_id
        self._transport.write(_GOAWAY + struct.pack(">II", last, ErrorCodes.NO_ERROR))

    def hold(self) -> None:
        """Receive and send nothing until `release`."""
        if self._transport is not None:
            self._transport.hold()

    def release(self) -> None:
        """Send what was held back, and receive again."""
        if self._transport is not None:
            self._transport.release()

    def abort(self) -> None:
        """Close the connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    def start_idle_timer(self) -> None:
        """Start the idle timer; called when no request is left."""
        if self._is_leaving:
            self.close_gracefully()
            return
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._options.idle_connection_timeout, self._when_idle)

    def _when_idle(self) -> None:
        if not self._requests:
            self.close_gracefully()

    def _finish(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._open_connections.discard(self)
        self._open_connections.changed()


class _Requests(AbstractHandler):
    """The running requests of one connection."""

    def __init__(self, serve: ServeStream, connection: Connection) -> None:
        self._serve = serve
        self._connection = connection
        self._tasks: dict[Stream, asyncio.Task[None]] = {}
        self._done: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def methods(self) -> list[str]:
        return [task.get_name().rpartition("/")[2] for task in self._tasks.values()]

    def accept(self, stream: Stream, headers: Any, release_stream: Callable[[], Any]) -> None:
        if stream.connection in _leaving:
            release_stream()
            return
        decoded = ReceivedHeaders((_text(name), _text(value)) for name, value in headers)
        task = asyncio.get_running_loop().create_task(
            self._serve(stream, decoded, self._connection.peer),
            name=f"call from {self._connection.peer} of {dict(decoded).get(':path', '')}",
        )
        self._tasks[stream] = task

        def ended(_: asyncio.Task[None]) -> None:
            # Not in the task itself: one cancelled before its first step never runs.
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
                self._connection.start_idle_timer()


class _Events(EventsProcessor):
    """Ignores unknown events, and DATA frames without data: a peer may send both."""

    def process(self, event: Event) -> None:
        if type(event) in getattr(self, "processors", ()):
            super().process(event)

    def process_data_received(self, event: DataReceived) -> None:
        # grpclib takes a frame of length 0 for the end of the stream.
        if event.flow_controlled_length:
            super().process_data_received(event)


async def send_reply(stream: Stream, headers: Headers, message: bytes, trailers: Headers) -> None:
    """Send headers, one message and trailers, in one write if flow control allows.

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
    """Send messages, as many per frame as fit.

    Raises:
        STREAM_GONE: The stream has ended.
    """
    data = b"".join(part for message in messages for part in (_PREFIX.pack(0, len(message)), message))
    await _send_data(stream, data)


async def _send_data(stream: Stream, data: bytes) -> None:
    for start in range(0, len(data), _PIECE):
        await stream.send_data(data[start : start + _PIECE])


def refuse_unprocessed(stream: Stream, *, goaway: bool) -> None:
    """Refuse a request in a way that tells the client that nothing was processed.

    Args:
        stream: The request's stream.
        goaway: Send GOAWAY with a last stream before this one: older streams of the connection continue, newer ones are
            not answered. Only the newest stream can be refused this way; otherwise the refusal is RST_STREAM with
            REFUSED_STREAM.
    """
    assert stream.id is not None
    if not goaway or stream.id != stream._h2_connection.highest_inbound_stream_id:
        stream.reset_nowait(ErrorCodes.REFUSED_STREAM)
        return
    _leaving.add(stream.connection)
    # Not through h2, which would then send nothing more on the connection's other streams.
    stream._transport.write(_GOAWAY + struct.pack(">II", max(stream.id - 2, 0), ErrorCodes.NO_ERROR))


async def read_message(stream: Stream, limit: int) -> bytes | None:
    """Read one message; None if the stream ends before or within it.

    Args:
        stream: The request's stream.
        limit: Largest message in bytes.

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
        # Raised by grpclib's buffer if the stream ends within the requested bytes.
        return None


def _text(value: bytes | str) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


def _peer_name(transport: asyncio.BaseTransport) -> str:
    address = transport.get_extra_info("peername")
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
