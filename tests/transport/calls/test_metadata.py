"""The API key and the caller's metadata go with every unary call and every stream, as they stand on the wire."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hpack import Decoder, NeverIndexedHeaderTuple

from mxgateway import GatewayClient, proto
from mxgateway.errors import MxGatewayError, MxGatewayInvalidRequestError
from tests.peers.grpcio_gateway import GrpcioGateway
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, Request
from tests.transport.rig import REPLY, channel_to, event, invoke, sequences, stream
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SECRET = "metadata-secret"
KEY = f"mxgw_op_{SECRET}"
AUTHORIZATION = (b"authorization", f"Bearer {KEY}".encode())


async def serve(peer: Http2Peer) -> None:
    while True:
        request = await peer.request()
        is_stream = b"StreamEvents" in (request.header(b":path") or b"")
        await peer.reply(request, event(1) if is_stream else REPLY)


@pytest.fixture
async def server() -> AsyncIterator[Http2Server]:
    async with Http2Server(serve) as running:
        yield running


def never_indexed(request: Request) -> list[bytes]:
    """Return the headers that the block marks as never indexed."""
    decoder = Decoder()
    return [bytes(pair[0]) for pair in decoder.decode(request.block, raw=True) if type(pair) is NeverIndexedHeaderTuple]


@pytest.mark.parametrize(
    "own", [(), (("x-trace", "abc"), ("x-bin-bin", "AAEC"))], ids=["alone", "beside other metadata"]
)
async def test_the_key_is_sent_with_unary_calls_and_streams(
    server: Http2Server, own: tuple[tuple[str, str], ...]
) -> None:
    async with channel_to(server, api_key=KEY) as channel:
        await invoke(channel, metadata=own)
        assert await sequences(stream(channel, metadata=own)) == [1]
    unary_call, streaming = server.peers[0].requests
    for request in (unary_call, streaming):
        assert request.headers.count(AUTHORIZATION) == 1
        assert never_indexed(request) == [b"authorization"]
        assert [(name.encode(), value.encode()) for name, value in own] == request.headers[
            -len(own) or len(request.headers) :
        ]
    assert unary_call.header(b":path") == b"/mxaccess_gateway.v1.MxAccessGateway/Invoke"
    assert streaming.header(b":path") == b"/mxaccess_gateway.v1.MxAccessGateway/StreamEvents"


async def test_the_clients_own_metadata_is_sent_before_that_of_the_call(server: Http2Server) -> None:
    async with channel_to(server, api_key=KEY, metadata=(("x-site", "plant 7"),)) as channel:
        await invoke(channel, metadata=(("x-call", "1"),))
    assert server.peers[0].requests[0].headers[-3:] == [AUTHORIZATION, (b"x-site", b"plant 7"), (b"x-call", b"1")]


@each_row("name", ["authorization", "Authorization", "grpc-timeout", ":path", "te", "content-length", "a b", ""])
async def test_metadata_cannot_replace_what_the_transport_sends(server: Http2Server, name: str) -> None:
    async with channel_to(server, api_key=KEY) as channel:
        with pytest.raises(MxGatewayInvalidRequestError, match="metadata name"):
            await invoke(channel, metadata=((name, "x"),))
    assert server.connections == 0


async def test_without_a_key_none_is_sent(server: Http2Server) -> None:
    async with channel_to(server) as channel:
        await invoke(channel)
    assert server.peers[0].requests[0].header(b"authorization") is None


async def test_a_request_says_what_grpc_asks_for(server: Http2Server) -> None:
    async with channel_to(server) as channel:
        await invoke(channel)
    request = server.peers[0].requests[0]
    said = {name: request.header(name) for name in (b":method", b":scheme", b":authority", b"te", b"content-type")}
    assert said == {
        b":method": b"POST",
        b":scheme": b"http",
        b":authority": server.endpoint.encode(),
        b"te": b"trailers",
        b"content-type": b"application/grpc",
    }
    assert (request.header(b"user-agent") or b"").startswith(b"mxgateway-python")


async def test_debug_logs_of_the_whole_process_show_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        GrpcioGateway(api_key=KEY) as gateway,  # its HTTP/2 is no Python and logs nothing here
        GatewayClient.connect(gateway.endpoint, api_key=KEY, plaintext=True) as client,
        client.open_session() as session,
    ):
        await session.register("logged")
        async with session.stream_events():
            await session.ping()
        with pytest.raises(MxGatewayError):
            await client.invoke_raw(proto.MxCommandRequest(session_id="unknown"))
    assert [exchange.metadata["authorization"] for exchange in gateway.exchanges] == [f"Bearer {KEY}"] * 6
    assert caplog.records
    assert SECRET not in caplog.text
    assert not any(SECRET in repr(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("shown", [repr, str, vars])
async def test_no_object_of_a_client_shows_the_key(server: Http2Server, shown: Any) -> None:
    async with GatewayClient.connect(server.endpoint, api_key=KEY, plaintext=True) as client:
        await client.invoke_raw(proto.MxCommandRequest(session_id="session-1"))
        connection = await client._channel.ready()
        for each in (
            client,
            client._channel,
            client._channel.options,
            connection,
            connection.h2,
            connection.h2.encoder,
        ):
            if shown is not vars or hasattr(each, "__dict__"):
                assert SECRET not in repr(shown(each))
    await server.all_gone()
