"""A proof that every event of before has come.

Replies and events come on different ways: a reply may be ahead of events that MXAccess has raised before it. Where handles are given out again, an event could be
taken for that of the item that has its handle now. An item that nobody else has is advised then: its first event comes behind all that was raised before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from mxgateway.commands.items import ItemCommands
from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.events.cursor import Cursor, Event, Loss
from mxgateway.events.reader import Reader
from mxgateway.transport.calls.method import Progress

T = TypeVar("T")

MARKER_NAME: Final = "mxgateway-marker"
"""As what the marker's registration is listed at MXAccess."""
PAST_LIMIT: Final = 1_000
"""Handles of the past that are remembered before a barrier shows that nothing of theirs is on its way."""
PASSING_BOUND: Final = 10.0
"""Seconds in which the marker's first event comes; a tag that does not exist has one as well."""


class Passage:
    """What waits in a session until events have passed, and what goes on there without its caller.

    Args:
        session: The session.
    """

    def __init__(self, session: ItemCommands) -> None:
        self._session = session

    async def barrier(self, tag: str) -> None:
        """Return once every event has come that was raised before this call.

        Args:
            tag: What to advise for that.

        Raises:
            MxGatewayError: The stream has ended, a call failed, or the event did not come in time.
        """
        session = self._session
        past = dict(session.past_servers)
        servers = [await session.register(MARKER_NAME)]
        try:
            while servers[-1] in past:  # its events may still be on their way
                servers.append(await session.register(MARKER_NAME))
            await self._first_event(servers[-1], tag)
            for handle, end in past.items():
                if session.past_servers.get(handle) is end:  # and not one that has ended since
                    del session.past_servers[handle]
        finally:
            with contextlib.suppress(MxGatewayError):
                for server in servers:
                    await session.unregister(server)

    async def _first_event(self, server: int, tag: str) -> None:
        session = self._session
        marker = _Marker(server, Cursor(session.pump.newest, begin=0), session.source.ended_error)
        item = await session.add_item(server, tag)
        try:
            await session.pump.attach(marker)
            await session.advise(server, item)
            async with asyncio.timeout(PASSING_BOUND):
                await marker.seen
        except TimeoutError as silence:
            if isinstance(silence, MxGatewayError):
                raise
            raise MxGatewaySessionError(
                f"the first event of {tag} did not come within {PASSING_BOUND:g} s", hint="see the gateway's log"
            ) from None
        finally:
            session.pump.detach(marker)

    async def of_server(self, server_handle: int, tag: str) -> None:
        """Wait until no event can be taken for one of a registration that has just been made, if its handle was another one's before, and from time to time to forget those."""
        past = self._session.past_servers
        if server_handle in past or len(past) >= PAST_LIMIT:
            await self.barrier(tag)

    async def complete(self, work: Callable[[], Awaitable[T]], undo: Callable[[T], Coroutine[Any, Any, object]]) -> T:
        """Do `work` and return its result; when the caller is cancelled it goes on, and is undone then."""
        unattended = self._session.unattended

        async def undone(result: T) -> None:
            with contextlib.suppress(MxGatewayError):
                await undo(result)

        return await unattended.run(work, Progress(sent=True), orphaned=lambda result: unattended.start(undone(result)))


class _Marker(Reader):
    """A reader that waits for the first event of a registration of its own."""

    hungry = True

    def __init__(self, server_handle: int, cursor: Cursor, ended_error: Callable[[], MxGatewayError]) -> None:
        self.cursor = cursor
        self._ended_error = ended_error
        self.seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._server_handle = server_handle

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Look for the event."""
        for each in news:
            event: Any = each
            if type(event) is not Loss and event.server_handle == self._server_handle and not self.seen.done():
                self.seen.set_result(None)

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """Tell whoever waits."""
        if not self.seen.done():
            self.seen.set_exception(fault or self._ended_error())
