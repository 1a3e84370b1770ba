"""The peers against gRPC's own C core: how it reacts to misbehaviours and bad networks, and that it recovers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from hyperframe.frame import SettingsFrame

from mxgateway.testing.network.fault_proxy import FaultProxy, Pipe
from tests.peers.grpcio_gateway import SERVICE, GrpcioGateway
from tests.peers.grpcio_sessions import prepared_events
from tests.peers.http2.http2_server import Http2Server
from tests.peers.http2.scripts import (
    SAMPLE,
    Step,
    answers,
    body_of,
    headers,
    on_headers,
    on_request,
    per_connection,
    reply,
)
from tests.peers.misbehaving.bad_windows import credit, initial_window
from tests.peers.misbehaving.misbehaviours import MISBEHAVIOURS
from tests.rows import each_row

METHOD = "/test.Service/Method"
PATIENT = 10.0
HASTY = 0.3
"""Timeout in seconds of a call that nobody answers."""

C_CORE_SAYS = {
    "OK": [
        "goaway_then_reply", "goaway_in_reply", "graceful_goaway", "rst_after_trailers", "unknown_frames", "altsvc",
        "origin", "priorities", "unasked_acknowledgements", "unknown_settings", "pings_while_replying",
        "priority_on_headers", "continued_headers", "single_bytes", "non_ascii_header", "data_after_end",
        "settings_flood", "ping_flood", "window_update_flood", "priority_flood", "unknown_frame_flood", "no_streams",
    ],
    "CANCELLED": ["rst", "rst_flood"],
    "INTERNAL": [
        "rst_after_header", "rst_during_data", "rst_after_data", "malformed_status", "malformed_http_status",
        "compressed_message", "unknown_encoding", "upper_case_header", "broken_header_block",
    ],
    "UNAVAILABLE": [
        "refuse_stream", "goaway_unseen", "goaway_then_hang_up", "too_many_pings", "http_error", "too_many_requests",
        "lost_before_trailers", "reset_in_message",
    ],
    "UNKNOWN": [
        "missing_status", "trailers_only_without_status", "end_without_trailers", "end_on_empty_data",
        "trailers_without_end", "zero_increment", "zero_increment_of_connection", "setting_out_of_range",
        "settings_on_stream", "oversize_data", "oversize_frame", "misshapen_frame", "data_within_headers",
        "lone_continuation", "settings_acknowledgement_with_payload", "empty_data_flood",
    ],
    "RESOURCE_EXHAUSTED": ["huge_prefix", "header_list_too_large", "trailers_too_large", "header_bomb"],
    "FAILED_PRECONDITION": ["non_ascii_status_message"],
    "DEADLINE_EXCEEDED": ["half_message", "goaway"],
}  # fmt: skip


@asynccontextmanager
async def channel(endpoint: str) -> AsyncIterator[Any]:
    """Yield a channel of the C core that never retries calls and reconnects soon."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 1000),
    ]
    async with grpc.aio.insecure_channel(endpoint, options=options) as opened:
        yield opened


async def call(channel: Any, request: bytes = b"hi", *, method: str = METHOD, timeout: float = PATIENT) -> Any:
    """Make a unary call; return its reply, or the name of its status."""
    try:
        return await channel.unary_unary(method)(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        return error.code().name


@each_row(("name", "status"), [(name, status) for status, names in C_CORE_SAYS.items() for name in names])
async def test_a_misbehaviour_ends_a_call_in_the_status_that_grpc_gives_it(name: str, status: str) -> None:
    step: Step = MISBEHAVIOURS[name]()
    timeout = HASTY if status == "DEADLINE_EXCEEDED" else PATIENT
    async with Http2Server(on_request(step)) as server, channel(server.endpoint) as client:
        assert await call(client, timeout=timeout) == (SAMPLE if status == "OK" else status)


@each_row("name", ["rst", "goaway_unseen", "too_many_pings", "lost_before_trailers", "oversize_frame"])
async def test_the_next_call_after_a_misbehaviour_succeeds(name: str) -> None:
    async with (
        Http2Server(per_connection(on_request(MISBEHAVIOURS[name]()), answers(SAMPLE))) as server,
        channel(server.endpoint) as client,
    ):
        assert await call(client) != SAMPLE
        if name == "rst":
            server.peers[0].hang_up()
        while await call(client) != SAMPLE:
            await asyncio.sleep(0.01)
        assert server.connections == 2


async def test_a_request_is_starved_until_it_is_given_a_window() -> None:
    starving = {SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    size = 100_000
    steps = (credit(60_000), body_of(60_000), initial_window(10), credit(50_000), body_of(size + 5), reply(SAMPLE))
    async with Http2Server(on_headers(body_of(1)), settings=starving) as server, channel(server.endpoint) as client:
        assert await call(client, bytes(size), timeout=HASTY) == "DEADLINE_EXCEEDED"
    async with Http2Server(on_headers(*steps), settings=starving) as server, channel(server.endpoint) as client:
        assert await call(client, bytes(size)) == SAMPLE
    async with Http2Server(answers(SAMPLE), credits=True) as server, channel(server.endpoint) as client:
        assert await call(client, bytes(10 * size)) == SAMPLE


async def test_no_more_streams_are_opened_than_the_peer_allows() -> None:
    async with (
        Http2Server(on_request(headers()), settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 1}) as server,
        channel(server.endpoint) as client,
    ):
        calls = [asyncio.create_task(call(client)) for _ in range(3)]
        while not (server.peers and server.peers[0].most_concurrent):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert server.peers[0].most_concurrent == 1
        for waiting in calls:
            waiting.cancel()
        await asyncio.wait(calls)


# -- the fault proxy


@asynccontextmanager
async def behind_proxy(**options: Any) -> AsyncIterator[tuple[GrpcioGateway, FaultProxy, Any]]:
    """Yield a C core gateway, a proxy in front of it, and a C core channel to the proxy."""
    async with (
        GrpcioGateway(**options) as gateway,
        FaultProxy(gateway.port) as proxy,
        channel(proxy.endpoint) as client,
    ):
        yield gateway, proxy, client


async def open_session(client: Any, **options: Any) -> Any:
    """Open a session; return the reply's bytes, or the name of the status."""
    return await call(client, b"", method=f"/{SERVICE}/OpenSession", **options)


async def test_calls_pass_a_bad_but_living_network_unharmed() -> None:
    async with behind_proxy() as (gateway, proxy, client):
        faults: list[Callable[[], object]] = [
            lambda: None,
            lambda: proxy.both.slices(1),
            lambda: proxy.both.delay(0.01, jitter=0.01),
            lambda: proxy.both.bandwidth(20_000),
        ]
        for fault in faults:
            fault()
            assert isinstance(await open_session(client), bytes)
            proxy.both.heal()
        assert len(gateway.exchanges) == 4
        assert proxy.accepted == proxy.connected == 1


async def test_a_stream_arrives_byte_by_byte_as_it_was_sent() -> None:
    events = prepared_events(300)
    async with behind_proxy(prepared=events) as (_, proxy, client):
        proxy.to_client.slices(5)
        stream = client.unary_stream(f"/{SERVICE}/StreamEvents")
        assert [event async for event in stream(b"", timeout=PATIENT)] == events


async def test_a_frozen_network_ends_a_call_by_its_deadline_and_a_thawed_one_is_the_same_connection() -> None:
    async with behind_proxy() as (_, proxy, client):
        assert isinstance(await open_session(client), bytes)
        proxy.both.freeze()
        assert await open_session(client, timeout=HASTY) == "DEADLINE_EXCEEDED"
        proxy.both.thaw()
        assert isinstance(await open_session(client), bytes)
        assert proxy.accepted == 1


async def test_a_reset_in_the_middle_of_a_stream_ends_it_and_the_next_call_connects_anew() -> None:
    events = prepared_events(300)
    async with behind_proxy(prepared=events) as (_, proxy, client):
        assert isinstance(await open_session(client), bytes)
        proxy.to_client.limit(10_000, then=Pipe.reset, on="current")
        received = []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for event in client.unary_stream(f"/{SERVICE}/StreamEvents")(b"", timeout=PATIENT):
                received.append(event)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert 0 < len(received) < len(events)
        assert received == events[: len(received)]
        while not isinstance(await open_session(client), bytes):
            await asyncio.sleep(0.01)
        assert proxy.accepted == 2


async def test_a_host_that_refuses_connections_is_unavailable_until_it_accepts_again() -> None:
    async with behind_proxy() as (_, proxy, client):
        await proxy.refuse()
        assert await open_session(client) == "UNAVAILABLE"
        await proxy.accept()
        while not isinstance(await open_session(client), bytes):
            await asyncio.sleep(0.01)
        assert proxy.accepted == 1


async def test_a_black_hole_lets_a_client_wait_for_its_deadline() -> None:
    async with behind_proxy() as (gateway, proxy, client):
        proxy.both.black_hole(on="new")
        assert await open_session(client, timeout=HASTY) == "DEADLINE_EXCEEDED"
        assert (proxy.accepted, proxy.connected, gateway.exchanges) == (1, 0, [])
