"""Each misbehaviour of the HTTP/2 server is what its name says, according to the h2 library and the raw bytes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from h2.exceptions import StreamClosedError

from tests.peers.http2.h2_client import H2Client, Seen
from tests.peers.http2.http2_frames import grpc_message
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import SAMPLE, answers, on_request, per_connection, telling
from tests.peers.misbehaving.misbehaviours import MISBEHAVIOURS
from tests.peers.misbehaving.odd_frames import (
    ALTSVC,
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    ORIGIN,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from tests.rows import each_row

Check = Callable[[Seen], object]

MESSAGE = grpc_message(SAMPLE)
FLOOD = 1000
NOT_ASCII = "Werk Süd, café".encode("latin-1")


def response(seen: Seen, body: bytes = MESSAGE, **trailers: str) -> bool:
    """Whether the response is complete, with this body and these trailers."""
    expected = {name.replace("_", "-").encode(): value.encode() for name, value in trailers.items()}
    return seen.ended and seen.headers.get(b":status") == b"200" and (seen.body, seen.trailers) == (body, expected)


def proper(seen: Seen) -> bool:
    """Whether the response is valid, whatever came with it."""
    return response(seen, grpc_status="0")


def proper_among(count: int, kind: int) -> Check:
    """Return a check for a valid response among `count` frames of a kind, not counting the greeting's."""
    return lambda seen: proper(seen) and number(seen, kind) == count


def breaks(text: str) -> Check:
    """Return a check that h2 reports the peer's behaviour as a violation."""
    return lambda seen: seen.error is not None and re.search(text, str(seen.error))


def frame(kind: int, stream_id: int, length: int | None = None) -> Check:
    """Return a check that the last frame is of this kind and on this stream."""
    return lambda seen: seen.frames[-1][0::2] == (kind, stream_id) and length in (None, seen.frames[-1][3])


def number(seen: Seen, kind: int, *, least: int = 0) -> int:
    """Return the number of frames of a kind after the greeting's SETTINGS, ignoring those shorter than `least`."""
    return sum(each[0] == kind and each[3] >= least for each in seen.frames[1:] if each[:2] != (SETTINGS, 1))


def began(seen: Seen, body: bytes) -> bool:
    """Whether the response has started with this body and has not ended."""
    return seen.headers.get(b":status") == b"200" and seen.body == body and not seen.ended


H2_SEES: dict[str, Check] = {
    # bad_ends
    "rst": lambda seen: seen.resets == [8] and not seen.headers,
    "refuse_stream": lambda seen: seen.resets == [7] and not seen.headers,
    "rst_after_header": lambda seen: seen.resets == [2] and began(seen, b""),
    "rst_during_data": lambda seen: seen.resets == [2] and began(seen, MESSAGE[:6]),
    "rst_after_data": lambda seen: seen.resets == [2] and began(seen, MESSAGE),
    "rst_after_trailers": lambda seen: proper(seen) and frame(RST_STREAM, 1)(seen),
    "goaway": lambda seen: seen.goaways == [(0, 1, b"")] and not seen.end,
    "goaway_unseen": lambda seen: seen.goaways == [(0, 0, b"")] and not seen.end,
    "goaway_then_reply": lambda seen: [each[0] for each in seen.frames[-4:]] == [GOAWAY, HEADERS, DATA, HEADERS],
    "goaway_in_reply": lambda seen: [each[0] for each in seen.frames[-5:]] == [HEADERS, DATA, GOAWAY, DATA, HEADERS],
    "goaway_then_hang_up": lambda seen: seen.goaways == [(0, 1, b"")] and seen.end == "FIN",
    "graceful_goaway": lambda seen: [each[0] for each in seen.frames[-2:]] == [GOAWAY, PING],
    "rising_goaway": lambda seen: seen.goaways == [(0, 0, b""), (0, 1, b"")],
    "too_many_pings": lambda seen: seen.goaways == [(11, 1, b"too_many_pings")] and seen.end == "FIN",
    # bad_replies
    "http_error": lambda seen: (
        seen.ended and seen.headers == {b":status": b"503", b"content-type": b"text/html"} and b"<html>" in seen.body
    ),
    "too_many_requests": lambda seen: (
        seen.ended and (seen.headers.get(b":status"), seen.headers.get(b"retry-after")) == (b"429", b"1")
    ),
    "content_type": lambda seen: proper(seen) and seen.headers.get(b"content-type") == b"text/html",
    "no_http_status": breaks("missing mandatory b':status'"),
    "malformed_http_status": lambda seen: seen.ended and seen.headers.get(b":status") == b"2OO",
    "missing_status": lambda seen: response(seen, x_trailer="1"),
    "malformed_status": lambda seen: response(seen, grpc_status="not a number"),
    "trailers_only_without_status": lambda seen: response(seen, b""),
    "end_without_trailers": lambda seen: response(seen),
    "lost_before_trailers": lambda seen: began(seen, MESSAGE) and seen.end == "FIN",
    "half_message": lambda seen: began(seen, MESSAGE[:6]) and not seen.end,
    "ends_in_message": lambda seen: response(seen, MESSAGE[:6], grpc_status="0"),
    "reset_in_message": lambda seen: began(seen, MESSAGE[:6]) and seen.end == "RST",
    "huge_prefix": lambda seen: began(seen, b"\0\xff\xff\xff\xff" + bytes(1 << 14)) and not seen.end,
    "compressed_message": lambda seen: (
        response(seen, b"\1" + MESSAGE[1:], grpc_status="0") and b"grpc-encoding" not in seen.headers
    ),
    "unknown_encoding": lambda seen: seen.body[:1] == b"\1" and seen.headers.get(b"grpc-encoding") == b"x-unheard-of",
    "no_message": lambda seen: response(seen, b"", grpc_status="0"),
    "two_messages": lambda seen: response(seen, MESSAGE * 2, grpc_status="0"),
    "undecodable_message": lambda seen: response(seen, grpc_message(b"\xff\xff\xff"), grpc_status="0"),
    "informational": lambda seen: proper(seen) and seen.informational == [b"100", b"102", b"103"],
    "non_ascii_header": lambda seen: (
        seen.ended and seen.headers.get(b"x-plant") == NOT_ASCII == seen.trailers.get(b"x-plant")
    ),
    "non_ascii_status_message": lambda seen: seen.trailers.get(b"grpc-message", b"").startswith(NOT_ASCII),
    "upper_case_header": breaks("uppercase header name"),
    "connection_header": breaks("Connection-specific header"),
    "header_list_too_large": lambda seen: sum(each[3] for each in seen.frames if each[0] == CONTINUATION) > 1_000_000,
    "trailers_too_large": lambda seen: (
        began(seen, MESSAGE) and sum(each[3] for each in seen.frames if each[0] == CONTINUATION) > 1_000_000
    ),
    "header_bomb": lambda seen: breaks("Oversized header block")(seen) and len(seen.wire) < 30_000,
    "data_before_headers": breaks("data before headers"),
    "data_after_end": lambda seen: proper(seen) and frame(DATA, 1)(seen) and frame(HEADERS, 1)(without_last(seen)),
    "headers_after_end": lambda seen: isinstance(seen.error, StreamClosedError) and frame(HEADERS, 1)(seen),
    "trailers_without_end": breaks("Trailers must have END_STREAM"),
    # bad_windows
    "no_streams": lambda seen: proper(seen) and setting(seen, 3) == [0],
    "setting_out_of_range": breaks("Setting 4 has invalid value 2147483648"),
    "zero_increment": lambda seen: breaks("non-compliant")(seen) and frame(WINDOW_UPDATE, 1, 4)(seen),
    "zero_increment_of_connection": lambda seen: breaks("non-compliant")(seen) and frame(WINDOW_UPDATE, 0, 4)(seen),
    "window_overflow": lambda seen: seen.resets == [3] and frame(WINDOW_UPDATE, 1, 4)(seen),  # the reset is h2's own
    "window_overflow_of_connection": breaks("flow control window past"),
    "window_overflow_by_settings": breaks("flow control window past"),
    "exceed_window": breaks("Cannot receive|Flow control|window"),
    # floods
    "empty_data_flood": proper_among(FLOOD + 1, DATA),
    "continuation_flood": lambda seen: (
        breaks("Too many continuation frames")(seen) and not seen.ended and seen.frames[-1][1] == 0
    ),
    "settings_flood": proper_among(FLOOD, SETTINGS),
    "ping_flood": proper_among(FLOOD, PING),
    "rst_flood": lambda seen: seen.resets == [8] and number(seen, RST_STREAM) == FLOOD,
    "window_update_flood": proper_among(FLOOD, WINDOW_UPDATE),
    "priority_flood": proper_among(FLOOD, PRIORITY),
    "unknown_frame_flood": proper_among(FLOOD, 0x42),
    "informational_flood": lambda seen: proper(seen) and seen.informational == [b"103"] * FLOOD,
    # odd_frames
    "unknown_frames": lambda seen: proper(seen) and [number(seen, kind) for kind in (0xB, 0x42, 0xFF)] == [15] * 3,
    "altsvc": proper_among(10, ALTSVC),
    "origin": proper_among(5, ORIGIN),
    "priorities": proper_among(10, PRIORITY),
    "unasked_acknowledgements": proper_among(5, PING),
    "unknown_settings": lambda seen: proper(seen) and setting(seen, 0x99) == [7] * 5,
    "pings_while_replying": proper_among(4, PING),
    "padded_reply": lambda seen: proper(seen) and sum(bool(each[1] & PADDED) for each in seen.frames) == 5,
    "priority_on_headers": lambda seen: (
        proper(seen) and [e[1] & 0x20 for e in seen.frames if e[0] == HEADERS] == [32] * 2
    ),
    "continued_headers": lambda seen: proper(seen) and number(seen, CONTINUATION) > 2,
    "single_bytes": proper_among(2 * len(MESSAGE), DATA),
    "end_on_empty_data": lambda seen: response(seen) and frame(DATA, 1, 0)(seen),
    "push_promise": lambda seen: frame(PUSH_PROMISE, 1)(seen) and not seen.headers,
    "data_on_idle_stream": lambda seen: breaks("1001")(seen) and frame(DATA, 1001)(seen),
    "headers_on_idle_stream": lambda seen: breaks("Invalid stream ID")(seen) and frame(HEADERS, 1001)(seen),
    "headers_on_even_stream": lambda seen: seen.error and frame(HEADERS, 2)(seen),
    "rst_on_idle_stream": frame(RST_STREAM, 1001, 4),
    "window_update_on_idle_stream": lambda seen: breaks("1001")(seen) and frame(WINDOW_UPDATE, 1001, 4)(seen),
    "data_on_connection": lambda seen: breaks("must be non-zero")(seen) and frame(DATA, 0)(seen),
    "headers_on_connection": lambda seen: breaks("must be non-zero")(seen) and frame(HEADERS, 0)(seen),
    "rst_on_connection": lambda seen: breaks("must be non-zero")(seen) and frame(RST_STREAM, 0)(seen),
    "settings_on_stream": lambda seen: breaks("must be zero")(seen) and frame(SETTINGS, 1)(seen),
    "ping_on_stream": lambda seen: breaks("must be zero")(seen) and frame(PING, 1)(seen),
    "goaway_on_stream": lambda seen: breaks("must be zero")(seen) and frame(GOAWAY, 1)(seen),
    "oversize_data": lambda seen: breaks("overlong frame")(seen) and frame(DATA, 1, 16_385)(seen),
    "oversize_frame": frame(DATA, 1, 2**24 - 1),
    "misshapen_frame": lambda seen: breaks("Frame data missing")(seen) and frame(RST_STREAM, 1, 3)(seen),
    "settings_acknowledgement_with_payload": breaks("non-compliant"),
    "padding_too_long": breaks("invalid padding"),
    "broken_header_block": breaks("Error decoding header block"),
    "data_within_headers": breaks("Invalid frame during header block"),
    "lone_continuation": breaks("RECV_CONTINUATION"),
}


def without_last(seen: Seen) -> Seen:
    """Return what was seen before the last frame."""
    return Seen(wire=seen.wire[: -9 - seen.frames[-1][3]])


def setting(seen: Seen, identifier: int) -> list[int]:
    """Return the values of a setting after the greeting."""
    found = []
    for event in seen.events[1:]:
        changed = getattr(event, "changed_settings", {})
        found += [change.new_value for code, change in changed.items() if code == identifier]
    return found


def test_the_table_has_a_row_for_every_misbehaviour() -> None:
    assert set(H2_SEES) == set(MISBEHAVIOURS)


async def test_no_row_of_the_table_takes_a_proper_response_for_the_misbehaviour() -> None:
    async with Http2Server(answers(SAMPLE)) as server, H2Client(server.port) as client:
        await client.request()
        seen = await client.until(lambda seen: seen.ended)
    assert proper(seen)
    assert [name for name, check in H2_SEES.items() if check(seen)] == []


@each_row("name", MISBEHAVIOURS)
async def test_a_misbehaviour_is_what_its_name_says(name: str) -> None:
    arguments: dict[str, Any] = {"count": FLOOD} if name.endswith("_flood") else {}
    done = asyncio.Event()
    script = per_connection(on_request(MISBEHAVIOURS[name](**arguments), telling(done)), answers(SAMPLE))
    async with Http2Server(script) as server:
        async with H2Client(server.port, credit=name != "exceed_window") as client:
            await client.request()
            seen = await client.until_done(done)
        assert H2_SEES[name](seen), (seen, seen.frames[-5:])
        async with H2Client(server.port) as client:
            await client.request()
            assert proper(await client.until(lambda seen: seen.ended))
        await server.all_gone()
