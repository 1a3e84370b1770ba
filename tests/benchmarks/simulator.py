"""The simulated gateway: how many events a process sends, and what sessions cost it."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from tests.benchmarks.harness import Figure, Sample, Settings, Target, compare, take_turns
from tests.benchmarks.memory import MIB
from tests.benchmarks.worker import Worker

ASYNCIO: Final = "asyncio"
UVLOOP: Final = "uvloop"
OTHER: Final = "a grpc.aio server with prepared events"


def loops() -> list[str]:
    """Return the event loops that are installed."""
    return [ASYNCIO, UVLOOP] if importlib.util.find_spec(UVLOOP) else [ASYNCIO]


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of the simulated gateway."""
    yield from _events(settings)
    yield from _sessions(settings)


def _events(settings: Settings) -> Iterator[Figure]:
    events = settings.stream_events
    cpu: dict[str, list[float]] = {name: [] for name in loops()}
    with ExitStack() as stack:
        samples: dict[str, Sample] = {}
        for name in loops():
            server = stack.enter_context(Worker("simulated", name, "10"))
            client = stack.enter_context(Worker("simulated_client", server.line()))
            samples[name] = _sample(server, client, events, cpu[name])
        prepared = stack.enter_context(Worker("servers", "aio", "--events", str(events)))
        reader = stack.enter_context(Worker("client_ours", prepared.line()))
        samples[OTHER] = lambda: reader.ask("stream", events=events)["rate"]
        rates = take_turns(samples, settings.few_rounds)
    yield _amount("simulator-events", "events of a simulated gateway", rates[ASYNCIO], "events/s", Target(20_000, "events/s"))  # fmt: skip
    yield compare(
        "simulator-aio", "events of a simulated gateway", rates[ASYNCIO], rates[OTHER],
        other_name=OTHER, measure="rate", unit="events/s",
    )  # fmt: skip
    if UVLOOP in rates:
        yield compare(
            "simulator-uvloop", "events of a simulated gateway", rates[ASYNCIO], rates[UVLOOP],
            other_name="on uvloop", measure="rate", unit="events/s",
        )  # fmt: skip
        ours, other = (cpu[name][-settings.few_rounds :] for name in (ASYNCIO, UVLOOP))
        yield compare(
            "simulator-cpu", "… its CPU for an event", ours, other, other_name="on uvloop", measure="time", unit="µs"
        )  # fmt: skip


def _sample(server: Worker, client: Worker, events: int, cpu: list[float]) -> Sample:
    def sample() -> float:
        before = server.ask("usage")["cpu"]
        rate = client.ask("events", count=events)["rate"]
        cpu.append((server.ask("usage")["cpu"] - before) / events / 2 * 1e6)  # the warm-up has as many events
        return rate

    return sample


def _sessions(settings: Settings) -> Iterator[Figure]:
    count = settings.simulator_sessions
    with Worker("simulated", ASYNCIO, str(2 * count)) as server, Worker("simulated_client", server.line()) as client:
        client.ask("open_and_close", count=2 * count)
        warm = server.ask("usage")["resident"]
        client.ask("open_and_close", count=2 * count)
        closed = server.ask("usage")["resident"]
        client.ask("hold", count=count)
        held = server.ask("usage")["resident"]
    name = f"from {warm / MIB:.0f} MiB after as many for the warm-up"
    yield _memory("closed", f"simulator's memory growth over {2 * count:,} sessions", closed - warm, name, 2)
    yield _memory("idle", f"simulator's memory with {count:,} idle sessions", held, f"{closed / MIB:.0f} MiB of it without them", 200)  # fmt: skip


def _memory(name: str, title: str, size: float, other: str, limit: float) -> Figure:
    # Allocators give memory back as well: less than nothing has not grown.
    value = max(size, 0.0) / MIB
    target = Target(limit, "MiB", at_least=False)
    return Figure(f"simulator-memory-{name}", title, "MiB", value, None, other, value, target)


def _amount(name: str, title: str, taken: list[float], unit: str, target: Target) -> Figure:
    value = statistics.median(taken)
    return Figure(name, title, unit, value, None, "", value, target)
