"""HTTP/2 as RFC 9113 wants it: each rule by raw frames, and what the gateway answers to a peer that breaks it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from mxgateway.simulator import SimulatedGateway
from tests.rows import each_row
from tests.simulator.conftest import Until
from tests.simulator.peer import PATIENCE
from tests.simulator.server.wire import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    MESSAGE,
    PADDED,
    PING,
    PREFACE,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    Outcome,
    Wire,
    frame,
    settings,
    window_update,
)  # fmt: skip

MALFORMED = Outcome("reset", PROTOCOL_ERROR)
SERVED = Outcome("0")


@pytest.fixture
async def gateway() -> AsyncIterator[SimulatedGateway]:
    async with SimulatedGateway() as gateway:
        yield gateway


Fields = list[tuple[bytes, bytes]]


def without(name: bytes) -> Callable[[Fields], Fields]:
    return lambda fields: [field for field in fields if field[0] != name]


def changed(name: bytes, value: bytes) -> Callable[[Fields], Fields]:
    return lambda fields: [(key, value if key == name else old) for key, old in fields]


def first(*more: tuple[bytes, bytes]) -> Callable[[Fields], Fields]:
    return lambda fields: [*more, *fields]


def last(*more: tuple[bytes, bytes]) -> Callable[[Fields], Fields]:
    return lambda fields: [*fields, *more]


HEADER_RULES = [
    ("8.2.1 upper case in a name", last((b"X-Trace", b"1"))),
    ("8.2.1 a space in a name", last((b"x trace", b"1"))),
    ("8.2.1 a control character in a name", last((b"x\x01trace", b"1"))),
    ("8.2.1 DEL in a name", last((b"x\x7ftrace", b"1"))),
    ("8.2.1 a name beyond ASCII", last(("x-größe".encode(), b"1"))),
    ("8.2.1 a colon within a name", last((b"x:trace", b"1"))),
    ("8.2.1 an empty name", last((b"", b"1"))),
    ("8.2.1 NUL in a value", last((b"x-trace", b"a\x00b"))),
    ("8.2.1 LF in a value", last((b"x-trace", b"a\nb"))),
    ("8.2.1 CR in a value", last((b"x-trace", b"a\rb"))),
    ("8.2.1 LF in a pseudo-header", changed(b":authority", b"a\nb")),
    ("8.2.2 connection", last((b"connection", b"close"))),
    ("8.2.2 proxy-connection", last((b"proxy-connection", b"keep-alive"))),
    ("8.2.2 keep-alive", last((b"keep-alive", b"timeout=5"))),
    ("8.2.2 transfer-encoding", last((b"transfer-encoding", b"chunked"))),
    ("8.2.2 upgrade", last((b"upgrade", b"h2c"))),
    ("8.2.2 te other than trailers", changed(b"te", b"trailers, deflate")),
    ("8.3 an unknown pseudo-header", first((b":test", b"ok"))),
    ("8.3 a pseudo-header of responses", first((b":status", b"200"))),
    ("8.3 :protocol without extended CONNECT", first((b":protocol", b"websocket"))),
    ("8.3 a pseudo-header after a field", lambda fields: [*fields[1:], fields[0]]),
    ("8.3.1 no :method", without(b":method")),
    ("8.3.1 no :scheme", without(b":scheme")),
    ("8.3.1 no :path", without(b":path")),
    ("8.3.1 no pseudo-header at all", lambda fields: [field for field in fields if not field[0].startswith(b":")]),
    ("8.3.1 no header at all", lambda fields: []),
    ("8.3.1 :method twice", first((b":method", b"POST"))),
    ("8.3.1 :scheme twice", first((b":scheme", b"http"))),
    ("8.3.1 :path twice", first((b":path", b"/"))),
    ("8.3.1 :authority twice", first((b":authority", b"x"))),
    ("8.3.1 an empty :path", changed(b":path", b"")),
    ("8.3.1 a :path without a slash", changed(b":path", b"mxaccess_gateway.v1.MxAccessGateway/OpenSession")),
    ("8.3.1 an asterisk for another method than OPTIONS", changed(b":path", b"*")),
    ("8.3.1 user information in :authority", changed(b":authority", b"operator:secret@x")),
    ("8.3.1 host is another authority", last((b"host", b"y"))),
    ("8.3.1 two hosts", last((b"host", b"x"), (b"host", b"y"))),
    ("8.5 CONNECT with :path and :scheme", changed(b":method", b"CONNECT")),
]


@each_row(("rule", "change"), HEADER_RULES)
async def test_a_malformed_request_is_reset_and_the_next_one_is_served(
    gateway: SimulatedGateway, rule: str, change: Callable[[Fields], Fields]
) -> None:
    async with Wire.open(gateway) as wire:
        wire.send(wire.request(1, change(wire.fields())))
        assert await wire.outcome(1) == MALFORMED
        wire.send(wire.request(3))
        assert await wire.outcome(3) == SERVED


WELL_FORMED = [
    ("no te", without(b"te"), "0"),
    ("te in upper case", changed(b"te", b"Trailers"), "0"),
    ("no :authority", without(b":authority"), "0"),
    ("host instead", lambda fields: [*without(b":authority")(fields), (b"host", b"x")], "0"),
    ("both, in another case", last((b"host", b"X")), "0"),
    ("bytes beyond ASCII in a value", last((b"x-name", "Größe".encode())), "0"),
    ("a tab in a value", last((b"x-name", b"a\tb")), "0"),
    ("an empty value", last((b"x-name", b"")), "0"),
    ("every sign of a name", last((b"!#$%&'*+-.^_`|~09az", b"1")), "0"),
    ("an asterisk for OPTIONS", lambda fields: changed(b":path", b"*")(changed(b":method", b"OPTIONS")(fields)), "405"),
    ("CONNECT", lambda fields: [(b":method", b"CONNECT"), (b":authority", b"x")], "405"),
    ("content-length", last((b"content-length", b"5")), "0"),
]


@each_row(("what", "change", "status"), WELL_FORMED)
async def test_a_well_formed_request_is_served(
    gateway: SimulatedGateway, what: str, change: Callable[[Fields], Fields], status: str
) -> None:
    async with Wire.open(gateway) as wire:
        wire.send(wire.request(1, change(wire.fields())))
        assert await wire.outcome(1) == Outcome(status)


def length(value: bytes, *bodies: bytes) -> Callable[[Wire], bytes]:
    """Return a request of some DATA frames that states another length."""

    def frames(wire: Wire) -> bytes:
        body = b"".join(frame(DATA, 0, 1, each) for each in bodies)
        return wire.headers(1, [*wire.fields(), (b"content-length", value)]) + body + frame(DATA, END_STREAM, 1)

    return frames


def trailers(*fields: tuple[bytes, bytes], flags: int = END_HEADERS | END_STREAM) -> Callable[[Wire], bytes]:
    return lambda wire: wire.headers(1) + wire.headers(1, fields, flags)


def after_request(*frames: bytes) -> Callable[[Wire], bytes]:
    """Return a request whose message is not complete, and frames after it."""
    return lambda wire: wire.headers(1) + b"".join(frames)


def plain(*frames: bytes) -> Callable[[Wire], bytes]:
    return lambda wire: b"".join(frames)


GOAWAYS = {code: Outcome("goaway", code) for code in range(14)}
RESETS = {code: Outcome("reset", code) for code in range(14)}
FRAME_RULES: list[tuple[str, Callable[[Wire], bytes], Outcome]] = [
    ("8.1 trailers with a pseudo-header", trailers((b":method", b"POST")), MALFORMED),
    ("8.1 trailers with a name in upper case", trailers((b"X-End", b"1")), MALFORMED),
    ("8.1 trailers with a field of a connection", trailers((b"connection", b"close")), MALFORMED),
    ("8.1 trailers that do not end the stream", trailers((b"x-end", b"1"), flags=END_HEADERS), GOAWAYS[PROTOCOL_ERROR]),
    ("8.1.1 a content-length above the body", length(b"6", MESSAGE), GOAWAYS[PROTOCOL_ERROR]),
    ("8.1.1 a content-length below the body", length(b"4", MESSAGE), GOAWAYS[PROTOCOL_ERROR]),
    ("8.1.1 a content-length of another sum", length(b"6", b"\0\0", b"\0\0\0"), GOAWAYS[PROTOCOL_ERROR]),
    ("8.1.1 a content-length that is no number", length(b"five", MESSAGE), GOAWAYS[PROTOCOL_ERROR]),
    ("4.2 a DATA frame that is too large", after_request(frame(DATA, 0, 1, bytes(16_385))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("4.2 the header of a frame that is too large", plain(frame(DATA, 0, 1, bytes(2**24 - 1))[:9]), GOAWAYS[FRAME_SIZE_ERROR]),
    ("4.2 a HEADERS frame that is too large", plain(frame(HEADERS, 4, 1, bytes(16_385))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("4.3 a block that cannot be decoded", plain(frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff")), GOAWAYS[COMPRESSION_ERROR]),
    ("4.3 another frame within a block", lambda wire: wire.headers(1, flags=0) + frame(PRIORITY, 0, 1, b"\0\0\0\0\1"), GOAWAYS[PROTOCOL_ERROR]),
    ("4.3 a block of another stream within a block", lambda wire: wire.headers(1, flags=0) + wire.headers(3), GOAWAYS[PROTOCOL_ERROR]),
    ("5.5 an unknown frame within a block", lambda wire: wire.headers(1, flags=0) + frame(0xFA, 0, 1), GOAWAYS[PROTOCOL_ERROR]),
    ("5.1 DATA on an idle stream", plain(frame(DATA, 0, 1, b"x")), GOAWAYS[PROTOCOL_ERROR]),
    ("5.1 RST_STREAM on an idle stream", plain(frame(RST_STREAM, 0, 1, bytes(4))), GOAWAYS[PROTOCOL_ERROR]),
    ("5.1 WINDOW_UPDATE on an idle stream", plain(window_update(1, 1)), GOAWAYS[PROTOCOL_ERROR]),
    ("5.1 DATA after the end", lambda wire: wire.request(1) + frame(DATA, 0, 1, b"x"), RESETS[STREAM_CLOSED]),
    ("5.1 HEADERS after the end", lambda wire: wire.request(1) + wire.headers(1), RESETS[STREAM_CLOSED]),
    ("5.1 DATA after a reset", after_request(frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL)), frame(DATA, 0, 1, b"x")), RESETS[STREAM_CLOSED]),
    ("5.1 HEADERS after a reset", lambda wire: wire.headers(1) + frame(RST_STREAM, 0, 1, bytes(4)) + wire.headers(1), RESETS[STREAM_CLOSED]),
    ("5.1.1 a stream of the server", lambda wire: wire.request(2), GOAWAYS[PROTOCOL_ERROR]),
    ("5.1.1 a stream below the last one", lambda wire: wire.request(5) + wire.request(3), GOAWAYS[PROTOCOL_ERROR]),
    ("6.1 DATA on stream 0", plain(frame(DATA, 0, 0, b"x")), GOAWAYS[PROTOCOL_ERROR]),
    ("6.1 more padding than DATA", after_request(frame(DATA, PADDED, 1, b"\x05abc")), GOAWAYS[PROTOCOL_ERROR]),
    ("6.2 HEADERS on stream 0", lambda wire: wire.headers(0), GOAWAYS[PROTOCOL_ERROR]),
    ("6.2 more padding than HEADERS", plain(frame(HEADERS, END_HEADERS | PADDED, 1, b"\x20abc")), GOAWAYS[PROTOCOL_ERROR]),
    ("6.3 PRIORITY on stream 0", plain(frame(PRIORITY, 0, 0, b"\0\0\0\1\1")), GOAWAYS[PROTOCOL_ERROR]),
    ("6.3 PRIORITY of another length", plain(frame(PRIORITY, 0, 1, bytes(4))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("6.4 RST_STREAM on stream 0", plain(frame(RST_STREAM, 0, 0, bytes(4))), GOAWAYS[PROTOCOL_ERROR]),
    ("6.4 RST_STREAM of another length", after_request(frame(RST_STREAM, 0, 1, bytes(3))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("6.5 an acknowledgement with a payload", plain(frame(SETTINGS, ACK, 0, bytes(6))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("6.5 SETTINGS on a stream", plain(frame(SETTINGS, 0, 1)), GOAWAYS[PROTOCOL_ERROR]),
    ("6.5 SETTINGS of another length", plain(frame(SETTINGS, 0, 0, bytes(5))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("6.5.2 push that is neither on nor off", plain(settings((2, 2))), GOAWAYS[PROTOCOL_ERROR]),
    ("6.5.2 a window beyond 31 bits", plain(settings((4, 2**31))), GOAWAYS[FLOW_CONTROL_ERROR]),
    ("6.5.2 a frame size below the least", plain(settings((5, 16_383))), GOAWAYS[PROTOCOL_ERROR]),
    ("6.5.2 a frame size above the most", plain(settings((5, 2**24))), GOAWAYS[PROTOCOL_ERROR]),
    ("6.6 a push of the client", lambda wire: frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + wire.block(wire.fields())), GOAWAYS[PROTOCOL_ERROR]),
    ("6.7 PING on a stream", plain(frame(PING, 0, 1, bytes(8))), GOAWAYS[PROTOCOL_ERROR]),
    ("6.7 PING of another length", plain(frame(PING, 0, 0, bytes(7))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("6.8 GOAWAY on a stream", plain(frame(GOAWAY, 0, 1, bytes(8))), GOAWAYS[PROTOCOL_ERROR]),
    ("6.9 WINDOW_UPDATE of nothing", plain(window_update(0, 0)), GOAWAYS[PROTOCOL_ERROR]),
    ("6.9 WINDOW_UPDATE of nothing on a stream", after_request(window_update(1, 0)), GOAWAYS[PROTOCOL_ERROR]),
    ("6.9 WINDOW_UPDATE of another length", plain(frame(WINDOW_UPDATE, 0, 0, bytes(3))), GOAWAYS[FRAME_SIZE_ERROR]),
    ("6.9.1 a window beyond 31 bits", plain(window_update(0, 2**31 - 1)), GOAWAYS[FLOW_CONTROL_ERROR]),
    ("6.9.1 a stream's window beyond 31 bits", after_request(window_update(1, 2**31 - 1)), RESETS[FLOW_CONTROL_ERROR]),
    ("6.9.2 settings that take a stream's window beyond 31 bits", after_request(window_update(1, 2**31 - 1 - 65_535), settings((4, 65_536))), GOAWAYS[FLOW_CONTROL_ERROR]),
    ("6.10 CONTINUATION of nothing", plain(frame(CONTINUATION, END_HEADERS, 1)), GOAWAYS[PROTOCOL_ERROR]),
    ("6.10 CONTINUATION after the end of a block", after_request(frame(CONTINUATION, END_HEADERS, 1)), GOAWAYS[PROTOCOL_ERROR]),
    ("6.10 CONTINUATION on stream 0", lambda wire: wire.headers(1, flags=0) + frame(CONTINUATION, END_HEADERS, 0), GOAWAYS[PROTOCOL_ERROR]),
    ("6.10 CONTINUATION without an end", lambda wire: wire.headers(1, flags=0) + frame(CONTINUATION, 0, 1) * 100, GOAWAYS[PROTOCOL_ERROR]),
]  # fmt: skip


@each_row(("rule", "frames", "expected"), FRAME_RULES)
async def test_a_broken_rule_has_the_error_of_the_rfc(
    gateway: SimulatedGateway, rule: str, frames: Callable[[Wire], bytes], expected: Outcome
) -> None:
    async with Wire.open(gateway) as wire:
        wire.send(frames(wire))
        assert await wire.outcome(1) == expected
        if expected.what == "goaway":
            assert await wire.ended()
        else:
            wire.send(wire.request(7))
            assert await wire.outcome(7) == SERVED


IGNORED = [
    ("4.1 an unknown frame", lambda wire: frame(0xFA, 3, 0, bytes(20)) + wire.request(1)),
    ("4.1 unknown flags", lambda wire: frame(PING, 0xFE, 0, bytes(8)) + wire.headers(1, flags=END_HEADERS | 0xC2) + frame(DATA, END_STREAM | 0xF6, 1, MESSAGE)),
    ("4.1 the reserved bit of a stream", lambda wire: wire.request(1 + 2**31)),
    ("6.2 padding and priority", lambda wire: frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, b"\2\0\0\0\0\7" + wire.block(wire.fields()) + b"\0\0") + frame(DATA, END_STREAM | PADDED, 1, b"\3" + MESSAGE + bytes(3))),
    ("6.3 PRIORITY on an idle stream", lambda wire: frame(PRIORITY, 0, 9, b"\0\0\0\1\1") + wire.request(1)),
    ("6.5.2 an unknown setting", lambda wire: settings((0xFFFF, 7)) + wire.request(1)),
    ("6.7 an acknowledged PING", lambda wire: frame(PING, ACK, 0, bytes(8)) + wire.request(1)),
    ("6.9.2 a window below zero", lambda wire: wire.headers(1) + settings((4, 0), (4, 65_535)) + frame(DATA, END_STREAM, 1, MESSAGE)),
    ("6.10 a block in many pieces", lambda wire: b"".join(
        frame(CONTINUATION if place else HEADERS, END_HEADERS if place == 9 else 0, 1, part)
        for block in [wire.block(wire.fields())]
        for place, part in enumerate([*(block[at : at + 9] for at in range(0, 81, 9)), block[81:]])
    ) + frame(DATA, END_STREAM, 1, MESSAGE)),
    ("8.1 trailers", lambda wire: wire.headers(1) + frame(DATA, 0, 1, MESSAGE) + wire.headers(1, [(b"x-end", b"1")], END_HEADERS | END_STREAM)),
]  # fmt: skip


@each_row(("rule", "frames"), IGNORED)
async def test_what_the_rfc_allows_is_no_harm(
    gateway: SimulatedGateway, rule: str, frames: Callable[[Wire], bytes]
) -> None:
    async with Wire.open(gateway) as wire:
        wire.send(frames(wire))
        assert await wire.outcome(1) == SERVED


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PROTOCOL_ERROR),
        (PREFACE[:-1] + b"\0" + settings(), PROTOCOL_ERROR),
    ],
)
async def test_another_preface_ends_the_connection(gateway: SimulatedGateway, opening: bytes, code: int) -> None:
    async with Wire.open(gateway, opening=opening) as wire:
        assert await wire.outcome(1) == Outcome("goaway", code)
        assert await wire.ended()


@each_row("late", [lambda wire: frame(DATA, 0, 1, b"x"), lambda wire: wire.headers(1)])
async def test_a_closed_stream_takes_no_more(gateway: SimulatedGateway, late: Callable[[Wire], bytes]) -> None:
    async with Wire.open(gateway) as wire:
        wire.send(wire.request(1))
        assert await wire.outcome(1) == SERVED
        wire.send(late(wire))
        assert (await wire.outcome(1)).code == STREAM_CLOSED


async def test_settings_and_pings_are_acknowledged_in_their_order(gateway: SimulatedGateway) -> None:
    async with Wire.open(gateway) as wire:
        wire.send(frame(PING, 0, 0, b"one     "), settings((1, 0)), frame(PING, 0, 0, b"two     "))
        acknowledged: list[tuple[int, bytes]] = []
        while len(acknowledged) < 4:
            got = await wire.read()
            assert got is not None
            if got.flags & ACK:
                acknowledged.append((got.kind, got.payload))
        assert acknowledged == [(SETTINGS, b""), (PING, b"one     "), (SETTINGS, b""), (PING, b"two     ")]


async def test_a_stream_too_many_is_refused_and_the_others_go_on(gateway: SimulatedGateway) -> None:
    async with Wire.open(gateway) as wire:
        streams = range(1, 2 * gateway.options.streams_per_connection, 2)
        wire.send(*(wire.headers(stream) for stream in streams), wire.headers(streams[-1] + 2))
        assert await wire.outcome(streams[-1] + 2) == Outcome("reset", REFUSED_STREAM)
        wire.send(frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL)), wire.request(streams[-1] + 4))
        assert await wire.outcome(streams[-1] + 4) == SERVED
        wire.send(frame(DATA, END_STREAM, 3, MESSAGE))
        assert await wire.outcome(3) == SERVED


async def test_data_beyond_the_window_ends_the_connection(gateway: SimulatedGateway) -> None:
    async with Wire.open(gateway) as wire:
        wire.send(wire.headers(1, wire.fields("StreamAlarms")), frame(DATA, 0, 1, MESSAGE))
        wire.send(*[frame(DATA, 0, 1, bytes(16_384))] * (gateway.options.stream_window // 16_384 + 1))
        assert await wire.outcome(1) == Outcome("goaway", FLOW_CONTROL_ERROR)
        assert await wire.ended()


async def test_headers_beyond_the_limit_end_the_connection(gateway: SimulatedGateway) -> None:
    async with Wire.open(gateway) as wire:
        # Few bytes that mean many: the second field is the first one again, from the table of the decoder.
        big = [(b"x-big", b"y" * 3000)]
        wire.send(wire.request(1, [*wire.fields(), *big * 11]))
        assert await wire.outcome(1) == Outcome("goaway", ENHANCE_YOUR_CALM)


async def test_requests_that_are_reset_at_once_end_their_connection_and_leave_nothing(
    gateway: SimulatedGateway, until: Until
) -> None:
    """CVE-2023-44487."""
    async with Wire.open(gateway) as wire, Wire.open(gateway) as other:
        cancel = struct.pack(">I", CANCEL)
        streams = range(1, 6001, 2)
        wire.send(*(part for each in streams for part in (wire.headers(each), frame(RST_STREAM, 0, each, cancel))))
        assert await wire.outcome(0) == Outcome("goaway", ENHANCE_YOUR_CALM)
        other.send(other.request(1))
        assert await other.outcome(1) == SERVED
        await until(lambda: gateway.connections == 1)


async def test_requests_that_the_gateway_must_reset_are_no_way_around(gateway: SimulatedGateway, until: Until) -> None:
    """CVE-2025-8671: the client makes the gateway reset the stream."""
    async with Wire.open(gateway) as wire:
        overflow = 2**31 - 1
        wire.send(*(part for each in range(1, 6001, 2) for part in (wire.headers(each), window_update(each, overflow))))
        assert await wire.outcome(0) == Outcome("goaway", ENHANCE_YOUR_CALM)
        await until(lambda: gateway.connections == 0)


FLOODS: dict[str, Callable[[Wire], bytes]] = {
    "pings": lambda wire: frame(PING, 0, 0, bytes(8)) * 1000,
    "settings": lambda wire: settings((4, 65_535)) * 1000,
    "malformed requests": lambda wire: b"".join(wire.headers(each, []) for each in wire.streams(1000)),
}


@each_row("flood", sorted(FLOODS))
async def test_a_flood_whose_answers_are_not_read_ends_its_connection(
    gateway: SimulatedGateway, until: Until, flood: str
) -> None:
    async with Wire.open(gateway, buffer=4096) as wire:
        await until(lambda: gateway.connections == 1)
        wire.stop_reading()
        # What the kernel takes from the gateway would only delay the end.
        [connection] = gateway._running.listener.connections
        assert connection._transport is not None
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        frames = FLOODS[flood]
        async with asyncio.timeout(PATIENCE):
            while gateway.connections:
                wire.send(frames(wire))
                await wire.sent()


@each_row("flood", sorted(FLOODS))
async def test_a_flood_whose_answers_are_read_delays_nobody(gateway: SimulatedGateway, flood: str) -> None:
    async with Wire.open(gateway) as wire, Wire.open(gateway) as other:
        wire.send(FLOODS[flood](wire))
        other.send(other.request(1))
        assert await other.outcome(1) == SERVED
        wire.send(wire.request(next(iter(wire.streams(1)))))
        assert await wire.outcome(wire.newest) == SERVED
