"""A call's bound counts from first to last step, is told to the gateway, and ends in one class on either side."""

import asyncio

import pytest

from mxgateway import proto
from mxgateway.errors import GrpcStatus, MxGatewayTimeoutError
from mxgateway.transport.http2.request_headers import encode_timeout
from tests.peers.http2.raw_peers import Http2Peer, Http2Server
from tests.rows import each_row
from tests.transport.rig import REPLY, channel_to, invoke, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6}


def told(value: bytes | None) -> float:
    """Return a grpc-timeout in seconds; the specification allows eight digits."""
    assert value is not None
    digits, unit = value[:-1].decode(), value[-1:].decode()
    assert 1 <= len(digits) <= 8
    return int(digits) * _UNITS[unit]


async def test_the_gateway_is_told_what_is_left_of_the_bound() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server, call_timeout=30.0) as channel:
        await invoke(channel)
        await invoke(channel, timeout=0.75)
        await invoke(channel, timeout=float("inf"))
        headers = server.peers[0].requests
        assert 29 < told(headers[0].header(b"grpc-timeout")) <= 30
        assert 0.5 < told(headers[1].header(b"grpc-timeout")) <= 0.75
        assert headers[2].header(b"grpc-timeout") is None


@each_row("seconds", [1e-9, 0.0004, 0.0123456, 0.999, 1.0001, 30.0, 59.99, 86_399.5, 1e6, 1e9, 3e11])
def test_a_bound_is_told_exactly_enough_and_never_shortened(seconds: float) -> None:
    assert seconds * (1 - 1e-12) <= told(encode_timeout(seconds)) <= seconds * 1.01 + 1e-6


def test_a_bound_beyond_what_the_header_can_carry_is_not_told() -> None:
    assert encode_timeout(1e12) == b""


async def test_a_bound_that_runs_out_here_names_itself_and_resets_the_stream() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.until(lambda: bool(peer.resets))
        await peer.serve(REPLY)

    async with Http2Server(script) as server, channel_to(server) as channel:
        await channel.ready()
        with pytest.raises(
            MxGatewayTimeoutError, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.05 s during MxAccessGateway/Invoke"
        ) as caught:
            await invoke(channel, timeout=0.05, correlation_id="c-1", session_id="session-9")
        error = caught.value
        assert isinstance(error, TimeoutError)
        assert (error.phase, error.grpc_status, error.retryable) == ("stream", GrpcStatus.DEADLINE_EXCEEDED, False)
        assert (error.method, error.correlation_id, error.session_id) == ("MxAccessGateway/Invoke", "c-1", "session-9")
        assert (await invoke(channel)).diagnostic_message == "answered"


async def test_a_bound_that_runs_out_at_the_gateway_is_the_same_class() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(
            peer.headers(request.stream_id), peer.trailers(request.stream_id, 4, (b"grpc-message", b"too slow"))
        )

    async with Http2Server(script) as server, channel_to(server) as channel:
        with pytest.raises(MxGatewayTimeoutError, match="too slow") as caught:
            await invoke(channel)
        assert caught.value.grpc_status is GrpcStatus.DEADLINE_EXCEEDED


async def test_the_bound_covers_the_wait_for_a_free_stream() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.until_gone()

    async with Http2Server(script, settings={0x3: 1}) as server, channel_to(server) as channel:
        await channel.ready()
        occupying = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        with pytest.raises(MxGatewayTimeoutError):
            await invoke(channel, timeout=0.05)
        occupying.cancel()


async def test_a_bound_that_runs_out_while_waiting_for_a_stream_names_the_limit() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.until_gone()
        assert len(peer.requests) == 1

    async with Http2Server(script, settings={0x3: 1}) as server, channel_to(server) as channel:
        await channel.ready()
        occupying = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        for call in (invoke(channel, timeout=0.05), stream(channel, timeout=0.05).messages()):
            with pytest.raises(
                MxGatewayTimeoutError, match=r"no free stream for .* within 0\.05 s: all 1 streams .* were in use"
            ) as caught:
                await call
            error = caught.value
            assert "nothing was sent" in error.hint
            assert (error.grpc_status, error.phase, error.retryable) == (
                GrpcStatus.DEADLINE_EXCEEDED, "stream", True,
            )  # fmt: skip
        occupying.cancel()


async def test_the_gateway_is_told_what_the_wait_for_a_stream_has_left_of_the_bound() -> None:
    async def script(peer: Http2Peer) -> None:
        first = await peer.request()
        await asyncio.sleep(0.3)
        await peer.reply(first, REPLY)
        await peer.serve(REPLY)

    async with Http2Server(script, settings={0x3: 1}) as server, channel_to(server) as channel:
        await channel.ready()
        first = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        await invoke(channel, timeout=20.0)
        await first
        assert told(server.peers[0].requests[1].header(b"grpc-timeout")) < 19.8


@pytest.mark.parametrize("streams", [1, 100])
async def test_the_bound_covers_a_request_that_the_peers_window_holds_back(streams: int) -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.until(lambda: bool(peer.resets))

    async with Http2Server(script, settings={0x3: streams}) as server, channel_to(server) as channel:
        await channel.ready()
        with pytest.raises(MxGatewayTimeoutError, match="no answer from") as caught:
            await invoke(channel, "x" * 200_000, timeout=0.05)
        assert "may still be carried out" in caught.value.hint  # half of it was sent, in the only stream that there is
        assert caught.value.retryable is False


async def test_the_bound_of_a_stream_counts_to_its_end() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        await peer.until(lambda: bool(peer.resets))

    async with Http2Server(script) as server, channel_to(server, call_timeout=0.01) as channel:
        await channel.ready()
        with pytest.raises(MxGatewayTimeoutError, match=r"within 0\.05 s"):
            await stream(channel, timeout=0.05).messages()


async def test_a_stream_has_no_bound_of_its_own_accord() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        assert request.header(b"grpc-timeout") is None
        await peer.reply(request, bytes(proto.MxEvent()))

    async with Http2Server(script) as server, channel_to(server, call_timeout=30.0) as channel, stream(channel) as call:
        assert len(await call.messages()) == 1
