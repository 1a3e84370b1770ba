"""A barrier: waits until every earlier event was received.

Replies and events arrive on different streams: a reply may overtake events that MXAccess raised before it. If a handle
is reused, a late event of its old item could be attributed to the new one. So the barrier advises an item of its own:
its first event follows all events that were raised before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from mxgateway.commands.items import ItemCommands
from mxgateway.errors import MxGatewayError, MxGatewaySessionError, map_fault
from mxgateway.events.cursor import Cursor, Event, Loss
from mxgateway.events.reader import Reader
from mxgateway.events.writes.item_writes import forget
from mxgateway.transport.calls.method import Progress

T = TypeVar("T")

MARKER_NAME: Final = "mxgateway-marker"
"""The client name of the barrier's registration with MXAccess."""
PAST_LIMIT: Final = 1_000
"""Old registrations that are remembered before a barrier proves that none of their events is pending."""
LATE_TIMEOUT: Final = 60.0
"""Seconds for an answer that nobody waits for any more: it names what has to be undone."""
CLEAN_UP_TIMEOUT: Final = 5.0
"""Seconds to unregister, also for a caller that was cancelled."""
MARKER_TIMEOUT: Final = 10.0
"""Seconds to wait for the marker's first event; a tag that does not exist has one as well."""


class EventBarrier:
    """Waits in a session for pending events, and completes work there after its caller is cancelled.

    Args:
        session: The session.
    """

    def __init__(self, session: ItemCommands) -> None:
        self._session = session

    async def wait(self, tag: str) -> None:
        """Return once every event that was raised before this call was received.

        Args:
            tag: The tag to advise for this purpose.

        Raises:
            MxGatewayError: The stream ended, a call failed, or the event did not come in time.
        """
        session = self._session
        past = dict(session.past_servers)
        servers = [await self._register()]
        try:
            while servers[-1] in past:  # its old events may still be pending
                servers.append(await self._register())
            await self._first_event(servers[-1], tag)
            for handle, end in past.items():
                if session.past_servers.get(handle) is end:  # it was not reused and ended since
                    del session.past_servers[handle]
        finally:
            await session.detached_calls.run(lambda: self._unregister(servers), Progress(sent=True))

    async def _unregister(self, servers: Sequence[int]) -> None:
        for server in servers:
            with contextlib.suppress(MxGatewayError):
                await self._session.unregister(server, timeout=CLEAN_UP_TIMEOUT)

    async def _register(self) -> int:
        session = self._session
        return await self.complete(
            lambda timeout: session.register(MARKER_NAME, timeout=timeout),
            lambda server: session.unregister(server, timeout=CLEAN_UP_TIMEOUT),
        )

    async def _first_event(self, server: int, tag: str) -> None:
        session = self._session
        marker = _Marker(server, Cursor(session.pump.newest, begin=0), session.source.ended_error)
        item = await session.add_item(server, tag)
        try:
            await session.pump.attach(marker)
            await session.advise(server, item)
            async with asyncio.timeout(MARKER_TIMEOUT):
                await marker.seen
        except TimeoutError as error:
            if isinstance(error, MxGatewayError):
                raise
            raise MxGatewaySessionError(
                f"the first event of {tag} did not come within {MARKER_TIMEOUT:g} s", hint="see the gateway's log"
            ) from None
        finally:
            session.pump.detach(marker)
            forget([marker.seen])  # its end may be the stream's, which the failed call has told already

    async def wait_for_server(self, server_handle: int, tag: str) -> None:
        """Wait until no old event can be attributed to a new registration, if its handle was used before.

        Also waits when many old handles are remembered, to forget them.
        """
        past = self._session.past_servers
        if server_handle in past or len(past) >= PAST_LIMIT:
            await self.wait(tag)

    async def complete(
        self, work: Callable[[float | None], Awaitable[T]], undo: Callable[[T], Coroutine[Any, Any, object]]
    ) -> T:
        """Do `work(timeout)` and return its result, within the client's `call_timeout`.

        If the caller is cancelled, or the gateway is late, the work completes within the longer `timeout` and is then
        undone.

        Raises:
            MxGatewayTimeoutError: It took longer than the client's `call_timeout`.
        """
        detached_calls, source = self._session.detached_calls, self._session.source
        bound = source.call_timeout
        longest = None if bound is None else max(bound, LATE_TIMEOUT)

        async def undone(result: T) -> None:
            with contextlib.suppress(MxGatewayError):
                await undo(result)

        try:
            async with asyncio.timeout(bound):
                return await detached_calls.run(
                    lambda: work(longest),
                    Progress(sent=True),
                    orphaned=lambda result: detached_calls.start(undone(result)),
                )
        except TimeoutError as fault:
            if isinstance(fault, MxGatewayError):
                raise
            raise map_fault(fault, replace(source.site(""), timeout=bound), phase="stream") from fault


class _Marker(Reader):
    """A reader that waits for the first event of its own registration."""

    hungry = True

    def __init__(self, server_handle: int, cursor: Cursor, ended_error: Callable[[], MxGatewayError]) -> None:
        self.cursor = cursor
        self._ended_error = ended_error
        self.seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._server_handle = server_handle

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Check for the event."""
        for each in news:
            event: Any = each
            if type(event) is not Loss and event.server_handle == self._server_handle and not self.seen.done():
                self.seen.set_result(None)

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """Fail the waiter."""
        if not self.seen.done():
            self.seen.set_exception(fault or self._ended_error())
