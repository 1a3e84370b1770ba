"""Bulk calls of 1,000 tags: subscribe, read and write back, reading every result and every event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.benchmarks import plant
from tests.benchmarks.harness import Figure, Sample, Settings, Target, compare, take_turns
from tests.benchmarks.memory import MIB
from tests.benchmarks.worker import Contender, Worker

OTHER: Final = "grpc.aio"
CONTENDERS: Final = {"ours": Contender("bulk_ours", "bulk"), OTHER: Contender("bulk_grpcio", "bulk")}
TITLES: Final = {
    "subscribe": "subscribe to {tags:,} tags",
    "read": "read {tags:,} tags as Python values",
    "read_bulk": "read {tags:,} tags as messages",
    "write": "write {tags:,} tags",
}
Outcomes = Mapping[str, list[dict[str, float]]]


def figures(settings: Settings, folder: Path, contenders: Mapping[str, Contender] = CONTENDERS) -> Iterator[Figure]:
    """Yield the bulk figures, ours beside one other contender's.

    Args:
        settings: How many tags, and how often.
        folder: Where the list of tags is written.
        contenders: Ours, and the other one.
    """
    tags = folder / "tags.txt"
    count = settings.bulk_tags
    tags.write_text("\n".join(plant.tags_of(plant.plant_of(count), count)), encoding="utf-8")
    simulated = _measure(Worker("plant", str(count)), contenders, settings.few_rounds, tags, events=True)
    for name, title in TITLES.items():
        yield _rate(f"bulk-{name}", title.format(tags=count), simulated, name, Target(1))
        yield _cpu(f"bulk-{name}-cpu", simulated, name)
    yield _memory("bulk-memory", "… peak memory above the start", simulated)
    quick = _measure(Worker("servers", "bulk"), contenders, settings.few_rounds, tags, events=False)
    for name, title in TITLES.items():
        yield _rate(f"bulk-quick-{name}", f"{title.format(tags=count)} at a server of prepared replies", quick, name)
        yield _cpu(f"bulk-quick-{name}-cpu", quick, name)


def _measure(server: Worker, contenders: Mapping[str, Contender], rounds: int, tags: Path, *, events: bool) -> Outcomes:
    """Alternate between the contenders, each turn in a new session.

    The first outcome is from a fresh process and includes the memory."""
    outcomes: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    with ExitStack() as stack:
        port = stack.enter_context(server).line()
        samples: dict[str, Sample] = {}
        for name, each in contenders.items():
            client = stack.enter_context(Worker(each.program, port, tree=each.tree))
            samples[name] = _sample(client, each.job, tags, outcomes[name], events=events)
        take_turns(samples, rounds)
    return outcomes


def _sample(client: Worker, job: str, tags: Path, outcomes: list[dict[str, float]], *, events: bool) -> Sample:
    def sample() -> float:
        outcome = client.ask(job, tags_file=str(tags), events=events, memory=not outcomes)
        outcomes.append(outcome)
        return outcome["read_rate"]

    return sample


def _rate(name: str, title: str, outcomes: Outcomes, operation: str, target: Target | None = None) -> Figure:
    (_, ours), (other_name, other) = ((name, _of(each, f"{operation}_rate")) for name, each in outcomes.items())
    return compare(name, title, ours, other, other_name=other_name, measure="rate", unit="tags/s", target=target)


def _cpu(name: str, outcomes: Outcomes, operation: str) -> Figure:
    (_, ours), (other_name, other) = ((name, _of(each, f"{operation}_cpu")) for name, each in outcomes.items())
    # Microseconds per tag are tenths of seconds for 100,000 tags.
    return compare(
        name, "… client's CPU for 100,000 tags", ours, other, other_name=other_name, measure="time", unit="s", scale=0.1
    )  # fmt: skip


def _memory(name: str, title: str, outcomes: Outcomes) -> Figure:
    (_, ours), (other_name, other) = ((name, [each[0]["growth"]]) for name, each in outcomes.items())
    return compare(name, title, ours, other, other_name=other_name, measure="share", unit="MiB", scale=1 / MIB)


def _of(outcomes: list[dict[str, float]], result: str) -> list[float]:
    return [outcome[result] for outcome in outcomes[1:]]
