"""The client: one gateway, many sessions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from mxgateway import proto
from mxgateway.alarms.calls import AlarmCalls
from mxgateway.commands import replies, requests
from mxgateway.commands.arguments import check_text
from mxgateway.connecting import ClientOptionFields, Opening, connected_channel
from mxgateway.errors import CallSite, MxGatewayError, MxGatewayInvalidRequestError, map_fault
from mxgateway.faults import ClosedFault
from mxgateway.methods import OPEN_SESSION, STREAM_EVENTS
from mxgateway.options import (
    DEFAULT_ENDPOINT,
    PROTOCOL_VERSION,
    ClientOptions,
    OpenSessionOptions,
    merge_options,
)
from mxgateway.session import Session, close_session_raw
from mxgateway.stats import ClientStats
from mxgateway.subscription_options import SubscriptionFields, SubscriptionOptions
from mxgateway.transport.calls import unary
from mxgateway.transport.channel import Channel
from mxgateway.transport.method import CallOptions, Progress, site_of
from mxgateway.transport.server_stream import ServerStream
from mxgateway.transport.unattended import Unattended

if TYPE_CHECKING:
    from mxgateway.galaxy.client import GalaxyRepositoryClient
    from mxgateway.subscription.subscription import Subscription

log = logging.getLogger("mxgateway.client")

CLOSE_BOUND: Final = 5.0
"""Seconds that closing the client spends on sessions that were left open; a dead gateway frees them by their lease."""

SESSION_STAGGER: Final = 0.75
"""Seconds between two session openings of subscriptions."""

MAX_COMMAND_TIMEOUT: Final = 315_576_000_000
"""Seconds that protobuf's Duration holds: 10,000 years."""


class OpenSessionFields(TypedDict, total=False):
    """The fields of `OpenSessionOptions`, as keywords."""

    client_session_name: str
    requested_backend: str
    command_timeout: timedelta | float | None
    correlation_id: str


class GatewayClient(AlarmCalls):
    """A client of one gateway. Make one with `connect`, and sessions with `open_session`.

    One client serves any number of sessions and tasks over one HTTP/2 connection, which is replaced when it ends. The `*_raw` methods return the
    generated messages and raise for protocol failures only, never for an MXAccess failure.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sessions: set[Session] = set()
        self._openings = Unattended()
        self._next_opening = 0.0
        self._chores: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None

    @staticmethod
    def connect(
        endpoint: str = DEFAULT_ENDPOINT, options: ClientOptions | None = None, **fields: Unpack[ClientOptionFields]
    ) -> Opening[GatewayClient]:
        """Connect to a gateway: ``await`` the result, or use it with ``async with``. The HTTP/2 greeting has been answered then.

        Args:
            endpoint: ``host:port``, ``[ipv6]:port``, or either behind ``http://`` (which goes with `plaintext`) or ``https://``.
            options: How to talk to the gateway.
            fields: Fields of `ClientOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewayInvalidRequestError: The endpoint or an option is wrong; nothing was sent.
            MxGatewayTransportError: No connection came about (`MxGatewayTlsError`, `MxGatewayTimeoutError` and `MxGatewayProtocolError` say
                why, `phase` says where).
        """

        async def open_it() -> GatewayClient:
            return GatewayClient(await connected_channel(endpoint, options, fields))

        return Opening(open_it)

    @property
    def endpoint(self) -> str:
        """The gateway, as ``host:port``."""
        return str(self._channel.endpoint)

    @property
    def call_timeout(self) -> float | None:
        """Default bound in seconds of the calls to come, None for none; `ClientOptions.call_timeout` until another one is set."""
        return self._channel.options.call_timeout

    @call_timeout.setter
    def call_timeout(self, seconds: float | None) -> None:
        self._channel.options = replace(self._channel.options, call_timeout=seconds)

    def __repr__(self) -> str:
        return f"<GatewayClient of {self.endpoint}{', closed' if self._closing is not None else ''}>"

    def stats(self) -> ClientStats:
        """Return what this client has done so far, in numbers: a snapshot."""
        return self._channel.stats()

    @property
    def galaxy(self) -> GalaxyRepositoryClient:
        """What the galaxy holds, asked over this client's connection; closing it closes nothing."""
        from mxgateway.galaxy.client import GalaxyRepositoryClient

        return GalaxyRepositoryClient(self._channel)

    # -- sessions

    def open_session(
        self,
        options: OpenSessionOptions | None = None,
        *,
        timeout: float | None = None,
        **fields: Unpack[OpenSessionFields],
    ) -> Opening[Session]:
        """Open a session: ``await`` the result, or use it with ``async with``, which closes the session at the end of the block.

        Opening starts a worker process at the gateway and takes seconds there; six or more at once can exceed the gateway's limit. When the caller is
        cancelled meanwhile, the session is closed as soon as it is open.

        Args:
            options: What to open the session with.
            timeout: Bound in seconds.
            fields: Fields of `OpenSessionOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewaySessionError: The gateway's session limit is reached.
            MxGatewayWorkerError: The worker did not start.
            MxGatewayError: The call failed.
        """

        async def open_it() -> Session:
            if self._closing is not None:
                raise map_fault(ClosedFault("the client is closed"), CallSite(endpoint=self.endpoint), phase="request")
            request = _open_session_request(merge_options(OpenSessionOptions, options, fields))
            progress = Progress()
            return await self._openings.run(
                lambda: self._open_session(request, timeout, progress), progress, orphaned=self._give_back
            )

        return Opening(open_it)

    async def _open_session(
        self, request: proto.OpenSessionRequest, timeout: float | None, progress: Progress
    ) -> Session:
        reply = await self._open_session_raw(request, timeout, progress)
        self._check_version(reply)
        session = Session(self._channel, reply.session_id, opened=reply, on_closed=self._sessions.discard)
        self._sessions.add(session)
        return session

    def _give_back(self, session: Session) -> None:
        """Close a session whose opener was cancelled: nobody else knows it, and it would occupy a worker until its lease ends."""
        chore = asyncio.create_task(self._close_unused(session))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _close_unused(self, session: Session) -> None:
        try:
            await session.close(timeout=CLOSE_BOUND)
        except MxGatewayError as error:
            log.warning("%s, whose opening was cancelled, was left to its lease: %s", session.session_id, error)

    def attach_session(self, session_id: str) -> Session:
        """Return a handle for a session that is open already; nothing is sent. Leaving its ``async with`` block does not close it."""
        return Session(self._channel, check_text("session_id", session_id))

    # -- subscriptions

    def subscribe(
        self,
        tags: Iterable[str] = (),
        options: SubscriptionOptions | None = None,
        *,
        resume_from: Mapping[str, Any] | None = None,
        **fields: Unpack[SubscriptionFields],
    ) -> Subscription:
        """Return a subscription to tags in a session of its own: it lasts as long as it is wanted, through every fault, and says what was lost.

        Args:
            tags: ``Object.Attribute``, any number of them.
            options: How it deals with a slow consumer and with interruptions.
            resume_from: What `Subscription.export_state` of another process has returned: the subscription goes on in that session if it lives; `tags` may
                name further ones.
            fields: Fields of `SubscriptionOptions`, instead of `options` or to replace some of them.
        """
        from mxgateway.subscription.subscription import Subscription

        merged = merge_options(SubscriptionOptions, options, fields)

        async def open_session() -> Session:
            await self._stagger()
            return await self.open_session(client_session_name=merged.client_session_name)

        return Subscription(
            tags, merged, open_session=open_session, attach_session=self._adopt_session, resume_from=resume_from
        )

    async def _stagger(self) -> None:
        """Keep session openings apart: the gateway starts a process for each, and several at once exceed its limit."""
        loop = asyncio.get_running_loop()
        turn = max(loop.time(), self._next_opening)
        self._next_opening = turn + SESSION_STAGGER
        await asyncio.sleep(turn - loop.time())

    def _adopt_session(self, session_id: str) -> Session:
        """Return a session of another process as one of this client's own."""
        session = Session(self._channel, check_text("session_id", session_id), on_closed=self._sessions.discard)
        session.own()
        self._sessions.add(session)
        return session

    # -- the gateway's own RPCs

    async def open_session_raw(
        self, request: proto.OpenSessionRequest, *, timeout: float | None = None
    ) -> proto.OpenSessionReply:
        """Send OpenSession and return the reply; the session stays open until it is closed by its id, or its lease ends."""
        return await self._open_session_raw(request, timeout)

    async def _open_session_raw(
        self, request: proto.OpenSessionRequest, timeout: float | None, progress: Progress | None = None
    ) -> proto.OpenSessionReply:
        options = CallOptions(timeout=timeout, correlation_id=request.client_correlation_id, progress=progress)
        reply = await unary(self._channel, OPEN_SESSION, request, options)
        site = site_of(self._channel, OPEN_SESSION, options)
        replies.check_protocol(reply, site)
        if not reply.session_id:
            raise replies.malformed("the OK reply to OpenSession carries no session id", site(), reply)
        return reply

    async def close_session_raw(
        self, session_id: str, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.CloseSessionReply:
        """Send CloseSession and return the reply; idempotent at the gateway."""
        correlation_id = correlation_id or requests.new_correlation_id()
        return await close_session_raw(self._channel, session_id, timeout, correlation_id)

    async def invoke(self, request: proto.MxCommandRequest, *, timeout: float | None = None) -> proto.MxCommandReply:
        """Send a command of any session and return the reply, once MXAccess has accepted it.

        Raises:
            MxAccessError: MXAccess refused the command.
        """
        return await requests.invoke(self._channel, request, timeout)

    async def invoke_raw(
        self, request: proto.MxCommandRequest, *, timeout: float | None = None
    ) -> proto.MxCommandReply:
        """Send a command of any session and return the reply; an MXAccess failure is data, only protocol failures raise."""
        return await requests.invoke_raw(self._channel, request, timeout)

    def stream_events_raw(
        self, request: proto.StreamEventsRequest, *, timeout: float | None = None
    ) -> ServerStream[proto.StreamEventsRequest, proto.MxEvent]:
        """Return a StreamEvents call of its own: an async iterator and context manager that shares nothing with the session's consumers."""
        return ServerStream(
            self._channel, STREAM_EVENTS, request, CallOptions(timeout=timeout, session_id=request.session_id)
        )

    # -- the end

    async def close(self) -> None:
        """Close the sessions that are still open, then the connection. Safe to call again and from several tasks; cancelling one stops nothing."""
        if self._closing is None or self._closing.cancelled():
            self._closing = asyncio.create_task(self._close())
            self._closing.add_done_callback(self._closed)
        await asyncio.shield(self._closing)

    def _closed(self, closing: asyncio.Task[None]) -> None:
        """Leave no connection behind when the closing was cancelled, as every task is at the end of `asyncio.run`."""
        if closing.cancelled():
            self._channel.end()

    async def _close(self) -> None:
        closing: dict[asyncio.Task[proto.CloseSessionReply], Session] = {}
        loop = asyncio.get_running_loop()
        end = loop.time() + CLOSE_BOUND
        await self._close_sessions(closing)
        await self._openings.aclose(max(0.0, end - loop.time()))
        await self._close_sessions(closing)
        await self._channel.aclose()
        if closing:
            await asyncio.wait(closing)  # whatever was still under way has failed with its connection
        for task, session in closing.items():
            if (error := task.exception()) is not None:
                log.warning("%s was left to its lease: %s", session.session_id, error)

    async def _close_sessions(self, closing: dict[asyncio.Task[proto.CloseSessionReply], Session]) -> None:
        while sessions := set(self._sessions):  # one that was being opened may come while others are closed
            self._sessions -= sessions
            tasks = {asyncio.create_task(session.close(timeout=CLOSE_BOUND)): session for session in sessions}
            closing |= tasks
            await asyncio.wait(tasks, timeout=CLOSE_BOUND)

    async def __aenter__(self) -> GatewayClient:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # -- inside

    def _check_version(self, reply: proto.OpenSessionReply) -> None:
        if reply.gateway_protocol_version != PROTOCOL_VERSION:
            log.warning(
                "%s speaks gateway protocol %d, this client was made for %d; compare the contracts with mxgw-py contract",
                self.endpoint, reply.gateway_protocol_version, PROTOCOL_VERSION,
            )  # fmt: skip


def _open_session_request(options: OpenSessionOptions) -> proto.OpenSessionRequest:
    request = proto.OpenSessionRequest(
        requested_backend=check_text("requested_backend", options.requested_backend),
        client_session_name=check_text("client_session_name", options.client_session_name),
        client_correlation_id=options.correlation_id or requests.new_correlation_id(),
    )
    if options.command_timeout is not None:
        request.command_timeout = _command_timeout(options.command_timeout)
    return request


def _command_timeout(bound: timedelta | float) -> timedelta:
    seconds = bound.total_seconds() if isinstance(bound, timedelta) else bound
    if not 0 < seconds <= MAX_COMMAND_TIMEOUT:
        raise MxGatewayInvalidRequestError(
            f"command_timeout is {bound}", hint=f"give seconds above 0 and up to {MAX_COMMAND_TIMEOUT}, or None",
            phase="request",
        )  # fmt: skip
    return timedelta(seconds=seconds)
