"""Hides a difference between asyncio and uvloop: starting TLS on an existing connection."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast


async def start_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, early: bytes, context: ssl.SSLContext, **options: Any
) -> asyncio.Transport | None:
    """Return the TLS transport, as `loop.start_tls` does; None if the connection ended.

    Args:
        transport: The connection, paused since it was made. asyncio respects that; uvloop still reads once.
        protocol: The protocol on top of TLS.
        early: The bytes of that one read: they belong to TLS.
        context: The TLS settings.
        options: The other options of `loop.start_tls`.

    Raises:
        OSError: The handshake failed.
    """
    if transport.is_closing():
        raise ConnectionResetError("the connection was closed before the TLS handshake")
    loop = asyncio.get_running_loop()
    securing = loop.start_tls(transport, protocol, context, **options)
    if not early:
        secured = await securing
    else:
        # A plain asyncio.Task starts in the next iteration of the loop, even with an eager task factory, and schedules
        # TLS's `connection_made`. The call scheduled here runs right after that.
        task = asyncio.Task(securing, loop=loop)
        loop.call_soon(loop.call_soon, _feed, transport, early)
        secured = await task
    has_ended = secured is None or secured.get_extra_info("ssl_object") is None
    return None if has_ended else secured


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    """Pass bytes to a transport's protocol as if the transport had read them."""
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    while data and not transport.is_closing():
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
