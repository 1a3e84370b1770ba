"""Event streams from end to end: every client reads tag, value, quality and source time of every event, one event a message."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.harness import Figure, Sample, Settings, Target, compare, take_turns
from tests.benchmarks.worker import Worker

AIO: Final = "grpc.aio"
SYNC: Final = "grpcio sync"
SINGLE: Final = "grpcio sync, experimental single thread"
SINK: Final = "bytes discarded"
CONTENDERS: Final = {
    "ours": ("client_ours", "stream"),
    AIO: ("client_grpcio", "stream"),
    SYNC: ("client_grpcio", "stream_sync"),
    SINGLE: ("client_grpcio", "stream_single_threaded"),
    SINK: ("sink", "stream"),
}
"""The program of each, and its job."""


@dataclass(frozen=True)
class Taken:
    """Samples of every contender at one server."""

    rates: Mapping[str, list[float]]
    """Events a second."""
    cpu: Mapping[str, list[float]]
    """Microseconds of the client's CPU, of all its threads, for an event."""


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of the event stream."""
    yield from _free(settings)
    if (cores := usable_cores()) is not None:
        yield from _pinned(settings, cores)
    yield from _other_servers(settings)


def usable_cores() -> tuple[int, int] | None:
    """Return two cores to bind a server and a client to; None where that is not possible."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else None


def _free(settings: Settings) -> Iterator[Figure]:
    taken = measure("core", list(CONTENDERS), settings.rounds, settings.stream_events)
    yield _rate("stream-aio", "event stream", taken, AIO, Target(3))
    yield _rate("stream-sync", "event stream", taken, SYNC, Target(2))
    yield _cpu("stream-cpu-aio", "… client's CPU for an event", taken, AIO)
    yield _cpu("stream-cpu-sync", "… client's CPU for an event", taken, SYNC)
    yield _rate("stream-single-threaded", "event stream", taken, SINGLE)
    yield _rate("stream-server", "… and what its server can send", taken, SINK)


def _pinned(settings: Settings, cores: tuple[int, int]) -> Iterator[Figure]:
    names = ["ours", AIO, SYNC, SINGLE]
    taken = measure("core", names, settings.rounds, settings.stream_events, cores)
    yield _rate("stream-pinned-aio", "event stream, a core for each", taken, AIO, Target(3))
    yield _rate("stream-pinned-sync", "event stream, a core for each", taken, SYNC, Target(2))
    yield _cpu("stream-pinned-cpu-aio", "… client's CPU for an event", taken, AIO)
    yield _rate("stream-pinned-single-threaded", "event stream, a core for each", taken, SINGLE)


def _other_servers(settings: Settings) -> Iterator[Figure]:
    names = ["ours", AIO, SYNC, SINK]
    coalesced = measure("coalesced", names, settings.few_rounds, settings.stream_events)
    yield _rate("stream-coalesced-aio", "event stream in large frames", coalesced, AIO)
    yield _rate("stream-coalesced-sync", "event stream in large frames", coalesced, SYNC)
    slow = measure("aio", names, settings.few_rounds, settings.stream_events // 2)
    yield _rate("stream-slow-aio", "event stream of a grpc.aio server", slow, AIO)
    yield _cpu("stream-slow-cpu-aio", "… client's CPU for an event", slow, AIO)
    yield _rate("stream-slow-server", "… and what its server can send", slow, SINK)


def measure(
    server_kind: str, names: list[str], rounds: int, events: int, cores: tuple[int, int] | None = None
) -> Taken:
    """Let contenders take turns at one server, each in a process of its own.

    Args:
        server_kind: One of `servers.KINDS`.
        names: The contenders.
        rounds: Streams that each of them reads.
        events: Events of a stream.
        cores: What server and clients are bound to; None leaves that to the system.
    """
    server_core, client_core = cores or (None, None)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        server = stack.enter_context(Worker("servers", server_kind, "--events", str(events), core=server_core))
        port = server.line()
        samples: dict[str, Sample] = {}
        for name in names:
            program, job = CONTENDERS[name]
            client = stack.enter_context(Worker(program, port, core=client_core))
            samples[name] = _sample(client, job, events, cpu[name])
        rates = take_turns(samples, rounds)
    return Taken(rates, {name: taken[-rounds:] for name, taken in cpu.items()})


def _sample(client: Worker, job: str, events: int, cpu: list[float]) -> Sample:
    def sample() -> float:
        outcome = client.ask(job, events=events)
        cpu.append(outcome["cpu"])
        return outcome["rate"]

    return sample


def _rate(name: str, title: str, taken: Taken, other: str, target: Target | None = None) -> Figure:
    return compare(
        name, title, taken.rates["ours"], taken.rates[other], other_name=other, measure="rate", unit="events/s",
        target=target,
    )  # fmt: skip


def _cpu(name: str, title: str, taken: Taken, other: str) -> Figure:
    return compare(name, title, taken.cpu["ours"], taken.cpu[other], other_name=other, measure="time", unit="µs")
