"""The channel to a gateway: holds a connection, and makes a new one when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mxgateway.errors.faults import ClosedFault, ConnectFault, ConnectionFault
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import Gate
from mxgateway.options import ClientOptions, Endpoint, SpokenContract
from mxgateway.options.credentials import Secret
from mxgateway.transport.calls.detached_call import DetachedCalls
from mxgateway.transport.connecting.failover import Failover
from mxgateway.transport.http2.connection import Connection
from mxgateway.transport.http2.connection_state import ConnectionState
from mxgateway.transport.http2.request_headers import RequestHeaders
from mxgateway.transport.keys import Keys
from mxgateway.transport.loop_guard import LoopGuard
from mxgateway.transport.stats import ClientStats, Counters
from mxgateway.transport.streams.reply_stream import ReplyLimits
from mxgateway.wire import BUILTIN, Codec

log = logger("mxgateway.transport.channel")

HIDE_AFTER_CALL: Final = 60.0
"""Seconds after its call for which a password is still hidden in texts: the gateway may repeat it."""
MAX_REMEMBERED: Final = 16
"""The maximum number of passwords remembered for that."""


class Channel:
    """One gateway, or several of which one is in use. At most one connection takes new calls; others finish theirs.

    Args:
        endpoints: The gateway's addresses, the preferred one first.
        options: How to connect.
    """

    def __init__(self, endpoints: Sequence[Endpoint], options: ClientOptions) -> None:
        self.options = options
        self.gate = Gate(options.secrets())
        """Hides secrets in this client's texts."""
        self.keys = Keys(options.key, options.key_source, self.gate)
        """The API key that calls send."""
        self._failover = Failover(endpoints, options, self.keys, self.gate)
        self.guard = LoopGuard(str(self.endpoint))
        """The loop and the process that this channel belongs to."""
        self.codec: Codec = BUILTIN
        """Encodes requests and decodes replies by the gateway's contract."""
        self.lacks: Callable[[str], bool] = _nothing
        """Returns whether the gateway's contract has no call with a ``:path``."""
        if options.contract is not None and options.contract != "auto":
            self.speak(options.contract)
        self.reply_limits = ReplyLimits(options.max_receive_bytes, options.element_limit)
        self.counters = Counters()
        """The counts over all calls and connections."""
        self.detached_calls = DetachedCalls()
        """Calls that may outlive their caller."""
        self._keepalive_time = options.keepalive_time
        self._connections: set[Connection] = set()
        self._current: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._closed = False
        self._forgetting: deque[tuple[asyncio.TimerHandle, Secret]] = deque()
        """The passwords of ended calls that are still hidden, each with its timer."""
        self.closing = False
        """True from `begin_closing` on: only calls that belong to closing may start."""
        self._waits: set[asyncio.Timeout] = set()

    def speak(self, contract: SpokenContract) -> None:
        """Use a contract from now on.

        Raises:
            MxGatewayContractError: It does not fit the messages of this package.
        """
        self.codec, self.lacks = contract.codec, contract.lacks
        log.debug("using the contract %s for %s", contract.fingerprint, self.endpoint)

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint in use, or the one that the last failure is about."""
        return self._failover.current.endpoint

    @property
    def request_headers(self) -> RequestHeaders:
        """The headers of requests on the `current` connection."""
        return self._failover.current.request_headers

    @property
    def current(self) -> Connection | None:
        """The connection that takes calls now; None if `ready` must make one."""
        connection = self._current
        return connection if connection is not None and connection.state is ConnectionState.READY else None

    async def ready(self) -> Connection:
        """Return a connection that takes calls.

        Concurrent callers share one attempt; cancelling one does not affect the others.

        Raises:
            ConnectFault: No connection was established.
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
            raise ConnectFault(fault.phase, fault.cause) from fault.cause  # each caller gets its own exception
        if fault is not None:
            raise fault
        return attempt.result()

    def turn_from(self, connection: object) -> bool:
        """Make new calls at another endpoint than this connection's, which refuses the API key.

        Returns:
            Whether there is another one that has not failed a moment ago.
        """
        if not self._failover.several:
            return False
        current = self._current
        if current is None or connection is not current:
            return True
        if not self._failover.avoid_current():
            return False
        log.warning("%s refuses the API key, so another gateway is tried", self.endpoint)
        self._current = None
        current.retire(ConnectionFault("the gateway refused the API key", processed=False))
        return True

    async def _connect(self) -> Connection:
        connection = await self._failover.connect()
        connection.begin(self.counters, self._keepalive_time, self.options.keepalive_timeout)
        connection.on_too_many_pings = self._ping_less_often
        connection.on_end = self._log_end
        connection.show = self.gate.line
        log.info("connected to %s", self.endpoint)
        self._connections = {each for each in self._connections if not each.lost.is_set()}
        self._connections.add(connection)
        self.guard.add(connection)
        self._current = connection
        return connection

    def _log_end(self, fault: BaseException) -> None:
        log.info("the connection to %s ended: %s", self.endpoint, self.gate.line(str(fault)))

    def _ping_less_often(self) -> None:
        """Double the keepalive time of future connections, as gRPC requires after GOAWAY too_many_pings."""
        if self._keepalive_time is not None:
            self._keepalive_time *= 2
            log.warning(
                "%s complains about keepalive pings; from now on they are sent after %g s of silence; raise keepalive_time",
                self.endpoint, self._keepalive_time,
            )  # fmt: skip

    async def pause(self, seconds: float, awake: asyncio.Event | None = None) -> None:
        """Sleep until the time is up, `awake` is set, or the channel is closing.

        Args:
            seconds: The maximum.
            awake: Ends the sleep when set; it stays set.
        """
        if self.closing:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds) as timeout:
                with self.ended_by_closing(timeout):
                    await (awake or asyncio.Event()).wait()

    @contextlib.contextmanager
    def ended_by_closing(self, timeout: asyncio.Timeout) -> Iterator[None]:
        """During the block, let `timeout` expire as soon as the channel is closing."""
        self._waits.add(timeout)
        try:
            yield
        finally:
            self._waits.discard(timeout)

    @contextlib.contextmanager
    def hiding(self, secrets: Sequence[Secret]) -> Iterator[None]:
        """Hide secrets in all texts of this client, during the block and for `HIDE_AFTER_CALL` seconds after it.

        A later reply may repeat them.
        """
        self.guard.check()
        for secret in secrets:
            self.gate.add(secret)
        try:
            yield
        finally:
            for secret in secrets:
                self._forget_later(secret)

    def _forget_later(self, secret: Secret) -> None:
        if self._closed:
            self.gate.forget(secret)
        else:
            timer = asyncio.get_running_loop().call_later(HIDE_AFTER_CALL, self._forget_first)
            self._forgetting.append((timer, secret))
            if len(self._forgetting) > MAX_REMEMBERED:
                self._forget_first()

    def _forget_first(self) -> None:
        timer, secret = self._forgetting.popleft()
        timer.cancel()
        self.gate.forget(secret)

    def stats(self) -> ClientStats:
        """Return a snapshot of the counts."""
        return self.counters.snapshot(connected=self.current is not None)

    def begin_closing(self) -> None:
        """End every sleep and every call, now and from now on, except calls that are `needed_to_close`. Idempotent."""
        self._end_waits()
        for connection in self._connections:
            connection.begin_closing(ClosedFault("the client was closed"))

    def _end_waits(self) -> None:
        self.closing = True
        now = asyncio.get_running_loop().time() if self._waits else 0.0
        for timeout in self._waits:
            if not timeout.expired():
                timeout.reschedule(now)

    def end(self) -> None:
        """End every call and every connection without waiting for them; idempotent."""
        self._closed = True
        while self._forgetting:
            self._forget_first()
        self._end_waits()
        self.keys.end()
        self._current = None
        if self._connecting is not None:
            self._connecting.cancel()
        for connection in self._connections:
            connection.shut_down(ClosedFault("the client was closed"))

    async def aclose(self) -> None:
        """End every call and close every connection; idempotent."""
        self.end()
        attempt, self._connecting = self._connecting, None
        if attempt is not None:
            await asyncio.wait([attempt])
        connections, self._connections = self._connections, set()
        for connection in connections:
            await connection.lost.wait()


def _nothing(_: str) -> bool:
    return False


def _mark_retrieved(attempt: asyncio.Task[Connection]) -> None:
    """Retrieve the exception, because every caller may have been cancelled."""
    if not attempt.cancelled():
        attempt.exception()
