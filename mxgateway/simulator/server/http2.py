"""HTTP/2 for the simulated gateway: grpclib's server protocol, hardened against misbehaving or vanishing peers.

This module and `messages` are the only ones of the simulator that use private names of grpclib and h2; a test pins
them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Protocol, cast

from grpclib import protocol
from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, EventsProcessor, H2Protocol, Stream
from h2.config import H2Configuration
from h2.connection import ConnectionState
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, TrailersReceived
from h2.exceptions import H2Error

from mxgateway.simulator.hidden_text import REDACTED
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.server.frames import Http2, error_code
from mxgateway.simulator.server.header_rules import Field, broken_request, broken_trailers
from mxgateway.simulator.server.messages import goaway_frame, leaving
from mxgateway.simulator.server.valve import Valve


class ReceivedHeaders(tuple[tuple[str, str], ...]):
    """The headers of a request, in their order. No repr shows the API key among them."""

    __slots__ = ()

    def first(self, name: str) -> str | None:
        """Return the first header with a name, None if there is none."""
        for key, value in self:
            if key == name:
                return value
        return None

    def __repr__(self) -> str:
        return repr(tuple((name, REDACTED if name == "authorization" else value) for name, value in self))


STREAM_GONE: Final = H2Error
"""Raised by sends on a stream that the peer has reset, or whose connection is lost."""

# Most bytes of answers to a peer's control frames and malformed requests while it reads nothing; data stops by itself.
_UNREAD_ANSWERS: Final = 16 * 1024
# Requests that still run although the peer has reset them, as a multiple of those that may be open. A peer that opens
# streams and resets them at once (CVE-2023-44487) reaches it within one read of the socket.
_RUNNING: Final = 10
# The headers of a connection's requests that are checked once.
_KNOWN_HEADERS: Final = 32
_logger = logging.getLogger(__name__)


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


class _TooMuchWork(Exception):
    """A peer resets its requests faster than they end."""

    error_code = ErrorCodes.ENHANCE_YOUR_CALM


class Connection(H2Protocol):
    """One client connection.

    Args:
        serve: Answers each request, in its own task.
        options: Limits and times.
        open_connections: Contains the connection while it is open.
    """

    def __init__(self, serve: ServeStream, options: SimulatorOptions, open_connections: OpenConnections) -> None:
        self._requests = _Requests(serve, self, options.streams_per_connection)
        super().__init__(self._requests, Configuration(_keepalive_time=None).__for_server__(), H2Configuration())
        self._options = options
        self._open_connections = open_connections
        self._idle: asyncio.TimerHandle | None = None
        self._transport: Valve | None = None
        self._is_leaving = False
        self._unread = 0
        self._stall: asyncio.TimerHandle | None = None
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
        # Not grpclib's own start: its settings would take three frames, and bind the peer when it acknowledges them.
        self.connection = protocol.Connection(
            Http2(self._options), cast(asyncio.Transport, self._transport), config=self.config
        )
        self.connection.flush()
        self.processor = _Events(self._requests, self.connection)
        self.start_idle_timer()
        if self.is_refused:
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Handle received bytes; a peer that violates the protocol loses its connection and nothing else."""
        if self.connection.is_closing():
            return
        unsent = self._unsent()
        try:
            for event in self.connection.feed(data):
                self.processor.process(event)
            self.connection.flush()
        except Exception as error:  # noqa: BLE001 - h2 and hpack raise many kinds for hostile bytes
            _logger.debug("closing the connection of %s: %s", self.peer, type(error).__name__)
            self.close_gracefully(error_code(error))
            return
        if not self.connection.write_ready.is_set():
            self._unread += max(self._unsent() - unsent, 0)
            if self._unread > _UNREAD_ANSWERS:
                _logger.debug("aborting the connection of %s: it does not read", self.peer)
                self.abort()

    def pause_writing(self) -> None:
        """Send nothing more until the peer has read what was sent; a peer that is gone never does."""
        super().pause_writing()
        wait = self._options.idle_connection_timeout
        self._stall = asyncio.get_running_loop().call_later(wait, self.abort)

    def resume_writing(self) -> None:
        """Send again: the peer has read what was sent."""
        self._end_stall()
        self._unread = 0
        super().resume_writing()

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _unsent(self) -> int:
        return 0 if self._transport is None else int(self._transport.get_write_buffer_size())

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the connection's requests."""
        if self._idle is not None:
            self._idle.cancel()
        self._end_stall()
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

    def close_gracefully(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Send GOAWAY and close the connection."""
        if self.connection.is_closing():
            return
        http2 = self.connection._connection
        if http2.state_machine.state is ConnectionState.CLOSED:
            http2.clear_outbound_data_buffer()  # h2's own GOAWAY, whose code may be less exact
        http2.close_connection(code)
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
        leaving.add(self.connection)
        self._transport.write(goaway_frame(self.connection._connection.highest_inbound_stream_id))

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

    def __init__(self, serve: ServeStream, connection: Connection, limit: int) -> None:
        self._serve = serve
        self._connection = connection
        self._limit = limit
        self._tasks: dict[Stream, asyncio.Task[None]] = {}
        self._done: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def peer(self) -> str:
        return self._connection.peer

    @property
    def methods(self) -> list[str]:
        return [task.get_name().rpartition("/")[2] for task in self._tasks.values()]

    def has_room(self) -> bool:
        """Return whether one more request may run.

        Raises:
            _TooMuchWork: Too many run that were reset.
        """
        if len(self._tasks) < self._limit:
            return True
        if len(self._tasks) >= _RUNNING * self._limit:
            raise _TooMuchWork
        return sum(not task.cancelling() for task in self._tasks.values()) < self._limit

    def accept(self, stream: Stream, headers: Any, release_stream: Callable[[], Any]) -> None:
        if stream.connection in leaving:
            release_stream()
            return
        task = asyncio.get_running_loop().create_task(
            self._serve(stream, headers, self._connection.peer),
            name=f"call from {self._connection.peer} of {headers.first(':path') or ''}",
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
    """Resets the stream of a malformed request, and of one too many.

    It ignores unknown events, and DATA frames without data: a peer may send both.
    """

    def __init__(self, requests: _Requests, connection: protocol.Connection) -> None:
        super().__init__(requests, connection)
        self._requests = requests
        self._read = lru_cache(maxsize=_KNOWN_HEADERS)(_read)

    def process(self, event: Event) -> None:
        if type(event) in getattr(self, "processors", ()):
            super().process(event)

    def process_request_received(self, event: RequestReceived) -> None:
        broken, headers = self._read(tuple(event.headers or ()))
        if broken is not None:
            self._reset(event.stream_id, ErrorCodes.PROTOCOL_ERROR, broken)
        elif not self._requests.has_room():
            self._reset(event.stream_id, ErrorCodes.REFUSED_STREAM, "too many streams are open")
        else:
            event.headers = cast(Any, headers)
            super().process_request_received(event)

    def process_trailers_received(self, event: TrailersReceived) -> None:
        if (broken := broken_trailers(event.headers or ())) is None:
            return
        self._reset(event.stream_id, ErrorCodes.PROTOCOL_ERROR, broken)
        if (stream := self.streams.get(event.stream_id)) is not None:
            stream.__terminated__("malformed trailers")
            self._requests.cancel(stream)

    def _reset(self, stream_id: int, error_code: ErrorCodes, reason: str) -> None:
        _logger.debug("resetting stream %d of %s: %s", stream_id, self._requests.peer, reason)
        with suppress(H2Error):  # the stream may have ended
            self.connection._connection.reset_stream(stream_id, error_code)

    def process_data_received(self, event: DataReceived) -> None:
        # grpclib takes a frame of length 0 for the end of the stream.
        if event.flow_controlled_length:
            super().process_data_received(event)


def _read(fields: tuple[Field, ...]) -> tuple[str | None, ReceivedHeaders]:
    """Return which rule the headers of a request break, and the headers."""
    texts = ((str(name, "ascii", "replace"), str(value, "ascii", "replace")) for name, value in fields)
    return broken_request(fields), ReceivedHeaders(texts)


def _peer_name(transport: asyncio.BaseTransport) -> str:
    address = transport.get_extra_info("peername")
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
