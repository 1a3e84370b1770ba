"""A TCP proxy with network faults, in either direction, for current and new connections.

::

    async with FaultProxy(server.port, seed=7) as proxy:
        client = connect(proxy.endpoint)
        proxy.both.delay(0.02, jitter=0.01)
        proxy.to_client.limit(1000, then=Pipe.reset, on="current")
        await proxy.to_client.until_forwarded(1000)
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from types import TracebackType
from typing import Literal, Self, cast

from mxgateway.simulator.server.listener import stop_accepting
from mxgateway.testing.network.fault_pipe import Pipe, Then, Traffic
from mxgateway.testing.network.sockets import News

__all__ = ["Connection", "Direction", "FaultProxy", "On", "Pipe"]

On = Literal["all", "current", "new"]
"""Which connections a fault applies to."""


class Connection:
    """A client's connection, and its connection to the target.

    Args:
        to_server: The pipe from client to target.
        to_client: The pipe from target to client.
        opened: Called when the client's socket is open.
        gone: Called when both sockets are closed.
    """

    def __init__(
        self,
        to_server: Pipe,
        to_client: Pipe,
        *,
        opened: Callable[[Connection], None],
        gone: Callable[[Connection], None],
    ) -> None:
        self.to_server, self.to_client = to_server, to_client
        to_server.other, to_client.other = to_client, to_server
        self._gone = gone
        self.client = _End(to_server, to_client, opened=lambda: opened(self), lost=self._socket_lost)
        self.server = _End(to_client, to_server, opened=lambda: None, lost=self._socket_lost)
        self._connecting: asyncio.Task[None] | None = None
        self.over = asyncio.Event()
        """Set when both sockets are closed."""

    @property
    def client_has_left(self) -> bool:
        """Whether the client has closed its half or reset the connection; works while the network is frozen."""
        return self.to_server.ended

    def reset(self) -> None:
        """Reset the connection towards both ends."""
        self.to_server.reset()

    def close(self) -> None:
        """Close the connection with FIN towards both ends."""
        self.to_server.close()

    def connect(self, connecting: Coroutine[None, None, None]) -> None:
        """Connect to the target."""
        self._connecting = asyncio.create_task(connecting)
        self._connecting.add_done_callback(lambda _: self._socket_lost())

    async def aclose(self) -> None:
        """Close both sockets at once."""
        self.to_server.stop()
        self.to_client.stop()
        if self._connecting is not None:
            self._connecting.cancel()
        for end in (self.client, self.server):
            if end.transport is not None:
                end.transport.abort()
        await self.over.wait()

    def _socket_lost(self) -> None:
        """Check whether the connection is over, after one of its sockets closed."""
        connecting = self._connecting is not None and not self._connecting.done()
        if self.client.transport is self.server.transport is None and not connecting and not self.over.is_set():
            self.to_server.stop()
            self.to_client.stop()
            self.over.set()
            self._gone(self)


class _End(asyncio.Protocol):
    """One of the two sockets: its data feeds one pipe, and it is the sink of the other."""

    def __init__(self, feeds: Pipe, drains: Pipe, *, opened: Callable[[], None], lost: Callable[[], None]) -> None:
        self._feeds, self._drains, self._opened, self._lost = feeds, drains, opened, lost
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Check for capabilities: other loops' transports have other base classes.
        self.transport = cast(asyncio.Transport, transport)
        self._feeds.source_opened(self.transport)
        self._drains.sink_opened(self.transport)
        self._opened()

    def data_received(self, data: bytes) -> None:
        self._feeds.feed(data)

    def eof_received(self) -> bool:
        self._feeds.end()
        return True  # the other half stays open

    def pause_writing(self) -> None:
        self._drains.sink_filled()

    def resume_writing(self) -> None:
        self._drains.sink_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._drains.sink_lost()
        self._feeds.end(by_reset=exc is not None)
        self._lost()


class Direction:
    """The faults of one direction; see `Pipe`.

    Each fault takes `on`: "all" connections (the default), the "current" ones or the "new" ones.
    """

    def __init__(self, news: News, pipes: Callable[[], Iterator[Pipe]], seed: str) -> None:
        self._traffic = Traffic(news=news)
        self._pipes = pipes
        self._chance = random.Random(seed)
        self._for_new: dict[str, Then] = {}

    @property
    def received(self) -> int:
        """Bytes received in this direction, over all connections."""
        return self._traffic.received

    @property
    def forwarded(self) -> int:
        """Bytes forwarded in this direction, over all connections."""
        return self._traffic.forwarded

    async def until_forwarded(self, size: int) -> None:
        """Wait until `size` bytes have been forwarded in this direction in total."""
        await self._traffic.news.until(lambda: self.forwarded >= size)

    async def until_received(self, size: int) -> None:
        """Wait until `size` bytes have been received in this direction in total."""
        await self._traffic.news.until(lambda: self.received >= size)

    def delay(self, latency: float, jitter: float = 0.0, *, on: On = "all") -> None:
        """Delay data by `latency` seconds plus a random part of `jitter` seconds; 0 removes the delay."""
        self._switch("delay", partial(Pipe.delay, latency=latency, jitter=jitter), on)

    def bandwidth(self, bytes_per_second: float | None, *, on: On = "all") -> None:
        """Limit the bandwidth of each connection; None removes the limit."""
        self._switch("bandwidth", partial(Pipe.bandwidth, bytes_per_second=bytes_per_second), on)

    def slices(self, size: int | None, *, on: On = "all") -> None:
        """Forward slices of `size` bytes; None removes the limit."""
        self._switch("slices", partial(Pipe.slices, size=size), on)

    def limit(self, size: int, then: Then, *, on: On = "all") -> None:
        """Forward exactly `size` more bytes on each connection, then call `then`, such as ``Pipe.reset``."""
        self._switch("limit", partial(Pipe.limit, size=size, then=then), on)

    def freeze(self, *, on: On = "all") -> None:
        """Forward nothing and lose nothing until the thaw; the sockets stay open."""
        self._switch("freeze", Pipe.freeze, on)

    def thaw(self, *, on: On = "all") -> None:
        """Forward again, starting with the queued data."""
        self._switch("freeze", Pipe.thaw, on)

    def black_hole(self, *, on: On = "all") -> None:
        """Read everything and forward nothing for the rest of each connection; the sockets stay open."""
        self._switch("end", Pipe.black_hole, on)

    def half_close(self, *, on: On = "all") -> None:
        """Send FIN to the receiver instead of the queued data, and discard later data."""
        self._switch("end", Pipe.half_close, on)

    def reset(self, *, on: On = "all") -> None:
        """Reset connections towards both ends."""
        self._switch("end", Pipe.reset, on)

    def reset_receiver(self, *, on: On = "all") -> None:
        """Send RST to the receiver only; the sender is not informed."""
        self._switch("end", Pipe.reset_receiver, on)

    def close(self, *, on: On = "all") -> None:
        """Close connections with FIN towards both ends."""
        self._switch("end", Pipe.close, on)

    def heal(self) -> None:
        """Remove all faults, except from connections that a fault has ended."""
        for pipe in list(self._pipes()):
            pipe.heal()
        self._for_new.clear()

    def pipe(self) -> Pipe:
        """Return this direction's pipe for a new connection, without faults."""
        return Pipe(self._traffic, self._chance)

    def afflict(self, pipe: Pipe) -> None:
        """Apply the faults for new connections to a pipe."""
        for fault in list(self._for_new.values()):
            fault(pipe)

    def _switch(self, kind: str, fault: Then, on: On) -> None:
        if on != "current":
            self._for_new[kind] = fault
        if on != "new":
            for pipe in list(self._pipes()):
                fault(pipe)


class BothDirections(Direction):
    """Both directions at once."""

    def __init__(self, news: News, *directions: Direction) -> None:
        super().__init__(news, lambda: iter(()), "")
        self._directions = directions

    @property
    def received(self) -> int:
        return sum(direction.received for direction in self._directions)

    @property
    def forwarded(self) -> int:
        return sum(direction.forwarded for direction in self._directions)

    def heal(self) -> None:
        for direction in self._directions:
            direction.heal()

    def _switch(self, kind: str, fault: Then, on: On) -> None:
        for direction in self._directions:
            direction._switch(kind, fault, on)


class FaultProxy:
    """Relays TCP connections to a target while its block is active; see `Direction` for the faults.

    There are no faults by default. A connection made while client → server is frozen or a black hole is accepted, but
    the target sees it only after a thaw.

    Args:
        port: The target's port; may be changed for new connections at any time.
        host: The target's host.
        seed: The seed of the jitter.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", seed: int = 0) -> None:
        self.target_host, self.target_port = host, port
        self._news = News()
        self.to_server = Direction(self._news, lambda: (each.to_server for each in self.connections), f"up {seed}")
        """The direction from the clients to the target."""
        self.to_client = Direction(self._news, lambda: (each.to_client for each in self.connections), f"down {seed}")
        """The direction from the target to the clients."""
        self.both = BothDirections(self._news, self.to_server, self.to_client)
        self.connections: list[Connection] = []
        """The open connections, oldest first."""
        self.accepted = 0
        """Number of accepted connections."""
        self.connected = 0
        """Number of connections made to the target."""
        self._server: asyncio.Server | None = None
        self._port_holder: socket.socket | None = None
        self._closed = False
        self.port = 0

    @property
    def endpoint(self) -> str:
        """The proxy's address."""
        return f"127.0.0.1:{self.port}"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until an action of a client or the target makes `condition` true."""
        await self._news.until(condition)

    async def until_accepted(self, count: int) -> None:
        """Wait until `count` connections have been accepted in total."""
        await self.until(lambda: self.accepted >= count)

    async def until_idle(self) -> None:
        """Wait until no connection is open."""
        await self.until(lambda: not self.connections)

    def reset_all(self) -> None:
        """Reset every connection towards both ends."""
        self.to_server.reset(on="current")

    async def refuse(self) -> None:
        """Refuse new connections, like a host without a listener; existing ones stay open."""
        server, self._server = self._server, None
        if server is not None:
            await stop_accepting(server)

    async def accept(self) -> None:
        """Accept connections again on the same port."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            reuse = sys.platform != "win32"  # there it would let others take a port in use
            self._server = await loop.create_server(self._accept, "127.0.0.1", self.port, reuse_address=reuse)

    async def __aenter__(self) -> Self:
        self._port_holder = _hold_a_port()
        self.port = self._port_holder.getsockname()[1]
        if sys.platform != "linux":
            self._port_holder.close()
        await self.accept()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        await self.refuse()
        for connection in list(self.connections):
            await connection.aclose()
        if self._port_holder is not None:
            self._port_holder.close()

    def _accept(self) -> asyncio.Protocol:
        connection = Connection(self.to_server.pipe(), self.to_client.pipe(), opened=self._opened, gone=self._over)
        return connection.client

    def _opened(self, connection: Connection) -> None:
        if self._closed:  # accepted while the proxy was closing
            connection.reset()
        self.accepted += 1
        self.connections.append(connection)
        self.to_server.afflict(connection.to_server)
        self.to_client.afflict(connection.to_client)
        connection.to_server.sink_wanted(lambda: connection.connect(self._connect(connection)))
        self._news.tell()

    async def _connect(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection.server, self.target_host, self.target_port)
        except OSError:
            connection.reset()
        else:
            self.connected += 1
            self._news.tell()

    def _over(self, connection: Connection) -> None:
        self.connections.remove(connection)
        self._news.tell()


def _hold_a_port() -> socket.socket:
    """Bind a free port without listening, to reserve it while the proxy refuses connections."""
    holder = socket.socket()
    if sys.platform == "linux":
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder
