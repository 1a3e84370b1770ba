"""The raw events of a session: an async iterator for users, and the reader that fills it."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from mxgateway import proto
from mxgateway.errors import MxGatewayError, MxGatewaySessionError
from mxgateway.events.consuming import Batches, Waiters, when_dropped
from mxgateway.events.cursor import Cursor, Event, Loss, LossCause
from mxgateway.events.pump import StreamPump
from mxgateway.events.reader import Reader, StreamCare
from mxgateway.transport.stats import Counters

QUEUE_LIMIT: Final = 10_000
"""Events that are queued for one iterator before the gateway has to wait: the length of the gateway's own queue."""
QUEUE_LIMIT_BESIDE_OTHERS: Final = 20_000
"""The limit while another reader needs events: it must not wait for an iterator that is not read."""

OnInterruption = Callable[[MxGatewayError | None], None]
"""Is told in the place among the events where the stream was lost, and with None where it is back."""


class _Mark:
    """The place in the queue where the stream was lost or is back."""

    def __init__(self, fault: MxGatewayError | None) -> None:
        self.fault = fault


class RawReader(Reader):
    """Queues the events of a session's stream for one iterator."""

    whole = True
    full = False
    """True from when the limit was reached until the queue is empty again; then the stream has to be resumed."""

    def __init__(
        self, session_id: str, cursor: Cursor, care: StreamCare | None, counters: Counters, *, marks: bool = False
    ) -> None:
        self.cursor = cursor
        self.care = care
        self._marks = marks
        self.queue: deque[Any] = deque()
        self.fault: MxGatewayError | None = None
        """Why no more events come; None once it was raised."""
        self.over = False
        """True when no more events come."""
        self.waiters = Waiters()
        self._session_id = session_id
        self._counters = counters

    @property
    def hungry(self) -> bool:
        """True until it is full: an iterator that is not read does not starve the others."""
        return not self.full and not self.over

    def take(self, news: Sequence[Event | Loss]) -> None:
        """Queue new events. Lost events appear as the gateway's own replay gap; a jump shows in the numbers alone."""
        if self.over:
            return
        queue = self.queue
        before = len(queue)
        queue.extend(self._messages(news) if type(news) is tuple else news)
        after = len(queue)
        self._counters.events_delivered += after - before
        if after >= QUEUE_LIMIT:
            self.full = True
        if self.waiters:
            self.waiters.wake()

    def _messages(self, news: Iterable[Event | Loss]) -> Iterable[Any]:
        for each in news:
            if not isinstance(each, Loss):
                yield each
            elif each.cause is not LossCause.SEQUENCE:
                gap = proto.ReplayGap(requested_after_sequence=each.first - 1, oldest_available_sequence=each.last + 1)
                yield proto.MxEvent(session_id=self._session_id, replay_gap=gap)

    def interrupted(self, fault: MxGatewayError) -> None:
        """Mark the place, if somebody wants to know."""
        self._mark(fault)

    def resumed(self, *, gap: bool) -> None:
        """Mark the place, if somebody wants to know."""
        self._mark(None)

    def _mark(self, fault: MxGatewayError | None) -> None:
        if not self._marks or self.over:
            return
        queue = self.queue
        if fault is not None and queue and type(queue[-1]) is _Mark:
            is_back = queue.pop().fault is None  # interruptions without an event in between are one
            if is_back:
                return
        queue.append(_Mark(fault))
        self.waiters.wake()

    def overrun(self) -> None:
        """End when too many events are queued while others need events."""
        if len(self.queue) >= QUEUE_LIMIT_BESIDE_OTHERS and not self.over:
            missed = (self.cursor.position or 0) + 1
            what = f"{len(self.queue)} events wait in the iterator, event {missed} and those behind it were not kept"
            hint = "read the iterator sooner; resume with after_worker_sequence"
            self.end(MxGatewaySessionError(what, hint=hint, phase="stream"))

    def end(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """End after the queued events, with `fault` if there is one."""
        if not self.over:
            self.over, self.fault, self.full = True, fault, False
            self.waiters.wake()

    def clear(self) -> None:
        """End at once and drop the queued events."""
        self.end(None)
        self.fault = None
        self.queue.clear()


class EventStream:
    """The raw events of a session, in `worker_sequence` order: an async iterator and a context manager.

    ``async with`` attaches at once, so that nothing that happens in the block is missed; without it, the first read
    attaches. Lost events appear as the gateway reports them: one event with `replay_gap` set and no body. Leaving the
    block, `aclose`, or dropping the iterator detaches it; the session lives on.

    After 10,000 queued events the gateway has to wait. While another reader of the same session needs events, 20,000
    are queued; an iterator that is not read then ends after those, with `MxGatewaySessionError`.
    """

    def __init__(
        self,
        pump: StreamPump,
        session_id: str,
        after_worker_sequence: int,
        care: StreamCare | None,
        counters: Counters,
        on_interruption: OnInterruption | None = None,
    ) -> None:
        self._pump = pump
        self._guard = pump.guard
        self._after = after_worker_sequence
        self._reader = RawReader(
            session_id, Cursor(after_worker_sequence or None), care, counters, marks=on_interruption is not None
        )
        self._on_interruption = on_interruption
        self._queue = self._reader.queue
        self._closed = False
        """True once its owner has closed it."""
        self._finalizer: weakref.finalize[Any, Any] | None = None
        """None until it is attached."""

    @property
    def last_worker_sequence(self) -> int:
        """The sequence of the newest event that has arrived: another stream can resume here once the queue is read."""
        return self._reader.cursor.position or self._after

    def batches(self) -> Batches[proto.MxEvent]:
        """Return the same events in lists: each read waits for the first event, then takes all that have arrived."""
        return Batches(self._next_batch)

    async def __anext__(self) -> proto.MxEvent:
        self._guard.check()
        queue, reader = self._queue, self._reader
        while True:
            while not queue:
                if reader.over or reader.full or self._finalizer is None:
                    await self._prepare()
                else:
                    await reader.waiters.enter()
            event = queue.popleft()
            if type(event) is not _Mark:
                return event  # type: ignore[no-any-return]
            self._report(event)

    def _report(self, mark: _Mark) -> None:
        assert self._on_interruption is not None
        self._on_interruption(mark.fault)

    def __aiter__(self) -> EventStream:
        return self

    async def _next_batch(self) -> list[proto.MxEvent]:
        events, queue = [await self.__anext__()], self._queue
        if self._on_interruption is None:
            events += queue
            queue.clear()
        while queue and type(queue[0]) is not _Mark:  # a mark is reported before the events behind it
            events.append(queue.popleft())
        return events

    async def _prepare(self) -> None:
        """Attach to the stream if not done yet, or resume it after a full queue. Raise the fault that ended it."""
        reader = self._reader
        if reader.over:
            fault, reader.fault = reader.fault, None
            raise fault or StopAsyncIteration
        if self._finalizer is None:
            await self._attach()
        elif reader.full:
            reader.full = False
            self._pump.resume()

    async def __aenter__(self) -> EventStream:
        self._guard.check()
        if self._finalizer is None and not self._reader.over:
            await self._attach()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Detach. Without another reader, the gateway's stream is cancelled before this returns. Idempotent."""
        self._guard.check()
        self._closed = True
        self._reader.clear()
        if self._finalizer is not None:
            self._finalizer.detach()
        await self._pump.leave(self._reader)

    async def _attach(self) -> None:
        """Become a reader of the stream, starting with the backlog."""
        pump, reader = self._pump, self._reader
        self._finalizer = finalizer = when_dropped(self, self._guard, partial(pump.detach, reader))
        backlog = pump.take_backlog(self._after)
        if backlog is not None:
            reader.cursor = Cursor(max(backlog.cursor.position or 0, self._after) or None, begin=self._after)
            reader.take(backlog.behind(self._after))
        elif reader.cursor.position is None:
            reader.cursor = Cursor(pump.here(), begin=0)
        try:
            await pump.attach(reader)
        except BaseException as error:
            if backlog is not None:
                pump.give_back(backlog)
            reader.cursor = Cursor(self._after or None)
            reader.queue.clear()
            if not isinstance(error, MxGatewayError):
                finalizer.detach()
                self._finalizer = None  # the next read tries again
                reader.waiters.wake()
                raise
            reader.clear()
            if not self._closed:
                raise

    def __repr__(self) -> str:
        return f"<EventStream behind event {self.last_worker_sequence}{', over' if self._reader.over else ''}>"
