"""Whatever one client does, the others are served and the log shows no traceback."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hyperframe.frame import AltSvcFrame, ContinuationFrame, DataFrame, HeadersFrame, PingFrame, SettingsFrame

from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.simulator.conftest import Until
from tests.simulator.peer import CONTRACT, PATIENCE, Peer, ok

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
OPEN = CONTRACT.rpcs["OpenSession"].path


@pytest.fixture
async def gateway(caplog: pytest.LogCaptureFixture) -> AsyncIterator[SimulatedGateway]:
    caplog.set_level(logging.DEBUG)
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with SimulatedGateway() as gateway:
        yield gateway
        async with Peer(gateway.endpoint, gateway.api_key) as peer:
            ok(await peer.call("OpenSession"))
    assert not unhandled
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


class Raw:
    """A connection that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, api_key: str) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(validate_outbound_headers=False, header_encoding="utf-8"))
        self.headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", OPEN),
            (":authority", "x"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("authorization", f"Bearer {api_key}"),
        ]

    @classmethod
    async def connect(cls, gateway: SimulatedGateway) -> Raw:
        return cls(*await asyncio.open_connection(gateway.host, gateway.port), gateway.api_key)

    async def greet(self) -> None:
        self.h2.initiate_connection()
        await self.flush()

    async def flush(self, extra: bytes = b"") -> None:
        self.writer.write(self.h2.data_to_send() + extra)
        await self.writer.drain()

    async def request(self, body: bytes, *, end: bool = True, **headers: str | None) -> list[Any]:
        """Send a request and return the events until its stream ends."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = [(name, changed.pop(name.lstrip(":"), value)) for name, value in self.headers]
        sent += changed.items()
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [(name, value) for name, value in sent if value is not None])
        self.h2.send_data(stream, body, end_stream=end)
        await self.flush()
        return await self.events(stream)

    async def events(self, stream: int) -> list[Any]:
        seen: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while not any(
                type(event).__name__ in ("StreamEnded", "StreamReset") and event.stream_id == stream for event in seen
            ):
                data = await self.reader.read(65536)
                if not data:
                    break
                seen += self.h2.receive_data(data)
                await self.flush()
        return seen

    async def closed(self) -> bytes:
        """Return what the gateway says until it closes the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        self.writer.transport.abort()


@pytest.fixture
async def raw(gateway: SimulatedGateway) -> AsyncIterator[Raw]:
    raw = await Raw.connect(gateway)
    yield raw
    raw.close()


def status(events: list[Any]) -> tuple[str | None, str | None]:
    """Return the HTTP status and the gRPC status of a response."""
    headers: dict[str, str] = {}
    for event in events:
        headers.update(getattr(event, "headers", None) or {})
    return headers.get(":status"), headers.get("grpc-status")


def message(body: bytes) -> bytes:
    return struct.pack(">BI", 0, len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"\x00" * 1000,
        PREFACE + b"\x00\x80\x00" + bytes(6) + bytes(0x8000),
        PREFACE + SettingsFrame(0).serialize() + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        PREFACE + SettingsFrame(0).serialize() + DataFrame(1, b"x").serialize(),
        PREFACE + SettingsFrame(0).serialize() + HeadersFrame(2, b"", flags=["END_HEADERS"]).serialize(),
        PREFACE + SettingsFrame(0).serialize() + HeadersFrame(1, b"\xff\xff\xff", flags=["END_HEADERS"]).serialize(),
        PREFACE + SettingsFrame(0).serialize() + ContinuationFrame(1, b"").serialize(),
    ],
)
async def test_what_is_no_http2_ends_its_own_connection(raw: Raw, data: bytes) -> None:
    raw.writer.write(data)
    await raw.writer.drain()
    assert b"Traceback" not in await raw.closed()


async def test_random_bytes_after_a_good_greeting_are_no_harm(gateway: SimulatedGateway) -> None:
    rng = random.Random(7)
    for _ in range(50):
        raw = await Raw.connect(gateway)
        await raw.greet()
        raw.writer.write(rng.randbytes(rng.randrange(1, 2000)))
        raw.close()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"method": "GET"}, ("405", None)),
        ({"content_type": "text/html"}, ("415", None)),
        ({"content_type": None}, ("415", None)),
        ({"path": "/nothing/at/all"}, ("200", "12")),
        ({"grpc_timeout": "soon"}, ("200", "3")),
        ({"grpc_timeout": "0n"}, ("200", "4")),
        ({"authorization": "Bearer ünbekannt"}, ("200", "16")),
        ({"authorization": "Bearer "}, ("200", "16")),
        ({"x_trace": "Grüße \x01"}, ("200", "0")),
        ({"te": None}, ("200", "0")),
        ({"X_UPPER": "case"}, ("200", "0")),
    ],
)
async def test_odd_headers_concern_their_own_call(
    raw: Raw, changed: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    await raw.greet()
    assert status(await raw.request(message(b""), **changed)) == expected
    assert status(await raw.request(message(b""))) == ("200", "0")


@pytest.mark.parametrize(
    ("body", "grpc_status"),
    [
        (b"", "13"),
        (b"\x00\x00", "13"),
        (struct.pack(">BI", 0, 10) + b"abc", "13"),
        (struct.pack(">BI", 1, 0), "12"),
        (struct.pack(">BI", 0, 2**32 - 1), "8"),
        (struct.pack(">BI", 0, 16 * 1024 * 1024 + 1), "8"),
        (message(b"\x0a\xff"), "3"),
        (message(b"\x00\x00"), "3"),
        (message(b"\x0a\x02\xff\xff"), "3"),
        (message(b"") + b"trailing bytes", "0"),
    ],
)
async def test_a_malformed_message_has_a_status(raw: Raw, body: bytes, grpc_status: str) -> None:
    await raw.greet()
    assert status(await raw.request(body)) == ("200", grpc_status)
    assert status(await raw.request(message(b""))) == ("200", "0")


async def test_empty_data_frames_within_a_message_are_ignored(raw: Raw) -> None:
    await raw.greet()
    stream = raw.h2.get_next_available_stream_id()
    raw.h2.send_headers(stream, raw.headers)
    body = message(b"\x12\x03svc")
    for index in range(len(body)):
        for _ in range(20):
            raw.h2.send_data(stream, b"")
        raw.h2.send_data(stream, body[index : index + 1])
    raw.h2.end_stream(stream)
    await raw.flush()
    assert status(await raw.events(stream)) == ("200", "0")


async def test_unknown_frames_are_ignored(raw: Raw) -> None:
    await raw.greet()
    await raw.flush(b"\x00\x00\x14\xfa\x03\x00\x00\x00\x00" + bytes(20) + AltSvcFrame(0, b"x", b"h2").serialize())
    assert status(await raw.request(message(b""))) == ("200", "0")


async def test_a_padded_message_is_read(raw: Raw) -> None:
    await raw.greet()
    stream = raw.h2.get_next_available_stream_id()
    raw.h2.send_headers(stream, raw.headers)
    raw.h2.send_data(stream, message(b""), end_stream=True, pad_length=200)
    await raw.flush()
    assert status(await raw.events(stream)) == ("200", "0")


async def test_requests_that_are_reset_at_once_leave_nothing(raw: Raw, gateway: SimulatedGateway, until: Until) -> None:
    await raw.greet()
    for _ in range(200):
        stream = raw.h2.get_next_available_stream_id()
        raw.h2.send_headers(stream, raw.headers)
        raw.h2.reset_stream(stream, 8)
        await raw.flush()
    assert status(await raw.request(message(b""))) == ("200", "0")
    [connection] = gateway._running.listener.connections
    await until(lambda: len(connection._requests) == 0)
    assert not connection.processor.streams


async def test_a_half_sent_message_does_not_hold_up_the_others(raw: Raw, gateway: SimulatedGateway) -> None:
    await raw.greet()
    half = raw.h2.get_next_available_stream_id()
    raw.h2.send_headers(half, raw.headers)
    raw.h2.send_data(half, struct.pack(">BI", 0, 100) + b"x")
    assert status(await raw.request(message(b""))) == ("200", "0")


@pytest.mark.parametrize("when", ["before the greeting", "after the greeting", "within a request", "within a stream"])
async def test_a_client_may_vanish_at_any_time(gateway: SimulatedGateway, until: Until, when: str) -> None:
    for politely in (True, False):
        raw = await Raw.connect(gateway)
        if when != "before the greeting":
            await raw.greet()
        if when in ("within a request", "within a stream"):
            raw.headers[2] = (":path", CONTRACT.rpcs["StreamAlarms"].path if when == "within a stream" else OPEN)
            stream = raw.h2.get_next_available_stream_id()
            raw.h2.send_headers(stream, raw.headers)
            raw.h2.send_data(stream, message(b"") if when == "within a stream" else b"\x00")
            await raw.flush()
            await raw.reader.read(1000)
        if politely:
            raw.writer.close()
        else:
            raw.close()
    await until(lambda: gateway.connections == 0)


async def test_a_client_that_pings_and_never_reads_is_cut(gateway: SimulatedGateway, until: Until) -> None:
    raw = await Raw.connect(gateway)
    await raw.greet()
    cast("asyncio.Transport", raw.writer.transport).pause_reading()
    pings = PingFrame(0, b"12345678").serialize() * 1000
    await until(lambda: gateway.connections == 1)
    # What the kernel takes from the gateway would only delay the end.
    [connection] = gateway._running.listener.connections
    assert connection._transport is not None
    connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    try:
        async with asyncio.timeout(PATIENCE):
            while gateway.connections:
                raw.writer.write(pings)
                await raw.writer.drain()
                await asyncio.sleep(0)
    except ConnectionError:
        pass
    raw.close()
    await until(lambda: gateway.connections == 0)


async def test_a_goaway_of_the_client_ends_its_connection_quietly(
    raw: Raw, gateway: SimulatedGateway, until: Until
) -> None:
    await raw.greet()
    raw.h2.close_connection()
    await raw.flush()
    await raw.closed()
    await until(lambda: gateway.connections == 0)


async def test_headers_beyond_the_limit_end_the_connection(raw: Raw) -> None:
    await raw.greet()
    assert status(await raw.request(message(b""), x_big="y" * 20_000)) == ("200", "0")
    raw.headers += [(f"x-{number}", "y" * 10_000) for number in range(8)]
    await raw.request(message(b""))
    assert await raw.closed() is not None


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(until: Until) -> None:
    async with SimulatedGateway(options=SimulatorOptions(idle_connection_timeout=0.05)) as gateway:
        busy, idle = await Raw.connect(gateway), await Raw.connect(gateway)
        for raw in (busy, idle):
            await raw.greet()
        busy.headers[2] = (":path", CONTRACT.rpcs["StreamAlarms"].path)
        stream = busy.h2.get_next_available_stream_id()
        busy.h2.send_headers(stream, busy.headers)
        busy.h2.send_data(stream, message(b""), end_stream=True)
        await busy.flush()
        await idle.closed()
        await until(lambda: gateway.connections == 1)
        busy.close()
        idle.close()
