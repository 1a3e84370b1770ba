"""A client of raw HTTP/2 frames, and what the gateway makes of them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple, Self, cast

from hpack import Decoder, Encoder

from mxgateway.simulator import SimulatedGateway
from tests.simulator.peer import CONTRACT, PATIENCE

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITIZED = 4, 8, 32
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(6, 12)

Field = tuple[bytes, bytes]
MESSAGE: Final = bytes(5)
"""A gRPC message without content."""


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The last four bytes: the code of a RST_STREAM."""
        return int.from_bytes(self.payload[:4], "big")


class Outcome(NamedTuple):
    """What has become of a request."""

    what: str
    """``reset``, ``goaway``, ``closed`` without a word, or the gRPC status."""
    code: int = 0


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, api_key: str) -> None:
        self._reader, self._writer = reader, writer
        self._encoder, self._decoder = Encoder(), Decoder()
        self._key = api_key.encode()
        self.newest = -1
        """The last of the streams given out."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, gateway: SimulatedGateway, *, opening: bytes = PREFACE + settings(), buffer: int | None = None
    ) -> AsyncIterator[Self]:
        """Connect, and cut the connection at the end of the block.

        Args:
            gateway: The gateway.
            opening: What is sent first.
            buffer: How many bytes the kernel keeps for a client that does not read.
        """
        sock = socket.socket()
        sock.setblocking(False)
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await asyncio.get_running_loop().sock_connect(sock, (gateway.host, gateway.port))
        reader, writer = await asyncio.open_connection(sock=sock)
        wire = cls(reader, writer, gateway.api_key)
        wire.send(opening)
        try:
            yield wire
        finally:
            writer.transport.abort()

    def send(self, *frames: bytes) -> None:
        self._writer.write(b"".join(frames))

    async def sent(self) -> None:
        """Wait until the gateway has taken what was sent, or has gone."""
        with suppress(ConnectionError):
            await self._writer.drain()
        await asyncio.sleep(0)

    def streams(self, count: int) -> range:
        """Return the numbers of new streams."""
        first, self.newest = self.newest + 2, self.newest + 2 * count
        return range(first, self.newest + 1, 2)

    def stop_reading(self) -> None:
        cast(asyncio.Transport, self._writer.transport).pause_reading()

    def fields(self, method: str = "OpenSession") -> list[Field]:
        """Return the fields of a good request."""
        return [
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", CONTRACT.rpcs[method].path.encode()),
            (b":authority", b"x"), (b"te", b"trailers"), (b"content-type", b"application/grpc"),
            (b"authorization", b"Bearer " + self._key),
        ]  # fmt: skip

    def block(self, fields: Iterable[Field]) -> bytes:
        """Return an encoded header block."""
        return self._encoder.encode(list(fields))

    def headers(self, stream: int, fields: Iterable[Field] | None = None, flags: int = END_HEADERS) -> bytes:
        return frame(HEADERS, flags, stream, self.block(self.fields() if fields is None else fields))

    def request(self, stream: int, fields: Iterable[Field] | None = None, message: bytes = MESSAGE) -> bytes:
        """Return a whole request."""
        return self.headers(stream, fields) + frame(DATA, END_STREAM, stream, message)

    async def read(self) -> Frame | None:
        """Return the next frame; None at the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags, stream = struct.unpack(">BBI", head[3:])
                return Frame(kind, flags, stream, payload)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def outcome(self, stream: int) -> Outcome:
        """Return what becomes of a stream."""
        while (got := await self.read()) is not None:
            if got.kind == GOAWAY:
                return Outcome("goaway", int.from_bytes(got.payload[4:8], "big"))
            if got.kind == HEADERS:
                fields = {str(name): str(value) for name, value in self._decoder.decode(got.payload)}
                if got.stream == stream and got.flags & END_STREAM:
                    return Outcome(fields.get("grpc-status", fields.get(":status", "")))
            if (got.kind, got.stream) == (RST_STREAM, stream):
                return Outcome("reset", got.number)
        return Outcome("closed")

    async def ended(self) -> bool:
        """Read to the end of the connection."""
        while await self.read() is not None:
            pass
        return True
