"""A session with the gateway: one method for each MXAccess call, and the event stream."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Unpack

from mxgateway import proto
from mxgateway.commands import replies, requests
from mxgateway.commands.arguments import check_correlation_id, check_sequence
from mxgateway.commands.tags import TagCommands
from mxgateway.commands.users import UserCommands
from mxgateway.commands.worker import WorkerCommands
from mxgateway.commands.writing import WriteCommands
from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewaySessionError
from mxgateway.events.recovery import Recovery, StreamCare
from mxgateway.events.stream import EventStream
from mxgateway.methods import CLOSE_SESSION
from mxgateway.options import merge_options
from mxgateway.shared_attempt import SharedAttempt
from mxgateway.subscription_options import RecoveryOptions, SubscriptionFields, SubscriptionOptions
from mxgateway.transport.calls import unary
from mxgateway.transport.channel import Channel
from mxgateway.transport.method import CallOptions, site_of

if TYPE_CHECKING:
    from mxgateway.subscription.subscription import Subscription

log = logging.getLogger("mxgateway.session")

_UNREGISTER_BOUND: Final = 5.0
"""Seconds that leaving somebody else's session takes at most; a dead gateway frees everything by the session's lease."""


class Session(TagCommands, WriteCommands, UserCommands, WorkerCommands):
    """One MXAccess session: a worker process at the gateway with one MXAccess object in it.

    Every method takes `timeout`, the bound of the call in seconds (None: the client's `call_timeout`), and `correlation_id`, which the gateway writes
    to its log (empty: a fresh one; 1,000 characters at most). A timeout or a cancellation ends the waiting and not the command.

    Every method raises below `MxGatewayError`: `MxAccessError` when MXAccess refuses the command, `MxGatewaySessionError` when the
    session is over, `MxGatewayTimeoutError` and `MxGatewayTransportError` for the way there and back.
    """

    def __init__(
        self,
        channel: Channel,
        session_id: str,
        *,
        opened: proto.OpenSessionReply | None = None,
        owned_sessions: set[Session] | None = None,
    ) -> None:
        super().__init__(channel, session_id, owned=False)
        self._owned_sessions = owned_sessions if owned_sessions is not None else set()
        self._opened = opened
        self._closing: SharedAttempt[proto.CloseSessionReply] = SharedAttempt()
        if opened is not None:
            self.own()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the gateway said that it can do; empty for a session that was attached by its id."""
        return tuple(self._opened.capabilities) if self._opened is not None else ()

    @property
    def gateway_protocol_version(self) -> int:
        """The gateway's protocol version; 0 for a session that was attached by its id."""
        return self._opened.gateway_protocol_version if self._opened is not None else 0

    @property
    def closed(self) -> bool:
        """True once `close` was called, also when it has failed."""
        return self._closing.begun

    def __repr__(self) -> str:
        return f"<Session {self.session_id} at {self._channel.endpoint}{', closed' if self.closed else ''}>"

    def stream_events(self, after_worker_sequence: int = 0, *, resume: bool = False) -> EventStream:
        """Return the session's events in worker-sequence order: an async iterator and a context manager.

        Args:
            after_worker_sequence: Resume after this sequence; 0 takes what comes, the backlog of a session without a subscriber first.
            resume: Go on through faults of the stream for as long as the session lives; events that the gateway does not have any more show as
                its own mark, `replay_gap`.
        """
        care = StreamCare(
            Recovery(f"the event stream of {self.session_id}", RecoveryOptions()),
            None,
            SubscriptionOptions().stale_timeout,
        )
        return EventStream(self._hub, check_sequence(after_worker_sequence), care if resume else None)

    def subscribe(
        self,
        tags: Iterable[str],
        options: SubscriptionOptions | None = None,
        **fields: Unpack[SubscriptionFields],
    ) -> Subscription:
        """Return a subscription to tags that shares this session and ends with it; `GatewayClient.subscribe` outlives sessions.

        Args:
            tags: ``Object.Attribute``, any number of them.
            options: How it deals with a slow consumer and with interruptions.
            fields: Fields of `SubscriptionOptions`, instead of `options` or to replace some of them.
        """
        from mxgateway.subscription.subscription import Subscription

        return Subscription(tags, merge_options(SubscriptionOptions, options, fields), session=self)

    async def close(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.CloseSessionReply:
        """Close the session at the gateway; its handles, subscriptions and worker go with it.

        Safe to call again, and at the same time from several tasks: the first call closes, all return its reply. Cancelling a caller does not
        stop the closing. A closing that has failed can be tried again. A session that the gateway does not know any more counts as closed.
        """
        self._bound(timeout)  # refused, it must not count as the closing
        check_correlation_id(correlation_id)
        return await self._closing.join(lambda: self._close(timeout, correlation_id or requests.new_correlation_id()))

    async def _close(self, timeout: float | None, correlation_id: str) -> proto.CloseSessionReply:
        self._book.stop()
        await self._hub.aclose()
        try:
            reply = await close_session_raw(self._channel, self.session_id, timeout, correlation_id)
        except MxGatewaySessionError as error:
            if error.grpc_status is not GrpcStatus.NOT_FOUND:
                raise
            reply = proto.CloseSessionReply(session_id=self.session_id, final_state=proto.SessionState.CLOSED)
        finally:
            self._owned_sessions.discard(self)
        return reply

    def own(self) -> None:
        """Take over a session that another process has left open: its block and its client close it like one that was opened here."""
        self._owned = True
        self._owned_sessions.add(self)

    def disown(self) -> None:
        """Leave the session open for somebody else: neither its block nor the client closes it any more."""
        self._owned = False
        self._owned_sessions.discard(self)

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the session; when the block has failed, a failure to close is noted on its exception and does not take its place."""
        if not self._owned:
            await self._let_go_of_tags()
            await self._hub.aclose()
            return
        try:
            await self.close()
        except MxGatewayError as error:
            if exc is None:
                raise
            log.warning("closing %s failed as well: %s", self.session_id, error)
            exc.add_note(f"closing the session failed as well: {error}")

    async def _let_go_of_tags(self) -> None:
        """Leave no registration of this client's own in a session that goes on."""
        self._book.stop()
        if self._book.server_handle and not self.closed:
            with contextlib.suppress(MxGatewayError):
                await self.unregister(self._book.server_handle, timeout=_UNREGISTER_BOUND)


async def close_session_raw(
    channel: Channel, session_id: str, timeout: float | None, correlation_id: str
) -> proto.CloseSessionReply:
    """Close a session by its id and return the gateway's reply.

    Raises:
        MxGatewayError: The call failed, or the gateway reports a protocol failure.
    """
    options = CallOptions(timeout=timeout, correlation_id=correlation_id, session_id=session_id)
    request = proto.CloseSessionRequest(session_id=session_id, client_correlation_id=correlation_id)
    reply = await unary(channel, CLOSE_SESSION, request, options)
    replies.check_protocol(reply, site_of(channel, CLOSE_SESSION, options))
    return reply
