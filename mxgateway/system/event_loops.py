"""What asyncio and other event loops do differently: TLS on a connection that is there already."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast


async def start_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, early: bytes, context: ssl.SSLContext, **options: Any
) -> asyncio.Transport | None:
    """Return the secured transport, as `loop.start_tls` does; None when the connection has ended.

    Args:
        transport: The connection. It was paused from the first, which asyncio heeds; uvloop reads once all the same.
        protocol: Whom the secured transport serves.
        early: What that one read has brought: it belongs to TLS.
        context: How TLS is spoken.
        options: The other options of `loop.start_tls`.

    Raises:
        OSError: The handshake has failed.
    """
    if transport.is_closing():
        raise ConnectionResetError("the connection was closed before the TLS handshake")
    loop = asyncio.get_running_loop()
    securing = loop.start_tls(transport, protocol, context, **options)
    if not early:
        secured = await securing
    else:
        # A task of this class begins one turn later, also where tasks are eager, and schedules TLS's `connection_made`. What is scheduled next comes right behind that.
        task = asyncio.Task(securing, loop=loop)
        loop.call_soon(loop.call_soon, _feed, transport, early)
        secured = await task
    has_ended = secured is None or secured.get_extra_info("ssl_object") is None
    return None if has_ended else secured


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    """Give bytes to the protocol of a transport as if it had read them."""
    protocol = cast(asyncio.BufferedProtocol, transport.get_protocol())
    while data and not transport.is_closing():
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
