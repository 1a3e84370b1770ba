"""From a host name to addresses, without holding the loop or the process."""

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
    """Looks up one host, as often as a connection to it is made.

    A lookup may hang far longer than a connection may take. It is not started again beside itself: whoever comes meanwhile waits for the one that is under way, so
    that a name server that is silent for a night leaves one thread and not thousands.

    Args:
        host: Host name or address.
        port: TCP port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._lookup: Future[list[Address]] | None = None

    async def addresses(self) -> list[Address]:
        """Return the addresses in the order in which they are to be tried.

        Raises:
            OSError: The name has none, or cannot be looked up.
            UnicodeError: It is no name that DNS could carry.
        """
        with contextlib.suppress(socket.gaierror):  # what is an address needs no name server, so it cannot hang
            return _look_up(self._host, self._port, socket.AI_NUMERICHOST)
        lookup = self._lookup
        if lookup is None or lookup.done():
            lookup = self._lookup = threads.start(functools.partial(_look_up, self._host, self._port))
        try:
            return await asyncio.wrap_future(lookup)
        finally:
            if lookup.done():
                self._lookup = None


def interleave(addresses: Iterable[Address]) -> list[Address]:
    """Return addresses with the families taking turns, the resolver's first family first (RFC 8305, section 4)."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for family, address in addresses:
        families.setdefault(family, []).append((family, address))
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return interleave((family, address) for family, _, _, _, address in found)
