"""Settings and flow-control windows: limits that change during a call, starving windows, and invalid windows."""

from __future__ import annotations

from hyperframe.frame import DataFrame, SettingsFrame, WindowUpdateFrame

from tests.peers.http2.http2_peer import Http2Peer, Request
from tests.peers.http2.scripts import SAMPLE, misbehaviour, step

LARGEST_WINDOW = 2**31 - 1


# -- settings


@step
async def settings(peer: Http2Peer, request: Request, values: dict[int, int]) -> None:
    """Send SETTINGS and wait until the client has acknowledged them."""
    await peer.change_settings(values)


@step
async def max_streams(peer: Http2Peer, request: Request, count: int) -> None:
    """Set the number of concurrent streams allowed to the client."""
    await peer.change_settings({SettingsFrame.MAX_CONCURRENT_STREAMS: count})


@step
async def initial_window(peer: Http2Peer, request: Request, size: int) -> None:
    """Change the initial window size, which changes every stream's window by the difference; it may become negative."""
    await peer.change_settings({SettingsFrame.INITIAL_WINDOW_SIZE: size})


@step
async def ignore_pings(peer: Http2Peer, request: Request) -> None:
    """Stop answering PING."""
    peer.answers_pings = False


@misbehaviour
async def no_streams(peer: Http2Peer, request: Request, message: bytes = SAMPLE) -> None:
    """Allow no more streams, and answer this one."""
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
    """Let the client send `size` more bytes on this stream and, by default, on the connection."""
    stream = WindowUpdateFrame(request.stream_id, window_increment=size)
    await peer.send(stream, *([WindowUpdateFrame(0, window_increment=size)] if connection else []))


@step
async def dribble(peer: Http2Peer, request: Request, size: int) -> None:
    """Let the client send `size` more bytes, one by one, each after the previous one arrived."""
    for _ in range(size):
        seen = len(request.body)
        await credit(1)(peer, request)
        await peer.until(lambda: len(request.body) > seen)  # noqa: B023 - called within the iteration


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
    """Overflow the stream's window beyond 2 GiB by a WINDOW_UPDATE."""
    await peer.send(WindowUpdateFrame(_target(request, connection), window_increment=LARGEST_WINDOW))


@misbehaviour
async def window_overflow_of_connection(peer: Http2Peer, request: Request) -> None:
    """Overflow the connection's window beyond 2 GiB by a WINDOW_UPDATE."""
    await window_overflow(connection=True)(peer, request)


@misbehaviour
async def window_overflow_by_settings(peer: Http2Peer, request: Request) -> None:
    """Overflow the stream's window beyond 2 GiB by SETTINGS after a WINDOW_UPDATE."""
    await peer.send(
        WindowUpdateFrame(request.stream_id, window_increment=1 << 20),
        SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: LARGEST_WINDOW}),
    )


# -- the client's own windows


@misbehaviour
async def exceed_window(peer: Http2Peer, request: Request, extra: int = 1) -> None:
    """Exceed the client's windows, in DATA frames of maximum size; the client must not send credit meanwhile."""
    await peer.send(peer.headers(request.stream_id))
    left = min(peer.window(request.stream_id), peer.connection_window) + extra
    while left > 0:
        size = min(left, peer.max_frame_size)
        await peer.send(DataFrame(request.stream_id, bytes(size)))
        left -= size


def _target(request: Request, connection: bool) -> int:
    return 0 if connection else request.stream_id
