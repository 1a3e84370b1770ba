"""Subscriptions: tag, value, quality and source time of every update of 1,000 tags, beside the same written by hand on grpc.aio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.harness import Figure, Settings, Target
from tests.benchmarks.stream import AIO, cpu_of, measure, rate, usable_cores

TAGS: Final = 1_000
CONTENDERS: Final = {"ours": ("client_ours", "subscribe"), AIO: ("client_grpcio", "subscribe")}
"""The program of each, and its job."""
NAMES: Final = list(CONTENDERS)
TARGET: Final = Target(2.5)


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of a subscription."""
    events = settings.stream_events
    free = measure("core", NAMES, settings.rounds, events, contenders=CONTENDERS, tags=TAGS)
    yield rate("subscribe-aio", "subscription to 1,000 tags", free, AIO, TARGET)
    yield cpu_of("subscribe-cpu-aio", "… client's CPU for an update", free, AIO)
    if (cores := usable_cores()) is not None:
        pinned = measure("core", NAMES, settings.rounds, events, cores, contenders=CONTENDERS, tags=TAGS)
        yield rate("subscribe-pinned-aio", "subscription, a core for each", pinned, AIO)
        yield cpu_of("subscribe-pinned-cpu-aio", "… client's CPU for an update", pinned, AIO)
