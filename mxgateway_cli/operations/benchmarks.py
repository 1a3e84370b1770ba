"""The measurements of `bench-read-bulk` and `bench-stream-events`."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import mxgateway
from mxgateway_cli.running.waiting import cleanup, discarded_events, in_background
from mxgateway_cli.terminal.exit_codes import CommandFailure, ExitCode

if TYPE_CHECKING:
    from mxgateway import EventStream, GatewayClient, Session
    from mxgateway.proto import BulkReadResult

_CLEANUP_SECONDS: Final = 5.0
_FAILURE_PAUSE: Final = 0.1
"""Seconds to pause after a failed call: one that fails at once would be repeated thousands of times a second."""
_PERCENTILES: Final = (("p50", 50), ("p95", 95), ("p99", 99))
_DIGITS: Final = 3


class Latencies:
    """Latencies in milliseconds, eight bytes each."""

    def __init__(self) -> None:
        self._milliseconds = array("d")

    def add(self, milliseconds: float) -> None:
        """Add one latency."""
        self._milliseconds.append(milliseconds)

    def summary(self) -> dict[str, float]:
        """Return percentiles, maximum and mean; zeros if there are no latencies."""
        if not self._milliseconds:
            return {**{name: 0.0 for name, _ in _PERCENTILES}, "max": 0.0, "mean": 0.0}
        ordered = sorted(self._milliseconds)
        found = {name: percentile(ordered, percent) for name, percent in _PERCENTILES}
        found |= {"max": ordered[-1], "mean": math.fsum(ordered) / len(ordered)}
        return {name: round(milliseconds, _DIGITS) for name, milliseconds in found.items()}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile, interpolated linearly between the two nearest ranks.

    Args:
        ordered: At least one number, in ascending order.
        percent: From 0, the lowest number, to 100, the highest.
    """
    rank = (len(ordered) - 1) * percent / 100
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


async def subscribe(session: Session, client_name: str, tags: list[str], warn: Callable[[str], None]) -> list[int]:
    """Register and subscribe to tags.

    Returns:
        The server handle, followed by the item handles.

    Raises:
        CommandFailure: None of the tags could be subscribed to.
    """
    server = await session.register(client_name)
    results = await session.subscribe_bulk(server, tags)
    # A tag may be listed twice, but its item is unsubscribed only once.
    handles = list(dict.fromkeys(result.item_handle for result in results if result.was_successful))
    failed = [result for result in results if not result.was_successful]
    if failed:
        reason = f"{failed[0].tag_address}: {failed[0].error_message}"
        message = f"{len(failed)} of {len(tags)} tags could not be subscribed to, the first: {reason}"
        if not handles:
            raise CommandFailure(message, code=ExitCode.MXACCESS_REFUSED)
        warn(message)
    return [server, *handles]


@dataclass
class ReadBenchmark:
    """Consecutive calls of read_bulk."""

    tags: list[str]
    """The tags of one call."""
    timeout_ms: int
    """How long the gateway waits for a first value."""
    latencies: Latencies = field(default_factory=Latencies)
    successful: int = 0
    failed: int = 0
    results: int = 0
    cached: int = 0
    seconds: float = 0.0
    last_error: mxgateway.MxGatewayError | None = None

    @asynccontextmanager
    async def prepared(self, session: Session, client_name: str, warn: Callable[[str], None]) -> AsyncIterator[int]:
        """Yield a server handle under which the tags are subscribed while the block runs."""
        async with discarded_events(session):
            server, *items = await subscribe(session, client_name, self.tags, warn)
            async with cleanup(lambda: session.unsubscribe_bulk(server, items, timeout=_CLEANUP_SECONDS)):
                yield server

    async def warm_up(self, session: Session, server: int, seconds: float) -> None:
        """Read for `seconds` without counting."""
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            await self._read(session, server)

    async def run(self, session: Session, server: int, seconds: float) -> None:
        """Read for `seconds` and count."""
        began = started = time.perf_counter()
        while started < began + seconds:
            found = await self._read(session, server)
            ended = time.perf_counter()
            self.latencies.add((ended - started) * 1000)
            self._count(found)
            if found is None:
                await asyncio.sleep(_FAILURE_PAUSE)
            started = time.perf_counter()
        self.seconds = started - began

    async def _read(self, session: Session, server: int) -> list[BulkReadResult] | None:
        try:
            return await session.read_bulk(server, self.tags, timeout_ms=self.timeout_ms)
        except mxgateway.MxGatewayError as error:
            self.last_error = error
            return None

    def _count(self, found: list[BulkReadResult] | None) -> None:
        if found is None:
            self.failed += 1
            return
        self.successful += 1
        self.results += len(found)
        self.cached += sum(result.was_cached for result in found)

    def report(self) -> dict[str, Any]:
        """Return the result."""
        calls = self.successful + self.failed
        return {
            "language": "python",
            "durationMs": round(self.seconds * 1000),
            "totalCalls": calls,
            "successfulCalls": self.successful,
            "failedCalls": self.failed,
            "totalReadResults": self.results,
            "cachedReadResults": self.cached,
            "callsPerSecond": round(calls / self.seconds, 3) if self.seconds else 0.0,
            "latencyMs": self.latencies.summary(),
        }

    def check(self) -> None:
        """Raise if calls failed.

        Raises:
            MxGatewayError: All calls failed; the error of the last one.
            CommandFailure: Some calls failed.
        """
        if self.last_error is None or not self.failed:
            return
        if not self.successful:
            raise self.last_error
        calls = self.successful + self.failed
        message = f"{self.failed} of {calls} calls failed, the last: {self.last_error.message}"
        raise CommandFailure(message, code=ExitCode.PARTLY_FAILED)


@dataclass
class EventBenchmark:
    """Counts the events of sessions that subscribe to the same tags."""

    tags: list[str]
    """The tags of each session."""
    client_name: str
    """The sessions' name."""
    warn: Callable[[str], None]
    """Called with problems that do not stop the run."""
    latencies: Latencies = field(default_factory=Latencies)
    events: int = 0
    gaps: int = 0
    seconds: float = 0.0
    sessions: int = 0
    _counting: bool = False

    async def run(self, client: GatewayClient, sessions: int, stagger: float, seconds: float) -> None:
        """Open the sessions one by one, then count.

        Args:
            client: The client.
            sessions: Number of sessions.
            stagger: Seconds between two sessions: the gateway starts one worker at a time.
            seconds: How long to count once all sessions are open.
        """
        async with AsyncExitStack() as stack:
            readers: list[asyncio.Task[None]] = []
            for number in range(sessions):
                if number:
                    await asyncio.sleep(stagger)
                session = await stack.enter_async_context(client.open_session(client_session_name=self.client_name))
                events = await stack.enter_async_context(session.stream_events())
                readers.append(await stack.enter_async_context(in_background(self._follow(events))))
                await subscribe(session, self.client_name, self.tags, self.warn)
                self.sessions += 1
            await self._count_for(seconds, readers)

    async def _count_for(self, seconds: float, readers: list[asyncio.Task[None]]) -> None:
        began = time.perf_counter()
        self._counting = True
        ended, _ = await asyncio.wait(readers, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._counting = False
        self.seconds = time.perf_counter() - began
        for reader in ended:
            reader.result()

    async def _follow(self, events: EventStream) -> None:
        last = 0
        async for event in events:
            if event.replay_gap is not None:
                self.gaps += 1
                last = 0
                continue
            if last and event.worker_sequence != last + 1:
                self.gaps += 1
            last = event.worker_sequence
            if not self._counting:
                continue
            self.events += 1
            sent = event.worker_timestamp
            if isinstance(sent, mxgateway.Timestamp):
                self.latencies.add((time.time() - sent.timestamp()) * 1000)

    def report(self) -> dict[str, Any]:
        """Return the result."""
        return {
            "language": "python",
            "durationMs": round(self.seconds * 1000),
            "sessionCount": self.sessions,
            "bulkSize": len(self.tags),
            "totalEvents": self.events,
            "eventsPerSecond": round(self.events / self.seconds, 3) if self.seconds else 0.0,
            "latencyMs": self.latencies.summary(),
            "gaps": self.gaps,
        }
