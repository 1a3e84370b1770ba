"""How a session is closed by its id."""

from __future__ import annotations

from collections.abc import MutableSet
from typing import Protocol

from mxgateway import proto
from mxgateway.calling import replies
from mxgateway.calling.argument_checks import new_correlation_id
from mxgateway.calling.rpcs import CLOSE_SESSION
from mxgateway.commands.single_flight import SharedAttempt
from mxgateway.errors import GrpcStatus, MxGatewaySessionError
from mxgateway.transport.calls.method import CallOptions, site_of
from mxgateway.transport.calls.unary import unary
from mxgateway.transport.channel import Channel


class Closable(Protocol):
    """An open session."""

    session_id: str
    shown_id: str

    @property
    def close_failed(self) -> bool:
        """True after a close that has failed: its caller knows."""

    async def close(self, *, timeout: float | None = None) -> object:
        """Close it; a failed close can be retried."""


class UnclaimedSession:
    """A session from the reply that opened it until its caller takes it: the client closes it as it closes others.

    Args:
        channel: The channel to the gateway.
        reply: The reply to OpenSession.
        owned_sessions: The sessions that the client closes.
    """

    def __init__(self, channel: Channel, reply: proto.OpenSessionReply, owned_sessions: MutableSet[Closable]) -> None:
        self.reply = reply
        self.session_id = reply.session_id
        self.shown_id = channel.gate.line(reply.session_id)
        self._channel = channel
        self._owned_sessions = owned_sessions
        self._closing: SharedAttempt[proto.CloseSessionReply] = SharedAttempt()
        owned_sessions.add(self)

    @property
    def close_failed(self) -> bool:
        """True after a close that has failed."""
        return self._closing.has_failed

    def claim(self) -> proto.OpenSessionReply:
        """Return the reply; the caller owns the session now."""
        self._owned_sessions.discard(self)
        return self.reply

    async def close(self, *, timeout: float | None = None) -> proto.CloseSessionReply:
        """Close the session; whoever closes it at the same time shares the call."""
        return await self._closing.join(lambda: self._close(timeout))

    async def _close(self, timeout: float | None) -> proto.CloseSessionReply:
        try:
            return await close_session(self._channel, self.session_id, timeout, new_correlation_id())
        finally:
            self._owned_sessions.discard(self)


async def close_session(
    channel: Channel, session_id: str, timeout: float | None, correlation_id: str
) -> proto.CloseSessionReply:
    """Close a session by its id; one that the gateway no longer knows counts as closed.

    Raises:
        MxGatewayError: The call failed, or the gateway reports a protocol failure.
    """
    try:
        return await close_session_raw(channel, session_id, timeout, correlation_id)
    except MxGatewaySessionError as error:
        if error.grpc_status is not GrpcStatus.NOT_FOUND:
            raise
        return proto.CloseSessionReply(session_id=session_id, final_state=proto.SessionState.CLOSED)


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
