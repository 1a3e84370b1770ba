"""Every misbehaviour of an HTTP/2 server: how a unary call ends, how a stream ends, and that the next call succeeds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hyperframe.frame import SettingsFrame

from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewaySessionError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
)
from mxgateway.transport.channel import Channel
from mxgateway.transport.http2 import connection as connection_module
from mxgateway.transport.http2 import protocol
from mxgateway.transport.http2.connection import Connection
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import answers, in_turn, on_request, per_connection
from tests.peers.misbehaving.misbehaviours import MISBEHAVIOURS
from tests.transport.fault_rows import (
    OK,
    SOON,
    Ending,
    broken,
    lost,
    next_call_succeeds,
    no_status,
    nothing_escapes,
    reset,
    stream_ends,
    unanswered,
    unary_ends,
)
from tests.transport.rig import REPLY, channel_to, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SAME, NEW, ANOTHER_NEW = 1, 2, 3
"""How many connections there are once the next call has succeeded: it goes over the same one, or over a new one."""


@dataclass(frozen=True)
class Row:
    """What one misbehaviour comes to."""

    unary: Ending
    stream: Ending | None
    """None where a stream has a test of its own."""
    next_call: int = SAME
    stops_calls: bool = False
    """The next call waits for a stream, until the server allows one again."""
    ends_connection: bool = False
    """The call ends before the misbehaviour does: the next call waits until the client has left the connection."""
    times: int = 1
    """On how many requests the server misbehaves: a call that was surely not processed is sent again once."""


def row(ending: Ending, next_call: int = SAME, **stream: Any) -> Row:
    """Return a row for a fault that both kinds of calls see alike."""
    return Row(ending, stream.pop("stream", ending), next_call, **stream)


def answered(next_call: int = SAME) -> Row:
    """Return a row for what must be borne."""
    return Row(OK, OK.after(1), next_call)


def behind_a_message(ending: Ending, next_call: int = SAME) -> Row:
    """Return a row for a fault behind a complete message, which a stream has delivered by then."""
    return Row(ending, ending.after(1), next_call)


def refused(ending: Ending, next_call: int = SAME) -> Row:
    """Return a row for a request that is not processed, and is not when it is sent again."""
    return row(ending, next_call, times=2)


def flood(kind: str) -> Row:
    """Return a row for frames that the client has had enough of."""
    return row(broken(f"floods the connection with useless frames ({kind})"), NEW)


def misplaced(kind: str, stream_id: int) -> Row:
    """Return a row for a frame on a stream that is not there."""
    return row(broken(f"a {kind} frame on stream {stream_id}, which was never opened"), NEW)


UNAVAILABLE = GrpcStatus.UNAVAILABLE
HEADERS_TOO_LARGE = broken("a header block beyond the limit of 32768 bytes")
WINDOW_TOO_LARGE = broken("more than HTTP/2 allows")
NO_PROXY_REPLY = Ending(
    error=MxGatewayTransportError, status=UNAVAILABLE, retryable=True, text="instead of a gRPC reply"
)
GARBLED = Ending(
    error=MxGatewaySessionError, status=GrpcStatus.FAILED_PRECONDITION, text="Werk S\ufffdd, caf\ufffd %zz \ufffd%"
)
NO_FREE_STREAM = Ending(
    error=MxGatewayTimeoutError, status=GrpcStatus.DEADLINE_EXCEEDED, retryable=True, bound=SOON, text="all 0 streams"
)

ROWS = {
    # the stream or the connection ends too early
    "rst": row(reset("CANCEL", GrpcStatus.CANCELLED)),
    "refuse_stream": refused(reset("REFUSED_STREAM; the gateway did not see the request", UNAVAILABLE, retryable=True)),
    "rst_after_header": row(reset("INTERNAL_ERROR")),
    "rst_during_data": row(reset("INTERNAL_ERROR")),
    "rst_after_data": behind_a_message(reset("INTERNAL_ERROR")),
    "rst_after_trailers": answered(),
    "goaway": row(unanswered(), NEW),
    "goaway_unseen": refused(lost("(GOAWAY NO_ERROR)"), ANOTHER_NEW),
    "goaway_then_reply": answered(NEW),
    "goaway_in_reply": answered(NEW),
    "goaway_then_hang_up": row(lost("the gateway closed the connection after GOAWAY NO_ERROR"), NEW),
    "graceful_goaway": answered(NEW),
    "rising_goaway": refused(lost("the gateway did not see the request"), ANOTHER_NEW),
    "too_many_pings": row(lost("closed the connection after GOAWAY ENHANCE_YOUR_CALM, too_many_pings"), NEW),
    # no gRPC, or no status
    "http_error": row(NO_PROXY_REPLY),
    "too_many_requests": row(NO_PROXY_REPLY),
    "content_type": row(broken("content type is 'text/html', not application/grpc")),
    "no_http_status": row(broken("without :status")),
    "malformed_http_status": row(no_status("HTTP status 2OO instead of a gRPC reply")),
    "missing_status": behind_a_message(no_status("ended without a gRPC status")),
    "malformed_status": behind_a_message(no_status("the gRPC status 'not a number' is invalid")),
    "trailers_only_without_status": row(no_status("ended without a gRPC status")),
    "end_without_trailers": behind_a_message(no_status("ended without a gRPC status")),
    "end_on_empty_data": behind_a_message(no_status("ended without a gRPC status")),
    "lost_before_trailers": behind_a_message(lost("the gateway closed the connection"), NEW),
    # messages
    "half_message": row(unanswered()),
    "ends_in_message": row(broken("ended in the middle of a message")),
    "reset_in_message": row(lost("the connection was lost"), NEW),
    "huge_prefix": row(broken("a reply of 4294967295 bytes exceeds the limit of 16777216 bytes (max_receive_bytes)")),
    "compressed_message": row(broken("marked compressed")),
    "unknown_encoding": row(broken("marked compressed")),
    "no_message": row(broken("status OK and no message"), stream=OK),
    "two_messages": row(broken("more than one message"), stream=OK.after(2)),
    "undecodable_message": row(broken("a reply cannot be read")),
    # headers
    "informational": answered(),
    "non_ascii_header": answered(),
    "non_ascii_status_message": row(GARBLED),
    "upper_case_header": row(broken("a header that HTTP/2 forbids (b'X-Plant')")),
    "connection_header": row(broken("a header of HTTP/1 (connection)")),
    "header_list_too_large": row(HEADERS_TOO_LARGE, NEW),
    "trailers_too_large": behind_a_message(HEADERS_TOO_LARGE, NEW),
    "header_bomb": row(broken("larger than 32768"), NEW),
    "broken_header_block": row(broken("a header block cannot be decoded"), NEW),
    "data_within_headers": row(broken("interrupted a header block"), NEW),
    "lone_continuation": row(broken("continued a header block that it had not started"), NEW),
    # order
    "data_before_headers": row(broken("data before headers")),
    "data_after_end": answered(),
    "headers_after_end": answered(),
    "trailers_without_end": behind_a_message(broken("headers where only data or trailers are allowed")),
    # settings and windows
    "no_streams": Row(OK, OK.after(1), stops_calls=True),
    "setting_out_of_range": row(broken("Setting 4 has invalid value 2147483648"), NEW),
    "settings_acknowledgement_with_payload": row(broken("acknowledgement has 6 bytes of settings"), NEW),
    "zero_increment": row(broken("a window update of 0 for the call")),
    "zero_increment_of_connection": row(broken("a window update of 0 for the connection"), NEW),
    "window_overflow": row(WINDOW_TOO_LARGE),
    "window_overflow_of_connection": row(WINDOW_TOO_LARGE, NEW),
    "window_overflow_by_settings": row(WINDOW_TOO_LARGE, NEW),
    "exceed_window": row(broken("more than one message"), stream=None),  # which credits what it takes
    # floods
    "empty_data_flood": flood("empty DATA"),
    "continuation_flood": row(HEADERS_TOO_LARGE, NEW),
    "settings_flood": flood("SETTINGS"),
    "ping_flood": flood("PING"),
    "rst_flood": row(reset("CANCEL", GrpcStatus.CANCELLED), NEW, ends_connection=True),
    "window_update_flood": flood("WINDOW_UPDATE"),
    "priority_flood": flood("type 0x2"),
    "unknown_frame_flood": flood("type 0x42"),
    "informational_flood": flood("1xx HEADERS"),
    # frames to be passed over
    "unknown_frames": answered(),
    "altsvc": answered(),
    "origin": answered(),
    "priorities": answered(),
    "unasked_acknowledgements": answered(),
    "unknown_settings": answered(),
    "pings_while_replying": answered(),
    "padded_reply": answered(),
    "priority_on_headers": answered(),
    "continued_headers": answered(),
    "single_bytes": answered(),
    # frames on the wrong stream
    "push_promise": row(broken("sent PUSH_PROMISE, which our settings forbid"), NEW),
    "data_on_idle_stream": misplaced("DATA", 1001),
    "headers_on_idle_stream": misplaced("HEADERS", 1001),
    "headers_on_even_stream": misplaced("HEADERS", 2),
    "rst_on_idle_stream": misplaced("RST_STREAM", 1001),
    "window_update_on_idle_stream": misplaced("WINDOW_UPDATE", 1001),
    "data_on_connection": misplaced("DATA", 0),
    "headers_on_connection": misplaced("HEADERS", 0),
    "rst_on_connection": misplaced("RST_STREAM", 0),
    "settings_on_stream": row(broken("a SETTINGS frame on stream 1 instead of the connection"), NEW),
    "ping_on_stream": row(broken("a PING frame on stream 1 instead of the connection"), NEW),
    "goaway_on_stream": row(broken("a GOAWAY frame on stream 1 instead of the connection"), NEW),
    # frames of the wrong shape
    "oversize_data": row(broken("a frame of 262145 bytes, more than the 262144 agreed"), NEW),
    "oversize_frame": row(broken("a frame of 16777215 bytes"), NEW),
    "misshapen_frame": row(broken("a RST_STREAM frame has 3 bytes instead of 4"), NEW),
    "padding_too_long": row(broken("the padding of a frame is longer than the frame"), NEW),
}  # fmt: skip


def test_every_misbehaviour_has_a_row() -> None:
    assert set(ROWS) == set(MISBEHAVIOURS)


@asynccontextmanager
async def misbehaving(name: str) -> AsyncIterator[tuple[Http2Server, Channel]]:
    """Give a server that misbehaves on the first request, or on as many as the row says, and answers every other one, and a channel to it."""
    misbehaves = [on_request(MISBEHAVIOURS[name]())] * ROWS[name].times
    on_one = in_turn(*misbehaves, answers(REPLY))
    on_each = [in_turn(each, answers(REPLY)) for each in misbehaves]
    script = per_connection(*([on_one] if ROWS[name].next_call == SAME else on_each), answers(REPLY))
    async with nothing_escapes(), Http2Server(script) as server, channel_to(server) as channel:
        yield server, channel


@each_row("name", ROWS)
async def test_a_unary_call_ends_as_its_row_says_and_the_next_one_succeeds(name: str) -> None:
    row = ROWS[name]
    async with misbehaving(name) as (server, channel):
        connection = await channel.ready()
        await unary_ends(channel, row.unary)
        await recovers(row, server, channel, connection)
        assert server.connections == row.next_call


@each_row("name", [name for name, row in ROWS.items() if row.stream is not None])
async def test_a_stream_ends_as_its_row_says_and_the_next_call_succeeds(name: str) -> None:
    row = ROWS[name]
    assert row.stream is not None
    async with misbehaving(name) as (server, channel):
        connection = await channel.ready()
        await stream_ends(channel, row.stream)
        await recovers(row, server, channel, connection)
        assert server.connections == row.next_call


async def recovers(row: Row, server: Http2Server, channel: Channel, connection: Connection) -> None:
    """Make the next call, once what follows from the fault has followed."""
    assert not connection.streams
    if row.ends_connection:
        await connection.lost.wait()
    if row.stops_calls:
        await unary_ends(channel, NO_FREE_STREAM)
        await server.peers[0].change_settings({SettingsFrame.MAX_CONCURRENT_STREAMS: 100})
    await next_call_succeeds(channel)


async def test_a_stream_that_nobody_reads_takes_no_more_than_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (protocol, connection_module):
        monkeypatch.setattr(module, "STREAM_WINDOW", 1 << 18)  # the real one takes the reader seconds
    async with misbehaving("exceed_window") as (server, channel):
        connection = await channel.ready()
        async with stream(channel) as unread:
            await unread.open()
            await connection.lost.wait()
            with pytest.raises(MxGatewayError) as caught:
                while await unread.messages():
                    pass
        broken("more than the flow-control window allows").check(caught.value)
        await next_call_succeeds(channel)
        assert server.connections == NEW
