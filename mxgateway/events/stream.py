"""The raw events of a session, as its `EventHub` delivers them."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Final

from mxgateway import proto
from mxgateway.errors import MxGatewayError
from mxgateway.events.kept_events import is_after

if TYPE_CHECKING:
    from mxgateway.events.event_hub import EventHub
    from mxgateway.events.recovery import StreamCare

QUEUE_LIMIT: Final = 10_000
"""Events that wait for one iterator: the length of the gateway's own queue."""


class EventStream:
    """The raw events of a session, in `worker_sequence` order: an async iterator and a context manager.

    ``async with`` attaches at once, so that nothing that happens in the block is missed; without it, the first read attaches. A jump in the
    sequence appears as the gateway tells it: one event with `replay_gap` set and no body. Leaving the block, `aclose`, or
    dropping the iterator detaches it; the session lives on.
    """

    def __init__(self, hub: EventHub, after_worker_sequence: int, care: StreamCare | None = None) -> None:
        self._hub = hub
        self.care = care
        """How the stream is kept up through faults; None lets it end with the first one."""
        self._queue: deque[proto.MxEvent] = deque()
        self._changed = asyncio.Event()
        self._fault: MxGatewayError | None = None
        self._closed = False
        self._attached = False
        self.overlap = False
        self.last_worker_sequence = after_worker_sequence
        """The sequence of the newest event queued here: where another stream can resume once the queue is read."""

    @property
    def resumes(self) -> bool:
        """True when the iterator goes on through faults of the stream."""
        return self.care is not None

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
            batch = [event for event in batch if is_after(event, self.last_worker_sequence)]
        if batch:
            self.overlap = False
            self._queue.extend(batch)
            self._hub.counters.events_delivered += len(batch)
            self.last_worker_sequence = batch[-1].worker_sequence or self.last_worker_sequence
            self._changed.set()

    def interrupted(self, fault: MxGatewayError) -> None:
        """Wait: what the gateway has kept comes once the stream is there again."""

    def resumed(self, *, gap: bool) -> None:
        """Go on: what was lost stands in the events."""

    def after(self, sequence: int) -> list[proto.MxEvent]:
        """Return what is queued of the events after a sequence."""
        return [event for event in self._queue if is_after(event, sequence)]

    def end(self, fault: MxGatewayError | None, *, for_good: bool = False) -> None:
        """Let the iterator end after what is queued, with `fault` if there is one."""
        if not self._closed:
            self._fault, self._closed = fault, fault is None
            self._changed.set()
