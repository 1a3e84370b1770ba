"""A gateway that has gone silent is noticed within keepalive time and timeout, and everybody who waits for it is freed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from hyperframe.frame import GoAwayFrame, HeadersFrame, PingFrame, SettingsFrame, WindowUpdateFrame

from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewayTimeoutError, MxGatewayTransportError
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.transport.rig import REPLY, channel_to, event, invoke, stream

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

TIME, TIMEOUT = 0.1, 0.2
"""Seconds; short, because the tests wait for them."""
PATIENT = 20.0
"""Seconds of a timeout that a healthy peer never needs, however busy the machine is."""
AT_ONCE = SettingsFrame.MAX_CONCURRENT_STREAMS


def fall_silent(peer: Http2Peer) -> None:
    """Read nothing more, and so answer no ping; the connection stays open."""
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def silenced(server: Http2Server) -> AsyncIterator[None]:
    """Let the peers read again at the end of the block, so that they see that the client has gone."""
    try:
        yield
    finally:
        for peer in server.peers:
            with contextlib.suppress(RuntimeError):
                peer.writer.transport.resume_reading()  # type: ignore[attr-defined]


def check_dead(error: BaseException | None) -> None:
    """Tell that an error says that the peer is dead."""
    assert isinstance(error, MxGatewayTransportError)
    assert not isinstance(error, MxGatewayTimeoutError)
    assert (error.grpc_status, error.retryable, error.phase) == (GrpcStatus.UNAVAILABLE, True, "stream")
    assert "has been silent for" in error.message


async def test_an_idle_stream_survives_as_long_as_the_peer_answers() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        await peer.send(peer.headers(request.stream_id))
        await peer.until(lambda: len(peer.frames(PingFrame)) >= 4)
        await peer.send_data(request.stream_id, grpc_message(event(7)))

    async with (
        Http2Server(script) as server,
        channel_to(server, keepalive_time=0.05, keepalive_timeout=PATIENT) as channel,
        stream(channel) as call,
    ):
        assert (await anext(call)).worker_sequence == 7
        assert server.connections == 1
        assert channel.stats().pings_sent >= 4


async def test_a_silent_peer_is_given_up_and_every_waiter_is_freed() -> None:
    async def script(peer: Http2Peer) -> None:
        if len(server.peers) > 1:
            await peer.serve(REPLY)
        for _ in range(3):
            await peer.request()
        await peer.until(lambda: len(peer.frames(HeadersFrame)) == 4)  # the fourth is still being sent
        fall_silent(peer)
        silent.set()

    silent = asyncio.Event()
    options = {"keepalive_time": TIME, "keepalive_timeout": TIMEOUT, "call_timeout": None}
    async with (
        Http2Server(script, settings={AT_ONCE: 4}) as server,
        channel_to(server, **options) as channel,
        silenced(server),
    ):
        waiting = [
            asyncio.create_task(invoke(channel)),
            asyncio.create_task(stream(channel).messages()),
            asyncio.create_task(stream(channel).messages()),
            asyncio.create_task(invoke(channel, "x" * 200_000)),  # the peer's window holds it back
        ]
        await asyncio.sleep(0.01)
        turn = asyncio.create_task(invoke(channel))
        await silent.wait()
        await asyncio.wait(waiting)
        for task in waiting:
            check_dead(task.exception())
        assert (await turn).diagnostic_message == "answered"  # it was not sent, so it goes where calls go now
        assert server.connections == 2


async def test_a_call_that_waits_for_a_full_transport_is_freed() -> None:
    async def script(peer: Http2Peer) -> None:
        fall_silent(peer)

    settings = {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1, AT_ONCE: 1}
    options = {"keepalive_time": TIME, "keepalive_timeout": TIMEOUT, "call_timeout": None, "max_send_bytes": 1 << 26}

    async def wide_open(peer: Http2Peer) -> None:
        await peer.send(WindowUpdateFrame(0, window_increment=2**30))
        await script(peer)

    async with Http2Server(wide_open, settings=settings) as server, channel_to(server, **options) as channel:
        async with silenced(server):
            connection = await channel.ready()
            while connection.send_window < 2**30:
                await asyncio.sleep(0)
            with pytest.raises(MxGatewayError) as caught:
                await invoke(channel, "x" * (40 << 20))
            check_dead(caught.value)


async def test_a_call_that_waits_for_a_stream_where_none_is_allowed_is_freed() -> None:
    async def script(peer: Http2Peer) -> None:
        if len(server.peers) == 1:
            fall_silent(peer)
            return
        await peer.send(SettingsFrame(0, settings={AT_ONCE: 1}))
        await peer.serve(REPLY)

    options = {"keepalive_time": TIME, "keepalive_timeout": TIMEOUT, "call_timeout": None}
    async with Http2Server(script, settings={AT_ONCE: 0}) as server, channel_to(server, **options) as channel:
        async with silenced(server):
            assert (await invoke(channel)).diagnostic_message == "answered"
            assert server.connections == 2


async def test_a_peer_that_sends_anything_is_alive_though_it_answers_no_ping() -> None:
    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        fall_silent(peer)
        await peer.send(peer.headers(request.stream_id))
        for _ in range(20):
            await asyncio.sleep(TIME / 2)
            await peer.send(WindowUpdateFrame(0, window_increment=1))
        await peer.send(peer.trailers(request.stream_id))

    options = {"keepalive_time": TIME, "keepalive_timeout": TIMEOUT}
    async with Http2Server(script) as server, channel_to(server, **options) as channel, silenced(server):
        async with stream(channel) as call:
            assert await call.messages() == []
        assert server.connections == 1


async def test_what_is_sent_says_nothing_of_the_peer() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        fall_silent(peer)

    options = {"keepalive_time": TIME, "keepalive_timeout": TIMEOUT, "call_timeout": None}
    async with Http2Server(script) as server, channel_to(server, **options) as channel, silenced(server):
        calls = [asyncio.create_task(invoke(channel))]
        while not calls[0].done():
            calls.append(asyncio.create_task(invoke(channel)))
            await asyncio.sleep(TIME / 4)
        check_dead(calls[0].exception())
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)


async def test_nobody_is_asked_while_no_call_is_open_and_the_first_call_after_a_long_silence_asks() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.serve(REPLY)

    options = {"keepalive_time": 2 * TIME, "keepalive_timeout": PATIENT}
    async with Http2Server(script) as server, channel_to(server, **options) as channel:
        await invoke(channel)
        (peer,) = server.peers
        asked = channel.stats().pings_sent
        await asyncio.sleep(6 * TIME)
        assert channel.stats().pings_sent == asked == len(peer.frames(PingFrame))
        await invoke(channel)
        assert channel.stats().pings_sent == asked + 1
        kinds = [type(frame) for frame in peer.received if isinstance(frame, PingFrame | HeadersFrame)]
        assert kinds[-2:] == [PingFrame, HeadersFrame]
        assert server.connections == 1


async def test_a_complaint_about_pings_doubles_the_time_of_the_next_connection_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    complaint = GoAwayFrame(0, last_stream_id=2**31 - 1, error_code=0xB, additional_data=b"too_many_pings")

    async def script(peer: Http2Peer) -> None:
        request = await peer.request()
        if len(server.peers) == 1:
            await peer.send(complaint, complaint)
        await peer.reply(request, REPLY)
        await peer.serve(REPLY)

    options = {"keepalive_time": 30.0, "keepalive_timeout": PATIENT}
    async with Http2Server(script) as server, channel_to(server, **options) as channel:
        for _ in range(3):
            await invoke(channel)
        assert server.connections == 2
        warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
        (warning,) = warnings
        assert warning.name == "mxgateway.transport.channel"
        assert "too_many_pings" not in warning.getMessage()
        assert (
            "complains about keepalive pings; from now on they are sent after 60 s of silence" in warning.getMessage()
        )
        assert (await channel.ready()).keepalive._interval == 60.0


async def test_keepalive_can_be_switched_off() -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        await peer.until(lambda: bool(peer.resets))
        assert peer.frames(PingFrame) == []

    options = {"keepalive_time": None, "keepalive_timeout": 0.01}
    async with Http2Server(script) as server, channel_to(server, **options) as channel:
        with pytest.raises(MxGatewayTimeoutError, match="no answer"):
            await invoke(channel, timeout=4 * TIME)
        assert channel.stats().pings_sent == 0


@pytest.mark.parametrize("how", ["closed by us", "lost", "given up"])
async def test_no_timer_is_left_when_the_connection_has_ended(how: str) -> None:
    async def script(peer: Http2Peer) -> None:
        await peer.request()
        if how == "lost":
            peer.writer.transport.abort()
        elif how == "given up":
            fall_silent(peer)

    time = TIME if how == "given up" else 60.0
    options = {"keepalive_time": time, "keepalive_timeout": TIMEOUT}
    async with Http2Server(script) as server, channel_to(server, **options) as channel, silenced(server):
        connection = await channel.ready()
        call = asyncio.create_task(invoke(channel))
        await asyncio.sleep(0)
        timer = connection.keepalive._timer
        assert timer is not None
        assert not timer.cancelled()
        if how == "closed by us":
            await channel.aclose()
        await asyncio.wait([call])
        assert isinstance(call.exception(), MxGatewayTransportError)
        assert connection.keepalive._timer is None
        assert not connection.keepalive.asleep
