"""Brings a subscription to life and back to life: sessions, registrations, items, values that have to be read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from mxgateway.errors import CallSite, MxGatewayError, map_fault
from mxgateway.events.recovery import GivingUp, Recovery, StreamCare, is_session_lost
from mxgateway.session import Session
from mxgateway.subscription.feed import Feed
from mxgateway.subscription.items import SubscribedItems
from mxgateway.subscription.states import OVER
from mxgateway.subscription.transfer import Transfer
from mxgateway.subscription.updates import SubscriptionState
from mxgateway.subscription_options import SubscriptionOptions

log = logging.getLogger("mxgateway.subscription")

CLIENT_NAME: Final = "mxgateway-subscription"
"""As what a subscription registers with MXAccess."""

CHUNK: Final = 1_000
"""Tags of one call: their events wait until its reply tells which item is which tag's."""

TAKEN_BOUND: Final = 30.0
"""Seconds that a session of the subscription's own may be said to have a reader already: that is the connection before, of whose end the gateway knows nothing
and, while no event is sent, will know nothing for hours. A new session is there at once."""

CLOSE_BOUND: Final = 5.0
"""Seconds that letting go of a session takes at most; a dead gateway frees it by its lease."""

OpenSession = Callable[[], Awaitable[Session]]
"""Opens a session for a subscription that has its own."""


class Supervisor:
    """What keeps one subscription alive.

    Args:
        items: The tags and their items.
        options: How interruptions end.
        shared: The session that is somebody else's; None for one of the subscription's own.
        open_session: Opens sessions of the subscription's own.
        attach_session: Takes over a session by its id, as the subscription's own.
    """

    def __init__(
        self,
        items: SubscribedItems,
        options: SubscriptionOptions,
        shared: Session | None,
        open_session: OpenSession | None,
        attach_session: Callable[[str], Session] | None = None,
    ) -> None:
        self._items = items
        self._options = options
        self._shared = shared
        self._open_session = open_session
        self._attach_session = attach_session
        self._recovery = Recovery("the session of a subscription", options.recovery)
        self._stream_recovery = Recovery("the event stream of a subscription", options.recovery)
        self._work = asyncio.Event()
        self._beginning: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.feed = Feed(items, options, self._work.set, self._recovery.wake)
        self.session: Session | None = None
        """The session that the items are in."""
        self._leaving: Session | None = None
        """The session that is being let go; still there when that was cancelled."""
        self.editing = asyncio.Lock()
        """Held while items are had or let go."""

    @property
    def is_shared(self) -> bool:
        """True when the session is somebody else's."""
        return self._shared is not None

    # -- the beginning and the end

    def start(self, transfer: Transfer | None) -> asyncio.Task[None]:
        """Open the stream, then subscribe to the tags; or go on where another subscription has stopped. What fails is the feed's fault."""
        if self._beginning is None:
            self._beginning = asyncio.create_task(self._begin(transfer))
        return self._beginning

    async def _begin(self, transfer: Transfer | None) -> None:
        self.feed.change(SubscriptionState.CONNECTING)
        self.feed.settle()
        begun = False
        try:
            if transfer is None or not await self._take_over(transfer):
                await self._connect()
            begun = True
        except Exception as error:  # noqa: BLE001 - the consumer is told, who would wait for ever
            self.feed.fail(map_fault(error, CallSite()))
        finally:
            if not begun:
                self.feed.finish()
                await self._let_go(close=True)
        if begun:
            self.feed.settled(rebuilt=False)
            self._task = asyncio.create_task(self._supervise())

    async def end(self, *, keep_session: bool = False) -> None:
        """End everything; with `keep_session` the session and its items are left to whoever goes on."""
        self.feed.finish()
        tasks = [task for task in (self._beginning, self._task) if task is not None]
        self._beginning = self._task = None  # the traceback of a cancelled task holds this supervisor
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._let_go(close=not keep_session)

    def wake(self) -> None:
        """Try at once."""
        self._recovery.wake()
        if self.session is not None:
            self.session.hub.wake()

    async def _let_go(self, *, close: bool) -> None:
        """Leave the session; what was cancelled in the middle is gone through again by the next call."""
        if self.session is not None:
            self._leaving, self.session = self.session, None
        session = self._leaving
        if session is None:
            return
        await session.hub.detach(self.feed)
        with contextlib.suppress(MxGatewayError):
            if not close:
                session.disown()
            elif session is not self._shared:
                await session.close(timeout=CLOSE_BOUND)
            elif self._items.server_handle and not session.closed:
                await session.unregister(self._items.server_handle, timeout=CLOSE_BOUND)
        self._leaving = None

    # -- having items

    async def _connect(self) -> None:
        """Have a session, the stream open in it, and an item for each tag."""
        session = self._shared
        if session is None:
            assert self._open_session is not None
            session = await self._open_session()
            self.feed.from_the_first = True
        self._use(session)
        await session.hub.join(self.feed, self._care())
        self._items.server_handle = await session.register(CLIENT_NAME)
        await self.subscribe(list(self._items))

    async def _take_over(self, transfer: Transfer) -> bool:
        """Go on in the session of another process; False when it is gone."""
        assert self._attach_session is not None
        session = self._attach_session(transfer.session_id)
        self._use(session)
        self._items.server_handle = transfer.server_handle
        for tag, handle in transfer.items.items():
            self._items.attach(tag, handle)
        unread = transfer.unread if transfer.after_worker_sequence else transfer.items  # nothing of it is replayed
        self._items.unread.update(transfer.items[tag] for tag in unread if tag in transfer.items)
        self.feed.from_the_first = True
        self.feed.gapped = bool(self._items.unread)
        self._work.set()
        self.feed.last_worker_sequence = transfer.after_worker_sequence
        try:
            await session.hub.join(self.feed, self._care(), transfer.after_worker_sequence)
            await session.ping()
            await self.subscribe([tag for tag in self._items if self._items.handle(tag) is None])
        except MxGatewayError as error:
            if not is_session_lost(error):
                raise
            log.warning("%s was not handed over, it is gone: %s", transfer.session_id, error)
            await session.hub.detach(self.feed)
            self.session = None
            self.feed.session_gone()
            self.feed.settle()  # that its stream was refused is nothing that a new one has to come back from
            return False
        return True

    def _use(self, session: Session) -> None:
        self.session = session
        self.feed.on_room = session.hub.drained

    def _care(self) -> StreamCare:
        taken = None if self.is_shared else TAKEN_BOUND
        return StreamCare(self._stream_recovery, self._options.stale_after, self._options.stale_timeout, taken)

    async def subscribe(self, tags: Sequence[str]) -> None:
        """Have an item for each tag, and deliver the events that come ahead of the reply."""
        items, feed, session = self._items, self.feed, self.session
        assert session is not None
        for begin in range(0, len(tags), CHUNK):
            part = tags[begin : begin + CHUNK]
            items.begin()
            try:
                results = await session.subscribe_bulk(items.server_handle, part)
                for tag, result in zip(part, results, strict=True):
                    for event in items.map(tag, result):
                        feed.take(event)
                if items.lost_meanwhile:
                    items.unread.update(handle for tag in part if (handle := items.handle(tag)) is not None)
                    feed.gapped = True
                    self._work.set()
            finally:
                feed.counts.other += items.finish()

    # -- what happens later

    async def _supervise(self) -> None:
        while self.feed.board.state not in OVER:
            await self._work.wait()
            self._work.clear()
            try:
                await self._do_what_is_due()
            except GivingUp as end:
                self.feed.fail(end.error)
            except Exception as defect:  # noqa: BLE001 - the consumer is told, who would wait for ever
                self.feed.fail(map_fault(defect, CallSite()))
        await self._let_go(close=True)

    async def _do_what_is_due(self) -> None:
        while self.feed.board.state not in OVER:
            try:
                if self.feed.lost is not None:
                    await self._rebuild(self.feed.lost)
                elif self.feed.gapped and self.feed.board.state is SubscriptionState.CONNECTED:
                    await self._read_anew()
                else:
                    return
            except MxGatewayError as error:
                await self._recovery.pause(error)

    async def _rebuild(self, fault: MxGatewayError) -> None:
        """Have a new session in the place of a lost one."""
        if self._open_session is None or self._stream_recovery.has_given_up:
            self.feed.fail(fault)
            return
        self.feed.interrupted(fault)
        if self._recovery.is_unstable:
            await self._recovery.pause(fault)
        async with self.editing:
            if self.session is not None:
                self.feed.session_gone()
                await self._let_go(close=True)
            self.feed.lost = None
            self.feed.settle()
            try:
                await self._connect()
            except MxGatewayError as error:
                await self._forget_attempt()
                self.feed.lost = error
                raise
            finally:
                self.feed.settling = False
            if self.feed.lost is None:
                self._recovery.succeeded()
                self._stream_recovery.succeeded()
                self.feed.counts.rebuilds += 1
                self.feed.settled(rebuilt=True)
        if self.feed.lost is not None:  # while the tags were being had: that failed as well, in another way
            await self._recovery.pause(self.feed.lost)

    async def _forget_attempt(self) -> None:
        if self.session is not None:
            self.feed.attempt_failed()
            await self._let_go(close=True)

    async def _read_anew(self) -> None:
        """Read every tag of which no event has come since events were lost."""
        items, session = self._items, self.session
        if session is None:
            return
        self.feed.gapped = False
        try:
            handles = {handle: items.tags[handle] for handle in items.unread}
            due = list(handles.items())
            for begin in range(0, len(due), CHUNK):
                part = [(handle, tag) for handle, tag in due[begin : begin + CHUNK] if handle in items.unread]
                if part:
                    results = await session.read_bulk(items.server_handle, [tag for _, tag in part])
                    for (handle, tag), result in zip(part, results, strict=True):
                        self.feed.put_read(tag, handle, result)
        except BaseException:
            self.feed.gapped = True
            raise
        if self._recovery.is_failing:  # an earlier attempt: the time that counts for giving up is over
            self._recovery.succeeded()
