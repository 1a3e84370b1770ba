"""The asyncio protocol of a connection: what the socket brings, sorted by frame."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, cast

from mxgateway.faults import ConnectionFault, NotHttp2Fault, PeerFault
from mxgateway.transport import frames
from mxgateway.transport.connection import (
    CONNECTION_WINDOW,
    STREAM_WINDOW,
    Connection,
    ConnectionState,
    OpenStream,
)
from mxgateway.transport.grpclib_seam import (
    ClientHandler,
    Configuration,
    DataReceived,
    EventsProcessor,
    H2Configuration,
    H2Connection,
    H2Error,
    H2Event,
    H2Protocol,
    RemoteSettingsChanged,
    ResponseReceived,
    SettingCodes,
    Settings,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from mxgateway.transport.header_block import HeaderEncoder, RememberingDecoder
from mxgateway.transport.reply_status import parse_headers, reset_status

log = logging.getLogger("mxgateway.transport")

MAX_HEADER_LIST: Final = 32 * 1024
"""The largest header list accepted, in bytes; the gateway accepts as much."""


class ReplyProcessor(EventsProcessor):
    """Turns h2's events into calls on our streams; what a client need not know of is ignored."""

    connection: Connection

    def __init__(self, handler: ClientHandler, connection: Connection) -> None:
        super().__init__(handler, connection)
        self._handlers: dict[type[H2Event], Callable[[Any], None]] = {
            RemoteSettingsChanged: self.process_remote_settings_changed,
            ResponseReceived: self.process_response_received,
            TrailersReceived: self.process_trailers_received,
            DataReceived: self.process_data_received,
            StreamEnded: self.process_stream_ended,
            StreamReset: self.process_stream_reset,
            WindowUpdated: self.process_window_updated,
        }

    def process(self, event: H2Event) -> None:
        """Handle one event; informational responses, ALTSVC, priorities and the like have no handler."""
        handler = self._handlers.get(event.__class__)
        if handler is not None:
            handler(event)

    def process_remote_settings_changed(self, event: RemoteSettingsChanged) -> None:
        """Finish the greeting, and let senders and waiting calls look again."""
        connection = self.connection
        if connection.state is ConnectionState.CONNECTING:
            connection.state = ConnectionState.READY
            connection.greeted.set()
        for stream in connection.streams.values():
            stream.wake_sender()
        connection.wake_slots()

    def process_response_received(self, event: ResponseReceived) -> None:
        """Hand the headers over; from now on the stream's data does not pass h2."""
        stream = self.connection.streams.get(event.stream_id or 0)
        if stream is not None:
            headers = parse_headers(event.headers or ())
            stream.receive_headers(headers)
            stream.h2_skips_data = True
            stream.h2_skips_end = b"content-length" in headers  # h2 compares the length with the data that it has seen

    def process_trailers_received(self, event: TrailersReceived) -> None:
        """Keep the trailers until the end of the stream, which h2 reports next."""
        stream = self.connection.streams.get(event.stream_id or 0)
        if stream is not None:
            stream.trailers = parse_headers(event.headers or ())

    def process_data_received(self, event: DataReceived) -> None:
        """Drop data that came before any headers: it belongs to no reply."""
        if event.flow_controlled_length:
            self.connection.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)

    def process_stream_ended(self, event: StreamEnded) -> None:
        """End the reply."""
        stream = self.connection.streams.get(event.stream_id or 0)
        if stream is not None:
            stream.receive_end(stream.trailers)

    def process_stream_reset(self, event: StreamReset) -> None:
        """End the call with the status that the reset stands for."""
        stream = self.connection.streams.get(event.stream_id or 0)
        if stream is not None:
            stream.fail(reset_status(int(event.error_code or 0)))

    def process_window_updated(self, event: WindowUpdated) -> None:
        """Let the senders that the new window concerns look again."""
        streams = self.connection.streams
        if event.stream_id:
            if (stream := streams.get(event.stream_id)) is not None:
                stream.wake_sender()
            return
        for stream in streams.values():
            stream.wake_sender()

    def close(self, reason: str = "the connection is closed") -> None:
        """End the connection (grpclib calls this when the transport is lost)."""
        self.connection.end(ConnectionFault(reason))


class GatewayProtocol(H2Protocol):
    """The asyncio protocol of one connection: splits what arrives into frames, handles DATA and GOAWAY, leaves the rest to h2."""

    connection: Connection
    processor: ReplyProcessor

    def __init__(self) -> None:
        super().__init__(
            ClientHandler(),
            Configuration().__for_client__(),
            H2Configuration(
                client_side=True,
                header_encoding=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            ),
        )
        self._buffer = b""
        self._in_header_block = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface and our settings."""
        h2 = H2Connection(config=self.h2_config)
        h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.MAX_FRAME_SIZE: frames.MAX_FRAME_SIZE,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
            },
        )
        h2.max_inbound_frame_size = frames.MAX_FRAME_SIZE
        h2.decoder = RememberingDecoder()
        h2.decoder.max_header_list_size = MAX_HEADER_LIST
        h2.encoder = cast(Any, HeaderEncoder())
        h2.initiate_connection()
        h2.increment_flow_control_window(CONNECTION_WINDOW - 65_535)
        self.connection = Connection(h2, cast(asyncio.Transport, transport), config=self.config)
        self.processor = ReplyProcessor(cast(ClientHandler, self.handler), self.connection)
        self.connection.flush()

    def data_received(self, data: bytes) -> None:
        """Handle everything that one read of the socket brought."""
        connection = self.connection
        if connection.closed:
            return
        try:
            if connection.state is ConnectionState.CONNECTING:
                _check_greeting(self._buffer + data)
            self._handle_frames(self._buffer + data if self._buffer else data)
        except (NotHttp2Fault, PeerFault) as fault:
            self._refuse(fault)
        except (frames.FrameError, H2Error) as fault:
            self._refuse(PeerFault(f"the gateway broke HTTP/2: {fault}"))
        else:
            if not connection.closed:
                connection.settle_credit()
                connection.flush()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End every call, whatever state it is in."""
        connection = self.connection
        why = f"the connection was lost ({exc})" if exc else "the gateway closed the connection"
        if connection.state is ConnectionState.CONNECTING and exc is None:
            connection.end(NotHttp2Fault("it closed the connection instead of answering the HTTP/2 greeting"))
        connection.end(ConnectionFault(why))
        connection.transport_lost()

    def _handle_frames(self, buffer: bytes) -> None:
        position, size, for_h2 = 0, len(buffer), 0  # h2 gets the frames from `for_h2` to `position`
        while size - position >= frames.HEADER_SIZE and not self.connection.closed:
            length, kind, flags, stream_id = frames.parse_header(buffer, position)
            if length > frames.MAX_FRAME_SIZE:
                raise PeerFault(
                    f"the gateway sent a frame of {length} bytes, more than the {frames.MAX_FRAME_SIZE} agreed"
                )
            start = position + frames.HEADER_SIZE
            end = start + length
            if end > size:
                break
            if kind in _H2_TYPES:
                if kind in _HEADER_BLOCK_TYPES:
                    self._in_header_block = not flags & frames.END_HEADERS
            else:
                if self._in_header_block:
                    raise PeerFault("the gateway interrupted a header block with another frame")
                self._feed_h2(buffer[for_h2:position])
                if kind == flags == 0 and (stream := self.connection.plain_stream(stream_id)) is not None:
                    for_h2 = position = self._receive_run(stream, buffer, position)
                    continue
                for_h2 = position if self._handle_frame(kind, flags, stream_id, buffer[start:end]) else end
            position = end
        self._feed_h2(buffer[for_h2:position])
        self._buffer = buffer[position:]

    def _receive_run(self, stream: OpenStream[Any], buffer: bytes, position: int) -> int:
        """Hand over the DATA frames without flags of one stream that stand in a row, and return where they end.

        A busy subscription is little else. Each function call that a frame does not cost counts here.
        """
        payloads: list[bytes] = []
        append, parse, stream_id = payloads.append, frames.parse_header, stream.id
        size, total = len(buffer), 0
        while (start := position + frames.HEADER_SIZE) <= size:
            length, kind, flags, this_stream = parse(buffer, position)
            end = start + length
            if kind or flags or this_stream != stream_id or end > size or length > frames.MAX_FRAME_SIZE:
                break
            append(buffer[start:end])
            total += length
            position = end
        self.connection.receive_data(stream, payloads, total)
        return position

    def _handle_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> bool:
        """Handle a frame that may be ours; return True to leave it to h2."""
        connection = self.connection
        if kind == frames.GOAWAY:
            connection.go_away(*frames.parse_goaway(payload))
        elif kind == frames.DATA:
            stream = connection.streams.get(stream_id)
            if stream is None:
                known = stream_id % 2 and stream_id < connection.h2.get_next_available_stream_id()
                if not known:
                    return True
            elif not stream.h2_skips_data:
                return True
            data = frames.unpad(payload) if flags & frames.PADDED else payload
            connection.receive_data(stream, [data], len(payload))
            if flags & frames.END_STREAM and stream is not None:
                if stream.h2_skips_end:
                    stream.receive_end()
                else:
                    self._feed_h2(frames.end_of_stream(stream_id))
        return False

    def _feed_h2(self, data: bytes) -> None:
        if data:
            for event in self.connection.feed(data):
                self.processor.process(event)

    def _refuse(self, fault: NotHttp2Fault | PeerFault) -> None:
        """End the connection because of what the peer sent; before the greeting it is no gateway at all."""
        connection = self.connection
        if connection.state is ConnectionState.CONNECTING and isinstance(fault, PeerFault):
            fault = NotHttp2Fault(str(fault))
        log.debug("connection refused: %s", fault)
        connection.end(fault)


_HEADER_BLOCK_TYPES: Final = frozenset({frames.HEADERS, frames.PUSH_PROMISE, frames.CONTINUATION})
_H2_TYPES: Final = frozenset(range(frames.LAST_KNOWN_TYPE + 1)) - {frames.DATA, frames.GOAWAY}


def _check_greeting(received: bytes) -> None:
    """Refuse a peer that does not begin with a SETTINGS frame (RFC 9113, section 3.4)."""
    if received.startswith(b"HTTP/1."):
        raise NotHttp2Fault("it answered in HTTP/1")
    if received.startswith((b"\x15\x03", b"\x16\x03")):
        raise NotHttp2Fault("it answered in TLS to a plaintext greeting")
    if len(received) >= frames.HEADER_SIZE and frames.parse_header(received, 0)[1] != frames.SETTINGS:
        raise NotHttp2Fault("its answer does not begin like HTTP/2")
