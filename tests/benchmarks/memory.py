"""Resident memory of this process over a long stream, and its figure."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from tests.benchmarks.harness import Figure, Settings, Target
from tests.benchmarks.worker import Worker

MIB: Final = 1024 * 1024
WARM_UP_SHARE: Final = 20
_STATM: Final = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the current resident memory, else its peak, else 0, as available."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if importlib.util.find_spec("resource") is None:
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Memory:
    """Samples the resident memory while events are counted.

    Args:
        warm_up: Events before the first sample; by then every buffer and table is in use.
    """

    STEP: Final = 1000
    """Events between two samples."""

    def __init__(self, warm_up: int) -> None:
        self._warm_up = warm_up
        self._events = 0
        self._first = self._highest = 0

    def count(self) -> None:
        """Count an event."""
        self._events += 1
        if self._events == self._warm_up:
            self._first = self._highest = resident_bytes()
        elif self._events % self.STEP == 0:
            self._highest = max(self._highest, resident_bytes())

    def outcome(self) -> dict[str, float]:
        """Return the events, the memory after the warm-up, and its largest increase since."""
        return {"events": self._events, "first": self._first, "growth": self._highest - self._first}


class Peak:
    """Monitors the resident memory during a block, in a separate thread.

    Args:
        active: False monitors nothing.
    """

    PERIOD: Final = 0.002
    """Seconds between two samples."""

    def __init__(self, *, active: bool = True) -> None:
        self.first = self._highest = 0
        """The memory in bytes at the start of the block."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch) if active else None

    @property
    def growth(self) -> int:
        """The largest increase over the first sample, in bytes."""
        return self._highest - self.first

    def __enter__(self) -> Self:
        if self._thread is not None:
            gc.collect()
            self.first = self._highest = resident_bytes()
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._highest = max(self._highest, resident_bytes())

    def _watch(self) -> None:
        while not self._over.wait(self.PERIOD):
            self._highest = max(self._highest, resident_bytes())


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figure of the memory."""
    server = Worker("servers", "core", "--fresh", "--events", str(settings.memory_events))
    with server, Worker("client_ours", server.line()) as client:
        outcome = client.ask("memory", warm_up=settings.memory_events // WARM_UP_SHARE)
    if outcome["events"] != settings.memory_events:
        raise AssertionError(f"{outcome['events']} events arrived instead of {settings.memory_events}")
    growth = outcome["growth"] / MIB
    yield Figure(
        name="memory-events",
        title=f"memory growth over {settings.memory_events:,} events",
        unit="MiB",
        ours=growth,
        other=None,
        other_name=f"from {outcome['first'] / MIB:.0f} MiB after the warm-up",
        value=growth,
        target=Target(10, "MiB", at_least=False),
    )
