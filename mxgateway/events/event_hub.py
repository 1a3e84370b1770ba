"""The one event stream of a session, shared by everyone who needs events.

The gateway allows one event subscriber for each session. So a session has one `EventHub`; raw iterators, subscriptions and write confirmations attach to it. The hub
reads the gateway's stream in a task of its own while anybody is attached, and keeps MXAccess's order. As long as somebody is attached who wants the stream to go on
through faults, the hub opens it again where it had stopped.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from mxgateway import proto
from mxgateway.errors import CallSite, MxGatewayError, MxGatewaySessionError, map_fault
from mxgateway.events.kept_events import KeptEvents, lost_in
from mxgateway.events.recovery import GivingUp, StreamCare, is_session_lost, is_taken
from mxgateway.events.stream import EventStream
from mxgateway.events.writes import WriteLedger
from mxgateway.transport.counters import Counters
from mxgateway.transport.server_stream import ServerStream

Events = ServerStream[Any, proto.MxEvent]
Batch = asyncio.Future[list[proto.MxEvent]]


class Consumer(Protocol):
    """Somebody who needs the session's events."""

    last_worker_sequence: int
    """The newest event that was delivered."""
    overlap: bool
    """True while events may come that were delivered before."""

    @property
    def resumes(self) -> bool:
        """True when the stream is to go on through faults."""

    @property
    def full(self) -> bool:
        """True while no further event should be read."""

    def deliver(self, batch: list[proto.MxEvent]) -> None:
        """Take a batch of events."""

    def interrupted(self, fault: MxGatewayError) -> None:
        """Take note that the stream is lost, and is being brought back."""

    def resumed(self, *, gap: bool) -> None:
        """Take note that the stream is there again; with `gap` it begins with the mark of lost events."""

    def end(self, fault: MxGatewayError | None, *, for_good: bool = False) -> None:
        """Take note that there will be no more events; `for_good`: the fault is a defect, which a new session would meet again."""


class EventHub:
    """The one event stream of a session, and those who are attached to it.

    Args:
        open_stream: Makes the StreamEvents call after a worker sequence; 0 is a fresh stream.
        ledger: Takes the write completions.
        closed_error: Makes the error that tells that the session is closed.
        counters: Where delivered, dropped and lost events are counted.
        probe: Asks the worker for a sign of life, within a bound in seconds.
    """

    def __init__(
        self,
        open_stream: Callable[[int], Events],
        ledger: WriteLedger,
        closed_error: Callable[[], MxGatewayError],
        counters: Counters,
        probe: Callable[[float], Awaitable[None]],
    ) -> None:
        self._probe = probe
        self._care: StreamCare | None = None
        """How the stream is kept up."""
        self._open_stream = open_stream
        self._ledger = ledger
        self._closed_error = closed_error
        self.counters = counters
        # Weak, so that an iterator that was dropped in the middle of its loop detaches by itself.
        self._consumers: weakref.WeakSet[Consumer] = weakref.WeakSet()
        self.waiting: list[EventStream] = []
        """Iterators that somebody waits on: kept alive, because a task that waits is held by nothing but what wakes it."""
        self._kept = KeptEvents()
        self._last = 0
        self._drained: set[int] = set()
        """Completions that DrainEvents has brought and the stream may bring again."""
        self._confirming = False
        self._interruption: MxGatewayError | None = None
        """Why the stream is lost, from when those who want it to go on know that until they know that it is there again."""
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
            self._care = self._care or iterator.care
            kept = self._kept.take()
            self._consumers.add(iterator)
            weakref.finalize(iterator, _iterator_dropped, weakref.ref(self)).atexit = False
            last = self._last
            try:
                await self._give(iterator, kept)
            except BaseException:
                self._consumers.discard(iterator)
                self._kept = kept  # for the next iterator, and what has arrived meanwhile for this one alone
                if self._confirming and not any(True for _ in self._consumers) and (arrived := iterator.after(last)):
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
            for other in self._consumers:
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

    async def join(self, consumer: Consumer, care: StreamCare, after: int = 0) -> None:
        """Let `consumer` have all events from now on, or those after a sequence, and keep the stream up for it.

        Raises:
            MxGatewayError: The stream could not be opened.
        """
        async with self._switching:
            self._check_open()
            self._take_care(care)
            self._consumers.add(consumer)
            try:
                consumer.last_worker_sequence = after or self._last  # before anything is delivered
                if not self._running:
                    await self._start(consumer.last_worker_sequence)
                elif self._interruption is not None:
                    consumer.interrupted(self._interruption)
            except BaseException:
                await self.detach(consumer)
                raise

    def _take_care(self, care: StreamCare) -> None:
        """Keep the stream up as the first of those who are attached has asked for, but look for silence as soon as one of them wants that."""
        present, first = self._care, not any(consumer.resumes for consumer in self._consumers)
        # In a pause the present one stays, for it is the one that `wake` has to end.
        if present is None or (self._interruption is None and (first or present.stale_after is None)):
            self._care = care

    def wake(self) -> None:
        """Try at once to bring the stream back."""
        if self._care is not None:
            self._care.recovery.wake()

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

    async def detach(self, consumer: Consumer) -> None:
        """Let go of `consumer`; without anybody else the gateway's stream is cancelled."""
        self._consumers.discard(consumer)
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
            self._interruption = None

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
        return self._confirming or any(True for _ in self._consumers)

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
        if before is not None:
            await asyncio.wait([before])
            before = None
        try:
            fault = await self._serve(stream, opened)
            if fault is not None and self._care is not None:
                fault = await self._recover(fault, self._care)
        except Exception as defect:  # noqa: BLE001 - who is attached would wait for ever
            fault = map_fault(defect, CallSite())
            if not opened.done():
                opened.set_exception(fault)
            self._finish(fault, for_good=True)
        else:
            self._finish(fault)

    async def _serve(self, stream: Events, opened: asyncio.Future[None]) -> MxGatewayError | None:
        """Open the stream and deliver what it brings; return what has ended it."""
        try:
            async with stream:
                await stream.open()
                if not opened.done():
                    opened.set_result(None)
                # It may be opened for somebody else, in the middle of a pause.
                back = self._care if self._interruption is not None else None
                await self._read(stream, await self._proved(stream, back) if back is not None else None)
        except MxGatewayError as error:
            if not opened.done():
                opened.set_exception(error)
            return error
        return None

    async def _read(self, stream: Events, reading: Batch | None = None) -> None:
        """Deliver what comes until the stream ends; `reading` brings the first batch where somebody waits for it already."""
        try:
            while batch := await self._next_batch(stream, reading):
                self._dispatch(batch)
                batch, reading = [], None  # neither a silent stream nor the traceback of a fault keeps events alive
                while not self._has_room():
                    self._room.clear()
                    await self._room.wait()
        finally:
            if reading is not None:
                reading.cancel()

    async def _next_batch(self, stream: Events, reading: Batch | None) -> list[proto.MxEvent]:
        """Return the next events. Silence makes the worker be asked for a sign of life."""
        care = self._care
        while care is not None and care.stale_after is not None:
            try:
                async with asyncio.timeout(care.stale_after):
                    return await (stream.messages() if reading is None else asyncio.shield(reading))
            except TimeoutError as silence:
                if isinstance(silence, MxGatewayError):
                    raise
                await self._probe(care.stale_timeout)
        return await (stream.messages() if reading is None else reading)

    # -- through faults

    async def _recover(self, fault: MxGatewayError | None, care: StreamCare) -> MxGatewayError | None:
        """Open the stream again where it had stopped, as long as anybody wants that; return what has ended it for good."""
        taken_since: float | None = None
        while fault is not None and not is_session_lost(fault) and self._interrupt(fault):
            now = asyncio.get_running_loop().time()
            taken_since = (taken_since or now) if is_taken(fault) else None
            if taken_since is not None and care.taken_bound is not None and now - taken_since >= care.taken_bound:
                return fault
            try:
                await care.recovery.pause(fault)
                async with self._open_stream(self._last) as stream:
                    await stream.open()
                    await self._read(stream, await self._proved(stream, care))
                fault = None
            except GivingUp as end:
                return end.error
            except MxGatewayError as error:
                fault = error
        return fault

    def _interrupt(self, fault: MxGatewayError) -> bool:
        """End those who do not want the stream to go on, and tell the others; return False when there are none."""
        waiting = False
        for consumer in list(self._consumers):
            if consumer.resumes:
                waiting = True
                consumer.interrupted(fault)
            else:
                consumer.end(fault)
                self._consumers.discard(consumer)
        self._interruption = fault if waiting else None
        return waiting

    async def _proved(self, stream: Events, care: StreamCare) -> Batch:
        """Wait until the gateway has shown that it serves the stream, by a first event or by an answer of the worker.

        Opening proves nothing: a refusal comes later, and a gateway without events is silent.

        Returns:
            The first batch, which may still be on its way.
        """
        reading: asyncio.Future[Any] = asyncio.ensure_future(stream.messages())
        asking: asyncio.Future[Any] = asyncio.ensure_future(self._probe(care.stale_timeout))
        try:
            await asyncio.wait({reading, asking}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await asking
            batch = reading.result() if reading.done() else []
        except BaseException:
            reading.cancel()
            await asyncio.wait([reading])
            raise
        finally:
            asking.cancel()
            await asyncio.wait([asking])
            if not asking.cancelled():
                asking.exception()
        care.recovery.succeeded()
        self._interruption = None
        gap = bool(batch) and batch[0].replay_gap is not None
        for consumer in list(self._consumers):
            if consumer.resumes:
                consumer.resumed(gap=gap)
        return reading

    def _has_room(self) -> bool:
        """Tell whether to read on: a full iterator holds the gateway back, unless somebody waits for a completion behind it."""
        return not any(iterator.full for iterator in self._consumers) or self._ledger.waiting

    def _dispatch(self, batch: list[proto.MxEvent]) -> None:
        self.counters.events_lost += sum(lost_in(event.replay_gap) for event in batch if event.replay_gap is not None)
        if self._ledger.pending:
            self._confirm(batch)
        if iterators := list(self._consumers):
            for iterator in iterators:
                iterator.deliver(batch)
        elif self._confirming:
            self.counters.events_dropped += self._kept.add(batch, self._last)
        self._last = max(self._last, _reaches(batch[-1]))
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

    def _finish(self, fault: MxGatewayError | None, *, for_good: bool = False) -> None:
        """End everybody who is attached: the stream is over."""
        for iterator in list(self._consumers):
            iterator.end(fault, for_good=for_good)
        self._consumers.clear()
        self._interruption = None
        self._ledger.fail(fault or self._closed_error())


def _reaches(event: proto.MxEvent) -> int:
    """Return up to which sequence everything has come, or is known to be lost, with this event."""
    return event.worker_sequence if event.replay_gap is None else event.replay_gap.oldest_available_sequence - 1


def _iterator_dropped(hub: weakref.ref[EventHub]) -> None:
    if (alive := hub()) is not None:
        alive.dropped()


def _completion_lost(gap: proto.ReplayGap) -> MxGatewaySessionError:
    return MxGatewaySessionError(
        f"events between {gap.requested_after_sequence} and {gap.oldest_available_sequence} were lost, "
        "the write's completion perhaps among them",
        hint="read the tag to see whether the write happened",
    )
