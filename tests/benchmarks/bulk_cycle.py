"""The timed bulk operations, the same for every contender, in a session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from tests.benchmarks.memory import Peak
from tests.benchmarks.worker import Stopwatch

PART: Final = 1000
"""Entries per call; this client's own chunk size."""
USER_ID: Final = 0
GLANCE: Final = 0.005
"""Seconds between two checks for the expected events."""


class Client(Protocol):
    """A client with an open session and a registration, as a context manager.

    Every result is read entry by entry; a failed one raises AssertionError.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None: ...

    async def subscribe(self, tags: list[str]) -> list[int]:
        """Subscribe to tags and return their item handles."""

    async def read(self, tags: list[str]) -> list[Any]:
        """Read tags as an application would, with Python values and datetimes, and return the values."""

    async def read_bulk(self, tags: list[str]) -> None:
        """Read tags, and the fields of each result."""

    async def write(self, handles: list[int], values: list[Any]) -> None:
        """Write a value to each item."""

    async def events(self, *, data_changes: int = 0, completions: int = 0) -> None:
        """Wait until this many events have arrived in total; a client without a stream does not wait."""


def run(connect: Callable[[bool], Client], tags_file: str, *, events: bool, memory: bool) -> dict[str, float]:
    """Subscribe, read, read again, and write back the values read.

    Args:
        connect: Creates the client, with the session's event stream or without.
        tags_file: A file with one tag per line.
        events: Read a stream meanwhile; an operation ends when its events have arrived.
        memory: Measure the memory, which takes some time.

    Returns:
        For each operation, tags per second (`…_rate`) and microseconds of CPU per tag (`…_cpu`); for memory, the bytes
        at the start (`first`) and the largest increase (`growth`).
    """
    tags = Path(tags_file).read_text(encoding="utf-8").split()
    return asyncio.run(_run(connect, tags, events=events, memory=memory))


async def _run(connect: Callable[[bool], Client], tags: list[str], *, events: bool, memory: bool) -> dict[str, float]:
    outcome: dict[str, float] = {}

    async def timed(name: str, work: Awaitable[Any], **awaited: int) -> Any:
        watch = Stopwatch()
        result = await work
        await client.events(**awaited)
        taken = watch.stop(len(tags), len(tags))
        outcome[f"{name}_rate"], outcome[f"{name}_cpu"] = taken["rate"], taken["cpu"]
        return result

    async with connect(events) as client:
        with Peak(active=memory) as peak:
            handles = await timed("subscribe", client.subscribe(tags), data_changes=len(tags))
            values = await timed("read", client.read(tags))
            await timed("read_bulk", client.read_bulk(tags))
            if not events:  # the server returns the same handles in every call
                handles = list(range(1, len(tags) + 1))
            await timed("write", client.write(handles, values), completions=len(tags))
    return outcome | {"first": peak.first, "growth": peak.growth}
