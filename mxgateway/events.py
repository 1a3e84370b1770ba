"""The events of a session: one stream from the gateway, shared by everyone who needs events.

The gateway allows one event subscriber for each session. So a session has one `EventHub`; raw iterators and write confirmations attach to it. The hub
reads the gateway's stream in a task of its own while anybody is attached, and keeps MXAccess's order.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.transport.counters import Counters
from mxgateway.transport.server_stream import ServerStream
from mxgateway.writes import WriteLedger

QUEUE_LIMIT: Final = 10_000
"""Events that wait for one iterator, and events kept while no iterator is attached: the length of the gateway's own queue."""

Events = ServerStream[Any, proto.MxEvent]


class EventStream:
    """The raw events of a session, in `worker_sequence` order: an async iterator and a context manager.

    ``async with`` attaches at once, so that nothing that happens in the block is missed; without it, the first read attaches. A jump in the
    sequence appears as the gateway tells it: one event with `replay_gap` set and no body. Leaving the block, `aclose`, or
    dropping the iterator detaches it; the session lives on.
    """

    def __init__(self, hub: EventHub, after_worker_sequence: int) -> None:
        self._hub = hub
        self._queue: deque[proto.MxEvent] = deque()
        self._changed = asyncio.Event()
        self._fault: MxGatewayError | None = None
        self._closed = False
        self._attached = False
        self.overlap = False
        self.last_worker_sequence = after_worker_sequence
        """The sequence of the newest event queued here: where another stream can resume once the queue is read."""

    @property
    def full(self) -> bool:
        """True while no further event should be read for this iterator."""
        return len(self._queue) >= QUEUE_LIMIT

    async def __anext__(self) -> proto.MxEvent:
        while not self._queue:
            if self._fault is not None:
                fault, self._fault, self._closed = self._fault, None, True
                raise fault
            if self._closed:
                raise StopAsyncIteration
            if not self._attached:
                await self._attach()
            else:
                await self._wait()
        event = self._queue.popleft()
        if not self._queue:
            self._hub.drained()
        return event

    def __aiter__(self) -> EventStream:
        return self

    async def __aenter__(self) -> EventStream:
        if not self._attached and not self._closed:
            await self._attach()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Detach; when nobody else needs events the gateway's stream is cancelled before this returns. Idempotent."""
        self._closed, self._fault = True, None
        self._queue.clear()
        self._changed.set()
        await self._hub.detach(self)

    async def _attach(self) -> None:
        self._attached = True
        try:
            await self._hub.attach(self)
        except MxGatewayError:
            closed_meanwhile, self._closed, self._fault = self._closed, True, None
            self._queue.clear()
            self._changed.set()
            if not closed_meanwhile:
                raise
        except BaseException:
            self._attached = False  # the next read tries again
            self._changed.set()
            raise

    async def _wait(self) -> None:
        self._changed.clear()
        self._hub.waiting.append(self)
        try:
            await self._changed.wait()
        finally:
            self._hub.waiting.remove(self)

    # -- fed by the hub

    def deliver(self, batch: list[proto.MxEvent]) -> None:
        """Queue a batch; after the stream was reopened for somebody else, only what this iterator has not seen."""
        if self.overlap:
            batch = [event for event in batch if _is_after(event, self.last_worker_sequence)]
        if batch:
            self.overlap = False
            self._queue.extend(batch)
            self._hub.counters.events_delivered += len(batch)
            self.last_worker_sequence = batch[-1].worker_sequence or self.last_worker_sequence
            self._changed.set()

    def after(self, sequence: int) -> list[proto.MxEvent]:
        """Return what is queued of the events after a sequence."""
        return [event for event in self._queue if _is_after(event, sequence)]

    def end(self, fault: MxGatewayError | None) -> None:
        """Let the iterator end after what is queued, with `fault` if there is one."""
        if not self._closed:
            self._fault, self._closed = fault, fault is None
            self._changed.set()


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
        self._kept = _KeptEvents()
        self._last = 0
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

    async def _give(self, iterator: EventStream, kept: _KeptEvents) -> None:
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
        self.counters.events_lost += sum(_lost(event.replay_gap) for event in batch if event.replay_gap is not None)
        if self._ledger.pending:
            self._confirm(batch)
        if iterators := list(self._iterators):
            for iterator in iterators:
                iterator.deliver(batch)
        elif self._confirming:
            self.counters.events_dropped += self._kept.add(batch, self._last)
        self._last = max(self._last, batch[-1].worker_sequence)

    def _confirm(self, batch: list[proto.MxEvent]) -> None:
        for event in batch:
            gap = event.replay_gap
            if gap is not None and gap.oldest_available_sequence > self._last + 1:
                self._ledger.lose(_completion_lost(gap))
            elif event.worker_sequence > self._last and event.family == proto.MxEventFamily.ON_WRITE_COMPLETE:
                self._ledger.complete(event)

    def _finish(self, fault: MxGatewayError | None) -> None:
        """End everybody who is attached: the stream is over."""
        for iterator in list(self._iterators):
            iterator.end(fault)
        self._iterators.clear()
        self._ledger.fail(fault or self._closed_error())


class _KeptEvents:
    """Events that arrived while only confirmations were attached, for the next iterator."""

    def __init__(self) -> None:
        self._events: deque[proto.MxEvent] = deque()
        self._after = 0
        self._lost = False

    def add(self, batch: list[proto.MxEvent], last: int) -> int:
        """Keep a batch that follows sequence `last`; the oldest events make room. Return how many did."""
        if not self._events:
            self._after = last
        self._events.extend(batch)
        dropped = 0
        while len(self._events) > QUEUE_LIMIT or (self._lost and self._events[0].replay_gap is not None):
            dropped += self._events.popleft().replay_gap is None
            self._lost = True
        return dropped

    def take(self) -> _KeptEvents:
        """Return what is kept, and keep nothing."""
        taken = _KeptEvents()
        taken._events, self._events = self._events, deque()
        taken._after, taken._lost, self._lost = self._after, self._lost, False
        return taken

    def covers(self, after: int) -> bool:
        """Tell whether these are all events after a sequence; 0 asks for whatever there is."""
        return bool(self._events) and (after == 0 or (self._after <= after and not self._lost))

    def events(self) -> list[proto.MxEvent]:
        """Return the events, behind a mark of those that were dropped."""
        events = list(self._events)
        if self._lost:
            gap = proto.ReplayGap(
                requested_after_sequence=self._after, oldest_available_sequence=events[0].worker_sequence
            )
            events.insert(0, proto.MxEvent(session_id=events[0].session_id, replay_gap=gap))
        return events


def _is_after(event: proto.MxEvent, sequence: int) -> bool:
    """Tell whether an event, or the mark of lost ones, is news for somebody who knows everything up to a sequence."""
    if event.replay_gap is not None:
        return event.replay_gap.oldest_available_sequence > sequence + 1
    return event.worker_sequence > sequence


def _iterator_dropped(hub: weakref.ref[EventHub]) -> None:
    if (alive := hub()) is not None:
        alive.dropped()


def _lost(gap: proto.ReplayGap) -> int:
    """Return how many events a gap stands for: those strictly between the two sequences."""
    return max(0, gap.oldest_available_sequence - gap.requested_after_sequence - 1)


def _completion_lost(gap: proto.ReplayGap) -> MxGatewaySessionError:
    return MxGatewaySessionError(
        f"events between {gap.requested_after_sequence} and {gap.oldest_available_sequence} were lost, "
        "the write's completion perhaps among them",
        hint="read the tag to see whether the write happened",
    )
