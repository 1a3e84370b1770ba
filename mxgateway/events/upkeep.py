"""Keeps the one event stream of a session open: opens it, delivers its events, and reopens it after faults.

While the stream is open, a delivery goes from the socket to the readers in one call, without a task. A task opens the
stream, and reopens it as long as a reader wants that: after the lowest cursor of its readers, with the pauses that they
ask for.
"""

from __future__ import annotations

import asyncio
import enum
import math
from collections.abc import Iterable, Sequence
from typing import Final

from mxgateway.errors import CallSite, MxGatewayError, map_fault
from mxgateway.errors.faults import ConnectionFault, MessageFault, RpcStatus, copy_of, is_reply_too_large
from mxgateway.errors.logs import logger
from mxgateway.events.cursor import Cursor, Event
from mxgateway.events.event_call import UNREADABLE, EventCall, EventSource
from mxgateway.events.reader import Reader, StreamCare
from mxgateway.events.reader_set import Readers
from mxgateway.events.recovery import GivingUp, Recovery, is_other_cause, is_session_lost, is_taken
from mxgateway.events.sequence_order import StreamOrder
from mxgateway.events.writes.completions import Completions
from mxgateway.options.subscription import RecoveryOptions

log = logger("mxgateway.events")

PASSED_AT_ONCE: Final = 16
"""Unreadable messages in a row that are skipped without a pause; a peer that sends nothing else must not be flooded."""
FIRST_EVENT: Final = 0.5
"""Seconds after which a stream without an event is taken to have no unread events."""
SLICES: Final = 4
"""The number of parts in which the timeout for silence runs. No event resets a timer, so silence is noticed at most a
quarter late."""


class PumpState(enum.Enum):
    """The state of the stream."""

    IDLE = "idle"
    """No reader needs it."""
    OPENING = "opening"
    """It is being opened."""
    LIVE = "live"
    """It is open."""
    PAUSED = "paused"
    """It was lost, and the next attempt has not begun."""
    OVER = "over"
    """The session is closed."""


class StreamUpkeep:
    """The stream, and the task that keeps it open.

    Args:
        source: Makes the gateway's calls.
        completions: The reader that is always present.
        from_the_first: Whether this client has opened the session, so that its first event will be number 1.
        name: The stream's name in the log.
    """

    def __init__(self, source: EventSource, completions: Completions, *, from_the_first: bool, name: str) -> None:
        self.state = PumpState.IDLE
        self._source = source
        self.guard = source.guard
        self._completions = completions
        self._readers = Readers(completions, source.counters)
        self._newest = 0 if from_the_first else None
        """The newest sequence of earlier streams."""
        completions.cursor = Cursor(self._newest)
        self._opened_before = False
        self._may_have_missed = False
        """True once a stream was lost whose first event may have been in flight."""
        self._served = False
        """True once the gateway has served a stream."""
        self._recovery = Recovery(name, RecoveryOptions(), source)
        self._interruption: MxGatewayError | None = None
        """Why the stream is lost, from the report to its readers until they are told that it is back."""
        self._taken_since: float | None = None
        self._unreadable_after: int | None = None
        """The sequence after which the last unreadable message came."""
        self._skipped = 0
        """How many messages were skipped since the last delivery."""
        self._openers: dict[asyncio.Future[None], Reader] = {}
        """The callers that wait for the stream, each with its reader; a write waits with the completions."""
        self._late: set[Reader] = set()
        """The readers that came after the stream had ended, and before that was dealt with: its fault is not theirs."""
        self._task: asyncio.Task[None] | None = None
        # State of the current stream.
        self._stream: EventCall | None = None
        self._order = StreamOrder(0)
        self._is_fresh = False
        """True when it was opened without a replay: it begins with the events that nobody has read."""
        self._proved = self._restart = False
        self._deliveries = 0
        self._outcome: tuple[MxGatewayError | None] | None = None
        self._changed = asyncio.Event()
        """Wakes the task to check the state."""

    @property
    def newest(self) -> int | None:
        """The newest sequence that has arrived; None when nothing is known."""
        if self._order.is_restarted:
            return self._order.last
        return max(self._order.last, self._newest or 0) or self._newest

    def _change(self, *readers: Reader) -> None:
        """Change the readers, and with them what is decoded."""
        self._readers.change(readers, self.newest)
        if self._stream is not None:
            self._stream.whole = self._readers.whole
        backlog = self._readers.backlog
        if backlog in self._readers.present and backlog is not None and backlog.cursor.needs(self._order.last):
            self._reopen()  # others have read in the meantime

    def _needs_replay(self, first: float) -> bool:
        """Return whether a reader needs events before `first`, the stream's first event.

        Another process may have read them, so the stream has to be reopened to replay them.
        """
        is_new = self._is_fresh and not self._order.last
        return is_new and any(0 < position < first - 1 for position in self._readers.resume_points())

    def _reopen(self) -> None:
        if self._stream is not None:
            self._restart = True
            self._stream.close()  # its further events would seem to follow what the new reader has taken
            self._changed.set()

    def _remove(self, gone: Reader) -> None:
        self._change(*(reader for reader in self._readers.present if reader is not gone or reader is self._completions))

    def _rest(self) -> None:
        """Return to the state without a task."""
        if self.state is not PumpState.OVER:
            self.state = PumpState.IDLE
        self._interruption = self._taken_since = None
        self._fail_openers(None, self._openers.values())

    async def _run(self) -> None:
        try:
            await self._keep_up()
        except GivingUp as end:
            self._finish(end.error, final=True)
        except asyncio.CancelledError:
            if self._task is asyncio.current_task():  # the program has cancelled every task
                self._finish(self._source.closed_error())
            raise
        except Exception as defect:  # noqa: BLE001 - the readers would wait forever
            self._finish(map_fault(defect, CallSite()), final=True)
        finally:
            if self._task is None or self._task is asyncio.current_task():
                self._task = None
                self._rest()

    async def _keep_up(self) -> None:
        """Open and reopen the stream until no reader needs it or it is over for good."""
        while self._readers.wanted and self.state is not PumpState.OVER:
            self.state = PumpState.OPENING
            fault = await self._serve()
            if self._restart:
                continue
            if fault is None or is_session_lost(fault):
                self._finish(fault)
                return
            await self._recover(fault)

    async def _serve(self) -> MxGatewayError | None:
        """Open a stream and receive events until it ends. Return the fault that ended it, None if the gateway did."""
        stream = self._begin()
        try:
            await stream.open()
            self.state, self._opened_before = PumpState.LIVE, True
            self._release_openers(writes=self._interruption is None)
            return await self._watch()
        except MxGatewayError as fault:
            return fault
        finally:
            stream.close()
            if self._stream is stream:
                self._stream = None

    def _begin(self) -> EventCall:
        """Return a stream after the lowest cursor, not yet opened."""
        known = self._readers.resume_points()
        begin = min(map(self._order.sure, known), default=0)
        # 0 asks the gateway for no replay. If events have arrived before, a stream from the beginning is opened after
        # 1, so that only event 1 may be missing.
        after = 1 if known and not begin and (self._may_have_missed or max(known)) else begin
        self._is_fresh = not after
        self._newest = self.newest
        for reader in self._readers.present:
            if reader.cursor.position is None:  # nothing is replayed for it, and others may have read its events
                reader.confused()
        self._order = StreamOrder(begin, self._order)
        self._proved = self._restart = False
        self._outcome = None
        self._late.clear()
        self._completions.begin(after)
        self._changed.clear()
        self._stream = self._source.open_stream(after, self, passes=begin == self._unreadable_after)
        self._stream.whole = self._readers.whole
        return self._stream

    async def _watch(self) -> MxGatewayError | None:
        """Wait for the end of the stream; ping the worker after silence.

        After an interruption ping it at once: an open stream proves nothing, because a refusal comes later, and a
        gateway without events is silent.
        """
        seen, silent = self._deliveries, 0 if self._interruption is None else SLICES
        while self._outcome is None and not self._restart and self._readers.wanted:
            if silent >= SLICES:
                await self._prove()
                silent, seen = 0, self._deliveries
                continue
            bound, lacks = self._readers.stale_after, self._needs_replay(math.inf)
            try:
                async with asyncio.timeout(FIRST_EVENT if lacks else None if bound is None else bound / SLICES):
                    await self._changed.wait()
            except TimeoutError:
                if lacks and self._needs_replay(math.inf):
                    self._reopen()
                silent = silent + 1 if seen == self._deliveries else 0
                seen = self._deliveries
            self._changed.clear()
        return self._outcome[0] if self._outcome is not None else None

    async def _prove(self) -> None:
        """Wait until an event or an answer of the worker proves that the stream is served, or until it ends."""
        seen = self._deliveries
        asking = asyncio.ensure_future(self._source.probe(self._readers.stale_timeout))
        asking.add_done_callback(lambda _: self._changed.set())
        try:
            while not (seen < self._deliveries or self._outcome is not None or self._restart or asking.done()):
                await self._changed.wait()
                self._changed.clear()
            if asking.done() and self._outcome is None and seen == self._deliveries:
                await asking
                if self._interruption is not None:
                    self._is_back(gap=False)
        finally:
            asking.cancel()
            await asyncio.wait([asking])
            if not asking.cancelled():
                asking.exception()

    def _is_back(self, *, gap: bool) -> None:
        """Note that the gateway serves the stream."""
        self._proved = self._served = True
        self._taken_since = None
        if self._interruption is not None:
            self._interruption = None
            self._recovery.succeeded()
            for reader in self._readers.present:
                reader.resumed(gap=gap)
            self._release_openers(writes=True)
            self._changed.set()

    def _release_openers(self, *, writes: bool) -> None:
        """Release the callers that wait for the stream. Readers need it open; a write needs proof that it is served."""
        for opened, reader in self._openers.items():
            if not opened.done() and (writes or reader is not self._completions):
                opened.set_result(None)

    def _fail_openers(self, fault: MxGatewayError | None, readers: Iterable[Reader]) -> None:
        """Fail the callers that wait with `readers`, and remove these readers."""
        for opened, reader in list(self._openers.items()):
            if reader in readers and not opened.done():
                opened.set_exception(self._source.ended_error() if fault is None else copy_of(fault))
                self._remove(reader)

    # -- deliveries

    def receive(self, events: Sequence[Event]) -> bool:
        """Hand each reader the events that are new to it. Return False when the gateway has to wait."""
        try:
            self._deliveries += 1
            if not self._proved:
                self._is_back(gap=self._order.tells_loss(events[0]))
            if events[0] is UNREADABLE and not (events := self._passed(events)):
                return True
            self._skipped = 0
            readers = self._readers
            if not self._order.deliver(events, readers.present):
                self._deliver_checked(events)
            for reader in readers.present:
                if reader.full:
                    return not readers.hold()
        except Exception as defect:  # noqa: BLE001 - the readers would wait forever
            error = map_fault(defect, CallSite())
            self._finish(error, final=True)
            self.ended(error)
        return True

    def _passed(self, events: Sequence[Event]) -> Sequence[Event]:
        """Skip the unreadable messages that come first; return the events after them."""
        readable = [event for event in events if event is not UNREADABLE]
        for _ in range(len(events) - len(readable)):
            self._pass_over()
        return readable

    def _pass_over(self) -> None:
        """Report the next event as lost. If it arrives after all, it is delivered all the same."""
        self._order.pass_over()
        self._source.counters.events_lost += 1
        self._readers.pass_over(self._order)

    def _deliver_checked(self, events: Sequence[Event]) -> None:
        """Deliver what can be believed of events that do not simply follow one another; log nonsense."""
        order = self._order
        if self._needs_replay(min((event.worker_sequence for event in events if event.worker_sequence), default=0)):
            self._reopen()
            return
        believed = order.check(events)
        self._source.counters.events_lost += order.lost
        if order.nonsense:
            log.warning("the gateway has sent %s; its numbers rise by one, so this is its own fault", order.nonsense)
        if order.rewound is not None:
            self._newest = order.rewound if self._newest is None else min(self._newest, order.rewound)
        self._readers.take(believed, order)

    def ended(self, error: MxGatewayError | None) -> None:
        """Note the end of the stream."""
        self._outcome = (error,)
        self._changed.set()

    # -- through faults

    async def _recover(self, fault: MxGatewayError) -> None:
        """End the readers that want no further attempt, then wait until the next attempt may begin."""
        if self.state is PumpState.LIVE and not isinstance(fault.__cause__, RpcStatus):
            self._may_have_missed = True
        self._taken_since = (self._taken_since or asyncio.get_running_loop().time()) if is_taken(fault) else None
        # A write keeps waiting for a stream that was served before.
        late, self._late = self._late, set()
        failed = set(self._openers.values()) - late - ({self._completions} if self._served else set())
        self._fail_openers(fault, failed)
        if self._source.closing:
            self._recovery.failed(fault)  # gives up: an interruption that will not end is not reported
        for reader in self._readers.present:
            care = reader.care
            if reader in late:
                continue
            if care is None or self._is_refused_for_too_long(reader, care, fault):
                self._end_reader(reader, fault)
            elif self._recovery.gives_up(care.recovery):
                self._end_reader(reader, fault, final=True)
            elif self._interruption is None or is_other_cause(self._interruption, fault):
                reader.interrupted(copy_of(fault))
        if not self._readers.wanted:
            return
        is_served, self._interruption, cause = self._proved or self._interruption is None, fault, fault.__cause__
        if self._reopens_at_once(fault) or (is_served and isinstance(cause, ConnectionFault) and cause.polite):
            self._recovery.failed(fault)
            return
        self.state = PumpState.PAUSED
        await self._recovery.pause(fault, self._readers.recovery)

    def _end_reader(self, reader: Reader, fault: MxGatewayError, *, final: bool = False) -> None:
        reader.end(copy_of(fault), final=final)
        self._fail_openers(fault, [reader])
        self._remove(reader)

    def _is_refused_for_too_long(self, reader: Reader, care: StreamCare, fault: MxGatewayError) -> bool:
        """Return whether the gateway's refusal of the stream ends a reader.

        It ends the completions at once if no stream was served before: the write could not be confirmed.
        """
        if reader is self._completions and not self._served:
            return isinstance(fault.__cause__, RpcStatus)
        if self._taken_since is None or care.taken_bound is None:
            return False
        return asyncio.get_running_loop().time() - self._taken_since >= care.taken_bound

    def _reopens_at_once(self, fault: MxGatewayError) -> bool:
        """Return whether the stream is reopened at once because a message is unreadable.

        At the second time at the same place, that message is skipped: here if it is too large, else by the stream.
        """
        cause = fault.__cause__
        if not (isinstance(cause, MessageFault) or is_reply_too_large(cause)) or self.newest is None:
            return False
        after, before = self._order.last, self._unreadable_after
        self._unreadable_after = after
        if before == after:
            self._skipped += 1
            self._pass_over()
        return self._skipped <= PASSED_AT_ONCE

    def _finish(self, fault: MxGatewayError | None, *, final: bool = False) -> None:
        """End every reader and every waiting caller: the stream is over."""
        readers, self._readers.present = self._readers.present, (self._completions,)
        self._interruption = None
        for reader in readers:
            reader.end(None if fault is None else copy_of(fault), final=final)
        self._fail_openers(fault, self._openers.values())
