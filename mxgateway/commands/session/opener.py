"""How a client opens sessions: those of subscriptions at a limited rate, and none leaks if its caller is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator, MutableSet
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, Generic, TypeVar

from mxgateway import proto
from mxgateway.calling import replies
from mxgateway.calling.argument_checks import check_correlation_id, check_text
from mxgateway.calling.rpcs import OPEN_SESSION
from mxgateway.commands.session.closing import Closable, UnclaimedSession
from mxgateway.errors import CallSite, GrpcStatus, MxGatewayError, MxGatewayInvalidRequestError, Phase, map_fault
from mxgateway.errors.faults import ClosedFault, StreamLimitFault, TransportFault
from mxgateway.errors.logs import logger
from mxgateway.options import PROTOCOL_VERSION, OpenSessionOptions, check_timeout
from mxgateway.options.checks import is_number
from mxgateway.transport.calls.backoff import Backoff
from mxgateway.transport.calls.detached_call import DetachedCalls
from mxgateway.transport.calls.method import CallOptions, Progress, Site, call_site, site_of
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel
from mxgateway.wire.times.duration import MAX_DURATION

log = logger("mxgateway.client")

MAX_CONCURRENT_OPENS: Final = 2
"""Sessions that subscriptions open at the same time.

The gateway starts a process for each, and six or more at once can exceed its limit.
"""

OPEN_INTERVAL: Final = 0.5
"""Seconds between two opens of subscriptions: at most 2 a second, so that a restarted gateway serves others, too."""

OPEN_TIMEOUT: Final = 60.0
"""Seconds that an open may take: the gateway gives a worker 30 s to start, and the call may wait for another one."""

CONNECT_ATTEMPTS: Final = 3
"""How often an open waits for a connection before it takes a slot.

If the connection is lost meanwhile, the open waits for the next one without a slot, but not forever.
"""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds for one attempt to close an unused session."""

CLOSE_ATTEMPTS: Final = 6
"""Attempts to close an unused session, with delays of up to 10 s in total; then it is left to its lease."""

_RETRYABLE_STATUSES: Final = frozenset({GrpcStatus.UNAVAILABLE, GrpcStatus.DEADLINE_EXCEEDED})
"""Failures of a close that may succeed on another connection."""

CLOSE_BACKOFF: Final = (0.5, 4.0)
"""Seconds: the limits of the first and of the longest delay between these attempts."""


S = TypeVar("S")


class SessionOpener(Generic[S]):
    """Opens the sessions of one client.

    Once an OpenSession was sent, the gateway starts a worker, whether the caller still waits or not. So the call
    continues after its caller is cancelled or times out, and its session is closed as soon as it is known.

    Args:
        channel: The channel to the gateway.
        owned_sessions: The sessions that the client closes.
        opened: Returns the caller's session for a reply.
    """

    def __init__(
        self, channel: Channel, owned_sessions: MutableSet[Closable], opened: Callable[[proto.OpenSessionReply], S]
    ) -> None:
        self._channel = channel
        self._owned_sessions = owned_sessions
        self._opened = opened
        self._calls = DetachedCalls()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_OPENS)
        self._next_start = 0.0
        self._waiters: dict[object, Callable[[], object]] = {}
        self._has_failed = False
        """True from a failed open until the next successful one."""
        self._connections_seen = channel.counters.connections_opened
        """The number of connections at the last success."""
        self.pending: set[asyncio.Task[Any]] = set()
        """Tasks that open a session, or close one that is not wanted any more."""

    # -- opening

    async def open(self, options: OpenSessionOptions) -> S:
        """Return a session for a subscription, at the limited rate.

        `OPEN_TIMEOUT` applies to the call, not to the wait for a slot.

        Raises:
            MxGatewayError: It could not be opened, or the client is closed.
        """
        request, progress = open_session_request(options), Progress()
        site = self._site(request, OPEN_TIMEOUT)
        work = partial(self._open_in_slot, request, progress, site)
        return self._opened((await self._run_while_open(math.inf, progress, site, work)).claim())

    async def open_now(self, options: OpenSessionOptions, timeout: float | None) -> S:
        """Return a session for a caller, at once and within its own timeout.

        Args:
            options: The session's options.
            timeout: Seconds that the caller waits; None for the client's `call_timeout`.

        Raises:
            MxGatewayError: It could not be opened, or not in time, or the client is closed.
        """
        return self._opened((await self._open_now(open_session_request(options), timeout)).claim())

    async def open_raw(self, request: proto.OpenSessionRequest, timeout: float | None) -> proto.OpenSessionReply:
        """Return the reply to the caller's own request, like `open_now`; the caller then owns the session."""
        return (await self._open_now(request, timeout)).claim()

    async def _open_now(self, request: proto.OpenSessionRequest, timeout: float | None) -> UnclaimedSession:
        check_timeout("timeout", timeout)
        given = self._channel.options.call_timeout if timeout is None else timeout
        wait, progress = math.inf if given is None else given, Progress()
        work = partial(self._open, request, max(wait, OPEN_TIMEOUT), progress)
        return await self._run_while_open(wait, progress, self._site(request, wait), work)

    async def _run_while_open(
        self, wait: float, progress: Progress, site: CallSite, work: Callable[[], Awaitable[UnclaimedSession]]
    ) -> UnclaimedSession:
        """Do `work` while the caller waits and the client is open; after that, the call continues if it was sent."""
        self._channel.guard.check()
        if self._channel.closing:
            raise map_fault(ClosedFault("the client is closed"), site, phase="request")
        try:
            async with asyncio.timeout(None if wait == math.inf else wait) as timeout:
                with self._channel.ended_by_closing(timeout):
                    return await self._calls.run(work, progress, self.give_back)
        except TimeoutError as error:
            if isinstance(error, MxGatewayError):
                raise
            fault, phase = self._why_timed_out(progress)
            raise map_fault(fault, site, phase=phase) from fault

    def _why_timed_out(self, progress: Progress) -> tuple[Exception, Phase]:
        """Return why a caller's wait ended, and in which layer."""
        if self._channel.closing:
            return ClosedFault("the client is closed"), "stream" if progress.sent else "request"
        if progress.sent:
            return TimeoutError(), "stream"
        connection = self._channel.current
        if connection is None:
            return TimeoutError(), "connect"
        slots = connection.slots
        return StreamLimitFault(slots.limit) if slots.all_taken else TimeoutError(), "stream"

    async def _open_in_slot(
        self, request: proto.OpenSessionRequest, progress: Progress, site: CallSite
    ) -> UnclaimedSession:
        attempts = CONNECT_ATTEMPTS
        while True:
            await self._ensure_connected(site)  # without a slot: all wait for the connection together
            attempts -= 1
            async with self._slots:
                if self._channel.current is not None or not attempts:
                    await self._keep_interval()
                    return await self._open(request, OPEN_TIMEOUT, progress)

    async def _ensure_connected(self, site: CallSite) -> None:
        try:
            await self._channel.ready()
        except TransportFault as fault:
            self._has_failed = True
            site = replace(site, timeout=self._channel.options.connect_timeout)
            raise map_fault(fault, site, phase="connect") from fault

    async def _keep_interval(self) -> None:
        now = asyncio.get_running_loop().time()
        start = max(now, self._next_start)
        self._next_start = start + OPEN_INTERVAL
        await asyncio.sleep(start - now)

    async def _open(self, request: proto.OpenSessionRequest, timeout: float, progress: Progress) -> UnclaimedSession:
        options = CallOptions(timeout=timeout, correlation_id=request.client_correlation_id, progress=progress)
        site = site_of(self._channel, OPEN_SESSION, options)
        self._track(asyncio.current_task())
        try:
            reply = await unary(self._channel, OPEN_SESSION, request, options)
            replies.check_protocol(reply, site)
            if not reply.session_id:
                raise replies.malformed("the OK reply to OpenSession carries no session id", site(), reply)
            self._check_id(reply, site)
        except MxGatewayError:
            self._has_failed = True
            raise
        self._note_success()
        self._check_version(reply)
        return UnclaimedSession(self._channel, reply, self._owned_sessions)

    def _check_id(self, reply: proto.OpenSessionReply, site: Site) -> None:
        """Refuse a session id that contains the API key: every request and every traceback frame would contain it."""
        key = self._channel.keys.current
        if key is not None and key.reveal() in reply.session_id:
            reply.session_id = self._channel.gate.hide(reply.session_id)
            raise replies.malformed("the OK reply to OpenSession has the API key in its session id", site(), reply)

    def _check_version(self, reply: proto.OpenSessionReply) -> None:
        if reply.gateway_protocol_version != PROTOCOL_VERSION:
            log.warning(
                "%s speaks gateway protocol %d, this client implements %d; compare the contracts with mxgw-py contract",
                self._channel.endpoint, reply.gateway_protocol_version, PROTOCOL_VERSION,
            )  # fmt: skip

    def _track(self, task: asyncio.Task[Any] | None) -> None:
        """Keep a task in `pending` until it is done."""
        assert task is not None
        self.pending.add(task)
        task.add_done_callback(self.pending.discard)

    def _site(self, request: proto.OpenSessionRequest, timeout: float) -> CallSite:
        options = CallOptions(timeout=timeout, correlation_id=request.client_correlation_id)
        return call_site(self._channel, OPEN_SESSION, options)

    # -- delays between attempts

    @contextlib.contextmanager
    def waiting(self, wake: Callable[[], object]) -> Iterator[None]:
        """During the block, call `wake` when an open succeeds after another failed, or on a new connection.

        A subscription that waits for its next attempt then retries at once, so that all recover soon after the gateway
        does. Repeated successes wake nobody: a worker that crashes again and again would end everybody's delays.
        """
        waiter = object()
        self._waiters[waiter] = wake
        try:
            yield
        finally:
            del self._waiters[waiter]

    def _note_success(self) -> None:
        connections = self._channel.counters.connections_opened
        is_back = self._has_failed or connections != self._connections_seen
        self._has_failed, self._connections_seen = False, connections
        if is_back:
            for wake in list(self._waiters.values()):
                wake()

    # -- closing unused sessions

    def give_back(self, session: Closable) -> None:
        """Close an unused session in the background; it would occupy a worker until its lease ends."""
        self._track(asyncio.create_task(self._close_unused(session)))

    async def _close_unused(self, session: Closable) -> None:
        backoff = Backoff(*CLOSE_BACKOFF)
        while True:
            try:
                await session.close(timeout=CLOSE_TIMEOUT)
                return
            except MxGatewayError as error:
                is_last = backoff.attempt == CLOSE_ATTEMPTS - 1
                if self._channel.closing or error.grpc_status not in _RETRYABLE_STATUSES or is_last:
                    log.warning(
                        "%s is unused and could not be closed; it is left to its lease: %s", session.shown_id, error
                    )
                    return
            await self._channel.pause(backoff.next())


def open_session_request(options: OpenSessionOptions) -> proto.OpenSessionRequest:
    """Return the request that opens a session with these options.

    Raises:
        MxGatewayInvalidRequestError: An option cannot be sent.
    """
    request = proto.OpenSessionRequest(
        requested_backend=check_text("requested_backend", options.requested_backend),
        client_session_name=check_text("client_session_name", options.client_session_name),
        client_correlation_id=check_correlation_id(options.correlation_id),
    )
    if options.command_timeout is not None:
        request.command_timeout = _command_timeout(options.command_timeout)
    return request


def _command_timeout(timeout: timedelta | float) -> timedelta:
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if not (is_number(seconds) and 0 < seconds <= MAX_DURATION):
        raise MxGatewayInvalidRequestError(
            f"command_timeout is {timeout!r:.100}", hint=f"give seconds above 0 and up to {MAX_DURATION}, or None",
            phase="request",
        )  # fmt: skip
    return timedelta(seconds=float(seconds))
