"""The one event stream of a session, shared by everyone who needs events.

The gateway allows one event subscriber for each session. So a session has one `EventHub`; raw iterators and write confirmations attach to it. The hub
reads the gateway's stream in a task of its own while anybody is attached, and keeps MXAccess's order.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable
from typing import Any

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.events import EventStream
from mxgateway.kept_events import KeptEvents, lost_in
from mxgateway.transport.counters import Counters
from mxgateway.transport.server_stream import ServerStream
from mxgateway.writes import WriteLedger

Events = ServerStream[Any, proto.MxEvent]


class EventHub:
    """The one event stream of a session, and those who are attached to it.

    Args:
        open_stream: Makes the StreamEvents call after a worker sequence; 0 is a fresh stream.
        ledger: Takes the write completions.
        closed_error: Makes the error that tells that the session is closed.
        counters: Where delivered, dropped and lost events are counted.
    """

    def __init__(
        self,
        open_stream: Callable[[int], Events],
        ledger: WriteLedger,
        closed_error: Callable[[], MxGatewayError],
        counters: Counters,
    ) -> None:
        self._open_stream = open_stream
        self._ledger = ledger
        self._closed_error = closed_error
        self.counters = counters
        # Weak, so that an iterator that was dropped in the middle of its loop detaches by itself.
        self._iterators: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self.waiting: list[EventStream] = []
        """Iterators that somebody waits on: kept alive, because a task that waits is held by nothing but what wakes it."""
        self._kept = KeptEvents()
        self._last = 0
        self._drained: set[int] = set()
        """Completions that DrainEvents has brought and the stream may bring again."""
        self._confirming = False
        self._closed = False
        self._pump: asyncio.Task[None] | None = None
        self._switching = asyncio.Lock()
        self._room = asyncio.Event()

    async def attach(self, iterator: EventStream) -> None:
        """Let `iterator` have the events after its `last_worker_sequence`.

        Raises:
            MxGatewayError: The stream could not be opened.
        """
        async with self._switching:
            self._check_open()
            kept = self._kept.take()
            self._iterators.add(iterator)
            weakref.finalize(iterator, _iterator_dropped, weakref.ref(self)).atexit = False
            last = self._last
            try:
                await self._give(iterator, kept)
            except BaseException:
                self._iterators.discard(iterator)
                self._kept = kept  # for the next iterator, and what has arrived meanwhile for this one alone
                if self._confirming and not any(True for _ in self._iterators) and (arrived := iterator.after(last)):
                    kept.add(arrived, last)
                await self.detach(iterator)
                raise

    async def _give(self, iterator: EventStream, kept: KeptEvents) -> None:
        after = iterator.last_worker_sequence
        if kept.covers(after):
            iterator.overlap = after > 0
            iterator.deliver(kept.events())
        if not self._running:
            await self._resume(iterator)
        elif 0 < after < self._last and not kept.covers(after):
            for other in self._iterators:
                other.overlap = True
            await self._start(after)
        elif after:
            iterator.overlap = True
        else:
            iterator.last_worker_sequence = self._last

    async def _resume(self, iterator: EventStream) -> None:
        """Start the stream where `iterator` wants it, but not behind the completion of a write that is still expected."""
        after = iterator.last_worker_sequence
        if self._ledger.pending and self._last and not 0 < after <= self._last:
            iterator.overlap = after > 0
            after = self._last
        await self._start(after)

    async def attach_confirmations(self) -> None:
        """Keep the stream open from now on, so that completions are seen; what no iterator takes is kept for the next one.

        Raises:
            MxGatewayError: The stream could not be opened.
        """
        async with self._switching:
            self._check_open()
            self._confirming = True
            self._room.set()
            if not self._running:
                await self._start(self._last)

    async def detach(self, iterator: EventStream) -> None:
        """Let go of `iterator`; without anybody else the gateway's stream is cancelled."""
        self._iterators.discard(iterator)
        self._let_go()
        if self._pump is not None and not self._needed:
            await asyncio.wait([self._pump])

    def drained(self) -> None:
        """Take note that an iterator has nothing left in its queue."""
        self._room.set()

    def take_drained(self, events: list[proto.MxEvent]) -> None:
        """Give the completions among events that DrainEvents has brought to their writes; the stream may bring them again, and older ones later."""
        for event in events:
            if event.family == proto.MxEventFamily.ON_WRITE_COMPLETE and event.worker_sequence > self._last:
                self._drained.add(event.worker_sequence)
                self._ledger.complete(event)

    def dropped(self) -> None:
        """Take note that an iterator is gone without having been closed; in whatever thread it was collected."""
        if self._pump is not None and not (loop := self._pump.get_loop()).is_closed():
            loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        self._room.set()
        if self._pump is not None and not self._needed:
            self._pump.cancel()

    async def aclose(self) -> None:
        """Cancel the stream; iterators end, waiting confirmations fail. Idempotent."""
        self._closed = True
        if self._pump is not None:
            self._pump.cancel()  # frees whoever waits for it to open, and with it the lock
        try:
            async with self._switching:
                if self._pump is not None:
                    await asyncio.wait([self._pump])
        finally:
            self._finish(None)

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    @property
    def _needed(self) -> bool:
        # Not by its length: what is being collected in another thread counts there a moment longer.
        return self._confirming or any(True for _ in self._iterators)

    @property
    def _running(self) -> bool:
        return self._pump is not None and not self._pump.done() and not self._pump.cancelling()

    async def _start(self, after: int) -> None:
        """Open the stream, once the one before it is reset: the gateway allows one at a time.

        That is all up to the new pump: others need the stream, too, whatever becomes of the caller.
        """
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if (before := self._pump) is not None:
            before.cancel()
        self._pump = asyncio.create_task(self._run(self._open_stream(after), opened, before))
        self._pump.add_done_callback(functools.partial(self._pump_ended, opened))
        await opened

    def _pump_ended(self, opened: asyncio.Future[None], pump: asyncio.Task[None]) -> None:
        """Let whoever waits for the stream to open go on, and let go of the task: its cancellation's traceback holds this hub."""
        if not opened.done():
            opened.set_exception(self._closed_error())
        if self._pump is pump:
            self._pump = None

    async def _run(self, stream: Events, opened: asyncio.Future[None], before: asyncio.Task[None] | None) -> None:
        fault: MxGatewayError | None = None
        if before is not None:
            await asyncio.wait([before])
            before = None
        try:
            async with stream:
                await stream.open()
                if not opened.done():
                    opened.set_result(None)
                while batch := await stream.messages():
                    self._dispatch(batch)
                    while not self._has_room():
                        self._room.clear()
                        await self._room.wait()
        except MxGatewayError as error:
            fault = error
            if not opened.done():
                opened.set_exception(error)
        self._finish(fault)

    def _has_room(self) -> bool:
        """Tell whether to read on: a full iterator holds the gateway back, unless somebody waits for a completion behind it."""
        return not any(iterator.full for iterator in self._iterators) or self._ledger.waiting

    def _dispatch(self, batch: list[proto.MxEvent]) -> None:
        self.counters.events_lost += sum(lost_in(event.replay_gap) for event in batch if event.replay_gap is not None)
        if self._ledger.pending:
            self._confirm(batch)
        if iterators := list(self._iterators):
            for iterator in iterators:
                iterator.deliver(batch)
        elif self._confirming:
            self.counters.events_dropped += self._kept.add(batch, self._last)
        self._last = max(self._last, batch[-1].worker_sequence)
        if self._drained:
            self._drained = {sequence for sequence in self._drained if sequence > self._last}

    def _confirm(self, batch: list[proto.MxEvent]) -> None:
        for event in batch:
            gap = event.replay_gap
            if gap is not None and gap.oldest_available_sequence > self._last + 1:
                self._ledger.lose(_completion_lost(gap))
            elif event.family == proto.MxEventFamily.ON_WRITE_COMPLETE and self._is_news(event.worker_sequence):
                self._ledger.complete(event)

    def _is_news(self, sequence: int) -> bool:
        return sequence > self._last and sequence not in self._drained

    def _finish(self, fault: MxGatewayError | None) -> None:
        """End everybody who is attached: the stream is over."""
        for iterator in list(self._iterators):
            iterator.end(fault)
        self._iterators.clear()
        self._ledger.fail(fault or self._closed_error())


def _iterator_dropped(hub: weakref.ref[EventHub]) -> None:
    if (alive := hub()) is not None:
        alive.dropped()


def _completion_lost(gap: proto.ReplayGap) -> MxGatewaySessionError:
    return MxGatewaySessionError(
        f"events between {gap.requested_after_sequence} and {gap.oldest_available_sequence} were lost, "
        "the write's completion perhaps among them",
        hint="read the tag to see whether the write happened",
    )
