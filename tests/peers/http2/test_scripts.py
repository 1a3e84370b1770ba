"""Scripts play their steps in order, at the right time, on the right request, according to the h2 library."""

from __future__ import annotations

import asyncio

import pytest
from h2.events import PingAckReceived, SettingsAcknowledged, StreamReset
from h2.exceptions import TooManyStreamsError
from hyperframe.frame import DataFrame, PingFrame, SettingsFrame

from tests.peers.http2.h2_client import H2Client
from tests.peers.http2.http2_frames import grpc_message, header_frames, raw_frame
from tests.peers.http2.http2_peer import MOST_ANSWERS, Http2Peer, Request
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import (
    SAMPLE,
    Step,
    answers,
    at_once,
    body_of,
    data,
    frames,
    hang_up,
    headers,
    in_turn,
    message,
    on_every_request,
    on_headers,
    on_request,
    per_connection,
    ping,
    push_back,
    raw,
    reply,
    reset_connection,
    several,
    telling,
    trailers,
    trailers_only,
    until_reset,
    until_set,
)
from tests.peers.misbehaving.bad_ends import rst
from tests.peers.misbehaving.bad_windows import credit, dribble, ignore_pings, initial_window, max_streams, settings
from tests.peers.misbehaving.floods import empty_data_flood, ping_flood
from tests.peers.misbehaving.odd_frames import DATA, HEADERS, SETTINGS

INITIAL_WINDOW = SettingsFrame.INITIAL_WINDOW_SIZE


# -- composing


async def test_steps_are_done_one_after_another() -> None:
    steps = several(
        headers((b"x-a", b"1")), message(b"one", b"two"), data(b"\0"), trailers(5, (b"grpc-message", b"no"))
    )
    async with Http2Server(on_request(steps)) as server, H2Client(server.port) as client:
        await client.request()
        seen = await client.until(lambda seen: seen.ended)
    assert seen.headers == {b":status": b"200", b"content-type": b"application/grpc", b"x-a": b"1"}
    assert seen.body == grpc_message(b"one") + grpc_message(b"two") + b"\0"
    assert seen.trailers == {b"grpc-status": b"5", b"grpc-message": b"no"}


async def test_scripts_are_played_one_after_another_on_a_connection() -> None:
    script = in_turn(on_request(rst(7)), on_request(reply(b"second")), answers(b"further"))
    async with Http2Server(script) as server, H2Client(server.port) as client:
        for expected in (b"", *(grpc_message(text) for text in (b"second", b"further", b"further"))):
            client.seen.events.clear()
            await client.request()
            seen = await client.until(lambda seen: seen.ended or bool(seen.resets))
            assert seen.body == expected
            assert seen.resets == ([] if expected else [7])
    assert server.connections == 1


async def test_each_connection_may_have_a_script_of_its_own() -> None:
    script = per_connection(on_request(reply(b"first")), on_every_request(reply(b"later")))
    async with Http2Server(script) as server:
        for expected in (b"first", b"later", b"later"):
            async with H2Client(server.port) as client:
                await client.request()
                assert (await client.until(lambda seen: seen.ended)).body == grpc_message(expected)


async def test_steps_may_come_before_any_request() -> None:
    done = asyncio.Event()
    script = at_once(frames(SettingsFrame(0, settings={3: 7})), raw(raw_frame(0x42, 0, b"x")), headers(), telling(done))
    async with Http2Server(script) as server, H2Client(server.port) as client:
        seen = await client.until_done(done)
    assert seen.error is not None  # a response on stream 1, which is idle
    assert [(kind, stream) for kind, flags, stream, _ in seen.frames[1:] if (kind, flags) != (SETTINGS, 1)] == [
        (SETTINGS, 0), (0x42, 0), (HEADERS, 1),
    ]  # fmt: skip


async def test_steps_may_come_while_the_request_is_still_sent() -> None:
    script = in_turn(on_headers(body_of(3), headers(), message(b"early")), on_request(reply(b"next")))
    async with Http2Server(script) as server, H2Client(server.port) as client:
        stream_id = await client.request(b"", end=False)
        client.h2.send_data(stream_id, b"abc")
        await client.flush()
        assert (await client.until(lambda seen: bool(seen.body))).body == grpc_message(b"early")
        client.h2.end_stream(stream_id)
        await client.request()
        client.seen.events.clear()
        assert (await client.until(lambda seen: seen.ended)).body == grpc_message(b"next")


async def test_a_script_may_wait_for_the_test_and_for_a_reset() -> None:
    go_on, arrived = asyncio.Event(), asyncio.Event()
    script = in_turn(on_request(telling(arrived), until_set(go_on), until_reset()), answers(SAMPLE))
    async with Http2Server(script) as server, H2Client(server.port) as client:
        stream_id = await client.request()
        await arrived.wait()
        go_on.set()
        client.h2.reset_stream(stream_id, 8)
        await client.request()
        assert (await client.until(lambda seen: seen.ended)).ended
        assert server.peers[0].resets == {stream_id: 8}


def test_a_step_has_the_name_of_its_function() -> None:
    assert [step.__name__ for step in (rst(3), headers(), empty_data_flood(count=1))] == [
        "rst", "headers", "empty_data_flood",
    ]  # fmt: skip


async def test_an_error_is_told_in_the_only_headers() -> None:
    script = in_turn(on_request(trailers_only(14, b"busy")), on_request(push_back(-1)))
    async with Http2Server(script) as server, H2Client(server.port) as client:
        await client.request()
        seen = await client.until(lambda seen: seen.ended)
        assert (seen.headers[b"grpc-status"], seen.headers[b"grpc-message"], seen.trailers) == (b"14", b"busy", {})
        seen.events.clear()
        await client.request()
        assert (await client.until(lambda seen: seen.ended)).headers[b"grpc-retry-pushback-ms"] == b"-1"


@pytest.mark.parametrize(("step", "end"), [(hang_up(), "FIN"), (reset_connection(), "RST")])
async def test_a_script_may_end_the_connection_while_the_client_still_sends(step: Step, end: str) -> None:
    async with Http2Server(on_headers(step)) as server, H2Client(server.port) as client:
        await client.request(bytes(10_000), end=False)
        assert (await client.until(lambda seen: False)).end == end


async def test_what_a_script_raises_is_raised_at_the_end_of_the_block() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        raise AssertionError("the script does not like it")

    with pytest.raises(AssertionError, match="does not like it"):
        async with Http2Server(script) as server, H2Client(server.port) as client:
            await client.request()
            await client.until(lambda seen: False)


async def test_a_client_that_leaves_ends_a_script_that_waits_for_it() -> None:
    async with Http2Server(on_request(ping(), reply(SAMPLE))) as server:
        async with H2Client(server.port) as client:
            await client.request()
        await server.all_gone()


# -- windows and settings


async def test_the_client_has_the_window_that_it_is_given_and_no_more() -> None:
    async with (
        Http2Server(
            on_headers(dribble(5), credit(95), body_of(100), reply(SAMPLE)), settings={INITIAL_WINDOW: 0}
        ) as server,
        H2Client(server.port) as client,
    ):
        await client.until(lambda seen: bool(seen.events))
        stream_id = await client.request(b"", end=False)
        windows = []
        left = 100
        while left:
            window = client.h2.local_flow_control_window(stream_id)
            windows.append(window)
            if window:
                client.h2.send_data(stream_id, bytes(min(window, left)))
                left -= min(window, left)
                await client.flush()
            else:
                await client.read()
        assert (await client.until(lambda seen: bool(seen.trailers))).trailers == {b"grpc-status": b"0"}
        assert [window for window in windows if window] == [1, 1, 1, 1, 1, 95]


async def test_a_window_becomes_negative_in_the_middle_of_a_call_and_positive_again() -> None:
    seen_negative = asyncio.Event()
    steps = (initial_window(10), until_set(seen_negative), credit(2000), body_of(1500), reply(SAMPLE))
    async with Http2Server(on_headers(body_of(1000), *steps)) as server, H2Client(server.port) as client:
        stream_id = await client.request(b"", end=False)
        client.h2.send_data(stream_id, bytes(1000))
        await client.flush()
        while client.h2.remote_settings.initial_window_size != 10:
            await client.read()
        assert client.h2.local_flow_control_window(stream_id) == 10 - 1000
        seen_negative.set()
        while client.h2.local_flow_control_window(stream_id) < 0:
            await client.read()
        client.h2.send_data(stream_id, bytes(500))
        await client.flush()
        assert (await client.until(lambda seen: bool(seen.trailers))).body == grpc_message(SAMPLE)


async def test_the_client_may_send_as_much_as_it_likes_when_the_peer_credits() -> None:
    async with Http2Server(answers(SAMPLE), credits=True) as server, H2Client(server.port) as client:
        stream_id = await client.request(b"", end=False)
        left = 300_000
        while left:
            size = min(client.h2.local_flow_control_window(stream_id), 16_384, left)
            if size == 0:
                await client.read()
                continue
            client.h2.send_data(stream_id, bytes(size), end_stream=size == left)
            left -= size
            await client.flush()
        assert (await client.until(lambda seen: seen.ended)).ended
        assert len(server.peers[0].requests[0].body) == 300_000


async def test_the_number_of_streams_changes_while_calls_run() -> None:
    script = in_turn(on_request(max_streams(1), headers()), on_request(settings({3: 5}), reply(SAMPLE)))
    async with Http2Server(script) as server, H2Client(server.port) as client:
        await client.request()
        await client.until(lambda seen: bool(seen.headers))
        with pytest.raises(TooManyStreamsError):
            await client.request()


async def test_a_change_of_settings_waits_for_its_acknowledgement() -> None:
    changed = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.change_settings({3: 5})
        assert peer.settings_acknowledged == 2
        changed.set()

    async with Http2Server(script) as server, H2Client(server.port, parse=False) as client:
        await client.request()
        await client.until(lambda seen: len(seen.frames) >= 3)
        await asyncio.sleep(0.01)
        assert not changed.is_set()
        client.write(SettingsFrame(0, flags=["ACK"]).serialize() * 2)
        await changed.wait()


@pytest.mark.parametrize("answers_pings", [True, False])
async def test_a_ping_is_answered_unless_told_otherwise(answers_pings: bool) -> None:
    async with (
        Http2Server(answers(SAMPLE), answers_pings=answers_pings) as server,
        H2Client(server.port) as client,
    ):
        client.h2.ping(b"anybody?")
        await client.request()
        seen = await client.until(lambda seen: seen.ended)
        assert any(isinstance(event, PingAckReceived) for event in seen.events) is answers_pings


async def test_pings_are_ignored_from_a_moment_on() -> None:
    async with Http2Server(in_turn(on_request(ignore_pings(), reply(SAMPLE)), answers(SAMPLE))) as server:
        async with H2Client(server.port) as client:
            await client.request()
            await client.until(lambda seen: seen.ended)
            client.seen.events.clear()
            client.h2.ping(b"anybody?")
            await client.request()
            seen = await client.until(lambda seen: seen.ended)
            assert not any(isinstance(event, PingAckReceived) for event in seen.events)


async def test_settings_are_acknowledged_unless_told_otherwise() -> None:
    for acknowledges in (True, False):
        async with (
            Http2Server(answers(SAMPLE), acknowledges_settings=acknowledges) as server,
            H2Client(server.port) as client,
        ):
            await client.request()
            seen = await client.until(lambda seen: seen.ended)
            assert any(isinstance(event, SettingsAcknowledged) for event in seen.events) is acknowledges


# -- the peer's own books


async def test_the_windows_are_kept_whatever_data_is_sent_by() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id), DataFrame(request.stream_id, bytes(100)))
        await peer.send(DataFrame(request.stream_id, bytes(10), pad_length=9, flags=["PADDED"]))
        await peer.send_data(request.stream_id, bytes(1000))
        assert peer.window(request.stream_id) == peer.connection_window == 65_535 - 100 - 20 - 1000
        await peer.send(peer.trailers(request.stream_id))

    async with Http2Server(script) as server, H2Client(server.port, credit=False) as client:
        await client.request()
        assert len((await client.until(lambda seen: seen.ended)).body) == 1110


async def test_frames_that_come_byte_by_byte_or_many_at_once_are_the_same() -> None:
    async def script(peer: Http2Peer) -> None:
        for expected in (b"hi", b"ho"):
            assert (await peer.request()).message == expected
        assert [ping.opaque_data for ping in peer.frames(PingFrame)] == [b"12345678"]
        await peer.reply(peer.requests[1], SAMPLE)

    async with Http2Server(script) as server, H2Client(server.port) as client:
        client.h2.ping(b"12345678")
        await client.request(b"hi")
        client.h2.send_headers(
            3, [(b":method", b"POST"), (b":path", b"/x"), (b":scheme", b"http"), (b":authority", b"x")]
        )
        client.h2.send_data(3, grpc_message(b"ho"), end_stream=True)
        for byte in client.h2.data_to_send():
            client.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.until(lambda seen: seen.ended)).body == grpc_message(SAMPLE)


def test_a_header_block_is_cut_into_frames_that_everybody_takes() -> None:
    cut = header_frames(1, bytes(40_000), end=True)
    assert [len(frame.serialize()) - 9 for frame in cut] == [16_384, 16_384, 40_000 - 2 * 16_384]
    assert [sorted(frame.flags) for frame in cut] == [["END_STREAM"], [], ["END_HEADERS"]]
    assert [sorted(frame.flags) for frame in header_frames(1, b"")] == [["END_HEADERS"]]


async def test_a_million_empty_frames_are_a_million_frames() -> None:
    script = on_request(empty_data_flood())
    async with Http2Server(script) as server, H2Client(server.port, parse=False) as client:
        await client.request()
        await client.until(lambda seen: seen.wire[-2000:].find(SAMPLE) >= 0)
        empty = raw_frame(DATA, 1)
        assert client.seen.wire.count(empty * 1000) == 1000


async def test_a_request_that_the_client_takes_back_is_not_open_any_more() -> None:
    reset = asyncio.Event()

    async def script(peer: Http2Peer) -> None:
        begun: Request = await peer.begun_request()
        await peer.until(lambda: bool(peer.resets))
        assert peer.resets == {begun.stream_id: 8}
        assert (peer.concurrent, peer.most_concurrent, peer.requests) == (set(), 1, [])
        reset.set()

    async with Http2Server(script) as server, H2Client(server.port) as client:
        stream_id = await client.request(b"", end=False)
        client.h2.reset_stream(stream_id, 8)
        await client.flush()
        await reset.wait()
    assert not [event for event in client.seen.events if isinstance(event, StreamReset)]


async def test_the_answers_to_a_flood_are_counted_and_not_kept() -> None:
    async with Http2Server(on_request(ping_flood(count=5000))) as server, H2Client(server.port) as client:
        await client.request()
        await client.until(lambda seen: seen.ended)
        (peer,) = server.peers
        await peer.until(lambda: peer.pings_answered == 5000)
        assert len(peer.frames(PingFrame)) <= MOST_ANSWERS
