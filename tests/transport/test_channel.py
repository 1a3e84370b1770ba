"""A channel makes one connection for all its callers, and another one when that has ended."""

import asyncio
import contextlib
import socket

import pytest
from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from mxgateway import proto
from mxgateway.errors import GrpcStatus, MxGatewayInvalidRequestError, MxGatewayTimeoutError, MxGatewayTransportError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, RawServer, silent
from tests.peers.network.certificates import ServerCertificate, self_signed
from tests.transport.rig import REPLY, channel_to, invoke, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


async def serve(peer: Http2Peer) -> None:
    await peer.serve(REPLY)


async def test_calls_that_begin_together_share_one_connection() -> None:
    async with Http2Server(serve) as server, channel_to(server) as channel:
        await asyncio.gather(*[invoke(channel) for _ in range(50)])
        assert server.connections == 1


@pytest.mark.parametrize("certificate", [None, self_signed()], ids=["plaintext", "TLS"])
async def test_small_writes_are_sent_at_once(certificate: ServerCertificate | None) -> None:
    tls = certificate.context() if certificate else None
    async with Http2Server(serve, tls=tls) as server, channel_to(server, plaintext=tls is None) as channel:
        transport = (await channel.ready())._transport
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_cancelling_the_first_caller_leaves_the_connection_to_the_others() -> None:
    async with Http2Server(serve) as server, channel_to(server) as channel:
        first, second = (asyncio.create_task(invoke(channel)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).diagnostic_message == "answered"
        assert first.cancelled()
        assert server.connections == 1


async def test_a_connection_that_was_lost_is_replaced_by_the_next_call() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), REPLY)
        peer.writer.close()

    async with Http2Server(script) as server, channel_to(server) as channel:
        for expected in (1, 2, 3):
            assert (await invoke(channel)).diagnostic_message == "answered"
            await (await channel.ready()).lost.wait()
            assert server.connections == expected


async def test_a_connection_that_is_lost_fails_its_calls_as_worth_another_try() -> None:
    async def script(peer: Http2Peer) -> None:
        if len(server.peers) > 1:
            await peer.serve(REPLY)
        await peer.request()
        peer.writer.transport.abort()

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTransportError, match=r"connection was lost|closed the connection") as caught:
            await invoke(channel)
        assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.UNAVAILABLE, True)
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_a_connection_that_has_used_up_its_stream_ids_is_replaced_and_finishes_its_calls() -> None:
    async def script(peer: Http2Peer) -> None:
        if len(server.peers) > 1:
            await peer.serve(REPLY)
        last = await peer.request()
        assert last.stream_id == 2**31 - 1
        await replaced.wait()
        await peer.reply(last, REPLY)

    replaced = asyncio.Event()
    async with Http2Server(script) as server, channel_to(server) as channel:
        connection = await channel.ready()
        connection.next_stream_id = 2**31 - 1
        last = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        assert (await invoke(channel)).diagnostic_message == "answered"
        replaced.set()
        assert (await last).diagnostic_message == "answered"
        assert server.connections == 2
        await connection.lost.wait()


async def test_each_caller_of_a_failed_connection_attempt_gets_an_error_of_its_own() -> None:
    async with RawServer(silent) as server, channel_to(server, connect_timeout=0.3) as channel:
        errors = await asyncio.gather(*[invoke(channel) for _ in range(3)], return_exceptions=True)
        assert all(isinstance(error, MxGatewayTimeoutError) for error in errors)
        assert len({id(error) for error in errors}) == 3
        assert len({id(error.__cause__) for error in errors if isinstance(error, Exception)}) == 3
        assert server.connections == 1


async def test_a_connection_that_takes_too_long_names_the_bound_of_the_connection() -> None:
    async with RawServer(silent) as server, channel_to(server, connect_timeout=0.3) as channel:
        with pytest.raises(MxGatewayTimeoutError, match=r"no connection to .* within 0\.3 s") as caught:
            await invoke(channel, timeout=20.0)
        assert caught.value.phase == "http2"
        with pytest.raises(MxGatewayTimeoutError, match=r"no connection to .* within 0\.01 s"):
            await invoke(channel, timeout=0.01)


async def test_a_call_of_a_closed_channel_is_refused() -> None:
    async with Http2Server(serve) as server, channel_to(server) as channel:
        await invoke(channel)
        await channel.aclose()
        for call in (invoke(channel), stream(channel).messages()):
            with pytest.raises(MxGatewayTransportError, match="client is closed") as caught:
                await call
            assert caught.value.retryable is False


async def test_a_request_that_cannot_be_encoded_is_refused_before_anything_is_sent() -> None:
    async with Http2Server(serve) as server, channel_to(server) as channel:
        for call in (
            invoke(channel, 5),
            stream(channel, request=proto.StreamEventsRequest(after_worker_sequence=-1)).messages(),
        ):
            with pytest.raises(MxGatewayInvalidRequestError, match="the request cannot be encoded") as caught:
                await call
            assert (caught.value.phase, caught.value.grpc_status) == ("request", None)
        assert server.connections == 0


async def test_closing_says_goaway_and_may_be_repeated() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.reply(await peer.request(), REPLY)
        await peer.until_gone()
        said.extend(type(frame).__name__ for frame in peer.received)

    said: list[str] = []
    async with Http2Server(script) as server:
        async with channel_to(server) as channel:
            await invoke(channel)
            await asyncio.gather(channel.aclose(), channel.aclose())
            await channel.aclose()
        assert said[-1] == "GoAwayFrame"


async def test_closing_does_not_wait_for_a_peer_that_takes_nothing() -> None:
    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Http2Peer(reader, writer)
        await peer.greet({SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1})
        await peer.send(WindowUpdateFrame(0, window_increment=2**30))
        await released.wait()
        with contextlib.suppress(ConnectionError):
            await silent(reader, writer)

    released = asyncio.Event()
    async with RawServer(stuck) as server, channel_to(server, max_send_bytes=1 << 26) as channel:
        call = asyncio.create_task(invoke(channel, "x" * (40 << 20)))
        connection = await channel.ready()
        while connection.write_ready.is_set():  # until the socket's buffers are full
            await asyncio.sleep(0)
        await channel.aclose()
        with pytest.raises(MxGatewayTransportError, match="client was closed"):
            await call
        assert connection.lost.is_set()
        released.set()
