"""The channel to one gateway: holds a connection, makes a new one when it has ended."""

from __future__ import annotations

import asyncio

from mxgateway.faults import ClosedFault, ConnectFault
from mxgateway.options import ClientOptions, Endpoint
from mxgateway.transport.connection import Connection, ConnectionState
from mxgateway.transport.connector import Connector
from mxgateway.transport.request_headers import RequestHeaders


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
        self._connector = Connector(endpoint, options)
        self._connections: set[Connection] = set()
        self._current: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._closed = False

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
        self._connections = {each for each in self._connections if not each.lost.is_set()}
        self._connections.add(connection)
        self._current = connection
        return connection

    async def aclose(self) -> None:
        """End every call and close every connection; idempotent."""
        self._closed = True
        self._current = None
        attempt, self._connecting = self._connecting, None
        if attempt is not None and not attempt.done():
            attempt.cancel()
            await asyncio.wait([attempt])
        connections, self._connections = self._connections, set()
        for connection in connections:
            await connection.aclose(ClosedFault("the client was closed"))


def _mark_retrieved(attempt: asyncio.Task[Connection]) -> None:
    """Every caller may have been cancelled; then nobody else looks at the outcome."""
    if not attempt.cancelled():
        attempt.exception()
