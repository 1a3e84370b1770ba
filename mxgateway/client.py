"""The client: one gateway, many sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from mxgateway import proto
from mxgateway.alarms.calls import AlarmCalls
from mxgateway.calling import requests
from mxgateway.calling.argument_checks import check_correlation_id, check_text
from mxgateway.calling.bound_channel import speaking_channel
from mxgateway.calling.rpcs import STREAM_EVENTS
from mxgateway.commands.session.closing import Closable, close_session_raw
from mxgateway.commands.session.opener import SessionOpener
from mxgateway.commands.single_flight import SharedAttempt
from mxgateway.errors.logs import logger
from mxgateway.options import DEFAULT_ENDPOINT, ClientOptions, OpenSessionOptions, merge_options
from mxgateway.options import PROTOCOL_VERSION as PROTOCOL_VERSION
from mxgateway.options.subscription import SubscriptionFields, SubscriptionOptions
from mxgateway.system.lazy_names import LazyModule, lazy_names
from mxgateway.transport.calls.method import CallOptions
from mxgateway.transport.calls.server_stream import ServerStream
from mxgateway.transport.channel import Channel
from mxgateway.transport.connecting.open_channel import ClientOptionFields, Given, Opening
from mxgateway.transport.stats import ClientStats

if TYPE_CHECKING:
    import mxgateway.galaxy.client as galaxy_client
    import mxgateway.session as sessions
    from mxgateway.session import Session as Session
    from mxgateway.session import Subscription as Subscription
else:
    galaxy_client = LazyModule("mxgateway.galaxy.client")
    sessions = LazyModule("mxgateway.session")
    __getattr__, __dir__ = lazy_names(__name__, {"mxgateway.session": ("Session", "Subscription")})

log = logger("mxgateway.client")

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that closing the client spends on open sessions; a dead gateway frees them when their leases end."""

_Closings = dict[asyncio.Task[object], str]
"""The sessions that are being closed, by the ids to warn of; an empty one where a failure was reported before."""


class OpenSessionFields(TypedDict, total=False):
    """The fields of `OpenSessionOptions`, as keywords."""

    client_session_name: str
    requested_backend: str
    command_timeout: timedelta | float | None
    correlation_id: str


class GatewayClient(AlarmCalls):
    """A client of one gateway. `connect` creates one, `open_session` opens its sessions.

    One client serves any number of sessions and tasks over one HTTP/2 connection, which is replaced when it ends. The
    `*_raw` methods return the generated messages and raise for protocol failures only, never for an MXAccess failure.
    `timeout` is in seconds (None: the client's `call_timeout`), `correlation_id` is for the gateway's log (empty: a
    generated one).
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._sessions: set[Closable] = set()
        self._opener = SessionOpener(channel, self._sessions, partial(_opened, channel, self._sessions))
        self._closing: SharedAttempt[None] = SharedAttempt(on_cancelled=channel.end)

    @staticmethod
    def connect(
        endpoint: str | Sequence[str] = DEFAULT_ENDPOINT,
        options: ClientOptions | None = None,
        **fields: Unpack[ClientOptionFields],
    ) -> Opening[GatewayClient]:
        """Connect to a gateway: ``await`` the result, or use it with ``async with``.

        The gateway has then answered the HTTP/2 greeting.

        Args:
            endpoint: ``host:port`` or ``[ipv6]:port``, optionally after ``http://`` (with `plaintext`) or ``https://``.
                Of several, in a sequence or with commas between them, the first that can be reached is used.
            options: How to connect to the gateway.
            fields: Fields of `ClientOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewayInvalidRequestError: The endpoint or an option is invalid; nothing was sent.
            MxGatewayTransportError: No connection was established (`MxGatewayTlsError`, `MxGatewayTimeoutError` and
                `MxGatewayProtocolError` say why, `phase` says where).
        """

        given = Given(endpoint, options, fields)

        async def open_it() -> GatewayClient:
            return GatewayClient(await speaking_channel(given))

        return Opening(open_it)

    @property
    def call_timeout(self) -> float | None:
        """Default timeout of later calls in seconds, None for none; initially `ClientOptions.call_timeout`."""
        return self._channel.options.call_timeout

    @call_timeout.setter
    def call_timeout(self, seconds: float | None) -> None:
        self._channel.options = replace(self._channel.options, call_timeout=seconds)

    def __repr__(self) -> str:
        return f"<GatewayClient of {self.endpoint}{', closed' if self._closing.begun else ''}>"

    def stats(self) -> ClientStats:
        """Return a snapshot of this client's statistics."""
        return self._channel.stats()

    @property
    def galaxy(self) -> galaxy_client.GalaxyRepositoryClient:
        """A galaxy client over this client's connection; closing it closes nothing."""
        return galaxy_client.GalaxyRepositoryClient(self._channel)

    # -- sessions

    def open_session(
        self,
        options: OpenSessionOptions | None = None,
        *,
        timeout: float | None = None,
        **fields: Unpack[OpenSessionFields],
    ) -> Opening[sessions.Session]:
        """Open a session: ``await`` the result, or use it with ``async with``, which closes the session at its end.

        Opening starts a worker process at the gateway and takes seconds; six or more at once can exceed the gateway's
        limit. If the caller is cancelled or times out meanwhile, the session is closed as soon as it is open.

        Args:
            options: The session's options.
            timeout: Seconds to wait for it.
            fields: Fields of `OpenSessionOptions`, instead of `options` or to replace some of them.

        Raises:
            MxGatewaySessionError: The gateway's session limit is reached.
            MxGatewayWorkerError: The worker did not start.
            MxGatewayError: The call failed.
        """

        async def open_it() -> sessions.Session:
            return await self._opener.open_now(merge_options(OpenSessionOptions, options, fields), timeout)

        return Opening(open_it)

    def attach_session(self, session_id: str) -> sessions.Session:
        """Return a handle for a session that is already open; nothing is sent.

        Leaving its ``async with`` block does not close it.
        """
        return sessions.Session(self._channel, check_text("session_id", session_id), owned_sessions=self._sessions)

    # -- subscriptions

    def subscribe(
        self,
        tags: Iterable[str] = (),
        options: SubscriptionOptions | None = None,
        *,
        resume_from: Mapping[str, Any] | None = None,
        **fields: Unpack[SubscriptionFields],
    ) -> sessions.Subscription:
        """Return a subscription to tags in its own session: it recovers from every fault, and reports what was lost.

        Args:
            tags: ``Object.Attribute``, any number of them.
            options: How it handles a slow consumer and interruptions.
            resume_from: The result of `Subscription.export_state` in another process: the subscription continues in
                that session if it still exists; `tags` may add more tags.
            fields: Fields of `SubscriptionOptions`, instead of `options` or to replace some of them.
        """
        merged = merge_options(SubscriptionOptions, options, fields)
        source = sessions.OwnSessions(self._opener, merged.client_session_name, self.attach_session)
        return sessions.Subscription(tags, merged, source, self._channel, resume_from=resume_from)

    # -- the gateway's own RPCs

    async def open_session_raw(
        self, request: proto.OpenSessionRequest, *, timeout: float | None = None
    ) -> proto.OpenSessionReply:
        """Send OpenSession and return the reply; the session stays open until it is closed by its id or its lease ends.

        If the caller is cancelled or times out meanwhile, the session is closed as soon as it is open.
        """
        return await self._opener.open_raw(request, timeout)

    async def close_session_raw(
        self, session_id: str, *, timeout: float | None = None, correlation_id: str = ""
    ) -> proto.CloseSessionReply:
        """Send CloseSession and return the reply; idempotent at the gateway."""
        return await close_session_raw(self._channel, session_id, timeout, check_correlation_id(correlation_id))

    async def invoke(self, request: proto.MxCommandRequest, *, timeout: float | None = None) -> proto.MxCommandReply:
        """Send a command of any session and return the reply, if MXAccess accepted it.

        Raises:
            MxAccessError: MXAccess refused the command.
        """
        return await requests.invoke(self._channel, request, timeout)

    async def invoke_raw(
        self, request: proto.MxCommandRequest, *, timeout: float | None = None
    ) -> proto.MxCommandReply:
        """Send a command of any session and return the reply; only protocol failures raise, not MXAccess failures."""
        return await requests.invoke_raw(self._channel, request, timeout)

    def stream_events_raw(
        self, request: proto.StreamEventsRequest, *, timeout: float | None = None
    ) -> ServerStream[proto.StreamEventsRequest, proto.MxEvent]:
        """Return a separate StreamEvents call: an async iterator and context manager.

        It is independent of the session's other consumers.
        """
        return ServerStream(
            self._channel, STREAM_EVENTS, request, CallOptions(timeout=timeout, session_id=request.session_id)
        )

    # -- the end

    async def close(self) -> None:
        """End every call and iterator at once, then close the open sessions, within 5 s, and the connection.

        No other task waits for the gateway meanwhile: iterators deliver what was already received, then reads and calls
        raise that the client is closed. Safe to call again and from several tasks; cancelling one of them does not stop
        the close.
        """
        self._channel.guard.check()
        await self._closing.join(self._close)

    async def _close(self) -> None:
        self._channel.begin_closing()
        closings = await self._close_sessions()
        await self._channel.aclose()
        while unfinished := self._unfinished(closings):  # these fail with their connection
            await asyncio.wait(unfinished)
        for task, shown_id in closings.items():
            if (error := task.exception()) is not None and shown_id:
                log.warning("%s was left to its lease: %s", shown_id, error)

    async def _close_sessions(self) -> _Closings:
        """Close all sessions concurrently within `CLOSE_TIMEOUT`, including those that are being opened."""
        loop = asyncio.get_running_loop()
        end = loop.time() + CLOSE_TIMEOUT
        closings: _Closings = {}
        while (left := end - loop.time()) > 0:
            open_now = set(self._sessions)
            self._sessions.clear()
            for session in open_now:
                shown_id = "" if session.close_failed else session.shown_id
                closings[asyncio.create_task(session.close(timeout=left))] = shown_id
            if not (unfinished := self._unfinished(closings)):
                break
            await asyncio.wait(unfinished, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return closings

    def _unfinished(self, closings: _Closings) -> set[asyncio.Task[Any]]:
        return {task for task in (*closings, *self._opener.pending) if not task.done()}


def _opened(channel: Channel, owned: set[Closable], reply: proto.OpenSessionReply) -> sessions.Session:
    """Return the session for a reply, owned by the client."""
    return sessions.Session(channel, reply.session_id, opened=reply, owned_sessions=owned)
