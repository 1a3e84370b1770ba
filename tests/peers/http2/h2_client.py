"""A foreign client on a plain asyncio socket: the h2 library, which enforces HTTP/2 strictly."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from mxgateway.testing.network.sockets import PATIENCE
from tests.peers.http2.http2_frames import grpc_message
from tests.peers.http2.http2_peer import Header

E = TypeVar("E", bound=Event)

REQUEST: tuple[Header, ...] = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/test.Service/Method"),
    (b":authority", b"test"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)


@dataclass
class Seen:
    """What the client has received on a connection so far."""

    events: list[Event] = field(default_factory=list)
    error: ProtocolError | None = None
    """h2's error if the peer violates HTTP/2."""
    wire: bytearray = field(default_factory=bytearray, repr=False)
    """Every received byte."""
    end: str = ""
    """How the connection ended: "FIN" or "RST"; empty while it is open."""

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The response's headers."""
        return {bytes(n): bytes(v) for e in self._of(ResponseReceived) for n, v in e.headers or ()}

    @property
    def trailers(self) -> dict[bytes, bytes]:
        """The response's trailers."""
        return {bytes(n): bytes(v) for e in self._of(TrailersReceived) for n, v in e.headers or ()}

    @property
    def informational(self) -> list[bytes]:
        """The status of each 1xx response."""
        return [
            bytes(v) for e in self._of(InformationalResponseReceived) for n, v in e.headers or () if n == b":status"
        ]

    @property
    def body(self) -> bytes:
        """The response's DATA."""
        return b"".join(event.data or b"" for event in self._of(DataReceived))

    @property
    def frames(self) -> list[tuple[int, int, int, int]]:
        """Type, flags, stream and length of each frame header, parsed from the bytes."""
        found, position = [], 0
        while len(self.wire) - position >= 9:
            high, low, kind, flags, stream_id = struct.unpack_from(">HBBBL", self.wire, position)
            length = high << 8 | low
            found.append((kind, flags, stream_id, length))
            position += 9 + length
        return found

    @property
    def ended(self) -> bool:
        """Whether the response is complete."""
        return bool(self._of(StreamEnded))

    @property
    def resets(self) -> list[int]:
        """The error code of each RST_STREAM."""
        return [int(event.error_code or 0) for event in self._of(StreamReset)]

    @property
    def goaways(self) -> list[tuple[int, int, bytes]]:
        """Code, last stream and reason of each GOAWAY."""
        return [
            (int(e.error_code or 0), e.last_stream_id or 0, e.additional_data or b"")
            for e in self._of(ConnectionTerminated)
        ]

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


class H2Client:
    """One connection of the h2 library to a port of this machine; a context manager.

    Args:
        port: The server's port.
        credit: Return credit for received data.
        parse: Let h2 parse received data; otherwise it is only recorded.
    """

    def __init__(self, port: int, *, credit: bool = True, parse: bool = True) -> None:
        self._port, self._credit, self._parse = port, credit, parse
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.seen = Seen()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.h2.initiate_connection()
        await self.flush()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.transport.abort()

    async def flush(self) -> None:
        """Send h2's pending data."""
        self._writer.write(self.h2.data_to_send())
        await self._writer.drain()

    async def request(self, message: bytes = b"hi", *, end: bool = True) -> int:
        """Start a call and return its stream; by default with a message and the end of the request."""
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, list(REQUEST))
        if message or end:
            self.h2.send_data(stream_id, grpc_message(message), end_stream=end)
        await self.flush()
        return stream_id

    async def until(self, condition: Callable[[Seen], bool]) -> Seen:
        """Read until `condition` holds, the connection ends, or the peer violates HTTP/2."""
        async with asyncio.timeout(PATIENCE):
            while not (condition(self.seen) or self.seen.error or self.seen.end):
                await self.read()
        return self.seen

    async def until_done(self, done: asyncio.Event, *, quiet: float = 0.02) -> Seen:
        """Read until the peer's script is done and nothing has arrived for twice `quiet` seconds, or as `until`."""
        silences = 0
        while silences < 2 and not (self.seen.error or self.seen.end):
            try:
                async with asyncio.timeout(quiet):
                    await self.read()
                silences = 0
            except TimeoutError:
                silences += done.is_set()
        return self.seen

    def write(self, data: bytes) -> None:
        """Send bytes without h2."""
        self._writer.write(data)

    async def read(self) -> None:
        """Read what has arrived, or wait for more."""
        try:
            data = await self._reader.read(1 << 16)
        except ConnectionResetError:
            self.seen.end = "RST"
            return
        if not data:
            self.seen.end = "FIN"
            return
        self.seen.wire += data
        if not self._parse:
            return
        try:
            for event in self.h2.receive_data(data):
                self.seen.events.append(event)
                if isinstance(event, DataReceived) and event.flow_controlled_length and self._credit:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
        except ProtocolError as error:
            self.seen.error = error
        await self.flush()
