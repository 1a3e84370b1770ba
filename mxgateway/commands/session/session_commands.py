"""A session as a whole: its commands, whose it is, and its end."""

from __future__ import annotations

import contextlib
from collections.abc import MutableSet
from types import TracebackType
from typing import Any, Final, Self

from mxgateway import proto
from mxgateway.calling import replies, requests
from mxgateway.calling.arguments import check_correlation_id
from mxgateway.calling.rpcs import CLOSE_SESSION
from mxgateway.commands.barrier import Passage
from mxgateway.commands.session.worker import WorkerCommands
from mxgateway.commands.single_flight import SharedAttempt
from mxgateway.commands.tags import TagCommands
from mxgateway.commands.users import UserCommands
from mxgateway.commands.writing import WriteCommands
from mxgateway.errors import GrpcStatus, MxGatewayError, MxGatewaySessionError
from mxgateway.errors.logs import logger
from mxgateway.transport.calls.method import CallOptions, site_of
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel

log = logger("mxgateway.session")

_UNREGISTER_BOUND: Final = 5.0
"""Seconds that leaving somebody else's session takes at most; a dead gateway frees everything by the session's lease."""


class SessionCommands(TagCommands, WriteCommands, UserCommands, WorkerCommands):
    """All commands of a session, and its closing.

    Args:
        channel: Where to call.
        session_id: The gateway's name of the session.
        opened_here: True for a session that was opened by this client, which closes it.
        owned_sessions: Those that the client closes.
    """

    def __init__(
        self, channel: Channel, session_id: str, *, opened_here: bool, owned_sessions: MutableSet[Any] | None
    ) -> None:
        super().__init__(channel, session_id, opened_here=opened_here)
        self._owned_sessions = owned_sessions if owned_sessions is not None else set()
        self._closing: SharedAttempt[proto.CloseSessionReply] = SharedAttempt()
        if opened_here:
            self.own()

    @property
    def closed(self) -> bool:
        """True once `close` was called, also when it has failed."""
        return self._closing.begun

    @property
    def passage(self) -> Passage:
        """What waits until events have passed."""
        return Passage(self)

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
        if not self._channel.closing:  # else the stream has ended with the client, and says so to its readers
            await self._end_stream()
        try:
            reply = await close_session_raw(self._channel, self.session_id, timeout, correlation_id)
        except MxGatewaySessionError as error:
            if error.grpc_status is not GrpcStatus.NOT_FOUND:
                raise
            reply = proto.CloseSessionReply(session_id=self.session_id, final_state=proto.SessionState.CLOSED)
        finally:
            self._owned_sessions.discard(self)
            await self._pump.aclose()
        return reply

    def own(self) -> None:
        """Take over a session that another process has left open: its block and its client close it like one that was opened here."""
        self._owned = True
        self._owned_sessions.add(self)

    def disown(self) -> None:
        """Leave the session open for somebody else: neither its block nor the client closes it any more."""
        self._owned = False
        self._owned_sessions.discard(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the session; when the block has failed, a failure to close is noted on its exception and does not take its place.

        A client that is being closed closes its sessions itself; the block does not wait for that.
        """
        if not self._owned:
            await self._let_go_of_tags()
            await self._end_stream()
            return
        if self._channel.closing:
            return
        try:
            await self.close()
        except MxGatewayError as error:
            if exc is None:
                raise
            log.warning("closing %s failed as well: %s", self.shown_id, error)
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
