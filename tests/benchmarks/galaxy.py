"""The whole galaxy, page by page: against hand-written `grpc.aio` and betterproto's decoding alone, and its memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final, Literal

from tests.benchmarks import samples
from tests.benchmarks.bindings import StockContract
from tests.benchmarks.harness import Figure, Sample, Settings, Target, clock, compare, take_turns
from tests.benchmarks.memory import MIB
from tests.benchmarks.worker import Worker

AIO: Final = "grpc.aio"
STOCK: Final = "betterproto, decoding alone"
CONTENDERS: Final = {"ours": "client_ours", AIO: "client_grpcio"}
"""The program of each contender."""

Outcomes = Mapping[str, list[dict[str, float]]]


def figures(settings: Settings, stock: StockContract) -> Iterator[Figure]:
    """Yield the figures of the galaxy."""
    with ExitStack() as stack:
        sizes = ["--objects", str(settings.galaxy_objects), "--attributes", str(settings.galaxy_attributes)]
        port = stack.enter_context(Worker("servers", "galaxy", *sizes)).line()
        yield from _memory(settings, port)
        clients = {name: stack.enter_context(Worker(program, port)) for name, program in CONTENDERS.items()}
        for page_size in settings.galaxy_pages:
            yield from _read(settings, clients, page_size)
        yield _against_stock(settings, clients["ours"], stock)


def _memory(settings: Settings, port: str) -> Iterator[Figure]:
    """Yield the memory of a fresh process that reads all objects and keeps none."""
    for page_size in settings.galaxy_pages:
        with Worker(CONTENDERS["ours"], port) as client:
            outcome = client.ask("galaxy", **_question(settings, page_size), memory=True)
        growth = outcome["growth"] / MIB
        yield Figure(
            name=f"galaxy-memory-{_label(settings, page_size)}",
            title=f"memory growth over {settings.galaxy_objects:,} objects, pages of {page_size:,}",
            unit="MiB",
            ours=growth,
            other=None,
            other_name=f"from {outcome['first'] / MIB:.0f} MiB when it is connected",
            value=growth,
            target=Target(60, "MiB", at_least=False),
        )


def _read(settings: Settings, clients: Mapping[str, Worker], page_size: int) -> Iterator[Figure]:
    outcomes: dict[str, list[dict[str, float]]] = {name: [] for name in clients}
    turns = {name: _sample(client, settings, page_size, outcomes[name]) for name, client in clients.items()}
    take_turns(turns, settings.few_rounds)
    label = _label(settings, page_size)
    title = f"read {settings.galaxy_objects:,} objects × {settings.galaxy_attributes}, pages of {page_size:,}"
    yield _compared(f"galaxy-{label}", title, outcomes, "rate", "objects/s", 1.0)
    yield _compared(f"galaxy-{label}-cpu", "… client's CPU for 100,000 objects", outcomes, "cpu", "s", 0.1)


def _against_stock(settings: Settings, ours: Worker, stock: StockContract) -> Figure:
    """Return the full read by this client against betterproto's decoding, which is extrapolated from a part."""
    part = min(settings.galaxy_pages)
    page = samples.hierarchy_page(part, settings.galaxy_attributes)
    shares = settings.galaxy_objects / part

    def whole() -> float:
        outcome = ours.ask("galaxy", **_question(settings, max(settings.galaxy_pages)))
        return settings.galaxy_objects / outcome["rate"]

    taken = take_turns(
        {"ours": whole, STOCK: _timed(lambda: stock.galaxy.DiscoverHierarchyReply().parse(page), shares)},
        settings.few_rounds,
    )
    title = f"read {settings.galaxy_objects:,} objects × {settings.galaxy_attributes}, end to end"
    return compare(
        "galaxy-stock",
        title,
        taken["ours"],
        taken[STOCK],
        other_name=STOCK,
        measure="time",
        unit="s",
        target=Target(30),
    )


def _timed(function: Callable[[], Any], shares: float) -> Sample:
    def sample() -> float:
        gc.collect()
        start = clock()
        function()
        return (clock() - start) * shares

    return sample


def _sample(client: Worker, settings: Settings, page_size: int, outcomes: list[dict[str, float]]) -> Sample:
    def sample() -> float:
        outcome = client.ask("galaxy", **_question(settings, page_size))
        outcomes.append(outcome)
        return outcome["rate"]

    return sample


def _question(settings: Settings, page_size: int) -> dict[str, int]:
    return {
        "objects": settings.galaxy_objects,
        "attributes": settings.galaxy_attributes,
        "page_size": page_size,
    }


def _label(settings: Settings, page_size: int) -> str:
    return "large" if page_size == max(settings.galaxy_pages) else "small"


def _compared(name: str, title: str, outcomes: Outcomes, result: str, unit: str, scale: float) -> Figure:
    # The first outcome is from a warm-up.
    ours, other = ([outcome[result] for outcome in outcomes[each][1:]] for each in ("ours", AIO))
    measure: Literal["rate", "time"] = "rate" if result == "rate" else "time"
    return compare(name, title, ours, other, other_name=AIO, measure=measure, unit=unit, scale=scale)
