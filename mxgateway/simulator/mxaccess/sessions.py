"""Sessions: each has a worker, a state, a lease, and a grace period after its event stream."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final
from uuid import uuid4

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.clock import NANOSECONDS, Timer
from mxgateway.simulator.mxaccess.events import EventParts, EventQueue, EventStream
from mxgateway.simulator.mxaccess.session_parts import SessionRecord
from mxgateway.simulator.mxaccess.worker import Worker
from mxgateway.simulator.options import SimulatorOptions
from mxgateway.simulator.plant.live_tags import LivePlant
from mxgateway.simulator.switches import Switches

BACKEND_NAME: Final = "mxaccess-worker"

# Closed sessions kept so that a second CloseSession gets its CLOSED.
_REMEMBERED: Final = 1000
_FIRST_PROCESS_ID: Final = 4100
# What a session goes through while its worker starts.
_STARTING: Final = (
    mx.SessionState.STARTING_WORKER,
    mx.SessionState.WAITING_FOR_PIPE,
    mx.SessionState.HANDSHAKING,
    mx.SessionState.INITIALIZING_WORKER,
)
_BEGINNING: Final = (mx.SessionState.CREATING, *_STARTING, mx.SessionState.READY)  # a site's numbers may not rise


class Session(SessionRecord):
    """One session.

    Args:
        plant: The live plant.
        alarms: The plant's alarms.
        switches: The switches set by a test.
        options: Limits and times.
        process_id: The worker's process id.
        name: The client's name for the session.
        command_timeout: Seconds a call waits for its command.
        ended: Called once when the session is closed.
    """

    def __init__(
        self,
        plant: LivePlant,
        alarms: AlarmSystem,
        switches: Switches,
        options: SimulatorOptions,
        *,
        process_id: int,
        name: str,
        command_timeout: float,
        ended: Callable[[Session], None],
    ) -> None:
        super().__init__(f"session-{uuid4().hex}", mx.SessionState.CREATING)
        self.name = name
        self.command_timeout = command_timeout
        self.events = EventQueue(self.session_id, plant.clock, options, plant.encoding)
        self.is_hanging = False
        """Whether its worker hangs: it answers nothing and reports nothing."""
        self._clock = plant.clock
        self._switches = switches
        self._options = options
        self._ended = ended
        self._grace: Timer | None = None
        self._last_call_ns = plant.clock.now_ns()
        self.worker = Worker(self, plant, alarms, switches, options, process_id)

    @property
    def is_closed(self) -> bool:
        """Whether the session has ended."""
        return self.state is mx.SessionState.CLOSED

    @property
    def is_lease_over(self) -> bool:
        """Whether no call has arrived for the lease time, and no event stream holds the session."""
        idle = (self._clock.now_ns() - self._last_call_ns) / NANOSECONDS
        return not self.events.is_attached and idle >= self._options.lease

    def reach(self, state: mx.SessionState) -> None:
        """Go on to a later state; no effect if the session has reached it."""
        if self.state in _BEGINNING and _BEGINNING.index(self.state) < _BEGINNING.index(state):
            self.state = state

    def touch(self) -> None:
        """Extend the lease."""
        self._last_call_ns = self._clock.now_ns()

    def publish(self, event: EventParts) -> None:
        """Queue an event; an overflow faults the session."""
        if self.state is not mx.SessionState.READY or self.is_hanging:
            return
        if self.events.make_room():
            self.events.publish(event)
        else:
            limit = self._options.event_queue_limit
            self.fault(Status.RESOURCE_EXHAUSTED, f"the event queue overflowed at {limit} events")

    def attach_stream(self, after_sequence: int) -> EventStream:
        """Attach an event stream.

        Raises:
            GRPCError: The session is not ready, or as many streams are attached as may be.
        """
        self.require_ready()
        stream = self.events.attach(after_sequence)
        self._cancel_grace()
        self._switches.changed()
        return stream

    def detach_stream(self, stream: EventStream) -> None:
        """Detach an event stream; the grace period starts with the last one."""
        self.events.detach(stream)
        self._when_left()

    def _when_left(self) -> None:
        self.touch()
        self._switches.changed()
        if not (self.is_closed or self.events.is_taken or self.events.is_attached):
            self._cancel_grace()
            self._grace = self._clock.call_later(
                self._options.detach_grace, lambda: self.close("its event stream did not come back")
            )

    @contextmanager
    def another_reader(self) -> Iterator[None]:
        """Give the events to another reader while the block runs.

        The attached stream ends with UNAVAILABLE, a new one is rejected with ALREADY_EXISTS, and every event is
        delivered to the other reader at once. A stream that resumes later gets the events again as far as they are
        kept.
        """
        self.take_events()
        try:
            yield
        finally:
            self.leave_events()

    def take_events(self) -> None:
        """Give the events to another reader until `leave_events`."""
        self.end_stream(Status.UNAVAILABLE, "has another event subscriber")
        self.events.take_all()
        self._cancel_grace()

    def leave_events(self) -> None:
        """Let streams attach again; no effect if they may."""
        if self.events.is_taken:
            self.events.leave()
            self._when_left()

    def end_stream(self, status: Status, reason: str) -> None:
        """End the attached event streams; the session goes on.

        Args:
            status: The final status.
            reason: The reason, as a predicate of the session.
        """
        self.events.interrupt(GRPCError(status, f"Session {self.session_id} {reason}."))

    def lose_replay(self, count: int) -> None:
        """Lose events that were never delivered, and all that a resuming stream could get; the stream ends.

        Args:
            count: How many are lost.
        """
        self.events.forget()
        self.events.faults.skip(count)
        self.end_stream(Status.UNAVAILABLE, "has lost its events")

    def hang(self) -> None:
        """Let the worker hang: it answers no command and reports no event until the session ends."""
        self.is_hanging = True
        self.worker.apartment.hang()

    def fault(self, status: Status, reason: str) -> None:
        """Fault the session: the stream and the pending commands end, and only CloseSession works.

        Args:
            status: The final status of stream and commands.
            reason: The reason, as a clause.
        """
        if self.state is not mx.SessionState.READY:
            return
        self.state = mx.SessionState.FAULTED
        self.fault_message = reason
        error = GRPCError(status, f"Session {self.session_id} faulted: {reason}.")
        self.events.close(error)
        self.worker.stop(error)
        self._switches.changed()

    def close(self, reason: str = "the client closed it") -> None:
        """End the session; no effect if it has ended.

        Args:
            reason: The reason, as a clause.
        """
        if self.is_closed:
            return
        self.state = mx.SessionState.CLOSED
        self.fault_message = self.fault_message or reason
        self._cancel_grace()
        self.events.close()
        self.worker.stop(self.not_ready())
        self._ended(self)

    def __repr__(self) -> str:
        return f"<Session {self.session_id} {self.state.name}>"

    def _cancel_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None


class SessionRegistry(Mapping[str, Session]):
    """The open sessions of a gateway, by session id.

    Args:
        plant: The live plant.
        alarms: The plant's alarms.
        switches: The switches set by a test.
        options: Limits and times.
    """

    def __init__(self, plant: LivePlant, alarms: AlarmSystem, switches: Switches, options: SimulatorOptions) -> None:
        self._plant = plant
        self._alarms = alarms
        self._switches = switches
        self._options = options
        self._open: dict[str, Session] = {}
        self._closed: OrderedDict[str, SessionRecord] = OrderedDict()
        self._ending: set[asyncio.Task[None]] = set()
        self._opened = 0
        self._earlier_events = 0
        self._starting = asyncio.Lock()
        self._sweep: Timer | None = None
        self._schedule_sweep()

    def __getitem__(self, session_id: str) -> Session:
        return self._open[session_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def events_sent(self) -> int:
        """Events handed to streams, including those of ended sessions."""
        return self._earlier_events + sum(session.events.sent for session in self._open.values())

    async def open(self, name: str, command_timeout: float) -> Session:
        """Start a worker and return its session, ready.

        Args:
            name: The client's name for the session.
            command_timeout: Seconds a call waits for its command; 0 for the gateway's default.

        Raises:
            GRPCError: RESOURCE_EXHAUSTED at the session limit, UNAVAILABLE if the worker starts too late.
        """
        if len(self._open) >= self._options.session_limit:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED, f"The gateway has {self._options.session_limit} sessions, the limit."
            )
        self._opened += 1
        session = Session(
            self._plant,
            self._alarms,
            self._switches,
            self._options,
            process_id=_FIRST_PROCESS_ID + 4 * self._opened,
            name=name,
            command_timeout=command_timeout or self._options.command_timeout,
            ended=self._remember,
        )
        self._open[session.session_id] = session
        await self._start(session)
        return session

    def find(self, session_id: str) -> SessionRecord:
        """Return a session, open or ended.

        Raises:
            GRPCError: NOT_FOUND.
        """
        session = self._open.get(session_id) or self._closed.get(session_id)
        if session is None:
            raise GRPCError(Status.NOT_FOUND, f"Session '{session_id}' was not found.")
        return session

    def ready(self, session_id: str) -> Session:
        """Return a session that accepts commands and streams.

        Raises:
            GRPCError: NOT_FOUND, or FAILED_PRECONDITION.
        """
        self.find(session_id).require_ready()
        return self._open[session_id]

    def rebind_items(self) -> None:
        """Bind every session's items to the tags of a new deployment."""
        for session in list(self._open.values()):
            session.worker.rebind_items()

    async def close_all(self) -> None:
        """End every session and its tasks."""
        if self._sweep is not None:
            self._sweep.cancel()
        for session in list(self._open.values()):
            session.close("the gateway stopped")
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _start(self, session: Session) -> None:
        start_time = self._options.worker_start_time
        if start_time:
            session.state = _STARTING[0]
            begun = self._plant.clock.now_ns()
            async with self._starting:
                waited = (self._plant.clock.now_ns() - begun) / NANOSECONDS
                limit = self._options.worker_start_limit
                await self._pass_through(session, min(start_time, max(limit - waited, 0.0)))
                if waited + start_time > limit:
                    session.close("its worker did not start")
                    raise GRPCError(Status.UNAVAILABLE, f"The worker did not start within {limit:g} s.")
        if not session.is_closed:
            session.reach(mx.SessionState.READY)
            self._switches.changed()

    async def _pass_through(self, session: Session, seconds: float) -> None:
        """Take a session through the states of a start, each for the same time."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer: Timer | None = None

        def reach(place: int) -> None:
            nonlocal timer
            if place < len(_STARTING):
                session.reach(_STARTING[place])
                timer = self._plant.clock.call_later(seconds / len(_STARTING), partial(reach, place + 1))
            elif not started.done():
                started.set_result(None)

        reach(0)
        try:
            await started
        finally:
            if timer is not None:
                timer.cancel()

    def _remember(self, session: Session) -> None:
        """Keep what a second CloseSession asks for, and let the rest go."""
        del self._open[session.session_id]
        self._closed[session.session_id] = SessionRecord(session.session_id, session.state, session.fault_message)
        if len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)
        self._earlier_events += session.events.sent
        task = session.worker.apartment.task
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        self._switches.changed()

    def _schedule_sweep(self) -> None:
        self._sweep = self._plant.clock.call_later(self._options.lease_sweep, self._end_leases)

    def _end_leases(self) -> None:
        for session in list(self._open.values()):
            if session.is_lease_over:
                session.close("its lease expired")
        self._schedule_sweep()
