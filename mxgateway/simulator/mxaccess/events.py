"""The events of one session: numbered, queued for the reader, and kept for a while for a resuming reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import dropwhile, islice
from typing import Final, NamedTuple

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import NANOSECONDS, Clock
from mxgateway.simulator.mxaccess.event_faults import EventFaults
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.server.encoding import Encoding

# Bytes handed to the connection at once: several HTTP/2 frames, so that a write is worth its cost, but few enough that
# a slow reader's events pile up in the queue and not in the send buffer.
_BATCH_BYTES: Final = 64 * 1024


class QueuedEvent(NamedTuple):
    """An encoded event."""

    sequence: int
    """Its number; 0 for a copy that a resuming reader does not get."""
    time_ns: int
    data: bytes


class EventParts(NamedTuple):
    """An event before it is numbered: pieces of the encoded MxEvent."""

    family: mx.MxEventFamily
    body: bytes
    """The HRESULT and the family's own message."""
    item: bytes = b""
    """Both handles."""
    value: bytes = b""
    """Value, quality, source time and statuses."""
    now_ns: int | None = None
    """When it happened; None for the clock's time."""


@dataclass(eq=False, slots=True)
class EventStream:
    """An attached stream of a session's events."""

    queue: deque[QueuedEvent]
    """The events that it has still to deliver."""
    first: list[bytes]
    """Its first messages: the replay, after a sentinel if events are lost."""
    end: GRPCError | None = None
    """The status with which it ends before the session does."""
    wakeup: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Let `EventQueue.next_batch` look again."""
        if self.wakeup is not None and not self.wakeup.done():
            self.wakeup.set_result(None)


class EventQueue:
    """The event queue of one session and its replay ring.

    The queue is that of the stream which attached first, or of the one that will. Each other stream has a queue of its
    own.

    Args:
        session_id: The session named in the events.
        clock: The time source.
        options: The limits.
        encoding: How events are encoded.
    """

    def __init__(self, session_id: str, clock: Clock, options: SimulatorOptions, encoding: Encoding) -> None:
        self._session_id = session_id
        self._encoding = encoding
        self._clock = clock
        self._limit = options.event_queue_limit
        self._most_streams = options.event_subscribers
        self._replay_age_ns = int(options.replay_age * NANOSECONDS)
        self._queue: deque[QueuedEvent] = deque()
        self._ring: deque[QueuedEvent] = deque(maxlen=options.replay_limit)
        self._end: GRPCError | None = None
        self._closed = False
        self._streams: list[EventStream] = []
        self.last_sequence = 0
        """The number of the newest event; events count from 1 without gaps."""
        self.sent = 0
        """Events handed to a stream; replayed events count again."""
        self.drained = 0
        """Events taken by DrainEvents."""
        self.is_taken = False
        """Whether another reader than a stream takes every event at once."""
        self.faults = EventFaults(self._add_copy, self.skip, encoding)
        """The faults that a test injects."""

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_attached(self) -> bool:
        """Whether a stream is attached."""
        return bool(self._streams)

    @property
    def is_full(self) -> bool:
        """Whether the queue holds as many events as it may."""
        return len(self._queue) >= self._limit

    def make_room(self) -> bool:
        """Return whether one more event fits. Where several streams may be attached, one that is too slow is cut off."""
        if not self.is_full:
            return True
        if self._most_streams == 1 or not self._streams:
            return False
        self._cut(self._streams[0])
        return True

    def publish(self, event: EventParts) -> None:
        """Number, stamp and queue an event; there must be room, and the queue not be closed."""
        now_ns = self._clock.now_ns() if event.now_ns is None else event.now_ns
        sequence = self.last_sequence = self.last_sequence + 1
        encoding = self._encoding
        head, number = encoding.head(event.family, self._session_id), encoding.sequence(sequence)
        data = b"".join((head, event.item, event.value, number, encoding.stamps(now_ns), event.body))
        if self.faults.are_due:
            self._add(sequence, now_ns, self.faults.copies(sequence, event.family, data))
        else:
            self._enqueue(QueuedEvent(sequence, now_ns, data))
        self._notify()

    def close(self, end: GRPCError | None = None) -> None:
        """Drop the queued events and end the stream.

        Args:
            end: The final status of the stream; None for OK.
        """
        if not self._closed:
            self._closed, self._end = True, end
            self.forget()
            self._wake()

    def attach(self, after_sequence: int) -> EventStream:
        """Attach a stream. Beside others a new one gets the events from now on, a resuming one all that it lacks.

        Args:
            after_sequence: The last event the reader has; 0 for a new stream without replay.

        Raises:
            GRPCError: ALREADY_EXISTS if as many streams are attached as may be.
        """
        if len(self._streams) >= self._most_streams or self.is_taken:
            raise GRPCError(Status.ALREADY_EXISTS, f"Session {self._session_id} already has an event subscriber.")
        first, known = self._replay(after_sequence) if after_sequence else ([], self.last_sequence)
        if not self._streams:
            while after_sequence and self._queue and self._queue[0].sequence <= known:
                self._take()
            stream = EventStream(self._queue, first)
        else:
            stream = EventStream(deque(event for event in self._queue if event.sequence > known), first)
        self._streams.append(stream)
        return stream

    def detach(self, stream: EventStream) -> None:
        """Detach a stream, so that another one can attach; no effect if it is detached."""
        if stream not in self._streams:
            return
        self._streams.remove(stream)
        if self._streams:
            if stream.queue is self._queue:
                self._promote(self._streams[0])
            return
        newest = self._ring[-1].sequence if self._ring else 0
        while self._queue and 0 < self._queue[0].sequence <= newest:
            self._queue.popleft()  # another stream has delivered it

    def interrupt(self, error: GRPCError) -> None:
        """End the attached streams with a status; the queue continues."""
        for stream in self._streams:
            stream.end = error
        self._wake()

    def forget(self) -> None:
        """Drop what is kept for a resuming stream, and what is queued."""
        for queue in (self._queue, *(stream.queue for stream in self._streams)):
            queue.clear()
        self._ring.clear()

    def take_all(self) -> None:
        """Let another reader than a stream take the queued events and all later ones, until `leave`."""
        self.is_taken = True
        self._notify()

    def leave(self) -> None:
        """Let streams attach again."""
        self.is_taken = False

    async def next_batch(self, stream: EventStream, most: Callable[[], int | None] = lambda: None) -> list[bytes]:
        """Wait for events and return as many as one write should carry; an empty list ends the stream with OK.

        Args:
            stream: The stream that delivers them.
            most: Returns how many at most, when there are any; None for no other limit.

        Raises:
            GRPCError: The final status of the stream.
        """
        while stream.end is not None or not stream.queue:
            if (end := stream.end or self._end) is not None:
                raise end
            if self._closed:
                return []
            stream.wakeup = asyncio.get_running_loop().create_future()
            await stream.wakeup
        take = self._take if stream.queue is self._queue else stream.queue.popleft
        batch: list[bytes] = []
        size, limit = 0, most()
        while stream.queue and size < _BATCH_BYTES and (limit is None or len(batch) < limit):
            event = take()
            batch.append(event.data)
            size += len(event.data)
        self.sent += len(batch)
        return batch

    def drain(self, limit: int) -> list[mx.MxEvent]:
        """Take queued events without a stream.

        Args:
            limit: Most events to take; 0 for all.
        """
        count = min(limit, len(self._queue)) if limit else len(self._queue)
        events = [self._encoding.decode(mx.MxEvent, self._take().data) for _ in range(count)]
        self.drained += len(events)
        return events

    def _add(self, sequence: int, now_ns: int, copies: list[bytes]) -> None:
        """Queue an event once or, for a fault, several times; one copy is kept for a resuming reader."""
        for place, data in enumerate(copies):
            self._enqueue(QueuedEvent(0 if place else sequence, now_ns, data))

    def _add_copy(self, data: bytes) -> None:
        """Queue an event without a number of its own."""
        if not self._closed:
            self._enqueue(QueuedEvent(0, 0, data))
            self._notify()

    def skip(self, count: int) -> range:
        """Consume the numbers of `count` events that nobody gets, and return them."""
        first, self.last_sequence = self.last_sequence + 1, self.last_sequence + count
        return range(first, self.last_sequence + 1)

    def _notify(self) -> None:
        if self.is_taken:
            while self._queue:
                self._take()
        self._wake()

    def _enqueue(self, event: QueuedEvent) -> None:
        self._queue.append(event)
        for stream in self._streams[1:]:
            if len(stream.queue) < self._limit:
                stream.queue.append(event)
            else:
                self._cut(stream)

    def _take(self) -> QueuedEvent:
        event = self._queue.popleft()
        self._keep(event)
        return event

    def _keep(self, event: QueuedEvent) -> None:
        """Keep a delivered event for a resuming reader."""
        if event.sequence and not (self._ring and self._ring[-1].sequence >= event.sequence):
            self._ring.append(event)

    def _cut(self, stream: EventStream) -> None:
        """End a stream that is too slow; the others and the session go on."""
        text = f"The event queue of the subscriber overflowed at {self._limit} events."
        stream.end = GRPCError(Status.RESOURCE_EXHAUSTED, text)
        stream.wake()
        self.detach(stream)
        if stream.queue is self._queue:  # it was the only one
            while self._queue:
                self._take()

    def _promote(self, stream: EventStream) -> None:
        """Let another stream's queue be the session's."""
        earlier, self._queue = self._queue, stream.queue
        ahead = next((event.sequence for event in self._queue if event.sequence), self.last_sequence + 1)
        for event in earlier:
            if event.sequence < ahead:
                self._keep(event)

    def _replay(self, after_sequence: int) -> tuple[list[bytes], int]:
        """Return the first messages of a stream that resumes, and the last event that its client knows with them."""
        kept = [event for event in self._kept() if event.sequence > after_sequence]
        self.sent += len(kept)
        replay = [event.data for event in kept]
        if (oldest := self._oldest(after_sequence)) > after_sequence + 1:
            replay.insert(0, self._sentinel(after_sequence, oldest))
        return replay, kept[-1].sequence if kept else after_sequence

    def _kept(self) -> Iterator[QueuedEvent]:
        expired = self._clock.now_ns() - self._replay_age_ns
        return dropwhile(
            lambda event: event.time_ns <= expired, self._ring
        )  # the oldest go first, whatever the clock does

    def _oldest(self, after_sequence: int) -> int:
        """Return the number of the oldest event that can still be delivered; the next event's if there is none."""
        for event in self._kept():
            return event.sequence
        queued = (event.sequence for event in self._queue if event.sequence > after_sequence)
        return next(queued, self.last_sequence + 1)

    def _sentinel(self, after_sequence: int, oldest: int) -> bytes:
        gap = mx.ReplayGap(requested_after_sequence=after_sequence, oldest_available_sequence=oldest)
        return self._encoding.encode(mx.MxEvent(session_id=self._session_id, replay_gap=gap))

    def _wake(self) -> None:
        for stream in self._streams:
            stream.wake()


def in_batches(messages: list[bytes]) -> Iterator[list[bytes]]:
    """Split a long replay into pieces for one write each."""
    remaining = iter(messages)
    while batch := list(islice(remaining, 256)):
        yield batch
