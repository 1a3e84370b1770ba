"""Unary calls, with metadata and deadline; the request is made and the reply is read for each."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks import calls
from tests.benchmarks.harness import Figure, Sample, Settings, Target, compare, take_turns
from tests.benchmarks.worker import Worker

OTHER = "grpc.aio"


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of unary calls."""
    with Worker("servers", "core", "--events", "0") as server:
        port = server.line()
        with Worker("client_ours", port) as ours, Worker("client_grpcio", port) as other:
            clients = {"ours": ours, OTHER: other}
            p50 = take_turns(
                {name: _sample(client, "latency", "p50", settings.latency_calls) for name, client in clients.items()},
                settings.rounds,
            )
            rate = take_turns(
                {name: _sample(client, "throughput", "rate", settings.rate_calls) for name, client in clients.items()},
                settings.rounds,
            )
    yield compare(
        "unary-p50", "unary call, median at concurrency 1", p50["ours"], p50[OTHER], other_name=OTHER, measure="time",
        unit="µs", scale=1e6, target=Target(1),
    )  # fmt: skip
    yield compare(
        "unary-rate", f"unary calls at concurrency {calls.CONCURRENCY}", rate["ours"], rate[OTHER], other_name=OTHER,
        measure="rate", unit="calls/s", target=Target(1),
    )  # fmt: skip


def _sample(client: Worker, job: str, result: str, count: int) -> Sample:
    return lambda: client.ask("unary", job=job, count=count)[result]
