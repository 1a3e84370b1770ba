"""The asyncio protocol of a connection: splits received bytes into frames."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final, cast

from mxgateway.errors.faults import ConnectionFault, NotHttp2Fault, PeerFault, UnansweredFault
from mxgateway.errors.logs import logger
from mxgateway.transport.http2 import frames
from mxgateway.transport.http2.connection import (
    CONNECTION_WINDOW,
    CREDIT_STEP,
    DEFAULT_WINDOW,
    Connection,
)
from mxgateway.transport.http2.connection_state import ConnectionState
from mxgateway.transport.http2.floods import GOAWAY_NOISE, SETTINGS_NOISE
from mxgateway.transport.http2.grpclib_seam import (
    AbstractHandler,
    Configuration,
    ErrorCodes,
    H2Configuration,
    H2Connection,
    H2Error,
    H2Protocol,
    RemoteSettingsChanged,
    SettingCodes,
    Settings,
)
from mxgateway.transport.http2.reply_headers import (
    MAX_FRAMES_OF_BLOCK,
    MAX_HEADER_LIST,
    HeaderBlockError,
    ReplyHeaderDecoder,
)
from mxgateway.transport.streams.stream import STREAM_WINDOW, OpenStream

log = logger("mxgateway.transport.connection")

FAST_PATH_LIMIT: Final = 64 * 1024
"""The largest read, in bytes, that is checked for being a single message."""
_FAST_PATH_MINIMUM: Final = frames.HEADER_AND_PREFIX.size
_split_one = frames.HEADER_AND_PREFIX.unpack_from
_split_header = frames.HEADER.unpack_from


class NoRequests(AbstractHandler):
    """The handler of incoming requests that grpclib requires. A client has none."""

    closing = False

    def accept(self, *_: Any) -> None:
        """Never called: only a server receives requests."""

    def cancel(self, *_: Any) -> None:
        """Never called, like `accept`."""

    def close(self) -> None:
        """Do nothing."""


READ_SIZE: Final = 128 * 1024
"""The maximum number of bytes in one read of the socket."""


class GatewayProtocol(H2Protocol, asyncio.BufferedProtocol):
    """The asyncio protocol of one connection: splits received bytes into frames and passes each to its handler.

    It has its own buffer: otherwise asyncio allocates 256 KiB for each read and frees most of it again, which costs
    more than an event.
    """

    connection: Connection

    def __init__(self) -> None:
        super().__init__(NoRequests(), Configuration().__for_client__(), H2Configuration(client_side=True))
        self._decoder = ReplyHeaderDecoder()
        self._pending: list[bytes] = []
        self._missing = 0
        self._block: _HeaderBlock | None = None
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._handlers = {
            frames.DATA: self._data,
            frames.HEADERS: self._headers,
            frames.RST_STREAM: self._rst_stream,
            frames.SETTINGS: self._settings,
            frames.PUSH_PROMISE: self._push_promise,
            frames.PING: self._ping,
            frames.GOAWAY: self._goaway,
            frames.WINDOW_UPDATE: self._window_update,
            frames.CONTINUATION: self._continuation,
        }

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
        h2.initiate_connection()
        self.connection = Connection(h2, cast(asyncio.Transport, transport), config=self.config)
        self._time = self.connection.loop.time
        self.connection.write_h2()
        self.connection.write(frames.window_update(0, CONNECTION_WINDOW - DEFAULT_WINDOW))
        self.connection.flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Handle a read into the buffer."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Handle the bytes of one read of the socket."""
        connection = self.connection
        if connection.closed:
            return
        size = len(data)
        connection.last_received = self._time()
        connection.counters.bytes_received += size
        if self._pending:
            self._pending.append(data)
            self._missing -= size
            if self._missing > 0:
                return  # a frame in many small reads is joined only once
            data = b"".join(self._pending)
            self._pending = []
        elif _FAST_PATH_MINIMUM <= size <= FAST_PATH_LIMIT and self._block is None:
            # Fast path for the common case of a live plant: one event, alone in its frame and in its read.
            high, low, kind_and_flags, stream_id, compressed, length = _split_one(data)
            if not kind_and_flags and not compressed and length + _FAST_PATH_MINIMUM == size:
                stream = connection.streams.get(stream_id)
                if (
                    stream is not None and stream.flows and length <= stream.at_once_limit
                    and (high << 8 | low) + frames.HEADER_SIZE == size
                    and connection.uncredited + size < CREDIT_STEP
                ):  # fmt: skip
                    flow_controlled = size - frames.HEADER_SIZE
                    connection.uncredited += flow_controlled
                    if connection.guard.noise:
                        connection.guard.useful(1, flow_controlled)
                    stream.receive_one(data[_FAST_PATH_MINIMUM:], flow_controlled)
                    return
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        """Pass all frames to their streams, send the answers, and let the streams deliver their messages."""
        connection = self.connection
        connection.hand_overs.sorting = True
        try:
            if connection.state is ConnectionState.CONNECTING:
                _check_greeting(data)
            self._handle_frames(data)
            if not connection.closed:
                connection.settle_credit()
                connection.flush_answers()
        except (NotHttp2Fault, PeerFault) as fault:
            self._refuse(fault)
        except (frames.FrameError, HeaderBlockError, H2Error) as fault:
            self._refuse(PeerFault(f"the gateway broke HTTP/2: {fault}"))
        finally:
            connection.hand_overs.sorting = False
            connection.hand_overs.run()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End every call, whatever its state."""
        connection = self.connection
        why = f"the connection was lost ({exc})" if exc else "the gateway closed the connection"
        if connection.announced_end:
            why += f" after {connection.announced_end}"
        if connection.state is ConnectionState.CONNECTING and exc is None:
            what = "closed the connection instead of answering the HTTP/2 greeting"
            heard = connection.counters.bytes_received > 0
            connection.end(NotHttp2Fault(f"it {what}") if heard else UnansweredFault(f"the gateway {what}"))
        connection.end(ConnectionFault(why))
        connection.transport_lost(exc)

    def _handle_frames(self, buffer: bytes) -> None:
        position, size, handlers, connection = 0, len(buffer), self._handlers, self.connection
        while size - position >= frames.HEADER_SIZE and not connection.closed:
            length, kind, flags, stream_id = frames.parse_header(buffer, position)
            if length > frames.MAX_FRAME_SIZE:
                raise PeerFault(
                    f"the gateway sent a frame of {length} bytes, more than the {frames.MAX_FRAME_SIZE} agreed"
                )
            start = position + frames.HEADER_SIZE
            end = start + length
            if end > size:
                self._keep(buffer[position:], end - size)
                return
            if self._block is not None and kind != frames.CONTINUATION:
                raise PeerFault("the gateway interrupted a header block with another frame")
            if kind == flags == 0 and (stream := connection.streams.get(stream_id)) is not None:
                position = self._receive_run(stream, buffer, position)
                continue
            handler = handlers.get(kind)
            if handler is not None:
                handler(flags, stream_id, buffer[start:end])
            else:  # of an unknown type, or the obsolete PRIORITY: ignored
                connection.receive_noise(1, f"type {kind:#x}")
            position = end
        if position < size:
            self._keep(buffer[position:], 1)

    def _keep(self, rest: bytes, missing: int) -> None:
        """Keep the beginning of a frame until `missing` more bytes arrive."""
        self._pending, self._missing = [rest], missing

    def _receive_run(self, stream: OpenStream[Any], buffer: bytes, position: int) -> int:
        """Pass consecutive DATA frames of one stream, without flags, to it in one call, and return where they end.

        A busy subscription receives little else, so function calls per frame are avoided here.
        """
        payloads: list[bytes] = []
        append, split, stream_id = payloads.append, _split_header, stream.id
        size, total = len(buffer), 0
        while (start := position + frames.HEADER_SIZE) <= size:
            high, low, kind, flags, this_stream = split(buffer, position)
            length = high << 8 | low
            end = start + length
            if (
                kind
                or flags
                or this_stream & frames.LOW_31 != stream_id
                or end > size
                or length > frames.MAX_FRAME_SIZE
            ):
                break
            append(buffer[start:end])
            total += length
            position = end
        self.connection.receive_data(stream, payloads, total)
        return position

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        stream = self._known_stream(stream_id, "DATA")
        data = frames.unpad(payload) if flags & frames.PADDED else payload
        end = bool(flags & frames.END_STREAM)
        if not data and (stream is None or stream.ended or not end):
            self.connection.receive_noise(1, "empty DATA")
        self.connection.receive_data(stream, [data] if data else [], len(payload))
        if end and stream is not None:
            stream.receive_end()

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._known_stream(stream_id, "HEADERS")
        fragment = frames.header_fragment(payload, flags)
        end = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._receive_block(stream_id, fragment, end)
        else:
            self._block = _HeaderBlock(stream_id, end, fragment)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        if block is None or block.stream_id != stream_id:
            raise PeerFault("the gateway continued a header block that it had not started")
        block.add(payload)
        if flags & frames.END_HEADERS:
            self._block = None
            self._receive_block(stream_id, b"".join(block.fragments), block.end)

    def _receive_block(self, stream_id: int, block: bytes, end: bool) -> None:
        stream = self.connection.streams.get(stream_id)
        if stream is None or stream.ended or stream.failed:
            self.connection.receive_noise(1, "HEADERS")
        try:
            headers = self._decoder.decode(block)  # even of an ended call: the compression state must follow
        except PeerFault as fault:
            if stream is not None:
                stream.fail(fault)
        else:
            if stream is not None:
                stream.receive_block(headers, end=end)

    def _rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        code = frames.parse_number(payload, "RST_STREAM")
        stream = self._known_stream(stream_id, "RST_STREAM")
        if stream is not None and not stream.reset:
            stream.receive_reset(code)
        else:
            self.connection.receive_noise(1, "RST_STREAM")

    def _push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise PeerFault("the gateway sent PUSH_PROMISE, which our settings forbid")

    def _goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        _check_on_connection(stream_id, "GOAWAY")
        self.connection.receive_noise(GOAWAY_NOISE, "GOAWAY")
        self.connection.go_away(*frames.parse_goaway(payload))

    def _window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.connection.receive_noise(1, "WINDOW_UPDATE")
        increment = frames.parse_increment(payload)
        if stream_id:
            self._known_stream(stream_id, "WINDOW_UPDATE")
        self.connection.receive_window_update(stream_id, increment)

    def _known_stream(self, stream_id: int, kind: str) -> OpenStream[Any] | None:
        """Return the stream that a frame belongs to, None if its call has ended."""
        stream = self.connection.streams.get(stream_id)
        if stream is None and not self.connection.was_opened(stream_id):
            raise PeerFault(f"the gateway sent a {kind} frame on stream {stream_id}, which was never opened")
        return stream

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Pass the settings of either side to h2, which knows their rules and answers them."""
        self.connection.receive_noise(SETTINGS_NOISE + len(payload) // frames.SETTING_SIZE, "SETTINGS")
        _check_on_connection(stream_id, "SETTINGS")
        frames.check_settings(flags, payload)
        payload = frames.defined_settings(payload)
        events = self.connection.feed(frames.settings(stream_id, flags, payload))
        self.connection.write_h2()
        for event in events:
            if isinstance(event, RemoteSettingsChanged):
                self.connection.receive_settings()

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        _check_on_connection(stream_id, "PING")
        if len(payload) != frames.PING_SIZE:
            raise frames.FrameError(f"a PING frame has {len(payload)} bytes instead of {frames.PING_SIZE}")
        self.connection.receive_noise(1, "PING")
        if not flags & frames.ACK:
            self.connection.write(frames.ping(payload, ack=True))

    def _refuse(self, fault: NotHttp2Fault | PeerFault) -> None:
        """End the connection because of what the peer sent; before the greeting, the peer is not an HTTP/2 server."""
        connection = self.connection
        if connection.state is ConnectionState.CONNECTING and isinstance(fault, PeerFault):
            fault = NotHttp2Fault(str(fault))
        log.debug("connection refused: %s", connection.show(str(fault)))
        with contextlib.suppress(H2Error):  # h2 has already sent GOAWAY if it raised the error
            connection.h2.close_connection(ErrorCodes.PROTOCOL_ERROR)
        connection.write_h2()
        connection.end(fault)


class _HeaderBlock:
    """A header block in several frames."""

    def __init__(self, stream_id: int, end: bool, fragment: bytes) -> None:
        self.stream_id = stream_id
        self.end = end
        self.fragments = [fragment]
        self._size = len(fragment)

    def add(self, fragment: bytes) -> None:
        self.fragments.append(fragment)
        self._size += len(fragment)
        if self._size > MAX_HEADER_LIST or len(self.fragments) > MAX_FRAMES_OF_BLOCK:
            raise PeerFault(f"the gateway sent a header block beyond the limit of {MAX_HEADER_LIST} bytes")


def _check_on_connection(stream_id: int, kind: str) -> None:
    """Refuse a connection frame with a stream id."""
    if stream_id:
        raise PeerFault(f"the gateway sent a {kind} frame on stream {stream_id} instead of the connection")


def _check_greeting(received: bytes) -> None:
    """Refuse a peer that does not begin with a SETTINGS frame (RFC 9113, section 3.4)."""
    if received.startswith(b"HTTP/1."):
        raise NotHttp2Fault("it answered in HTTP/1")
    if received.startswith((b"\x15\x03", b"\x16\x03")):
        raise NotHttp2Fault("it answered in TLS to a plaintext greeting")
    if len(received) >= frames.HEADER_SIZE and frames.parse_header(received, 0)[1] != frames.SETTINGS:
        raise NotHttp2Fault("its answer is not HTTP/2")
