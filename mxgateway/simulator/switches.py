"""Switches that a test sets in the simulated gateway: failures, changed replies, held commands and completions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from grpclib import GRPCError
from grpclib.const import Status

from mxgateway.simulator.clock import Clock
from mxgateway.simulator.galaxy.messages import PreparedReply
from mxgateway.simulator.history import History

Replacement = Callable[[Any], Any]
"""Takes the reply about to be sent and returns its replacement."""


def failing(status: Status | int, message: str) -> Replacement:
    """Return a replacement with which the call fails, after the gateway has done what it asks."""

    def fail(reply: Any) -> Any:
        raise GRPCError(Status(status), message)

    return fail


class Gate:
    """A gate that can be held; open by default."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def is_open(self) -> bool:
        """Whether the gate is open."""
        return self._open.is_set()

    def hold(self) -> None:
        """Close the gate until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Open the gate."""
        self._open.set()

    async def opened(self) -> None:
        """Wait until the gate is open."""
        if not self._open.is_set():
            await self._open.wait()


class CallRefused(Exception):
    """A call refused before any processing, in a way that its client can tell.

    Args:
        goaway: Refuse by closing the connection instead of the stream.
    """

    def __init__(self, *, goaway: bool) -> None:
        super().__init__("refused before it was processed")
        self.goaway = goaway


@dataclass(slots=True)
class _Failure:
    method: str
    make: Callable[[], GRPCError | CallRefused]
    left: int


@dataclass(slots=True)
class _Override:
    method: str
    replace: Replacement
    left: int | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the events of a session are sent; None for no limit."""

    events_per_second: float | None = None
    bytes_per_second: float | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return self.events_per_second is not None or self.bytes_per_second is not None

    def seconds(self, messages: list[bytes]) -> float:
        """Return the time that messages take."""
        events, size = self.events_per_second, self.bytes_per_second
        return max(len(messages) / events if events else 0.0, sum(map(len, messages)) / size if size else 0.0)


class Switches:
    """The switches of one gateway.

    A method is named as in the contract, ``OpenSession``; one kind of command is ``Invoke.Register``.

    Args:
        clock: The time source.
    """

    def __init__(self, clock: Clock) -> None:
        self.delay = 0.0
        """Seconds by which every answer is late."""
        self.pace = Pace()
        """How fast events are sent."""
        self.counts: Counter[str] = Counter()
        """The calls received since the first start, by the names of their method."""
        self._clock = clock
        self._watchers: dict[object, Callable[[], None]] = {}
        self.command_gate = Gate()
        self.write_gate = Gate()
        self.deploy_gate = Gate()
        self._method_gates: dict[str, Gate] = {}
        self._failures: list[_Failure] = []
        self._overrides: list[_Override] = []
        self.history: History | None = None
        """The record of sessions and workers; None if not recording."""

    def fail_next(self, method: str, status: Status, message: str, times: int) -> None:
        """Make the next calls of `method` fail."""
        self._failures.append(_Failure(method, lambda: GRPCError(status, message), times))

    def refuse_next(self, method: str, times: int, *, goaway: bool) -> None:
        """Refuse the next calls of `method` before they are processed."""
        self._failures.append(_Failure(method, lambda: CallRefused(goaway=goaway), times))

    def override(self, method: str, replace: Replacement, times: int | None) -> None:
        """Let `replace` change the replies of the next calls of `method`; `times` None for all of them."""
        self._overrides.append(_Override(method, replace, times))

    @property
    def unused(self) -> list[str]:
        """The failures and replies that no call has taken."""
        failures = [f"{each.left} of fail_next or refuse_next for {each.method}" for each in self._failures]
        return failures + [f"{each.left} of the replies for {each.method}" for each in self._overrides if each.left]

    def keep_history(self) -> History:
        """Return the record of what sessions and workers do from now on."""
        if self.history is None:
            self.history = History()
        return self.history

    def watch(self, key: object, changed: Callable[[], None]) -> None:
        """Call `changed` after each call, and each change of connections, sessions, streams or plant."""
        self._watchers[key] = changed

    def unwatch(self, key: object) -> None:
        """Stop calling the function with that key."""
        self._watchers.pop(key, None)

    def changed(self) -> None:
        """Tell the watchers that something has changed."""
        for watcher in list(self._watchers.values()):
            watcher()

    def count(self, names: Iterable[str]) -> None:
        """Count a received call by its names."""
        self.counts.update(names)
        self.changed()

    async def late(self) -> None:
        """Wait as long as every answer is late."""
        if self.delay:
            await self._clock.sleep(self.delay)

    async def paced(self, messages: list[bytes]) -> None:
        """Wait as long as messages take that were sent."""
        if seconds := self.pace.seconds(messages):
            await self._clock.sleep(seconds)

    def clear(self) -> None:
        """Clear failures, overrides, delays and limits, and open every gate."""
        self.delay, self.pace = 0.0, Pace()
        self._failures.clear()
        self._overrides.clear()
        self.command_gate.release()
        self.write_gate.release()
        self.deploy_gate.release()
        for gate in self._method_gates.values():
            gate.release()

    def gate(self, method: str) -> Gate:
        """Return the gate of the calls of `method`."""
        return self._method_gates.setdefault(method, Gate())

    async def opened(self, names: Iterable[str]) -> None:
        """Wait until no gate holds a call with one of these names."""
        for name in names:
            if name in self._method_gates:
                await self._method_gates[name].opened()

    def check(self, names: Iterable[str]) -> None:
        """Raise a pending failure for a call with one of these names.

        Raises:
            GRPCError: A failure is pending.
            CallRefused: A refusal is pending.
        """
        failure = next((failure for failure in self._failures if failure.method in names), None)
        if failure is not None:
            failure.left -= 1
            if failure.left <= 0:
                self._failures.remove(failure)
            raise failure.make()

    def replaced(self, names: Iterable[str], reply: Any) -> Any:
        """Return the reply to send in place of `reply`, for a call with one of these names."""
        override = next((override for override in self._overrides if override.method in names), None)
        if override is None:
            return reply
        if override.left is not None:
            override.left -= 1
            if override.left <= 0:
                self._overrides.remove(override)
        return override.replace(reply.message() if isinstance(reply, PreparedReply) else reply)
