"""`Play`: a scenario while it is played on a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Final

from mxgateway.simulator.clock import NANOSECONDS, Timer
from mxgateway.simulator.controls import Controls
from mxgateway.simulator.plant.live_tags import Sample, Tag
from mxgateway.simulator.scenarios.conditions import Condition, TagCondition
from mxgateway.simulator.scenarios.scenario import Scenario, Step

_FAILURES: Final = (LookupError, ValueError, RuntimeError, OSError)


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """What a step has done."""

    seconds: float
    """When it was done, in seconds since the beginning."""
    place: str
    """Where the step is in its file."""
    action: str
    failure: str = ""
    """Why it could not be done; empty if it was."""

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s: {self.place}: {self.action}{f': {self.failure}' if self.failure else ''}"


class Play:
    """A scenario that is being played. Awaiting it returns it when its last step is done.

    Steps are done one after another, repetitions beside the steps that follow. A step that cannot be done is logged,
    and the scenario goes on. Stopping the gateway stops the play; a restart does not.

    Args:
        gateway: The gateway, which runs.
        scenario: The scenario, which fits the gateway.
        report: Called with each step that is done.
    """

    def __init__(
        self, gateway: Controls, scenario: Scenario, report: Callable[[PlayedStep], None] | None = None
    ) -> None:
        self.scenario = scenario
        self.log: list[PlayedStep] = []
        """What the steps have done, in order."""
        self._gateway = gateway
        self._report = report
        self._begin_ns = gateway.clock.monotonic_ns()
        self._counts = dict(gateway.switches.counts)
        self._finished = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[object, Timer | asyncio.Handle] = {}
        self._wait: _Wait | None = None
        self._next = 0
        self._due_ns = self._begin_ns
        self._running = 0
        self._wake(self._due_ns, self._begin_step)

    def __await__(self) -> Generator[None, None, Play]:
        yield from asyncio.shield(self._finished).__await__()
        if failed := [str(each) for each in self.log if each.failure]:
            raise RuntimeError(f"{self.scenario.name}: {len(failed)} steps failed; the first: {failed[0]}")
        return self

    @property
    def done(self) -> bool:
        """Whether the play has ended."""
        return self._finished.done()

    @property
    def left(self) -> int:
        """How many steps have not begun."""
        return len(self.scenario.steps) - self._next

    def stop(self) -> None:
        """End the play; what it has done stays, and an action that has begun, such as a restart, is done to its end."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._wait is not None:
            self._wait.end()
        if not self._finished.done():
            self._finished.set_result(None)

    # Steps

    def _begin_step(self) -> None:
        """Wait for the next step's time or condition, or end."""
        if self.done:
            return
        if self._next == len(self.scenario.steps):
            if not self._running:
                self._finished.set_result(None)
            return
        step = self.scenario.steps[self._next]
        if step.when is not None:
            self._wait = _Wait(self._gateway, step.when, self._counts, partial(self._on_condition, step))
            self._wait.check()
            return
        if step.at is not None:
            self._due_ns = max(self._due_ns, self._begin_ns + round(step.at * NANOSECONDS))
        else:
            self._due_ns += round((step.after or 0.0) * NANOSECONDS)
        self._wake(self._due_ns, partial(self._do_step, step))

    def _on_condition(self, step: Step) -> None:
        self._wait = None
        self._due_ns = self._gateway.clock.monotonic_ns() + round((step.after or 0.0) * NANOSECONDS)
        self._wake(self._due_ns, partial(self._do_step, step))

    def _do_step(self, step: Step) -> None:
        self._next += 1
        if step.every is None:
            self._act(step, self._begin_step)
        else:
            self._running += 1
            self._repeat(step, self._due_ns, step.times)
            self._begin_step()

    def _repeat(self, step: Step, due_ns: int, left: int | None) -> None:
        def again() -> None:
            rest = None if left is None else left - 1
            if rest == 0:
                self._running -= 1
                if self._next == len(self.scenario.steps):
                    self._begin_step()
                return
            next_ns = due_ns + round((step.every or 0.0) * NANOSECONDS)
            self._wake(next_ns, partial(self._repeat, step, next_ns, rest))

        self._act(step, again)

    def _act(self, step: Step, then: Callable[[], None]) -> None:
        try:
            ending = step.action.start(self._gateway, step.arguments)
        except _FAILURES as error:
            self._note(step, error)
        else:
            if ending is not None:
                task = asyncio.ensure_future(self._finish(step, ending, then))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return
            self._note(step)
        then()

    async def _finish(self, step: Step, ending: Awaitable[None], then: Callable[[], None]) -> None:
        try:
            await ending
        except _FAILURES as error:
            self._note(step, error)
        else:
            self._note(step)
        then()

    def _note(self, step: Step, error: Exception | None = None) -> None:
        if self.done:
            return
        seconds = (self._gateway.clock.monotonic_ns() - self._begin_ns) / NANOSECONDS
        failure = "" if error is None else str(error.args[0] if len(error.args) == 1 else error)
        played = PlayedStep(seconds, step.place, step.action.name, failure)
        self.log.append(played)
        if self._report is not None:
            self._report(played)

    def _wake(self, due_ns: int, callback: Callable[[], None]) -> None:
        """Call `callback` at a time of the gateway's clock; never from within the caller.

        What is due now is called by the clock or by the event loop, whichever comes first: a `ManualClock` may move on
        before the loop runs, and may never move again.
        """
        if self.done:  # a report, or what a step does, may have stopped it
            return
        key = object()

        def run() -> None:
            for timer in (self._timers.pop(key, None), self._timers.pop((key,), None)):
                if timer is not None:
                    timer.cancel()
            callback()

        delay_ns = due_ns - self._gateway.clock.monotonic_ns()
        self._timers[key] = self._gateway.clock.call_later(max(delay_ns, 0) / NANOSECONDS, run)
        if delay_ns <= 0:
            self._timers[(key,)] = asyncio.get_running_loop().call_soon(run)


class _Wait:
    """Waits until a condition holds."""

    def __init__(
        self, gateway: Controls, condition: Condition, counts: dict[str, int], then: Callable[[], None]
    ) -> None:
        self._gateway = gateway
        self._condition = condition
        self._counts = counts
        self._then = then
        self._tag: Tag | None = None
        self._is_over = False
        gateway.switches.watch(self, self.check)

    def check(self) -> None:
        """Check the condition, and from now on the tag that has its name after a deployment."""
        if self._is_over:
            return
        if isinstance(self._condition, TagCondition):
            tag = self._condition.found(self._gateway)
            if tag is not self._tag:
                self._leave()
                self._tag = tag
                if tag is not None:
                    tag.observe(self, self._on_sample)
        if self._condition.holds(self._gateway, self._counts):
            self._hold()

    def end(self) -> None:
        """Stop waiting."""
        self._is_over = True
        self._gateway.switches.unwatch(self)
        self._leave()

    def _on_sample(self, sample: Sample) -> None:
        if not self._is_over and isinstance(self._condition, TagCondition) and self._condition.fits(sample):
            self._hold()

    def _hold(self) -> None:
        self.end()
        self._then()

    def _leave(self) -> None:
        if self._tag is not None:
            self._tag.forget(self)
            self._tag = None
