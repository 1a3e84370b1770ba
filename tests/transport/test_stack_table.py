"""What the libraries below get wrong, a case for each: none of it can be seen through a channel, and the next call succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hyperframe.frame import PingFrame, SettingsFrame, WindowUpdateFrame

from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayInvalidRequestError,
    MxGatewayProtocolError,
    MxGatewayTimeoutError,
)
from mxgateway.testing.network.fault_proxy import FaultProxy
from mxgateway.transport.channel import Channel
from mxgateway.transport.streams.stream import STREAM_WINDOW
from tests.peers.http2.http2_frames import CANCEL, ENHANCE_YOUR_CALM, REFUSED_STREAM
from tests.peers.http2.http2_peer import Http2Peer
from tests.peers.http2.http2_server import Http2Server, Script
from tests.peers.http2.scripts import (
    Step,
    answers,
    headers,
    in_turn,
    message,
    on_request,
    per_connection,
    reply,
    several,
    until_reset,
)
from tests.peers.misbehaving.bad_ends import goaway, rst
from tests.peers.misbehaving.bad_replies import (
    connection_header,
    content_type,
    end_without_trailers,
    huge_prefix,
    informational,
    lost_before_trailers,
    non_ascii_status_message,
    undecodable_message,
    upper_case_header,
)
from tests.peers.misbehaving.odd_frames import altsvc, origin, priorities, unknown_frames
from tests.transport.fault_rows import SOON, next_call_succeeds, nothing_escapes, open_channel
from tests.transport.rig import REPLY, event, invoke, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

INADEQUATE_SECURITY = 0xC


@dataclass
class Stage:
    """What a case plays on."""

    server: Http2Server
    proxy: FaultProxy
    channel: Channel


@dataclass(frozen=True)
class Case:
    """What the gateway does, and what its client sees."""

    play: Callable[[Stage], Awaitable[None]]
    script: Script
    settings: dict[int, int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {}


def case(
    *steps: Step, script: Script | None = None, settings: dict[int, int] | None = None, **options: Any
) -> Callable[[Callable[[Stage], Awaitable[None]]], Callable[[Stage], Awaitable[None]]]:
    """Enter a case in the table: the gateway answers one request by each step, and all others properly."""

    def enter(play: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
        first = script or in_turn(*map(on_request, steps), answers(REPLY))
        CASES[play.__name__] = Case(play, per_connection(first, answers(REPLY)), settings or {}, options)
        return play

    return enter


async def failure(call: Awaitable[Any]) -> MxGatewayError:
    """Return the error that a call ends with."""
    with pytest.raises(MxGatewayError) as caught:
        await call
    assert "report it" not in str(caught.value)
    return caught.value


async def fills_its_window(peer: Http2Peer) -> None:
    """Send on the first stream what its window takes, and answer all others."""
    unread = await peer.request()
    await headers()(peer, unread)
    while peer.window(unread.stream_id) > 0:
        await peer.send_data(unread.stream_id, bytes(min(1 << 18, peer.window(unread.stream_id))))
    await answers(REPLY)(peer)


@case(script=fills_its_window)
async def an_unread_stream_starves_no_call(stage: Stage) -> None:
    async with stream(stage.channel) as unread:
        await unread.open()
        await next_call_succeeds(stage.channel)
        assert stage.server.peers[0].window(1) == 0
        assert stage.server.connections == 1


async def promises_the_first_of_two(peer: Http2Peer) -> None:
    """Take two calls, announce the end behind the first, and answer that."""
    first, _ = await peer.request(), await peer.request()
    await goaway()(peer, first)
    await peer.reply(first, REPLY)


@case(script=promises_the_first_of_two)
async def a_connection_that_ends_finishes_what_it_promised_and_the_rest_is_sent_again(stage: Stage) -> None:
    await stage.channel.ready()
    first = asyncio.create_task(invoke(stage.channel))
    await asyncio.sleep(0)
    assert (await invoke(stage.channel)).diagnostic_message == "answered"
    assert (await first).diagnostic_message == "answered"
    assert (stage.server.connections, stage.channel.stats().calls_retried) == (2, 1)


@case(unknown_frames(), altsvc(), origin(), priorities(), informational())
async def extensions_of_http2_are_passed_over(stage: Stage) -> None:
    for _ in range(5):
        assert (await invoke(stage.channel)).correlation_id == "hello"
    assert stage.server.connections == 1


@case(non_ascii_status_message())
async def a_header_that_is_not_ascii_fails_no_connection(stage: Stage) -> None:
    assert (await failure(invoke(stage.channel))).grpc_status is GrpcStatus.FAILED_PRECONDITION
    await next_call_succeeds(stage.channel)
    assert stage.server.connections == 1


@case(end_without_trailers(), lost_before_trailers())
async def an_end_without_a_status_is_no_success(stage: Stage) -> None:
    assert (await failure(invoke(stage.channel))).grpc_status is GrpcStatus.UNKNOWN
    assert (await failure(invoke(stage.channel))).grpc_status is GrpcStatus.UNAVAILABLE


@case(headers(), keepalive_time=0.02, keepalive_timeout=0.3)
async def keepalive_goes_on_for_as_long_as_a_stream_only_waits(stage: Stage) -> None:
    async with stream(stage.channel) as waiting:
        await waiting.open()
        (peer,) = stage.server.peers
        await peer.until(lambda: len(peer.frames(PingFrame)) >= 3)


@case(script=Http2Peer.until_gone, keepalive_time=0.2, keepalive_timeout=0.2)
async def a_dead_network_frees_everybody_who_waits(stage: Stage) -> None:
    await stage.channel.ready()
    waiting = stream(stage.channel)
    calls = [asyncio.create_task(call) for call in (invoke(stage.channel), invoke(stage.channel), waiting.messages())]
    (peer,) = stage.server.peers
    await peer.until(lambda: len(peer.requests) == len(calls))
    stage.proxy.both.black_hole(on="current")
    for call in calls:
        assert "has been silent" in (await failure(call)).message


@case(until_reset())
async def a_bound_that_runs_out_leaves_no_cancellation_behind(stage: Stage) -> None:
    task = asyncio.current_task()
    assert task is not None
    async with asyncio.TaskGroup() as group:
        assert isinstance(await failure(invoke(stage.channel, timeout=SOON)), MxGatewayTimeoutError)
        assert task.cancelling() == 0
        await group.create_task(asyncio.sleep(0))


@case(huge_prefix(), max_send_bytes=1000)
async def a_message_beyond_the_limits_is_neither_sent_nor_kept(stage: Stage) -> None:
    assert isinstance(await failure(invoke(stage.channel, "x" * 2000)), MxGatewayInvalidRequestError)
    assert "max_receive_bytes" in (await failure(invoke(stage.channel))).message
    assert len(stage.server.peers[0].requests) == 1


@case(
    rst(REFUSED_STREAM), rst(REFUSED_STREAM), rst(CANCEL), rst(ENHANCE_YOUR_CALM), rst(INADEQUATE_SECURITY), rst(0xDEAD), content_type(),
    undecodable_message(),
)  # fmt: skip
async def every_fault_is_told_in_one_tree_and_by_its_status(stage: Stage) -> None:
    statuses = [(await failure(invoke(stage.channel))).grpc_status for _ in range(7)]
    assert [status.name for status in statuses if status is not None] == [
        "UNAVAILABLE", "CANCELLED", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "INTERNAL", "INTERNAL", "INTERNAL",
    ]  # fmt: skip


@case(until_reset())
async def a_call_that_is_cancelled_is_reset_as_cancelled(stage: Stage) -> None:
    await stage.channel.ready()
    call = asyncio.create_task(invoke(stage.channel))
    (peer,) = stage.server.peers
    await peer.until(lambda: bool(peer.requests))
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    await next_call_succeeds(stage.channel)
    assert peer.resets == {1: CANCEL}


@case(until_reset(), settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 1})
async def the_wait_for_a_free_stream_counts_and_is_named(stage: Stage) -> None:
    async with stream(stage.channel) as occupying:
        await occupying.open()
        error = await failure(invoke(stage.channel, timeout=SOON))
    assert isinstance(error, MxGatewayTimeoutError)
    assert "all 1 streams that the gateway allows at once were in use" in error.message


@case(several(headers(), message(event(1))))
async def closing_a_generator_around_a_stream_resets_it_before_anything_else(stage: Stage) -> None:
    async def nested() -> Any:
        async with stream(stage.channel) as call:
            async for each in call:
                yield each

    generator = nested()
    await anext(generator)
    await generator.aclose()
    await next_call_succeeds(stage.channel)
    assert [type(frame).__name__ for frame in stage.server.peers[0].received if frame.stream_id] == [
        "HeadersFrame", "DataFrame", "RstStreamFrame", "HeadersFrame", "DataFrame",
    ]  # fmt: skip


@case(connect_timeout=SOON)
async def a_connection_that_does_not_come_about_is_given_up_in_time(stage: Stage) -> None:
    stage.proxy.both.black_hole(on="new")
    error = await failure(invoke(stage.channel))
    assert isinstance(error, MxGatewayTimeoutError)
    assert (error.phase, f"within {SOON:g} s" in error.message) == ("http2", True)
    await stage.proxy.until(lambda: stage.proxy.connections[0].client_has_left)
    stage.proxy.both.heal()


@case(upper_case_header(), connection_header())
async def a_malformed_header_fails_its_call_alone(stage: Stage) -> None:
    for _ in range(2):
        assert isinstance(await failure(invoke(stage.channel)), MxGatewayProtocolError)
    await next_call_succeeds(stage.channel)
    assert stage.server.connections == 1


@case(reply(*[event(sequence, padding=1000) for sequence in range(3000)]))
async def a_burst_is_taken_in_few_reads_and_credited_in_few_frames(stage: Stage) -> None:
    sizes = []
    async with stream(stage.channel) as call:
        while batch := await call.messages():
            sizes.append(len(batch))
    assert sum(sizes) == 3000
    assert len(sizes) < 300
    assert len(stage.server.peers[0].frames(WindowUpdateFrame)) < 3000 * 1000 * 8 // STREAM_WINDOW + 2


@each_row("name", CASES)
async def test_a_case_is_right_and_the_next_call_succeeds(name: str) -> None:
    each = CASES[name]
    async with (
        nothing_escapes(),
        Http2Server(each.script, settings=each.settings) as server,
        FaultProxy(server.port) as proxy,
        open_channel(proxy.endpoint, **each.options) as channel,
        asyncio.timeout(20.0),
    ):
        await each.play(Stage(server, proxy, channel))
        await next_call_succeeds(channel)
