"""A request that waits for the peer's window is sent whole, and no traceback shows what stands in it."""

from __future__ import annotations

import asyncio

import pytest
from hyperframe.frame import RstStreamFrame, SettingsFrame, WindowUpdateFrame

from mxgateway import proto
from mxgateway.calling.requests import wrap
from mxgateway.calling.rpcs import INVOKE
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from mxgateway.wire import encode
from tests.peers.http2.raw_peers import Http2Peer, Http2Server
from tests.peers.tracebacks import told
from tests.transport.rig import REPLY, channel_to
from tests.transport.rows import each_row

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

PASSWORD = "hunter2-plant-password"
NARROW = {SettingsFrame.INITIAL_WINDOW_SIZE: 60}


def request() -> proto.MxCommandRequest:
    """Return a request in which a password stands in clear text, longer than the window."""
    login = proto.AuthenticateUserCommand(server_handle=1, verify_user="operator", verify_user_password=PASSWORD)
    return proto.MxCommandRequest(session_id="session-" + "1" * 200, command=wrap(login))


async def logs_in(channel: Channel, timeout: float | None = None) -> None:
    await unary(channel, INVOKE, request(), CallOptions(timeout=timeout))


async def test_a_request_longer_than_the_window_arrives_whole_as_the_window_grows() -> None:
    async def script(peer: Http2Peer) -> None:
        begun = await peer.begun_request()
        data = encode(request())
        whole = len(data).to_bytes(5, "big") + data
        while len(begun.body) < len(whole):
            await peer.send(WindowUpdateFrame(begun.stream_id, window_increment=7))
            size = len(begun.body)
            await peer.until(lambda: len(begun.body) > size)  # noqa: B023 - called within the iteration
        assert begun.body == whole
        await peer.reply(begun, REPLY)

    async with Http2Server(script, settings=NARROW) as server, channel_to(server) as channel:
        await channel.ready()
        await logs_in(channel)
        assert channel.stats().messages_sent == 1


@each_row("how", ["cancelled", "timed out", "reset", "lost", "client closed"])
async def test_no_traceback_of_a_request_that_waits_for_the_window_shows_its_bytes(how: str) -> None:
    async def script(peer: Http2Peer) -> None:
        begun = await peer.begun_request()
        await peer.until(lambda: len(begun.body) == 60)
        waits.set()
        if how == "reset":
            await peer.send(RstStreamFrame(begun.stream_id, error_code=2))
        elif how == "lost":
            peer.writer.transport.abort()

    waits = asyncio.Event()
    async with Http2Server(script, settings=NARROW) as server, channel_to(server, retry=None) as channel:
        connection = await channel.ready()
        call = asyncio.create_task(logs_in(channel, 0.3 if how == "timed out" else None))
        await waits.wait()
        (stream,) = connection.streams.values() or (None,)
        if how == "cancelled":
            call.cancel()
        elif how == "client closed":
            channel.end()
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - of five kinds
            await call
        assert isinstance(caught.value, asyncio.CancelledError) == (how == "cancelled")
        text = told(caught.value)
        assert PASSWORD not in text
        if stream is not None:
            assert stream._outgoing == b""
