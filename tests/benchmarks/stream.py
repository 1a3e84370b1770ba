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
    yield rate("stream-aio", "event stream", taken, AIO, Target(3))
    yield rate("stream-sync", "event stream", taken, SYNC, Target(2))
    yield cpu_of("stream-cpu-aio", "… client's CPU for an event", taken, AIO)
    yield cpu_of("stream-cpu-sync", "… client's CPU for an event", taken, SYNC)
    yield rate("stream-single-threaded", "event stream", taken, SINGLE)
    yield rate("stream-server", "… and what its server can send", taken, SINK)


def _pinned(settings: Settings, cores: tuple[int, int]) -> Iterator[Figure]:
    names = ["ours", AIO, SYNC, SINGLE]
    taken = measure("core", names, settings.rounds, settings.stream_events, cores)
    yield rate("stream-pinned-aio", "event stream, a core for each", taken, AIO, Target(3))
    yield rate("stream-pinned-sync", "event stream, a core for each", taken, SYNC, Target(2))
    yield cpu_of("stream-pinned-cpu-aio", "… client's CPU for an event", taken, AIO)
    yield rate("stream-pinned-single-threaded", "event stream, a core for each", taken, SINGLE)


def _other_servers(settings: Settings) -> Iterator[Figure]:
    names = ["ours", AIO, SYNC, SINK]
    coalesced = measure("coalesced", names, settings.few_rounds, settings.stream_events)
    yield rate("stream-coalesced-aio", "event stream in large frames", coalesced, AIO)
    yield rate("stream-coalesced-sync", "event stream in large frames", coalesced, SYNC)
    slow = measure("aio", names, settings.few_rounds, settings.stream_events // 2)
    yield rate("stream-slow-aio", "event stream of a grpc.aio server", slow, AIO)
    yield cpu_of("stream-slow-cpu-aio", "… client's CPU for an event", slow, AIO)
    yield rate("stream-slow-server", "… and what its server can send", slow, SINK)


def measure(
    server_kind: str,
    names: list[str],
    rounds: int,
    events: int,
    cores: tuple[int, int] | None = None,
    *,
    contenders: Mapping[str, tuple[str, str]] = CONTENDERS,
    tags: int | None = None,
) -> Taken:
    """Let contenders take turns at one server, each in a process of its own.

    Args:
        server_kind: One of `servers.KINDS`.
        names: The contenders.
        rounds: Streams that each of them reads.
        events: Events of a stream.
        cores: What server and clients are bound to; None leaves that to the system.
        contenders: The program of each contender, and its job.
        tags: What they subscribe to; None where the stream is all there is.
    """
    server_core, client_core = cores or (None, None)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        more = [] if tags is None else ["--tags", str(tags)]
        server = stack.enter_context(Worker("servers", server_kind, "--events", str(events), *more, core=server_core))
        port = server.line()
        samples: dict[str, Sample] = {}
        for name in names:
            program, job = contenders[name]
            client = stack.enter_context(Worker(program, port, core=client_core))
            samples[name] = _sample(
                client, job, {"events": events, **({} if tags is None else {"tags": tags})}, cpu[name]
            )
        rates = take_turns(samples, rounds)
    return Taken(rates, {name: taken[-rounds:] for name, taken in cpu.items()})


def _sample(client: Worker, job: str, sizes: Mapping[str, int], cpu: list[float]) -> Sample:
    def sample() -> float:
        outcome = client.ask(job, **sizes)
        cpu.append(outcome["cpu"])
        return outcome["rate"]

    return sample


def rate(name: str, title: str, taken: Taken, other: str, target: Target | None = None) -> Figure:
    return compare(
        name, title, taken.rates["ours"], taken.rates[other], other_name=other, measure="rate", unit="events/s",
        target=target,
    )  # fmt: skip


def cpu_of(name: str, title: str, taken: Taken, other: str) -> Figure:
    return compare(name, title, taken.cpu["ours"], taken.cpu[other], other_name=other, measure="time", unit="µs")
