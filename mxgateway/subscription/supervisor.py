"""Brings a subscription to life and back to life: sessions, registrations, items, values that have to be read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from mxgateway import proto
from mxgateway.commands.barrier import PAST_LIMIT
from mxgateway.commands.session.session_commands import SessionCommands
from mxgateway.errors import CallSite, MxGatewayError, map_fault
from mxgateway.errors.faults import copy_of
from mxgateway.errors.logs import logger
from mxgateway.errors.redaction import OPEN_GATE
from mxgateway.events.cursor import Cursor
from mxgateway.events.reader import TAKEN_BOUND, StreamCare
from mxgateway.events.recovery import GivingUp, Pauses, Recovery, is_session_lost
from mxgateway.options.subscription import SubscriptionOptions
from mxgateway.subscription.epoch import SessionEpoch
from mxgateway.subscription.outlet import Outlet
from mxgateway.subscription.transfer import Transfer
from mxgateway.subscription.updates import Outcome, SubscriptionState

log = logger("mxgateway.subscription")

CLIENT_NAME: Final = "mxgateway-subscription"
"""As what a subscription registers with MXAccess."""

CHUNK: Final = 1_000
"""Tags of one call: their events wait until its reply tells which item is which tag's."""

CLOSE_BOUND: Final = 5.0
"""Seconds that letting go of a session takes at most; a dead gateway frees it by its lease."""


class SessionSource(Protocol):
    """Where a subscription's sessions come from."""

    @property
    def shared(self) -> SessionCommands | None:
        """The session that is somebody else's; None when the subscription has its own."""

    async def open(self) -> SessionCommands:
        """Open a session of the subscription's own."""

    def attach(self, session_id: str) -> SessionCommands:
        """Return a handle for the session of another process; leaving it does not close it."""

    def give_back(self, session: Any) -> None:
        """Close a session that could not be closed, as soon as that is possible."""

    def waiting(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Have `wake` called when the gateway opens sessions again, for the time of the block."""


class Supervisor:
    """What keeps one subscription alive."""

    def __init__(
        self, tags: Iterable[str], options: SubscriptionOptions, source: SessionSource, client: Pauses
    ) -> None:
        self.wanted: dict[str, None] = dict.fromkeys(tags)
        """The tags, in order."""
        self.refused: dict[str, str] = {}
        """Tags without an item, and why."""
        self._options = options
        self._source = source
        self._client = client
        self._recovery = Recovery("the session of a subscription", options.recovery, client)
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.outlet = Outlet(options, self._work.set, self._recovery.wake)
        self.epoch: SessionEpoch | None = None
        self.editing = asyncio.Lock()
        """Held while items are subscribed to or let go."""

    @property
    def is_shared(self) -> bool:
        """True when the session is somebody else's."""
        return self._source.shared is not None

    # -- the beginning and the end

    def start(self, transfer: Transfer | None) -> None:
        """Open the stream, then subscribe to the tags; or go on where another subscription has stopped."""
        self.outlet.change(SubscriptionState.CONNECTING)
        self._task = asyncio.create_task(self._run(transfer))

    async def _run(self, transfer: Transfer | None) -> None:
        try:
            (await (self._connect() if transfer is None else self._take_over(transfer))).settle(None)
            await self._supervise()
        except GivingUp as end:
            self.outlet.fail(end.error)
        except Exception as error:  # noqa: BLE001 - the consumer is told, who would wait for ever
            self.outlet.fail(map_fault(error, CallSite()))
        await self._let_go()

    async def end(self, *, keep_session: bool = False) -> None:
        """End everything; with `keep_session` the session and its items are left to whoever goes on."""
        self.outlet.finish()
        task, self._task = self._task, None  # the traceback of a cancelled task holds this supervisor
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._let_go(keep=keep_session)

    def wake(self) -> None:
        """Try at once."""
        self._recovery.wake()
        if self.epoch is not None:
            self.epoch.session.pump.wake()

    async def _let_go(self, *, keep: bool = False) -> None:
        """Leave the session; what was cancelled in the middle is gone through again by the next call."""
        if (epoch := self.epoch) is None:
            return
        session = epoch.session
        await session.pump.leave(epoch)
        with contextlib.suppress(MxGatewayError):
            if session is self._source.shared:
                if epoch.server_handle and not session.closed:
                    await session.unregister(epoch.server_handle, timeout=CLOSE_BOUND)
            elif not epoch.is_own or keep:
                session.disown()
            elif not self._client.closing:  # else the client closes it, and nobody waits for that
                try:
                    await session.close(timeout=CLOSE_BOUND)
                except MxGatewayError:
                    self._source.give_back(session)
        self.epoch = None

    # -- sessions

    async def _connect(self) -> SessionEpoch:
        """Have a session, the stream open in it, and an item for each tag."""
        session = await self._source.open()
        epoch = self._begin_epoch(session, is_own=not self.is_shared)
        epoch.cursor = Cursor(session.pump.newest, begin=0)
        await session.pump.attach(epoch)
        epoch.server_handle = await session.event_barrier.complete(
            lambda: session.register(CLIENT_NAME), lambda handle: session.unregister(handle, timeout=CLOSE_BOUND)
        )
        if self.is_shared and self.wanted:
            await session.event_barrier.wait_for_server(epoch.server_handle, next(iter(self.wanted)))
        await self.subscribe(epoch, list(self.wanted))
        return epoch

    def _begin_epoch(self, session: SessionCommands, *, is_own: bool) -> SessionEpoch:
        taken = None if self.is_shared else TAKEN_BOUND
        care = StreamCare(self._options.recovery, self._options.stale_after, self._options.stale_timeout, taken)
        self.epoch = SessionEpoch(session, self.outlet, care, self._work.set, is_own=is_own)
        self.outlet.on_room = session.pump.resume
        return self.epoch

    async def _take_over(self, transfer: Transfer) -> SessionEpoch:
        """Go on in the session of another process, or in a new one when it is gone. Until all tags are there it stays the other process's."""
        session = self._source.attach(transfer.session_id)
        epoch = self._begin_epoch(session, is_own=False)
        epoch.server_handle = transfer.server_handle
        for tag, handle in transfer.items.items():
            epoch.items.attach(tag, handle)
        unread = transfer.unread if transfer.after_worker_sequence else transfer.items  # nothing of it is replayed
        epoch.items.unread = {transfer.items[tag]: False for tag in unread if tag in transfer.items}
        epoch.gapped = bool(epoch.items.unread)
        epoch.cursor = Cursor(transfer.after_worker_sequence)
        try:
            await session.pump.attach(epoch)
            await session.ping()
            await self.subscribe(epoch, [tag for tag in self.wanted if tag not in epoch.items.handles])
        except MxGatewayError as error:
            if not is_session_lost(error):
                raise
            log.warning("%s was not handed over, it is gone: %s", session.shown_id, error)
            epoch.is_settled = True  # the consumer knows of the session
            await self._abandon_epoch()
            return await self._connect()
        session.own()
        epoch.is_own = True
        return epoch

    # -- items

    async def subscribe(self, epoch: SessionEpoch, tags: Sequence[str]) -> None:
        """Have an item for each tag, and deliver the events that come ahead of the reply."""
        items = epoch.items
        for begin in range(0, len(tags), CHUNK):
            part = tags[begin : begin + CHUNK]
            if len(items.retired) >= PAST_LIMIT:
                await self._until_passed(epoch, part[0])
            items.begin()
            try:
                for tag, result in zip(part, await self._subscribe_part(epoch, part), strict=True):
                    if result.was_successful:
                        self.refused.pop(tag, None)
                        epoch.take_ahead(tag, items.map(tag, result.item_handle))
                    else:
                        self.refused[tag] = OPEN_GATE.line(result.error_message) or "refused without a reason"
                if items.lost_meanwhile:
                    epoch.doubt_values(items.handles[tag] for tag in part if tag in items.handles)
            finally:
                self.outlet.counts.other += items.finish()

    async def _subscribe_part(self, epoch: SessionEpoch, part: Sequence[str]) -> list[proto.SubscribeResult]:
        """Return a result for each tag. A handle that was another tag's before is used only once that tag's events have passed."""
        results = await self._subscribe_bulk(epoch, part)
        retired = epoch.items.retired
        reused = [n for n, result in enumerate(results) if result.was_successful and result.item_handle in retired]
        if reused:
            handles = [results[n].item_handle for n in reused]
            await epoch.session.unsubscribe_bulk(epoch.server_handle, handles)
            await self._until_passed(epoch, part[reused[0]])
            self.outlet.counts.other += len(epoch.items.take_held(handles))
            again = await self._subscribe_bulk(epoch, [part[n] for n in reused])
            for n, result in zip(reused, again, strict=True):
                results[n] = result
        return results

    async def _until_passed(self, epoch: SessionEpoch, tag: str) -> None:
        """Wait until nothing is on its way of items that were let go."""
        await epoch.session.event_barrier.wait(tag)
        epoch.items.retired.clear()

    async def _subscribe_bulk(self, epoch: SessionEpoch, tags: Sequence[str]) -> list[proto.SubscribeResult]:
        """Subscribe to tags; when the caller is cancelled nothing stays advised."""
        session, server = epoch.session, epoch.server_handle

        async def undo(results: list[proto.SubscribeResult]) -> None:
            handles = [result.item_handle for result in results if result.was_successful]
            if handles and not session.closed:
                await session.unsubscribe_bulk(server, handles)

        return await session.event_barrier.complete(lambda: session.subscribe_bulk(server, tags), undo)

    async def unsubscribe(self, epoch: SessionEpoch, tags: Iterable[str]) -> None:
        """Let go of tags; those that are not wanted are ignored."""
        handles = []
        for tag in tags:
            self.forget(tag)
            if (handle := epoch.items.drop(tag)) is not None:
                handles.append(handle)
        if handles:
            await epoch.session.unsubscribe_bulk(epoch.server_handle, handles)

    def forget(self, tag: str) -> None:
        """Want a tag no more."""
        self.wanted.pop(tag, None)
        self.refused.pop(tag, None)

    # -- what happens later

    async def _supervise(self) -> None:
        while not self.outlet.is_over:
            self._work.clear()
            epoch = self.epoch
            try:
                if epoch is None or epoch.lost is not None:
                    await self._rebuild(epoch)
                elif epoch.gapped and self.outlet.state is SubscriptionState.CONNECTED:
                    await self._read_anew(epoch)
                else:
                    await self._work.wait()
            except MxGatewayError as error:
                if self.outlet.state is SubscriptionState.RECOVERING:
                    self.outlet.change(SubscriptionState.RECOVERING, cause=copy_of(error))
                await self._pause(error)

    async def _pause(self, error: MxGatewayError) -> None:
        with self._source.waiting(self._recovery.wake):
            await self._recovery.pause(error)

    async def _rebuild(self, epoch: SessionEpoch | None) -> None:
        """Have a new session in the place of a lost one."""
        if epoch is not None and epoch.lost is not None:
            if self.is_shared or epoch.is_lost_for_good:
                self.outlet.fail(epoch.lost)
                return
            self.outlet.change(SubscriptionState.RECOVERING, cause=epoch.lost)
            if self._recovery.is_unstable:
                await self._pause(epoch.lost)
        async with self.editing:
            await self._abandon_epoch()
            try:
                built = await self._connect()
                if built.lost is not None:
                    raise built.lost
            except MxGatewayError:
                await self._abandon_epoch()
                raise
            self._recovery.succeeded()
            self.outlet.counts.rebuilds += 1
            built.settle(Outcome.REBUILT)

    async def _abandon_epoch(self) -> None:
        """Let go of a session that is lost; of one that has brought anything the consumer is told."""
        if (epoch := self.epoch) is not None:
            epoch.session.pump.detach(epoch)  # what comes from now on is part of the loss
            if epoch.is_settled or epoch.cursor.position:
                epoch.account_for_loss()
        await self._let_go()

    async def _read_anew(self, epoch: SessionEpoch) -> None:
        """Read every tag of which no event has come since events were lost."""
        items, epoch.gapped = epoch.items, False
        try:
            due = [(handle, items.tags[handle]) for handle in items.unread]
            for begin in range(0, len(due), CHUNK):
                part = [(handle, tag) for handle, tag in due[begin : begin + CHUNK] if handle in items.unread]
                if part:
                    results = await epoch.session.read_bulk(epoch.server_handle, [tag for _, tag in part])
                    for (handle, tag), result in zip(part, results, strict=True):
                        epoch.put_read(tag, handle, result)
        except BaseException:
            epoch.gapped = True
            raise
        if self._recovery.is_failing:  # an earlier attempt: the time that counts for giving up is over
            self._recovery.succeeded()
