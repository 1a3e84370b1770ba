"""Starts and recovers a subscription: sessions, registrations, items, and reading values after a loss."""

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
from mxgateway.subscription.hand_over import Transfer
from mxgateway.subscription.update_queue import UpdateQueue
from mxgateway.subscription.updates import Outcome, SubscriptionState
from mxgateway.transport.calls.method import Progress

log = logger("mxgateway.subscription")

CLIENT_NAME: Final = "mxgateway-subscription"
"""The name under which a subscription registers with MXAccess."""

CHUNK: Final = 1_000
"""Tags of one call. Their events are held until its reply maps items to tags."""

CLOSE_BOUND: Final = 5.0
"""The timeout for leaving a session, in seconds. A dead gateway frees the session when its lease ends."""


class SessionSource(Protocol):
    """Provides a subscription's sessions."""

    @property
    def shared(self) -> SessionCommands | None:
        """The caller's session that the subscription shares; None when it has sessions of its own."""

    async def open(self) -> SessionCommands:
        """Open a session for the subscription alone."""

    def attach(self, session_id: str) -> SessionCommands:
        """Return a handle for the session of another process; leaving it does not close it."""

    def give_back(self, session: Any) -> None:
        """Close later a session that could not be closed now."""

    def waiting(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `wake` when the gateway opens sessions again, while the block runs."""


class Gateway(Pauses, Protocol):
    """The client, as far as a subscription goes."""

    @property
    def endpoint(self) -> Any:
        """The gateway in use, whose text is ``host:port``."""


class Supervisor:
    """Keeps one subscription alive."""

    def __init__(
        self, tags: Iterable[str], options: SubscriptionOptions, source: SessionSource, client: Gateway
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
        self.outlet = UpdateQueue(options, self._work.set, self._recovery.wake)
        self.outlet.where = lambda: str(client.endpoint)
        self.epoch: SessionEpoch | None = None
        self.editing = asyncio.Lock()
        """Held while items are subscribed to or let go."""

    @property
    def is_shared(self) -> bool:
        """True when the session is the caller's."""
        return self._source.shared is not None

    # -- start and end

    def start(self, transfer: Transfer | None) -> None:
        """Open the stream and subscribe to the tags, or continue where another subscription stopped."""
        self.outlet.change(SubscriptionState.CONNECTING)
        self._task = asyncio.create_task(self._run(transfer))

    async def _run(self, transfer: Transfer | None) -> None:
        try:
            (await (self._connect() if transfer is None else self._take_over(transfer))).settle(None)
            await self._supervise()
        except GivingUp as end:
            self.outlet.fail(end.error)
        except Exception as error:  # noqa: BLE001 - without it the consumer would wait forever
            self.outlet.fail(map_fault(error, CallSite()))
        await self._let_go()

    async def end(self, *, keep_session: bool = False) -> None:
        """End everything; with `keep_session` the session and its items stay for the process that continues."""
        self.outlet.finish()
        task, self._task = self._task, None  # the traceback of a cancelled task holds this supervisor
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._let_go(keep=keep_session)

    def wake(self) -> None:
        """End all pauses: retry at once."""
        self._recovery.wake()
        if self.epoch is not None:
            self.epoch.session.pump.wake()

    async def _let_go(self, *, keep: bool = False) -> None:
        """Leave the session. If that is cancelled, the next call repeats it."""
        if (epoch := self.epoch) is None:
            return
        session = epoch.session
        await session.pump.leave(epoch)
        with contextlib.suppress(MxGatewayError):
            if session is self._source.shared:
                if epoch.server_handle and not session.closed:
                    await session.unregister(epoch.server_handle, timeout=CLOSE_BOUND)
            elif not epoch.is_own or keep:
                async with session:  # leaving it ends its stream and its registration for tags by name
                    session.disown()
            elif not self._client.closing:  # else the client closes it
                try:
                    await session.close(timeout=CLOSE_BOUND)
                except MxGatewayError:
                    self._source.give_back(session)
        self.epoch = None

    # -- sessions

    async def _connect(self) -> SessionEpoch:
        """Open a session and its stream, and subscribe to every tag."""
        session = await self._source.open()
        epoch = self._begin_epoch(session, is_own=not self.is_shared)
        epoch.cursor = Cursor(session.pump.newest, begin=0)
        await session.pump.attach(epoch)
        epoch.server_handle = await session.event_barrier.complete(
            lambda timeout: session.register(CLIENT_NAME, timeout=timeout),
            lambda handle: session.unregister(handle, timeout=CLOSE_BOUND),
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
        """Continue in another process's session, or in a new one if that is gone.

        The session belongs to the other process until all tags are subscribed to.
        """
        session = self._source.attach(transfer.session_id)
        epoch = self._begin_epoch(session, is_own=False)
        epoch.server_handle = transfer.server_handle
        for tag, handle in transfer.items.items():
            epoch.items.attach(tag, handle)
        unread = transfer.unread if transfer.after_worker_sequence else transfer.items  # after 0 nothing is replayed
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
        """Subscribe to tags, and deliver the events that overtook the reply."""
        items = epoch.items
        for begin in range(0, len(tags), CHUNK):
            part = tags[begin : begin + CHUNK]
            if len(items.retired) >= PAST_LIMIT:
                await self._until_passed(epoch, part[0])
            items.begin()
            try:
                for tag, result in zip(part, await self._subscribe_part(epoch, part), strict=True):
                    owner = items.tags.get(result.item_handle, tag)
                    if result.was_successful and owner == tag:
                        self.refused.pop(tag, None)
                        epoch.take_ahead(tag, items.map(tag, result.item_handle))
                    else:  # an item of two tags would report both values as one's
                        reason = f"it got the item of {owner!r:.100}" if result.was_successful else result.error_message
                        self.refused[tag] = OPEN_GATE.line(reason) or "refused without a reason"
                if items.lost_meanwhile:
                    epoch.doubt_values(items.handles[tag] for tag in part if tag in items.handles)
            finally:
                self.outlet.counts.other += items.finish()
                self._work.set()

    async def _subscribe_part(self, epoch: SessionEpoch, part: Sequence[str]) -> list[proto.SubscribeResult]:
        """Return a result for each tag. A reused handle is used only after the earlier tag's events have passed."""
        results = await self._subscribe_bulk(epoch, part)
        handles = [result.item_handle for result in results if result.was_successful]
        if epoch.items.retired.isdisjoint(handles):
            return results
        # All of them are let go meanwhile: nothing is left advised if the wait ends early.
        await self._unsubscribe_bulk(epoch, handles)
        await self._until_passed(epoch, part[0])
        self.outlet.counts.other += len(epoch.items.take_held(handles))
        return await self._subscribe_bulk(epoch, part)

    async def _until_passed(self, epoch: SessionEpoch, tag: str) -> None:
        """Wait until all events of dropped items have arrived."""
        await epoch.session.event_barrier.wait(tag)
        epoch.items.retired.clear()

    async def _subscribe_bulk(self, epoch: SessionEpoch, tags: Sequence[str]) -> list[proto.SubscribeResult]:
        """Subscribe to tags; if the caller is cancelled, or the gateway is late, nothing stays advised."""
        session, items = epoch.session, epoch.items

        async def work(timeout: float | None) -> list[proto.SubscribeResult]:
            try:
                return await session.subscribe_bulk(epoch.server_handle, tags, timeout=timeout)
            except MxGatewayError:  # its events show an item that was added all the same, unless its handle was reused
                items.suspect(items.retired)
                self._work.set()
                raise

        async def undo(results: list[proto.SubscribeResult]) -> None:
            given = [result.item_handle for result in results if result.was_successful]
            handles = [handle for handle in given if handle not in items.tags]
            if handles and not session.closed:
                await self._unsubscribe_bulk(epoch, handles)

        return await session.event_barrier.complete(work, undo)

    async def unsubscribe(self, epoch: SessionEpoch, tags: Iterable[str]) -> None:
        """Unsubscribe from tags; other tags are ignored."""
        handles = []
        for tag in tags:
            self.forget(tag)
            if (handle := epoch.items.drop(tag)) is not None:
                handles.append(handle)
        if handles:
            await self._unsubscribe_bulk(epoch, handles)

    async def _unsubscribe_bulk(self, epoch: SessionEpoch, handles: Sequence[int]) -> None:
        """Unsubscribe from items, also if the caller is cancelled: nobody else knows their handles."""

        async def work() -> None:
            try:
                await epoch.session.unsubscribe_bulk(epoch.server_handle, handles)
            except MxGatewayError:
                epoch.items.suspect(handles)
                self._work.set()
                raise

        await epoch.session.detached_calls.run(work, Progress(sent=True))

    async def _tidy(self, epoch: SessionEpoch) -> None:
        """Let go the items of no tag. What fails is repeated when the stream was lost and is back."""
        items = epoch.items
        async with self.editing:
            items.is_untidy, handles = False, list(items.orphans)
            with contextlib.suppress(MxGatewayError):
                await epoch.session.unsubscribe_bulk(epoch.server_handle, handles)
                items.orphans.difference_update(handles)

    def forget(self, tag: str) -> None:
        """Remove a tag from the lists."""
        self.wanted.pop(tag, None)
        self.refused.pop(tag, None)

    # -- supervision

    async def _supervise(self) -> None:
        while not self.outlet.is_over:
            self._work.clear()
            epoch = self.epoch
            try:
                if epoch is None or epoch.lost is not None:
                    await self._rebuild(epoch)
                elif epoch.gapped and epoch.is_live:
                    await self._read_anew(epoch)
                elif epoch.items.is_untidy and epoch.is_live:
                    await self._tidy(epoch)
                else:
                    await self._work.wait()
            except MxGatewayError as error:
                self.outlet.change(SubscriptionState.RECOVERING, cause=copy_of(error))  # values are not current
                await self._pause(error)

    async def _pause(self, error: MxGatewayError) -> None:
        with self._source.waiting(self._recovery.wake):
            await self._recovery.pause(error)

    async def _rebuild(self, epoch: SessionEpoch | None) -> None:
        """Replace a lost session by a new one."""
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
        """Leave a lost session. Report the loss if the session was settled or has delivered an event."""
        if (epoch := self.epoch) is not None:
            epoch.session.pump.detach(epoch)  # events from now on are part of the loss
            if epoch.is_settled or epoch.cursor.position:
                epoch.account_for_loss()
        await self._let_go()

    async def _read_anew(self, epoch: SessionEpoch) -> None:
        """Read every tag that had no event since events were lost."""
        items, epoch.gapped = epoch.items, False
        try:
            due = [(handle, items.tags[handle]) for handle in items.unread]
            for begin in range(0, len(due), CHUNK):
                part = [(handle, tag) for handle, tag in due[begin : begin + CHUNK] if handle in items.unread]
                if part:
                    losses = items.losses
                    results = await epoch.session.read_bulk(epoch.server_handle, [tag for _, tag in part])
                    for (handle, tag), result in zip(part, results, strict=True):
                        epoch.put_read(tag, handle, result)
                    if items.losses != losses:  # during the read, so perhaps after the values were taken
                        epoch.doubt_values(handle for handle, _ in part if handle in items.tags)
        except BaseException:
            epoch.gapped = True
            raise
        if self._recovery.is_failing:  # an earlier attempt failed: reset the time of give_up_after
            self._recovery.succeeded()
            if epoch.is_live:
                epoch.settle(Outcome.GAP)
