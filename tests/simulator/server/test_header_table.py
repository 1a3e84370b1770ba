"""The table of headers of RFC 7541, which a client and the gateway keep alike."""

from __future__ import annotations

from hpack import Decoder, Encoder, NeverIndexedHeaderTuple

from mxgateway.simulator import SimulatedGateway
from tests.simulator.peer import CONTRACT
from tests.simulator.server.wire import (
    COMPRESSION_ERROR,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MESSAGE,
    PREFACE,
    Outcome,
    Wire,
    frame,
    settings,
)

PATHS = [CONTRACT.rpcs[name].path.encode() for name in ("OpenSession", "QueryActiveAlarms")]
NEWEST = b"\xbe"
"""The newest entry of the table."""


def added(path: bytes) -> bytes:
    """Return a field that is added to the table."""
    return b"\x44" + bytes([len(path)]) + path


async def test_a_block_means_what_the_table_has_at_that_time() -> None:
    async with SimulatedGateway() as gateway, Wire.open(gateway) as wire:
        head, tail = (Encoder().encode([NeverIndexedHeaderTuple(*field) for field in part]) for part in halves(wire))
        fields = [added(PATHS[0]), NEWEST, NEWEST, added(PATHS[1]), NEWEST, NEWEST]
        for field in fields:
            (stream,) = wire.streams(1)
            wire.send(
                frame(HEADERS, END_HEADERS, stream, head + field + tail), frame(DATA, END_STREAM, stream, MESSAGE)
            )
            assert await wire.outcome(stream) == Outcome("0")
        assert [call.path.encode() for call in gateway.received] == [PATHS[0]] * 3 + [PATHS[1]] * 3


def halves(wire: Wire) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """Return the fields of a request before and after its path."""
    fields = wire.fields()
    return fields[:2], fields[3:]


async def test_a_block_is_the_same_beside_others_that_use_the_table() -> None:
    async with SimulatedGateway() as gateway, Wire.open(gateway) as wire:
        alone = Encoder().encode([NeverIndexedHeaderTuple(*field) for field in wire.fields()])
        for block in (alone, wire.block(wire.fields("QueryActiveAlarms")), alone, wire.block(wire.fields()), alone):
            (stream,) = wire.streams(1)
            wire.send(frame(HEADERS, END_HEADERS, stream, block), frame(DATA, END_STREAM, stream, MESSAGE))
            assert await wire.outcome(stream) == Outcome("0")
        assert [PATHS.index(call.path.encode()) for call in gateway.received] == [0, 1, 0, 0, 0]


async def test_a_block_empties_the_table_each_time_that_it_says_so() -> None:
    async with SimulatedGateway() as gateway, Wire.open(gateway) as wire:
        head, tail = (Encoder().encode([NeverIndexedHeaderTuple(*field) for field in part]) for part in halves(wire))
        plain = head + Encoder().encode([NeverIndexedHeaderTuple(b":path", PATHS[0])]) + tail
        emptied, filled = b"\x20" + plain, b"\x3f\xe1\x1f" + head + added(PATHS[0]) + tail
        for block in (emptied, filled, emptied):
            (stream,) = wire.streams(1)
            wire.send(frame(HEADERS, END_HEADERS, stream, block), frame(DATA, END_STREAM, stream, MESSAGE))
            assert await wire.outcome(stream) == Outcome("0")
        (stream,) = wire.streams(1)
        wire.send(frame(HEADERS, END_HEADERS, stream, head + NEWEST + tail))
        assert await wire.outcome(stream) == Outcome("goaway", COMPRESSION_ERROR)


async def test_the_next_block_of_the_gateway_tells_that_it_keeps_a_smaller_table() -> None:
    async with SimulatedGateway() as gateway, Wire.open(gateway, opening=PREFACE + settings((1, 0))) as wire:
        decoder = Decoder()
        decoder.max_allowed_table_size = 0  # it raises where this is not told
        for stream in wire.streams(3):
            wire.send(wire.request(stream))
            ends = False
            while not ends:
                got = await wire.read()
                assert got is not None
                if got.kind == HEADERS:
                    fields = {str(name): str(value) for name, value in decoder.decode(got.payload)}
                    ends = bool(got.flags & END_STREAM)
            assert fields == {"grpc-status": "0"}
            assert len(decoder.header_table.dynamic_entries) == 0
