"""The channel to one gateway: holds a connection, makes a new one when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mxgateway.errors.faults import ClosedFault, ConnectFault
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import Gate
from mxgateway.options import ClientOptions, Endpoint, SpokenContract
from mxgateway.options.credentials import Secret
from mxgateway.transport.calls.detached_call import DetachedCalls
from mxgateway.transport.connecting.connector import Connector
from mxgateway.transport.counters import Counters
from mxgateway.transport.http2.connection import Connection
from mxgateway.transport.http2.connection_state import ConnectionState
from mxgateway.transport.http2.request_headers import RequestHeaders
from mxgateway.transport.stats import ClientStats
from mxgateway.transport.streams.reply_stream import ReplyLimits
from mxgateway.wire import BUILTIN, Codec

log = logger("mxgateway.transport.channel")

HIDDEN_AFTERWARDS: Final = 60.0
"""Seconds for which a password is remembered after its call, to be hidden where the gateway repeats it."""
MOST_REMEMBERED: Final = 16
"""The most passwords that are remembered so."""


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
        self.gate = Gate(options.secrets())
        """What this client's texts pass."""
        self.codec: Codec = BUILTIN
        """Encodes requests and decodes replies by the gateway's contract."""
        self.lacks: Callable[[str], bool] = _nothing
        """Tells whether the gateway's contract has no call of a ``:path``."""
        if options.contract is not None and options.contract != "auto":
            self.speak(options.contract)
        self.reply_limits = ReplyLimits(options.max_receive_bytes, options.element_limit)
        self.counters = Counters()
        """What is counted over all calls and connections."""
        self.detached_calls = DetachedCalls()
        """Calls that may outlive their caller."""
        self._keepalive_time = options.keepalive_time
        self._connector = Connector(endpoint, options)
        self._connections: set[Connection] = set()
        self._current: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._closed = False
        self._forgetting: deque[tuple[asyncio.TimerHandle, Secret]] = deque()
        """The passwords that are still hidden, each with what ends that."""
        self.closing = False
        """True from `begin_closing` on: nobody begins anything that is not part of the closing."""
        self._waits: set[asyncio.Timeout] = set()

    def speak(self, contract: SpokenContract) -> None:
        """Speak a contract from now on.

        Raises:
            MxGatewayContractError: It does not fit the messages of this package.
        """
        self.codec, self.lacks = contract.codec, contract.lacks
        log.debug("%s is spoken to by the contract %s", self.endpoint, contract.fingerprint)

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
        connection.show = self.gate.line
        log.info("connected to %s", self.endpoint)
        self._connections = {each for each in self._connections if not each.lost.is_set()}
        self._connections.add(connection)
        self._current = connection
        return connection

    def _log_end(self, fault: BaseException) -> None:
        log.info("the connection to %s has ended: %s", self.endpoint, self.gate.line(str(fault)))

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
        if self.closing:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds) as bound:
                with self.ended_by_closing(bound):
                    await (awake or asyncio.Event()).wait()

    @contextlib.contextmanager
    def ended_by_closing(self, bound: asyncio.Timeout) -> Iterator[None]:
        """Let `bound` expire as soon as the channel is closing, for the time of the block."""
        self._waits.add(bound)
        try:
            yield
        finally:
            self._waits.discard(bound)

    @contextlib.contextmanager
    def hiding(self, secrets: Sequence[Secret]) -> Iterator[None]:
        """Hide secrets in every text of this client's, while the block runs and for `HIDDEN_AFTERWARDS`: a later answer may repeat them."""
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
            timer = asyncio.get_running_loop().call_later(HIDDEN_AFTERWARDS, self._forget_first)
            self._forgetting.append((timer, secret))
            if len(self._forgetting) > MOST_REMEMBERED:
                self._forget_first()

    def _forget_first(self) -> None:
        timer, secret = self._forgetting.popleft()
        timer.cancel()
        self.gate.forget(secret)

    def stats(self) -> ClientStats:
        """Return a snapshot of the counts."""
        counted = {name: getattr(self.counters, name) for name in Counters.__slots__}
        return ClientStats(**counted, connected=self.current is not None)

    def begin_closing(self) -> None:
        """End every pause and every call, now and from now on, but for the calls that are `needed_to_close`. Idempotent."""
        self._end_waits()
        for connection in self._connections:
            connection.begin_closing(ClosedFault("the client was closed"))

    def _end_waits(self) -> None:
        self.closing = True
        now = asyncio.get_running_loop().time() if self._waits else 0.0
        for bound in self._waits:
            if not bound.expired():
                bound.reschedule(now)

    def end(self) -> None:
        """End every call and every connection, and do not wait until they are gone; idempotent."""
        self._closed = True
        while self._forgetting:
            self._forget_first()
        self._end_waits()
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


def _nothing(_: str) -> bool:
    return False


def _mark_retrieved(attempt: asyncio.Task[Connection]) -> None:
    """Every caller may have been cancelled; then nobody else looks at the outcome."""
    if not attempt.cancelled():
        attempt.exception()
