"""Resolves a host name without blocking the loop or the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import socket
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from mxgateway.system import daemon_threads as threads

Address = tuple[socket.AddressFamily, Any]


class Resolver:
    """Looks up one host, once for each connection.

    A lookup may hang far beyond the connect timeout. There is only one at a time: later callers wait for the one in
    progress, so that a name server that is silent for a night costs one thread, not thousands.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._lookup: Future[list[Address]] | None = None

    async def addresses(self) -> list[Address]:
        """Return the addresses in the order in which to try them.

        Raises:
            OSError: The name has none, or cannot be looked up.
            UnicodeError: It is not a valid DNS name.
        """
        with contextlib.suppress(socket.gaierror):  # an address needs no name server, so this cannot hang
            return _look_up(self._host.encode(), self._port, socket.AI_NUMERICHOST)  # text would load the IDNA tables
        lookup = self._lookup
        if lookup is None or lookup.done():
            lookup = self._lookup = threads.start(functools.partial(_look_up, self._host, self._port))
        try:
            return await asyncio.wrap_future(lookup)
        finally:
            if lookup.done():
                self._lookup = None


def interleave(addresses: Iterable[Address]) -> list[Address]:
    """Return addresses with alternating families, starting with the resolver's first (RFC 8305, section 4)."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for family, address in addresses:
        families.setdefault(family, []).append((family, address))
    rounds = itertools.zip_longest(*families.values())
    return [address for each in rounds for address in each if address is not None]


def _look_up(host: str | bytes, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return interleave((family, address) for family, _, _, _, address in found)
