"""A session as a whole: its commands, its ownership, and its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import MutableSet
from types import TracebackType
from typing import Any, Final, Self

from mxgateway import proto
from mxgateway.calling.time_budget import Budget
from mxgateway.commands.barrier import EventBarrier
from mxgateway.commands.session.closing import close_session
from mxgateway.commands.session.worker import WorkerCommands
from mxgateway.commands.single_flight import SharedAttempt
from mxgateway.commands.tags import TagCommands
from mxgateway.commands.users import UserCommands
from mxgateway.commands.writing import WriteCommands
from mxgateway.errors import MxGatewayError
from mxgateway.errors.logs import logger
from mxgateway.transport.channel import Channel

log = logger("mxgateway.session")

_UNREGISTER_TIMEOUT: Final = 5.0
"""Seconds for cleaning up an attached session; a dead gateway frees everything when the session's lease ends."""


class SessionCommands(TagCommands, WriteCommands, UserCommands, WorkerCommands):
    """All commands of a session, and its closing.

    Args:
        channel: The channel to the gateway.
        session_id: The gateway's id of the session.
        opened_here: True for a session that this client opened, and closes.
        owned_sessions: The sessions that the client closes.
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
        """True once `close` was called, even if it failed."""
        return self._closing.begun

    @property
    def close_failed(self) -> bool:
        """True after a `close` that has failed; it can be retried."""
        return self._closing.has_failed

    @property
    def event_barrier(self) -> EventBarrier:
        """Waits for pending events."""
        return EventBarrier(self)

    async def close(self, *, timeout: float | None = None, correlation_id: str = "") -> proto.CloseSessionReply:
        """Close the session at the gateway, with its handles, subscriptions and worker.

        Safe to call again, and from several tasks at the same time: the first call closes, all return its reply.
        Cancelling a caller does not stop the close, nor does the end of its timeout. A failed close can be retried. A
        session that the gateway no longer knows counts as closed.
        """
        self._channel.guard.check()
        budget = Budget(self._timeout(timeout), self._site, correlation_id)  # refuses arguments, which is no close
        if self._closing.is_running:
            async with budget.waiting("this close", "the answer to the first one"):
                return await self._closing.join(lambda: self._close(timeout, budget.correlation_id))
        return await self._closing.join(lambda: self._close(timeout, budget.correlation_id))

    async def _close(self, timeout: float | None, correlation_id: str) -> proto.CloseSessionReply:
        self._tag_cache.stop()
        if not self._channel.closing:  # otherwise the stream already ended with the client, and told its readers so
            await self._end_stream()
        try:
            reply = await close_session(self._channel, self.session_id, timeout, correlation_id)
        finally:
            await self.pump.aclose()
        self._owned_sessions.discard(self)  # one whose close has failed is closed with the client
        return reply

    def own(self) -> None:
        """Take ownership of a session that another process left open: its block and its client close it."""
        self._owned = True
        self._owned_sessions.add(self)

    def disown(self) -> None:
        """Give up ownership of the session: neither its block nor the client closes it any more."""
        self._owned = False
        self._owned_sessions.discard(self)

    async def __aenter__(self) -> Self:
        self._channel.guard.check()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the session. If the block failed, a failure to close becomes a note on its exception.

        A closing client closes its sessions itself; the block does not wait for that.
        """
        try:
            self._channel.guard.check()
            if not self._owned:
                await self._release_tags()
                await self._end_stream()
            elif not self._channel.closing:
                await self.close()
        except MxGatewayError as error:
            if exc is None:
                raise
            log.warning("closing %s failed as well: %s", self.shown_id, error)
            exc.add_note(f"closing the session failed as well: {error}")

    async def _release_tags(self) -> None:
        """Unregister this client's own registration in a session that stays open."""
        cache, self.source.is_left = self._tag_cache, True  # no other registration is made from now on
        cache.stop()
        with contextlib.suppress(MxGatewayError, TimeoutError):
            async with asyncio.timeout(_UNREGISTER_TIMEOUT):
                if cache.registering.is_running:
                    await cache.registering.join(lambda: self._register(""))
                if cache.server_handle and not self.closed:
                    await self.unregister(cache.server_handle)
