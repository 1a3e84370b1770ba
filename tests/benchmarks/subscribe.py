"""Subscriptions: tag, value, quality and source time of every update of 1,000 tags, against grpc.aio by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.harness import Figure, Settings, Target
from tests.benchmarks.stream import AIO, Feed, cpu_of, measure, rate, usable_cores
from tests.benchmarks.worker import Contender

TAGS: Final = 1_000
CONTENDERS: Final = {"ours": Contender("client_ours", "subscribe"), AIO: Contender("client_grpcio", "subscribe")}


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of a subscription."""
    feed = Feed(settings.stream_events, tags=TAGS)
    free = measure(feed, CONTENDERS, settings.rounds)
    yield rate("subscribe-aio", "subscription to 1,000 tags", free, AIO, Target(7))
    yield cpu_of("subscribe-cpu-aio", "… client's CPU for an update", free, AIO)
    if (cores := usable_cores()) is not None:
        pinned = measure(feed, CONTENDERS, settings.rounds, cores)
        yield rate("subscribe-pinned-aio", "subscription, a core for each", pinned, AIO, Target(3))
        yield cpu_of("subscribe-pinned-cpu-aio", "… client's CPU for an update", pinned, AIO)
