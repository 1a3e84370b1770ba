"""The server side of an HTTP/2 connection, driven frame by frame by a script."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from mxgateway.testing.network.sockets import News
from tests.peers.http2.http2_frames import LEAST_FRAME_SIZE, grpc_message
from tests.peers.http2.raw_server import ClientGone

F = TypeVar("F", bound=Frame)
Header = tuple[bytes, bytes]

MOST_ANSWERS = 1000
"""Acknowledgements kept; a flood must not fill the memory that a test measures."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65_535
CHUNK = 1 << 16
"""Bytes of a flood written at once."""

RESPONSE: tuple[Header, ...] = ((b":status", b"200"), (b"content-type", b"application/grpc"))
"""The initial headers of a gRPC response."""


@dataclass
class Request:
    """A received request; its body grows while the client sends it."""

    stream_id: int
    headers: list[Header]
    body: bytes = b""
    block: bytes = field(default=b"", repr=False)
    """The raw header block."""

    def header(self, name: bytes) -> bytes | None:
        """Return the value of a header, None if it is missing."""
        return dict(self.headers).get(name)

    @property
    def message(self) -> bytes:
        """The only gRPC message of the body."""
        assert self.body[0] == 0
        assert int.from_bytes(self.body[1:5], "big") == len(self.body) - 5
        return self.body[5:]


class Http2Peer:
    """The server side of one HTTP/2 connection, for a script.

    It reads continuously: it acknowledges SETTINGS and PING, tracks windows, and assembles requests. Everything else is
    up to the script, which waits for requests and frames and sends whatever it wants.

    Args:
        reader: Data from the client.
        writer: Data to the client.
        number: The number of earlier connections of its server.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int = 0) -> None:
        self.reader, self.writer, self.number = reader, writer, number
        self.answers_pings = True
        self.acknowledges_settings = True
        self.credits = False
        """Whether the client gets unlimited credit; otherwise only the initial windows."""
        self.received: list[Frame] = []
        """Every frame of the client, in order; of the answers to a flood only the first MOST_ANSWERS."""
        self.encoder, self._decoder = Encoder(), Decoder()
        self.max_frame_size = LEAST_FRAME_SIZE
        self.initial_window = DEFAULT_WINDOW
        self.connection_window = DEFAULT_WINDOW
        self._streams: defaultdict[int, int] = defaultdict(int)
        """Bytes sent on a stream minus the client's credit."""
        self._open: dict[int, Request] = {}
        self.begun: list[Request] = []
        """Every request whose headers have arrived, in order."""
        self.requests: list[Request] = []
        """Every complete request, in order."""
        self._taken_early: set[int] = set()
        """The streams of requests that a script took before they were complete."""
        self._next_begun = self._next_request = 0
        self.concurrent: set[int] = set()
        """The open streams of the client."""
        self.most_concurrent = 0
        self.settings_acknowledged = 0
        """Number of SETTINGS acknowledged by the client, including the first."""
        self.pings_answered = 0
        """Number of PINGs answered by the client."""
        self._awaited_answers: set[bytes] = set()
        self._settings_sent = self._pings_sent = 0
        self._seen = 0
        self._ended = self._hung_up = False
        self._news = News()

    # -- waiting

    async def greet(self, settings: Mapping[int, int] | None = None) -> None:
        """Read the preface and answer it with SETTINGS."""
        assert await self.reader.readexactly(len(PREFACE)) == PREFACE
        await self.send(SettingsFrame(0, settings=dict(settings or {})))

    async def request(self) -> Request:
        """Return the next complete request."""
        found: list[Request] = []

        def arrived() -> bool:
            while self._next_request < len(self.requests) and not found:
                request = self.requests[self._next_request]
                self._next_request += 1
                if request.stream_id not in self._taken_early:
                    found.append(request)
            return bool(found)

        await self.until(arrived)
        return found[0]

    async def begun_request(self) -> Request:
        """Return the next request as soon as its headers have arrived; `request` will not return it again."""
        await self.until(lambda: len(self.begun) > self._next_begun)
        self._next_begun += 1
        request = self.begun[self._next_begun - 1]
        self._taken_early.add(request.stream_id)
        return request

    async def frame(self, kind: type[F], *, stream_id: int | None = None) -> F:
        """Return the next frame of a kind, skipping others; each frame is examined once."""
        found: list[F] = []

        def arrived() -> bool:
            while self._seen < len(self.received) and not found:
                frame = self.received[self._seen]
                self._seen += 1
                if isinstance(frame, kind) and stream_id in (None, frame.stream_id):
                    found.append(frame)
            return bool(found)

        await self.until(arrived)
        return found[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until data from the client makes `condition` true."""
        held = False

        def holds() -> bool:
            nonlocal held
            held = condition()
            return held or self._ended

        await self._news.until(holds)
        if not held:
            raise ClientGone

    async def until_gone(self) -> None:
        """Wait, without a timeout, until the client has closed the connection."""
        await self._news.wait(lambda: self._ended)

    def frames(self, kind: type[F]) -> list[F]:
        """Return the frames of a kind that have arrived so far."""
        return [frame for frame in self.received if isinstance(frame, kind)]

    @property
    def resets(self) -> dict[int, int]:
        """The streams reset by the client, with its error codes."""
        return {frame.stream_id: frame.error_code for frame in self.frames(RstStreamFrame)}

    def window(self, stream_id: int) -> int:
        """Return the client's window for a stream, ignoring the connection's window."""
        return self.initial_window - self._streams[stream_id]

    # -- sending

    async def send(self, *frames: Frame) -> None:
        """Send frames in one write."""
        self.concurrent -= {frame.stream_id for frame in frames if _ends(frame)}
        for frame in frames:
            if isinstance(frame, DataFrame):
                self._count(frame.stream_id, frame.flow_controlled_length)
            elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self._settings_sent += 1
        await self.send_bytes(b"".join(frame.serialize() for frame in frames))

    async def send_often(self, frame: Frame, count: int) -> None:
        """Send the same frame `count` times, as fast as the client reads and with little work per frame."""
        data = frame.serialize()
        if isinstance(frame, SettingsFrame):
            self._settings_sent += count
        at_once = max(1, CHUNK // len(data))
        while count > 0:
            await self.send_bytes(data * min(count, at_once))
            count -= at_once

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def headers(self, stream_id: int, headers: Iterable[Header] = RESPONSE, *, end: bool = False) -> HeadersFrame:
        """Return a HEADERS frame."""
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        return HeadersFrame(stream_id, self.encoder.encode(list(headers)), flags=flags)

    def trailers(self, stream_id: int, status: int = 0, *more: Header) -> HeadersFrame:
        """Return the HEADERS frame that ends a gRPC response."""
        return self.headers(stream_id, [(b"grpc-status", b"%d" % status), *more], end=True)

    async def send_data(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send DATA frames, as the client's windows allow."""
        view = memoryview(data)
        while len(view):
            await self.until(lambda: self.connection_window > 0 and self.window(stream_id) > 0)
            size = min(self.connection_window, self.window(stream_id), self.max_frame_size, len(view))
            chunk, view = bytes(view[:size]), view[size:]
            await self.send(DataFrame(stream_id, chunk, flags=["END_STREAM"] if end and not len(view) else []))

    async def reply(self, request: Request, *messages: bytes, status: int = 0) -> None:
        """Send a whole gRPC response."""
        await self.send(self.headers(request.stream_id))
        await self.send_data(request.stream_id, b"".join(map(grpc_message, messages)))
        await self.send(self.trailers(request.stream_id, status))

    async def serve(self, message: bytes) -> None:
        """Answer every further request with the same message."""
        while True:
            await self.reply(await self.request(), message)

    async def change_settings(self, settings: Mapping[int, int]) -> None:
        """Send SETTINGS and wait until the client has acknowledged them."""
        await self.send(SettingsFrame(0, settings=dict(settings)))
        sent = self._settings_sent
        await self.until(lambda: self.settings_acknowledged >= sent)

    async def ping(self) -> None:
        """Send a PING and wait for its answer."""
        self._pings_sent += 1
        data = self._pings_sent.to_bytes(8, "big")
        self._awaited_answers.add(data)
        await self.send(PingFrame(0, data))
        await self.until(lambda: data not in self._awaited_answers)

    def hang_up(self) -> None:
        """Send FIN after the data sent, and keep reading: closing an unread socket would send RST."""
        self._hung_up = True
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.writer.close()

    # -- reading

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read from the client while the block runs."""
        pump = asyncio.create_task(self._read())
        try:
            yield
        finally:
            pump.cancel()
            await asyncio.wait([pump])
            if not pump.cancelled() and (fault := pump.exception()) is not None:
                raise fault

    async def _read(self) -> None:
        buffer = bytearray()
        try:
            while data := await self.reader.read(1 << 16):
                buffer += data
                for frame in _parse(buffer):
                    self._take(frame)
                self._news.tell()
        except ConnectionError:
            pass
        finally:
            self._ended = True
            self._news.tell()

    def _take(self, frame: Frame) -> None:
        """Record a frame and acknowledge it."""
        if "ACK" not in frame.flags or self.settings_acknowledged + self.pings_answered < MOST_ANSWERS:
            self.received.append(frame)
        match frame:
            case SettingsFrame():
                self._take_settings(frame)
            case PingFrame():
                self._take_ping(frame)
            case WindowUpdateFrame():
                self._count(frame.stream_id, -frame.window_increment)
            case HeadersFrame() | ContinuationFrame():
                self.concurrent.add(frame.stream_id)
                self.most_concurrent = max(self.most_concurrent, len(self.concurrent))
                self._take_headers(frame)
            case RstStreamFrame():
                self.concurrent.discard(frame.stream_id)
                self._open.pop(frame.stream_id, None)
            case DataFrame():
                self._take_data(frame)
        if isinstance(frame, HeadersFrame | DataFrame) and "END_STREAM" in frame.flags:
            self.requests.append(self._open.pop(frame.stream_id))

    def _take_settings(self, frame: SettingsFrame) -> None:
        if "ACK" in frame.flags:
            self.settings_acknowledged += 1
            return
        table_size = frame.settings.get(SettingsFrame.HEADER_TABLE_SIZE, self.encoder.header_table_size)
        if table_size < self.encoder.header_table_size:
            self.encoder.header_table_size = table_size
        self.initial_window = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, self.initial_window)
        self.max_frame_size = frame.settings.get(SettingsFrame.MAX_FRAME_SIZE, self.max_frame_size)
        if self.acknowledges_settings:
            self._answer(SettingsFrame(0, flags=["ACK"]))

    def _take_ping(self, frame: PingFrame) -> None:
        if "ACK" in frame.flags:
            self.pings_answered += 1
            self._awaited_answers.discard(frame.opaque_data)
        elif self.answers_pings:
            self._answer(PingFrame(0, frame.opaque_data, flags=["ACK"]))

    def _take_headers(self, frame: HeadersFrame | ContinuationFrame) -> None:
        request = self._open.setdefault(frame.stream_id, Request(frame.stream_id, []))
        request.block += frame.data
        if "END_HEADERS" in frame.flags:
            request.headers = [
                (bytes(name), bytes(value)) for name, value in self._decoder.decode(request.block, raw=True)
            ]
            self.begun.append(request)

    def _take_data(self, frame: DataFrame) -> None:
        self._open[frame.stream_id].body += frame.data
        if self.credits and frame.flow_controlled_length:
            for stream_id in (0, frame.stream_id):
                self._answer(WindowUpdateFrame(stream_id, window_increment=frame.flow_controlled_length))

    def _answer(self, frame: Frame) -> None:
        """Send the required answer to a client's frame, without waiting until it is sent."""
        if not self._hung_up:
            self.writer.write(frame.serialize())

    def _count(self, stream_id: int, size: int) -> None:
        """Count bytes sent on a stream; the client's credit counts negative, on stream 0 for the connection."""
        if size > 0 or stream_id == 0:
            self.connection_window -= size
        if stream_id:
            self._streams[stream_id] += size


def _parse(buffer: bytearray) -> Iterator[Frame]:
    """Take the complete frames out of `buffer`."""
    data, position = bytes(buffer), 0
    while len(data) - position >= 9:
        frame, length = Frame.parse_frame_header(memoryview(data)[position : position + 9])
        if len(data) - position - 9 < length:
            break
        frame.parse_body(memoryview(data)[position + 9 : position + 9 + length])
        position += 9 + length
        yield frame
    del buffer[:position]


def _ends(frame: Frame) -> bool:
    return isinstance(frame, RstStreamFrame) or "END_STREAM" in frame.flags
