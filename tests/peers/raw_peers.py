"""Peers that are no gateway: bare TCP or TLS servers, and an HTTP/2 server that follows a script frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import pytest
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

F = TypeVar("F", bound=Frame)
Header = tuple[bytes, bytes]
StreamScript = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65_535
PATIENCE = 10.0
"""Seconds until a test that waits for something that never comes fails instead of hanging."""

RESPONSE: tuple[Header, ...] = ((b":status", b"200"), (b"content-type", b"application/grpc"))
"""The headers that a gRPC response begins with."""


class ClientGone(Exception):
    """The client closed the connection while the script still waited for it."""


class RawServer:
    """A server on a free port of 127.0.0.1 that runs a coroutine for each connection.

    The connection is closed when its coroutine ends. What a script raises is raised again at the end of the block,
    except that the client has gone.

    Args:
        script: Takes reader and writer.
        tls: The context of a TLS server.
    """

    def __init__(self, script: StreamScript, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._transports: list[asyncio.WriteTransport] = []
        self._faults: list[BaseException] = []
        self.port = 0
        self.connections = 0
        """How many connections were made, the TLS handshake included."""

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    async def all_gone(self) -> None:
        """Wait until all scripts have ended; those that read to the end wait for the client to close."""
        if self._running:
            _, waiting = await asyncio.wait(self._running, timeout=PATIENCE)
            assert not waiting, f"{len(waiting)} connections are still open"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        for transport in self._transports:
            transport.abort()
        await self._server.wait_closed()
        if exc is None and self._faults:
            raise self._faults[0]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._transports.append(writer.transport)
        task = asyncio.create_task(self._run(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ClientGone):
            pass
        except Exception as fault:  # noqa: BLE001 - raised again at the end of the block
            self._faults.append(fault)
        finally:
            writer.close()


drops_attempts = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets attempts beyond the backlog wait")


@contextlib.contextmanager
def full_backlog() -> Iterator[tuple[str, int]]:
    """Give the address of a server that accepts nothing and whose backlog is full: connecting waits for ever."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything and answer nothing."""
    while await reader.read(65536):
        pass


async def closes_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what the client begins with, and hang up."""
    await reader.read(65536)


async def http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer like a web server that was not asked in HTTP/1."""
    await reader.read(65536)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


def says(data: bytes) -> StreamScript:
    """Return a script that answers with `data` and stays."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await silent(reader, writer)

    return script


# --------------------------------------------------------------------------------------------------------------------
# HTTP/2


@dataclass
class Request:
    """One request as it has arrived."""

    stream_id: int
    headers: list[Header]
    body: bytes = b""
    block: bytes = field(default=b"", repr=False)
    """The header block as it stood on the wire."""

    def header(self, name: bytes) -> bytes | None:
        """Return the value of a header, None when it is missing."""
        return dict(self.headers).get(name)

    @property
    def message(self) -> bytes:
        """The only gRPC message of the body."""
        assert self.body[0] == 0
        assert int.from_bytes(self.body[1:5], "big") == len(self.body) - 5
        return self.body[5:]


def grpc_message(message: bytes, *, compressed: int = 0) -> bytes:
    """Return a message behind gRPC's prefix."""
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


def unknown_frame(kind: int, stream_id: int, payload: bytes) -> ExtensionFrame:
    """Return a frame of a type that HTTP/2 does not define."""
    frame = ExtensionFrame(kind, stream_id, body=payload)
    frame.body_len = len(payload)
    return frame


class Http2Peer:
    """The server's half of one HTTP/2 connection, for a script to play.

    What the client sends is read all the time: SETTINGS and PING are acknowledged, windows kept, requests put together.
    Everything else is left to the script, which waits for requests and frames and sends what it likes.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.received: list[Frame] = []
        """Every frame of the client, in order."""
        self.encoder, self._decoder = Encoder(), Decoder()
        self.max_frame_size = 16_384
        self.initial_window = DEFAULT_WINDOW
        self.connection_window = DEFAULT_WINDOW
        self._streams: defaultdict[int, int] = defaultdict(int)
        """What was sent on a stream less what the client has credited."""
        self._open: dict[int, Request] = {}
        self.requests: list[Request] = []
        """Every request that is complete, in order."""
        self._taken_requests = 0
        self.concurrent: set[int] = set()
        """The streams that the client has opened and nobody has ended."""
        self.most_concurrent = 0
        self._seen = 0
        self._ended = False
        self._news = asyncio.Condition()

    # -- waiting

    async def greet(self, settings: Mapping[int, int] | None = None) -> None:
        """Read the preface and answer it with SETTINGS."""
        assert await self.reader.readexactly(len(PREFACE)) == PREFACE
        await self.send(SettingsFrame(0, settings=dict(settings or {})))

    async def request(self) -> Request:
        """Return the next request that is complete."""
        await self.until(lambda: len(self.requests) > self._taken_requests)
        self._taken_requests += 1
        return self.requests[self._taken_requests - 1]

    async def frame(self, kind: type[F], *, stream_id: int | None = None) -> F:
        """Return the next frame of a kind, passing over others; frames are looked at once."""
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
        """Wait until something that the client sends makes `condition` true."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: condition() or self._ended)
        if not condition():
            raise ClientGone

    async def until_gone(self) -> None:
        """Wait until the client has closed the connection; as long as that takes."""
        async with self._news:
            await self._news.wait_for(lambda: self._ended)

    def frames(self, kind: type[F]) -> list[F]:
        """Return the frames of a kind that have arrived so far."""
        return [frame for frame in self.received if isinstance(frame, kind)]

    @property
    def resets(self) -> dict[int, int]:
        """The streams that the client has reset, with its error codes."""
        return {frame.stream_id: frame.error_code for frame in self.frames(RstStreamFrame)}

    def window(self, stream_id: int) -> int:
        """Return how many bytes the client lets us send on a stream, the connection's window apart."""
        return self.initial_window - self._streams[stream_id]

    # -- sending

    async def send(self, *frames: Frame) -> None:
        """Send frames in one go."""
        self.concurrent -= {frame.stream_id for frame in frames if _ends(frame)}
        await self.send_bytes(b"".join(frame.serialize() for frame in frames))

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
            self._count(stream_id, size)
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

    # -- reading

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read what the client sends for the time of the block."""
        pump = asyncio.create_task(self._read())
        try:
            yield
        finally:
            pump.cancel()
            await asyncio.wait([pump])
            if not pump.cancelled() and (fault := pump.exception()) is not None:
                raise fault

    async def _read(self) -> None:
        try:
            while True:
                header = await self.reader.readexactly(9)
                frame, length = Frame.parse_frame_header(memoryview(header))
                frame.parse_body(memoryview(await self.reader.readexactly(length)))
                await self._take(frame)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._ended = True
            async with self._news:
                self._news.notify_all()

    async def _take(self, frame: Frame) -> None:
        self.received.append(frame)
        match frame:
            case SettingsFrame() if "ACK" not in frame.flags:
                self.initial_window = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, self.initial_window)
                self.max_frame_size = frame.settings.get(SettingsFrame.MAX_FRAME_SIZE, self.max_frame_size)
                await self.send(SettingsFrame(0, flags=["ACK"]))
            case PingFrame() if "ACK" not in frame.flags:
                await self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))
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
                self._open[frame.stream_id].body += frame.data
        if isinstance(frame, HeadersFrame | DataFrame) and "END_STREAM" in frame.flags:
            self.requests.append(self._open.pop(frame.stream_id))
        async with self._news:
            self._news.notify_all()

    def _take_headers(self, frame: HeadersFrame | ContinuationFrame) -> None:
        request = self._open.setdefault(frame.stream_id, Request(frame.stream_id, []))
        request.block += frame.data
        if "END_HEADERS" in frame.flags:
            request.headers = [
                (bytes(name), bytes(value)) for name, value in self._decoder.decode(request.block, raw=True)
            ]

    def _count(self, stream_id: int, size: int) -> None:
        """Book what was sent on a stream; what the client credits counts negative, on stream 0 for the connection."""
        if size > 0 or stream_id == 0:
            self.connection_window -= size
        if stream_id:
            self._streams[stream_id] += size


def _ends(frame: Frame) -> bool:
    return isinstance(frame, RstStreamFrame) or "END_STREAM" in frame.flags


Script = Callable[[Http2Peer], Awaitable[None]]


class Http2Server(RawServer):
    """An HTTP/2 server that greets each connection and plays a script on it; then it waits until the client closes.

    Args:
        script: Takes the peer.
        settings: What the greeting announces.
        tls: The context of a TLS server.
    """

    def __init__(
        self, script: Script, *, settings: Mapping[int, int] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(self._play, tls=tls)
        self._http2_script = script
        self._settings = settings
        self.peers: list[Http2Peer] = []
        """The connections, in the order in which they were made."""

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Http2Peer(reader, writer)
        self.peers.append(peer)
        await peer.greet(self._settings)
        async with peer.reading():
            await self._http2_script(peer)
            await peer.until_gone()
