"""What is done with many tags, timed: the same bulks for every contender, on a session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from tests.benchmarks.memory import Peak
from tests.benchmarks.worker import Stopwatch

PART: Final = 1000
"""Entries of one call; this client's own."""
USER_ID: Final = 0
GLANCE: Final = 0.005
"""Seconds between two looks at what has come of the events."""


class Client(Protocol):
    """One client with an open session and a registration, for the time of a block.

    Whatever a call answers is read entry by entry, and a failed one raises AssertionError.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def subscribe(self, tags: list[str]) -> list[int]:
        """Subscribe to tags and return their item handles."""

    async def read(self, tags: list[str]) -> list[Any]:
        """Read tags as an application wants them, with Python values and datetimes, and return the values."""

    async def read_bulk(self, tags: list[str]) -> None:
        """Read tags, and of each result the fields."""

    async def write(self, handles: list[int], values: list[Any]) -> None:
        """Write a value to each item."""

    async def events(self, *, data_changes: int = 0, completions: int = 0) -> None:
        """Wait until so many events have come in all; a client without a stream does not wait."""


def run(connect: Callable[[bool], Client], tags_file: str, *, events: bool, memory: bool) -> dict[str, float]:
    """Subscribe, read, read again, and write back what was read.

    Args:
        connect: Makes the client, with the session's event stream or without.
        tags_file: Has a tag in each line.
        events: A stream is read meanwhile, and an operation is over when the events that it causes have come.
        memory: Watch the memory, which takes some time.

    Returns:
        Of each operation tags a second (`…_rate`) and microseconds of CPU for a tag (`…_cpu`); and of the memory where the cycle
        began (`first`) and how far it was ever above that (`growth`), in bytes.
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
            if not events:  # from a server that gives the same handles to the entries of every call
                handles = list(range(1, len(tags) + 1))
            await timed("write", client.write(handles, values), completions=len(tags))
    return outcome | {"first": peak.first, "growth": peak.growth}
