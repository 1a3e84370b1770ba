"""End-to-end event streams: every client reads tag, value, quality and source time of each event."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.harness import Figure, Sample, Settings, Target, compare, take_turns
from tests.benchmarks.worker import Contender, Worker

AIO: Final = "grpc.aio"
SYNC: Final = "grpcio sync"
SINGLE: Final = "grpcio sync, experimental single thread"
SINK: Final = "bytes discarded"
CONTENDERS: Final = {
    "ours": Contender("client_ours", "stream"),
    AIO: Contender("client_grpcio", "stream"),
    SYNC: Contender("client_grpcio", "stream_sync"),
    SINGLE: Contender("client_grpcio", "stream_single_threaded"),
    SINK: Contender("sink", "stream"),
}


@dataclass(frozen=True)
class Feed:
    """What a server sends on each stream."""

    events: int
    server: str = "core"
    """One of `servers.KINDS`."""
    tags: int | None = None
    """Tags that the contenders subscribe to; None for a bare stream."""
    interval: float | None = None
    """Seconds between two events; None for no pacing."""

    @property
    def options(self) -> list[str]:
        """Return the server's command line."""
        given = {"--events": self.events, "--tags": self.tags, "--interval": self.interval}
        return [
            self.server,
            *(text for name, value in given.items() if value is not None for text in (name, str(value))),
        ]

    @property
    def question(self) -> dict[str, int]:
        """Return the arguments of a contender's job."""
        return {"events": self.events} if self.tags is None else {"events": self.events, "tags": self.tags}


@dataclass(frozen=True)
class Taken:
    """Samples of every contender on one server."""

    rates: Mapping[str, list[float]]
    """Events per second."""
    cpu: Mapping[str, list[float]]
    """Microseconds of the client's CPU per event, over all its threads."""
    late: list[float]
    """The share of late messages in each paced stream."""


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of the event stream."""
    yield from _free(settings)
    if (cores := usable_cores()) is not None:
        yield from _pinned(settings, cores)
    yield from _other_servers(settings)


def usable_cores() -> tuple[int, int] | None:
    """Return two cores to pin a server and a client to; None if that is not possible."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else None


def _free(settings: Settings) -> Iterator[Figure]:
    taken = measure(Feed(settings.stream_events), CONTENDERS, settings.rounds)
    yield rate("stream-aio", "event stream", taken, AIO, Target(3))
    yield rate("stream-sync", "event stream", taken, SYNC, Target(2))
    yield cpu_of("stream-cpu-aio", "… client's CPU for an event", taken, AIO)
    yield cpu_of("stream-cpu-sync", "… client's CPU for an event", taken, SYNC)
    yield rate("stream-single-threaded", "event stream", taken, SINGLE)
    yield rate("stream-server", "… and what its server can send", taken, SINK)


def _pinned(settings: Settings, cores: tuple[int, int]) -> Iterator[Figure]:
    contenders = _some("ours", AIO, SYNC, SINGLE)
    taken = measure(Feed(settings.stream_events), contenders, settings.rounds, cores)
    yield rate("stream-pinned-aio", "event stream, a core for each", taken, AIO, Target(3))
    yield rate("stream-pinned-sync", "event stream, a core for each", taken, SYNC, Target(2))
    yield cpu_of("stream-pinned-cpu-aio", "… client's CPU for an event", taken, AIO)
    yield rate("stream-pinned-single-threaded", "event stream, a core for each", taken, SINGLE)


def _other_servers(settings: Settings) -> Iterator[Figure]:
    contenders = _some("ours", AIO, SYNC, SINK)
    coalesced = measure(Feed(settings.stream_events, "coalesced"), contenders, settings.few_rounds)
    yield rate("stream-coalesced-aio", "event stream in large frames", coalesced, AIO)
    yield rate("stream-coalesced-sync", "event stream in large frames", coalesced, SYNC)
    slow = measure(Feed(settings.stream_events // 2, "aio"), contenders, settings.few_rounds)
    yield rate("stream-slow-aio", "event stream of a grpc.aio server", slow, AIO)
    yield cpu_of("stream-slow-cpu-aio", "… client's CPU for an event", slow, AIO)
    yield rate("stream-slow-server", "… and what its server can send", slow, SINK)


def _some(*names: str) -> dict[str, Contender]:
    return {name: CONTENDERS[name] for name in names}


def measure(
    feed: Feed, contenders: Mapping[str, Contender], rounds: int, cores: tuple[int, int] | None = None
) -> Taken:
    """Alternate between contenders on one server, each in a separate process.

    Args:
        feed: What the server sends.
        contenders: The contenders by name.
        rounds: Streams per contender.
        cores: Cores of server and clients; None leaves them to the system.
    """
    server_core, client_core = cores or (None, None)
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    late: list[float] = []
    with ExitStack() as stack:
        server = stack.enter_context(Worker("servers", *feed.options, core=server_core))
        port = server.line()
        samples: dict[str, Sample] = {}
        for name, each in contenders.items():
            client = stack.enter_context(Worker(each.program, port, core=client_core, tree=each.tree))
            kept = (lambda: late.append(_late(server))) if feed.interval is not None else None
            samples[name] = _sample(client, each.job, feed, cpu[name], kept)
        rates = take_turns(samples, rounds)
    return Taken(rates, {name: taken[-rounds:] for name, taken in cpu.items()}, late)


def _sample(client: Worker, job: str, feed: Feed, cpu: list[float], after: Callable[[], None] | None) -> Sample:
    def sample() -> float:
        outcome = client.ask(job, **feed.question)
        cpu.append(outcome["cpu"])
        if after is not None:
            after()
        return outcome["rate"]

    return sample


def _late(server: Worker) -> float:
    """Return the share of late messages in the last stream."""
    kept = json.loads(server.line())
    return float(kept["late"] / kept["sent"])


def rate(name: str, title: str, taken: Taken, other: str, target: Target | None = None) -> Figure:
    return compare(
        name, title, taken.rates["ours"], taken.rates[other], other_name=other, measure="rate", unit="events/s",
        target=target,
    )  # fmt: skip


def cpu_of(name: str, title: str, taken: Taken, other: str) -> Figure:
    return compare(name, title, taken.cpu["ours"], taken.cpu[other], other_name=other, measure="time", unit="µs")
