"""Unary calls with metadata and deadline; each request is built and each reply is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Final

from tests.benchmarks import calls
from tests.benchmarks.harness import Figure, Sample, Settings, Target, compare, take_turns
from tests.benchmarks.worker import Contender, Worker

CONTENDERS: Final = {"ours": Contender("client_ours", "unary"), "grpc.aio": Contender("client_grpcio", "unary")}


def figures(settings: Settings, contenders: Mapping[str, Contender] = CONTENDERS) -> Iterator[Figure]:
    """Yield the figures of unary calls, ours beside one other contender's."""
    _, other = contenders
    with ExitStack() as stack:
        port = stack.enter_context(Worker("servers", "core", "--events", "0")).line()
        clients = {
            each: stack.enter_context(Worker(each.program, port, tree=each.tree)) for each in contenders.values()
        }

        def turns(job: str, result: str, count: int) -> dict[str, list[float]]:
            samples = {name: _sample(clients[each], each, job, result, count) for name, each in contenders.items()}
            return take_turns(samples, settings.rounds)

        p50 = turns("latency", "p50", settings.latency_calls)
        rate = turns("throughput", "rate", settings.rate_calls)
    yield compare(
        "unary-p50", "unary call, median at concurrency 1", p50["ours"], p50[other], other_name=other, measure="time",
        unit="µs", scale=1e6, target=Target(1),
    )  # fmt: skip
    yield compare(
        "unary-rate", f"unary calls at concurrency {calls.CONCURRENCY}", rate["ours"], rate[other], other_name=other,
        measure="rate", unit="calls/s", target=Target(1),
    )  # fmt: skip


def _sample(client: Worker, contender: Contender, job: str, result: str, count: int) -> Sample:
    return lambda: client.ask(contender.job, job=job, count=count)[result]
