"""gRPC's negative HTTP/2 cases, by the names that they have there: what a server may do with a stream or a connection, and the next call goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mxgateway.errors import (
    GrpcStatus,
    MxGatewayError,
    MxGatewayTransportError,
)
from tests.peers.http2.http2_server import Http2Server, Script
from tests.peers.http2.scripts import answers, in_turn, on_request, per_connection, reply
from tests.peers.misbehaving.bad_ends import goaway, rst_after_data, rst_after_header, rst_during_data
from tests.peers.misbehaving.odd_frames import pings_while_replying
from tests.transport.fault_rows import next_call_succeeds
from tests.transport.rig import REPLY, channel_to, invoke

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def failure(call: Awaitable[Any], error_class: type[MxGatewayError], status: GrpcStatus) -> MxGatewayError:
    """Return the error that a call ends with."""
    with pytest.raises(error_class) as caught:
        await call
    assert caught.value.grpc_status is status
    return caught.value


@pytest.mark.parametrize("misbehave", [rst_after_header, rst_during_data, rst_after_data])
async def test_a_stream_that_is_reset_fails_its_call_alone(misbehave: Callable[[], Any]) -> None:
    async with Http2Server(in_turn(on_request(misbehave()), answers(REPLY))) as server, channel_to(server) as channel:
        await failure(invoke(channel), MxGatewayTransportError, GrpcStatus.INTERNAL)
        await next_call_succeeds(channel)
        assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "settings", "calls", "connections"),
    [
        (per_connection(on_request(goaway(), reply(REPLY)), answers(REPLY)), {}, 2, 2),
        (in_turn(*[on_request(pings_while_replying(REPLY))] * 3, answers(REPLY)), {}, 3, 1),
        (answers(REPLY), {0x3: 1}, 1, 1),
    ],
    ids=["goaway", "ping", "max_streams"],
)
async def test_a_connection_that_is_restricted_or_replaced_fails_no_call(
    script: Script, settings: dict[int, int], calls: int, connections: int
) -> None:
    async with Http2Server(script, settings=settings) as server, channel_to(server) as channel:
        for _ in range(calls):
            await next_call_succeeds(channel)
        await asyncio.gather(*[next_call_succeeds(channel) for _ in range(10)])
        assert server.connections == connections
        if settings:
            assert server.peers[0].most_concurrent == 1
