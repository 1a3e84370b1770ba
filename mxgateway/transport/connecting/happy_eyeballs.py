"""Connects to the first of several addresses that answers (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from mxgateway.transport.connecting.resolver import Address

ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried in parallel (RFC 8305, section 8)."""

_Attempt = asyncio.Task[socket.socket]


async def connect_first(addresses: list[Address]) -> socket.socket:
    """Return a socket connected to the first address that answers, trying the next one after each `ATTEMPT_DELAY`.

    Raises:
        OSError: No address answered; this is the failure of the first.
    """
    attempts: list[_Attempt] = []
    try:
        winner = await _race(addresses, attempts)
    except BaseException:
        await _abandon(attempts)
        attempts.clear()  # a failed one holds its error, whose traceback holds this frame
        raise
    try:
        await _abandon([attempt for attempt in attempts if attempt is not winner])
    except BaseException:
        winner.result().close()
        raise
    return winner.result()


async def _race(addresses: list[Address], attempts: list[_Attempt]) -> _Attempt:
    """Return the first attempt that succeeds; all attempts are added to `attempts`."""
    waiting, running, failed = iter(addresses), set[_Attempt](), list[_Attempt]()
    while True:
        address = next(waiting, None)
        if address is not None:
            attempt = asyncio.ensure_future(_connect(address))
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


def _first(failed: list[_Attempt]) -> BaseException:
    """Return the first attempt's failure, and forget the attempts: its traceback would form a cycle with them."""
    error = failed[0].exception() if failed else None
    failed.clear()
    return error or OSError("the host name has no address")


async def _connect(address: Address) -> socket.socket:
    sock = socket.socket(address[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # requests are small, and a caller waits
        await asyncio.get_running_loop().sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _abandon(attempts: list[_Attempt]) -> None:
    """Cancel attempts; a socket that is already connected is closed, even if this is cancelled itself."""
    for attempt in attempts:
        attempt.cancel()
        attempt.add_done_callback(_close_socket)
    if attempts:
        await asyncio.wait(attempts)


def _close_socket(attempt: _Attempt) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
