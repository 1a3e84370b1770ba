"""Plays a recording to whoever subscribes, on the gateway's clock."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mxgateway.generated.mxaccess_gateway import v1 as mx
from mxgateway.simulator.clock import FILETIME_STEP, NANOSECONDS, Clock, Timer
from mxgateway.simulator.plant.live_tags import Sample
from mxgateway.simulator.plant.objects import Plant
from mxgateway.simulator.recording.reading import Recording, tag_of
from mxgateway.simulator.recording.records import Record, RecordedAlarm, RecordedEvent, RecordedGap
from mxgateway.simulator.recording.samples import samples_of
from mxgateway.simulator.run import Run
from mxgateway.wire import which_one_of

_logger = logging.getLogger(__name__)

_SLICE: Final = 500
"""Records in a turn; after as many, the loop runs and sends the events."""
_PATIENCE: Final = 0.001
"""Seconds until a replay at full speed looks again whether its readers have caught up."""
_SHORTEST: Final = 0.001
"""Seconds of the shortest round of a loop."""
_LARGEST_JUMP: Final = 2**32


@dataclass(frozen=True, slots=True)
class Replay:
    """How a recording is played.

    Raises:
        ValueError: The speed is not above 0.
    """

    recording: Recording
    """What is played."""
    speed: float = 1.0
    """How many times quicker than life; below 1 slower, `math.inf` as quickly as the readers take it."""
    loop: bool = False
    """Whether it begins again at its end."""

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"the speed of a replay is above 0, not {self.speed!r}")


class Stage:
    """What a gateway plays: nothing, or one recording at a time.

    Args:
        replay: The recording that its first reader begins.
        clock: The gateway's clock.
        queue_limit: How many events a session queues.
    """

    def __init__(self, replay: Replay | Recording | None, clock: Clock, queue_limit: int) -> None:
        self._clock = clock
        self._queue_limit = queue_limit
        self._player: Player | None = None
        if replay is not None:
            self._player = Player(replay if isinstance(replay, Replay) else Replay(replay), clock, queue_limit)

    @property
    def plant(self) -> Plant | None:
        """The plant of the recording; None without one."""
        return None if self._player is None else self._player.plant

    def attach(self, run: Run) -> None:
        """Play to a gateway that starts."""
        if self._player is not None:
            self._player.attach(run)

    def detach(self) -> None:
        """Pause until the next `attach`."""
        if self._player is not None:
            self._player.detach()

    async def play(self, replay: Replay, run: Run) -> None:
        """Play a recording from now on to its end, instead of what is played.

        Raises:
            ValueError: Its file has changed since it was loaded.
            OSError: It cannot be read.
        """
        self.detach()
        player = self._player = Player(replay, self._clock, self._queue_limit)
        player.attach(run)
        player.begin()
        try:
            await player.wait()
        finally:
            if self._player is player:
                self._player = None
                player.detach()


class Player:
    """Plays one recording, through restarts of the gateway.

    Args:
        replay: What is played, and how.
        clock: The gateway's clock.
        queue_limit: How many events a session queues.
    """

    def __init__(self, replay: Replay, clock: Clock, queue_limit: int) -> None:
        self.failure: Exception | None = None
        """Why the replay ended early; None if it did not."""
        self.plant = replay.recording.plant
        """The plant of the recording."""
        self._recording = replay.recording
        self._speed = replay.speed
        self._loops = replay.loop
        self._clock = clock
        self._queue_limit = queue_limit
        self._records: Iterator[Record] = iter(())
        self._next: Record | None = None
        self._began_ns: int | None = None
        self._paused_ns = 0
        self._latest: dict[str, Sample] = {}
        self._alarms: Sequence[mx.AlarmFeedMessage] = self._recording.first_alarms
        self._to_skip = len(self._recording.first_alarms)
        self._active: list[mx.ActiveAlarmSnapshot] = []
        self._timer: Timer | None = None
        self._run: Run | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> None:
        """Return when the recording was played to its end.

        Raises:
            ValueError: Its file has changed meanwhile.
            OSError: It cannot be read.
        """
        await self._ended.wait()
        if self.failure is not None:
            raise self.failure

    def attach(self, run: Run) -> None:
        """Set the tags and alarms of a gateway that starts; the first reader of a tag begins the replay."""
        self._run = run
        for tag in self._recording.tags:
            if (found := run.plant.find(tag)) is None:
                continue
            if (sample := self._latest.get(tag)) is not None:
                found[0].publish(sample)
            elif not self._ended.is_set():
                found[0].is_silent = True
        run.alarms.begin_recorded(self._alarms)
        if self._began_ns is not None:
            self._began_ns += self._now_ns() - self._paused_ns
            self._schedule(0.0)
            return
        # Whoever reads tags and alarms subscribes to one of them first: with tags, these begin.
        if self._recording.tags:
            run.plant.on_observed = self.begin
        else:
            run.alarms.on_observed = self.begin

    def detach(self) -> None:
        """Stop the replay; another `attach` goes on with it."""
        self._paused_ns = self._now_ns()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._run is not None:
            self._run.plant.on_observed = self._run.alarms.on_observed = None
            active = [mx.AlarmFeedMessage(active_alarm=alarm) for alarm in self._run.alarms.snapshots()]
            self._alarms = [*active, mx.AlarmFeedMessage(provider_status=self._run.alarms.provider_status())]
            self._run = None

    def begin(self) -> None:
        """Begin the replay; no effect if it has begun."""
        if self._run is not None and self._began_ns is None:
            self._run.plant.on_observed = self._run.alarms.on_observed = None
            self._began_ns = self._now_ns()
            self._guarded(self._rewind)
            self._schedule(0.0)

    def _rewind(self) -> None:
        self._records = self._recording.records()
        self._next = next(self._records, None)

    def _schedule(self, delay: float) -> None:
        if not self._ended.is_set():
            self._timer = self._clock.call_later(delay, lambda: self._guarded(self._turn))

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a step; a file that can no longer be read ends the replay."""
        try:
            step()
        except (OSError, ValueError) as error:
            self.failure = error
            _logger.error("the replay has ended: %s", error)
            self._ended.set()

    def _turn(self) -> None:
        """Play what is due, up to one slice."""
        if math.isinf(self._speed) and self._is_congested():
            self._schedule(_PATIENCE)
            return
        for _ in range(_SLICE):
            if self._next is None:
                self._end()
                return
            wait_ns = self._wait_ns(getattr(self._next, "at", self._recording.began))
            if wait_ns >= FILETIME_STEP:
                self._schedule(wait_ns / NANOSECONDS)
                return
            self._play(self._next)
            self._next = next(self._records, None)
        self._schedule(0.0)

    def _is_congested(self) -> bool:
        assert self._run is not None
        return any(len(session.events) > self._queue_limit // 2 for session in self._run.sessions.values())

    def _now_ns(self) -> int:
        """Return the time, which no step of the wall clock moves."""
        return self._clock.now_ns() - self._clock.ahead_ns

    def _wait_ns(self, at: float) -> int:
        """Return the nanoseconds until a time of the recording."""
        assert self._began_ns is not None
        due_ns = self._began_ns + round(max(0.0, at - self._recording.began) / self._speed * NANOSECONDS)
        return due_ns - self._now_ns()

    def _end(self) -> None:
        if not self._loops:
            self._ended.set()
            return
        assert self._began_ns is not None
        rounds = max(self._recording.ended - self._recording.began, _SHORTEST) / self._speed
        self._began_ns += round(rounds * NANOSECONDS)
        self._to_skip = 0
        self._rewind()
        self._schedule(0.0)

    def _play(self, record: Record) -> None:
        if isinstance(record, RecordedEvent):
            self._play_event(record)
        elif isinstance(record, RecordedAlarm):
            self._play_alarm(record.message)
        elif isinstance(record, RecordedGap):
            assert self._run is not None
            for session in self._run.sessions.values():
                session.events.skip(min(record.count, _LARGEST_JUMP))

    def _play_event(self, record: RecordedEvent) -> None:
        assert self._run is not None
        event, tag = record.event, tag_of(record)
        if tag and (found := self._run.plant.find(tag)) is not None:
            for sample in samples_of(event, self._run.plant.encoding):
                self._latest[tag] = sample
                found[0].publish(sample)
        elif not self._recording.header.alarms:  # else the feed has it as well
            body = which_one_of(event, "body")
            if body == "on_alarm_transition":
                self._run.alarms.play_transition(event.on_alarm_transition)
            elif body == "on_alarm_provider_mode_changed":
                self._run.alarms.play_provider(event.on_alarm_provider_mode_changed.status)

    def _play_alarm(self, message: mx.AlarmFeedMessage) -> None:
        assert self._run is not None
        if self._to_skip:
            self._to_skip -= 1  # the feeds have begun with it
            return
        kind = which_one_of(message, "payload")
        if kind == "active_alarm":
            self._active.append(message.active_alarm)
        elif kind == "snapshot_complete":
            active, self._active = self._active, []
            self._run.alarms.play_active(active)
        elif kind == "transition":
            self._run.alarms.play_transition(message.transition)
        elif kind == "provider_status":
            self._run.alarms.play_provider(message.provider_status)
