"""Settings and flow-control windows: limits that change during a call, windows that starve, and what is no window."""

from __future__ import annotations

from hyperframe.frame import DataFrame, SettingsFrame, WindowUpdateFrame

from tests.peers.http2_peer import Http2Peer, Request
from tests.peers.scripts import SAMPLE, misbehaviour, step

LARGEST_WINDOW = 2**31 - 1


# -- settings


@step
async def settings(peer: Http2Peer, request: Request, values: dict[int, int]) -> None:
    """Send SETTINGS and wait until the client has acknowledged them."""
    await peer.change_settings(values)


@step
async def max_streams(peer: Http2Peer, request: Request, count: int) -> None:
    """Allow the client so many streams at a time from now on."""
    await peer.change_settings({SettingsFrame.MAX_CONCURRENT_STREAMS: count})


@step
async def initial_window(peer: Http2Peer, request: Request, size: int) -> None:
    """Change the window of every stream by what `size` differs from before; it may so become negative."""
    await peer.change_settings({SettingsFrame.INITIAL_WINDOW_SIZE: size})


@step
async def ignore_pings(peer: Http2Peer, request: Request) -> None:
    """Answer no PING any more."""
    peer.answers_pings = False


@misbehaviour
async def no_streams(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Allow no further stream at all, and answer this one."""
    await peer.change_settings({SettingsFrame.MAX_CONCURRENT_STREAMS: 0})
    await peer.reply(request, message)


@misbehaviour
async def setting_out_of_range(
    peer: Http2Peer, request: Request, identifier: int = SettingsFrame.INITIAL_WINDOW_SIZE, value: int = 2**31
) -> None:
    """Send a setting that HTTP/2 does not allow, such as a window of 2 GiB, a push of 2 or a frame size of 1."""
    await peer.send(SettingsFrame(0, settings={identifier: value}))


# -- credit for the client


@step
async def credit(peer: Http2Peer, request: Request, size: int, *, connection: bool = True) -> None:
    """Let the client send `size` bytes more on this stream, and on the connection as well unless told otherwise."""
    stream = WindowUpdateFrame(request.stream_id, window_increment=size)
    await peer.send(stream, *([WindowUpdateFrame(0, window_increment=size)] if connection else []))


@step
async def dribble(peer: Http2Peer, request: Request, size: int) -> None:
    """Let the client send `size` bytes more, byte by byte, each after the one before has come."""
    for _ in range(size):
        seen = len(request.body)
        await credit(1)(peer, request)
        await peer.until(lambda seen=seen: len(request.body) > seen)  # type: ignore[misc]


@misbehaviour
async def zero_increment(peer: Http2Peer, request: Request, *, connection: bool = False) -> None:
    """Send a WINDOW_UPDATE of 0 on the stream or on the connection."""
    await peer.send(WindowUpdateFrame(_target(request, connection), window_increment=0))


@misbehaviour
async def zero_increment_of_connection(peer: Http2Peer, request: Request) -> None:
    """Send a WINDOW_UPDATE of 0 on the connection."""
    await zero_increment(connection=True)(peer, request)


@misbehaviour
async def window_overflow(peer: Http2Peer, request: Request, *, connection: bool = False) -> None:
    """Let the client send more than 2 GiB on the stream, by a WINDOW_UPDATE."""
    await peer.send(WindowUpdateFrame(_target(request, connection), window_increment=LARGEST_WINDOW))


@misbehaviour
async def window_overflow_of_connection(peer: Http2Peer, request: Request) -> None:
    """Let the client send more than 2 GiB on the connection, by a WINDOW_UPDATE."""
    await window_overflow(connection=True)(peer, request)


@misbehaviour
async def window_overflow_by_settings(peer: Http2Peer, request: Request) -> None:
    """Let the client send more than 2 GiB on the stream, by SETTINGS on top of a WINDOW_UPDATE."""
    await peer.send(
        WindowUpdateFrame(request.stream_id, window_increment=1 << 20),
        SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: LARGEST_WINDOW}),
    )


# -- the client's own windows


@misbehaviour
async def exceed_window(peer: Http2Peer, request: Request, extra: int = 1) -> None:
    """Send more than the client's windows allow, in DATA frames as large as it takes; it must not credit meanwhile."""
    await peer.send(peer.headers(request.stream_id))
    left = min(peer.window(request.stream_id), peer.connection_window) + extra
    while left > 0:
        size = min(left, peer.max_frame_size)
        await peer.send(DataFrame(request.stream_id, bytes(size)))
        left -= size


def _target(request: Request, connection: bool) -> int:
    return 0 if connection else request.stream_id
