"""The channel to one gateway: holds a connection, makes a new one when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from mxgateway.faults import ClosedFault, ConnectFault
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.stats import ClientStats
from mxgateway.transport.connection import Connection, ConnectionState
from mxgateway.transport.connector import Connector
from mxgateway.transport.counters import Counters
from mxgateway.transport.request_headers import RequestHeaders
from mxgateway.transport.unattended import Unattended

log = logging.getLogger("mxgateway.transport.channel")


class Channel:
    """One gateway; at most one connection takes new calls, others may still finish theirs.

    Args:
        endpoint: Where the gateway listens.
        options: How to connect.
    """

    def __init__(self, endpoint: Endpoint, options: ClientOptions) -> None:
        self.endpoint = endpoint
        self.options = options
        scheme = "http" if options.plaintext else "https"
        self.request_headers = RequestHeaders(scheme, str(endpoint), options.key, options.metadata)
        self.counters = Counters()
        """What is counted over all calls and connections."""
        self.unattended = Unattended()
        """Calls that may outlive their caller."""
        self._keepalive_time = options.keepalive_time
        self._connector = Connector(endpoint, options)
        self._connections: set[Connection] = set()
        self._current: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._closed = False
        self._closing = False
        self._pauses: set[asyncio.Timeout] = set()

    @property
    def closing(self) -> bool:
        """True from `begin_closing` on: nobody begins anything that is not part of the closing."""
        return self._closing

    @property
    def current(self) -> Connection | None:
        """The connection that takes calls now; None when `ready` has to make one."""
        connection = self._current
        return connection if connection is not None and connection.state is ConnectionState.READY else None

    async def ready(self) -> Connection:
        """Return a connection that takes calls. Concurrent callers share one attempt; cancelling one of them leaves it to the others.

        Raises:
            ConnectFault: No connection came about.
            ClosedFault: The channel was closed.
        """
        if self._closed:
            raise ClosedFault("the client is closed")
        if (connection := self.current) is not None:
            return connection
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(_mark_retrieved)
        attempt = self._connecting
        await asyncio.wait([attempt])
        if attempt.cancelled():
            raise ClosedFault("the client was closed")
        fault = attempt.exception()
        if isinstance(fault, ConnectFault):
            raise ConnectFault(fault.phase, fault.cause) from fault.cause  # each caller has an exception of its own
        if fault is not None:
            raise fault
        return attempt.result()

    async def _connect(self) -> Connection:
        connection = await self._connector.connect()
        connection.begin(self.counters, self._keepalive_time, self.options.keepalive_timeout)
        connection.on_too_many_pings = self._ask_less_often
        connection.on_end = self._log_end
        log.info("connected to %s", self.endpoint)
        self._connections = {each for each in self._connections if not each.lost.is_set()}
        self._connections.add(connection)
        self._current = connection
        return connection

    def _log_end(self, fault: BaseException) -> None:
        log.info("the connection to %s has ended: %s", self.endpoint, fault)

    def _ask_less_often(self) -> None:
        """Double the keepalive time of the connections to come: the gateway has complained (gRPC's rule for GOAWAY too_many_pings)."""
        if self._keepalive_time is not None:
            self._keepalive_time *= 2
            log.warning(
                "%s complains about keepalive pings: from now on one goes after %g s of silence; raise keepalive_time",
                self.endpoint, self._keepalive_time,
            )  # fmt: skip

    async def pause(self, seconds: float, awake: asyncio.Event | None = None) -> None:
        """Sleep until the time is over, `awake` is set, or the channel is closing.

        Args:
            seconds: How long at the most.
            awake: Ends the pause when somebody sets it; it stays set.
        """
        if self._closing:
            return
        bound = asyncio.timeout(seconds)
        with contextlib.suppress(TimeoutError):
            async with bound:
                self._pauses.add(bound)
                try:
                    await (awake or asyncio.Event()).wait()
                finally:
                    self._pauses.discard(bound)

    def stats(self) -> ClientStats:
        """Return a snapshot of the counts."""
        counted = {name: getattr(self.counters, name) for name in Counters.__slots__}
        return ClientStats(**counted, connected=self.current is not None)

    def begin_closing(self) -> None:
        """End every pause, now and from now on; calls can still be made, as closing the sessions takes some. Idempotent."""
        self._closing = True
        now = asyncio.get_running_loop().time() if self._pauses else 0.0
        for bound in self._pauses:
            if not bound.expired():
                bound.reschedule(now)

    def end(self) -> None:
        """End every call and every connection, and do not wait until they are gone; idempotent."""
        self._closed = True
        self.begin_closing()
        self._current = None
        if self._connecting is not None:
            self._connecting.cancel()
        for connection in self._connections:
            connection.say_goodbye(ClosedFault("the client was closed"))

    async def aclose(self) -> None:
        """End every call and close every connection; idempotent."""
        self.end()
        attempt, self._connecting = self._connecting, None
        if attempt is not None:
            await asyncio.wait([attempt])
        connections, self._connections = self._connections, set()
        for connection in connections:
            await connection.lost.wait()


def _mark_retrieved(attempt: asyncio.Task[Connection]) -> None:
    """Every caller may have been cancelled; then nobody else looks at the outcome."""
    if not attempt.cancelled():
        attempt.exception()
