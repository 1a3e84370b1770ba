"""How a client opens sessions: its subscriptions' one after another, and none is lost whose caller has gone."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from mxgateway import proto
from mxgateway.calling import replies
from mxgateway.calling.rpcs import OPEN_SESSION
from mxgateway.commands.session.open_request import open_session_request
from mxgateway.errors import CallSite, GrpcStatus, MxGatewayError, Phase, map_fault
from mxgateway.errors.faults import ClosedFault, StreamLimitFault, TransportFault
from mxgateway.errors.logs import logger
from mxgateway.options import OpenSessionOptions, check_timeout
from mxgateway.transport.calls.backoff import Backoff
from mxgateway.transport.calls.detached_call import Unattended
from mxgateway.transport.calls.method import CallOptions, Progress, Site, call_site, site_of
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel

log = logger("mxgateway.client")

OPENINGS_AT_ONCE: Final = 2
"""Openings of subscriptions that are under way together: the gateway starts a process for each, and six or more at once can exceed its limit."""

OPENING_INTERVAL: Final = 0.5
"""Seconds between two openings of subscriptions: at most 2 calls a second, so that the gateway has time for everybody else after a restart."""

OPENING_BOUND: Final = 60.0
"""Seconds that an opening may take: the gateway gives a worker 30 s to start, and the call may have to wait there for the one before."""

CONNECTION_LOOKS: Final = 3
"""How often an opening looks for a connection before its turn; one that is lost meanwhile is waited for outside of the turn, but not for ever."""

CLOSE_BOUND: Final = 5.0
"""Seconds that one attempt to close an unused session takes."""

CLOSE_ATTEMPTS: Final = 6
"""How often an unused session is tried to be closed, with pauses of up to 10 s in all; then it is left to its lease."""

_UNREACHED: Final = frozenset({GrpcStatus.UNAVAILABLE, GrpcStatus.DEADLINE_EXCEEDED})
"""How a closing fails that may do better on another connection."""

CLOSE_BACKOFF: Final = (0.5, 4.0)
"""Seconds: the bounds of the first and of the longest pause between these attempts."""


class Closable(Protocol):
    """What an opening results in."""

    session_id: str
    shown_id: str

    async def close(self, *, timeout: float | None = None) -> object:
        """Close it; a close that has failed can be tried again."""

    def disown(self) -> None:
        """Leave it open when the client closes."""


S = TypeVar("S", bound=Closable)


class _Opened(NamedTuple, Generic[S]):
    """What an opening has come to."""

    reply: proto.OpenSessionReply
    session: S


class SessionOpener(Generic[S]):
    """Opens the sessions of one client.

    Once an OpenSession was sent, the gateway starts a worker for it whoever waits. So the call goes on when its caller has gone, cancelled or
    out of time, and its session is closed as soon as it is known.

    Args:
        channel: Where to call.
        opened: Makes the session of a reply.
    """

    def __init__(self, channel: Channel, opened: Callable[[proto.OpenSessionReply], S]) -> None:
        self._channel = channel
        self._opened = opened
        self._calls = Unattended()
        self._turns = asyncio.Semaphore(OPENINGS_AT_ONCE)
        self._next_start = 0.0
        self._pauses: dict[object, Callable[[], object]] = {}
        self._has_failed = False
        """True from an opening that has failed until the next one that succeeds."""
        self._connections_seen = channel.counters.connections_opened
        """How many connections there had been at the last success."""
        self.under_way: set[asyncio.Task[Any]] = set()
        """Calls that open a session, and closings of sessions that nobody wants."""

    # -- opening

    async def open(self, options: OpenSessionOptions) -> S:
        """Return a session for a subscription, in its turn; the call itself is bounded by `OPENING_BOUND`, the wait for the turn is not.

        Raises:
            MxGatewayError: It could not be opened, or the client is closed.
        """
        request, progress = open_session_request(options), Progress()
        site = self._site(request, OPENING_BOUND)
        return (await self._attended(math.inf, progress, site, partial(self._in_turn, request, progress, site))).session

    async def open_now(self, options: OpenSessionOptions, timeout: float | None) -> S:
        """Return a session for a caller of its own, at once and within its own bound.

        Args:
            options: What to open it with.
            timeout: Seconds that the caller waits; None for the client's `call_timeout`.

        Raises:
            MxGatewayError: It could not be opened, or not in time, or the client is closed.
        """
        return (await self._at_once(open_session_request(options), timeout)).session

    async def open_raw(self, request: proto.OpenSessionRequest, timeout: float | None) -> proto.OpenSessionReply:
        """Return the reply to a request of the caller's own, like `open_now`; the session is the caller's from then on."""
        opened = await self._at_once(request, timeout)
        opened.session.disown()
        return opened.reply

    async def _at_once(self, request: proto.OpenSessionRequest, timeout: float | None) -> _Opened[S]:
        check_timeout("timeout", timeout)
        patience = self._channel.options.call_timeout if timeout is None else timeout
        if patience is None:
            patience = math.inf
        progress, bound = Progress(), max(patience, OPENING_BOUND)
        return await self._attended(
            patience, progress, self._site(request, patience), partial(self._open, request, bound, progress)
        )

    async def _attended(
        self, patience: float, progress: Progress, site: CallSite, work: Callable[[], Awaitable[_Opened[S]]]
    ) -> _Opened[S]:
        """Do `work` while the caller waits and the client is open; after that the call goes on if it was sent."""
        self._refuse_when_closing(site)
        try:
            async with asyncio.timeout(None if patience == math.inf else patience) as bound:
                with self._channel.ended_by_closing(bound):
                    return await self._calls.run(work, progress, lambda opened: self.give_back(opened.session))
        except TimeoutError as error:
            if isinstance(error, MxGatewayError):
                raise
            fault, phase = self._why_in_vain(progress)
            raise map_fault(fault, site, phase=phase) from fault

    def _why_in_vain(self, progress: Progress) -> tuple[Exception, Phase]:
        """Return why a caller was not let wait any longer, and in which layer it was then."""
        if self._channel.closing:
            return ClosedFault("the client is closed"), "stream" if progress.sent else "request"
        if progress.sent:
            return TimeoutError(), "stream"
        connection = self._channel.current
        if connection is None:
            return TimeoutError(), "connect"
        slots = connection.slots
        return StreamLimitFault(slots.limit) if slots.all_taken else TimeoutError(), "stream"

    async def _in_turn(self, request: proto.OpenSessionRequest, progress: Progress, site: CallSite) -> _Opened[S]:
        looks = CONNECTION_LOOKS
        while True:
            await self._connected(site)  # outside of the turn: all that wait for the connection wait together
            looks -= 1
            async with self._turns:
                if self._channel.current is not None or not looks:
                    await self._keep_apart()
                    return await self._open(request, OPENING_BOUND, progress)

    async def _connected(self, site: CallSite) -> None:
        try:
            await self._channel.ready()
        except TransportFault as fault:
            self._has_failed = True
            site = replace(site, timeout=self._channel.options.connect_timeout)
            raise map_fault(fault, site, phase="connect") from fault

    async def _keep_apart(self) -> None:
        now = asyncio.get_running_loop().time()
        start = max(now, self._next_start)
        self._next_start = start + OPENING_INTERVAL
        await asyncio.sleep(start - now)

    async def _open(self, request: proto.OpenSessionRequest, bound: float, progress: Progress) -> _Opened[S]:
        options = CallOptions(timeout=bound, correlation_id=request.client_correlation_id, progress=progress)
        site = site_of(self._channel, OPEN_SESSION, options)
        with self._noted():
            try:
                reply = await unary(self._channel, OPEN_SESSION, request, options)
                replies.check_protocol(reply, site)
                if not reply.session_id:
                    raise replies.malformed("the OK reply to OpenSession carries no session id", site(), reply)
                self._check_id(reply, site)
            except MxGatewayError:
                self._has_failed = True
                raise
            opened = _Opened(reply, self._opened(reply))
            self._note_success()
            return opened

    def _check_id(self, reply: proto.OpenSessionReply, site: Site) -> None:
        """Refuse a session that is named by the API key: it would stand in every request, and in every frame."""
        key = self._channel.options.key
        if key is not None and key.reveal() in reply.session_id:
            reply.session_id = self._channel.gate.hide(reply.session_id)
            raise replies.malformed("the OK reply to OpenSession names the session by the API key", site(), reply)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Keep the present task among those that are under way."""
        task = asyncio.current_task()
        assert task is not None
        self.under_way.add(task)
        try:
            yield
        finally:
            self.under_way.discard(task)

    def _site(self, request: proto.OpenSessionRequest, bound: float) -> CallSite:
        options = CallOptions(timeout=bound, correlation_id=request.client_correlation_id)
        return call_site(self._channel, OPEN_SESSION, options)

    # -- pauses between attempts

    @contextlib.contextmanager
    def waiting(self, wake: Callable[[], object]) -> Iterator[None]:
        """Have `wake` called, for the time of the block, when an opening succeeds after another has failed or on a new connection.

        Whoever pauses before the next attempt tries then at once, so that all are back soon after the gateway is. Successes one after another wake
        nobody: a worker that crashes again and again would end everybody's pauses.
        """
        pause = object()
        self._pauses[pause] = wake
        try:
            yield
        finally:
            del self._pauses[pause]

    def _note_success(self) -> None:
        connections = self._channel.counters.connections_opened
        is_back = self._has_failed or connections != self._connections_seen
        self._has_failed, self._connections_seen = False, connections
        if is_back:
            for wake in list(self._pauses.values()):
                wake()

    # -- giving back

    def give_back(self, session: S) -> None:
        """Close a session that nobody wants any more, in the background; it would occupy a worker until its lease ends."""
        task = asyncio.create_task(self._close_unused(session))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _close_unused(self, session: S) -> None:
        backoff = Backoff(*CLOSE_BACKOFF)
        while (error := await _failed_to_close(session)) is not None:
            if self._channel.closing or error.grpc_status not in _UNREACHED or backoff.attempt == CLOSE_ATTEMPTS - 1:
                log.warning("%s, for which nobody waits any more, was left to its lease: %s", session.shown_id, error)
                return
            await self._channel.pause(backoff.next())

    def _refuse_when_closing(self, site: CallSite) -> None:
        if self._channel.closing:
            raise map_fault(ClosedFault("the client is closed"), site, phase="request")


async def _failed_to_close(session: Closable) -> MxGatewayError | None:
    try:
        await session.close(timeout=CLOSE_BOUND)
    except MxGatewayError as error:
        return error
    return None
