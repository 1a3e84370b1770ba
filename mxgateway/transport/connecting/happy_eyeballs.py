"""A race over several addresses (RFC 8305): the first one that succeeds wins, the others are closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from mxgateway.transport.connecting.resolver import Address

ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried in parallel (RFC 8305, section 8)."""

T = TypeVar("T")


async def connect_first(
    addresses: list[Address], connect: Callable[[Address], Coroutine[Any, Any, T]], close: Callable[[T], None]
) -> T:
    """Return what `connect` makes of the first address that succeeds, trying the next one after each `ATTEMPT_DELAY`.

    Args:
        addresses: Where to connect to, the best first.
        connect: Connects to one address.
        close: Closes what came second.

    Raises:
        OSError: There is no address.
        Exception: No address succeeded; this is the failure of the first.
    """
    attempts: list[asyncio.Task[T]] = []
    try:
        winner = await _race(addresses, connect, attempts)
    except BaseException:
        await _abandon(attempts, close)
        attempts.clear()  # a failed one holds its error, whose traceback holds this frame
        raise
    try:
        await _abandon([attempt for attempt in attempts if attempt is not winner], close)
    except BaseException:
        close(winner.result())
        raise
    return winner.result()


async def _race(
    addresses: list[Address], connect: Callable[[Address], Coroutine[Any, Any, T]], attempts: list[asyncio.Task[T]]
) -> asyncio.Task[T]:
    """Return the first attempt that succeeds; all attempts are added to `attempts`."""
    waiting, running, failed = iter(addresses), set[asyncio.Task[T]](), list[asyncio.Task[T]]()
    while True:
        address = next(waiting, None)
        if address is not None:
            attempt = asyncio.create_task(connect(address))
            attempts.append(attempt)
            running.add(attempt)
        elif not running:
            raise _first(failed)
        timeout = None if address is None else ATTEMPT_DELAY
        done, running = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        while done:
            attempt = done.pop()
            if attempt.exception() is None:
                return attempt
            failed.append(attempt)
        del attempt


def _first(failed: list[asyncio.Task[T]]) -> BaseException:
    """Return the first attempt's failure, and forget the attempts: its traceback would form a cycle with them."""
    error = failed[0].exception() if failed else None
    failed.clear()
    return error or OSError("the host name has no address")


async def open_socket(address: Address) -> socket.socket:
    """Return a socket that is connected to `address`."""
    sock = socket.socket(address[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # requests are small, and a caller waits
        await asyncio.get_running_loop().sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _abandon(attempts: list[asyncio.Task[T]], close: Callable[[T], None]) -> None:
    """Cancel attempts; what is already connected is closed, even if this is cancelled itself."""

    def close_late(attempt: asyncio.Task[T]) -> None:
        if not attempt.cancelled() and attempt.exception() is None:
            close(attempt.result())

    for attempt in attempts:
        attempt.cancel()
        attempt.add_done_callback(close_late)
    if attempts:
        await asyncio.wait(attempts)
