"""The building blocks of the benchmarks: alternating samples, medians, and figures with targets."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final, Literal

Sample = Callable[[], float]
Measure = Literal["time", "rate", "share"]

clock: Final = time.perf_counter


@dataclass(frozen=True)
class Settings:
    """Sizes and repetitions."""

    rounds: int = 9
    """Samples per contender; figures are medians."""
    sample_seconds: float = 0.02
    """Minimum duration of a function's sample."""
    write_entries: int = 1000
    page_objects: int = 500
    page_attributes: int = 20
    stream_events: int = 30_000
    """Events per stream."""
    live_events: int = 700
    """Events per paced stream, one every millisecond."""
    memory_events: int = 1_000_000
    bulk_tags: int = 100_000
    """Tags subscribed, read and written in bulk."""
    galaxy_objects: int = 100_000
    galaxy_attributes: int = 10
    """Attributes per object."""
    galaxy_pages: tuple[int, int] = (5000, 500)
    """Page sizes: the largest, and the gateway's default; the first is a multiple of the second."""
    latency_calls: int = 400
    """Sequential unary calls."""
    rate_calls: int = 2000
    """Unary calls at concurrency 50."""
    simulator_sessions: int = 1000
    """Idle sessions of a simulated gateway; twice as many are opened and closed."""

    @property
    def few_rounds(self) -> int:
        """Rounds of slow benchmarks."""
        return max(1, (self.rounds + 2) // 3)


QUICK: Final = Settings(
    rounds=1, sample_seconds=0.0, write_entries=20, page_objects=5, page_attributes=2, stream_events=300, live_events=30,
    memory_events=3000, bulk_tags=40, galaxy_objects=70, galaxy_attributes=2, galaxy_pages=(20, 5),
    latency_calls=10, rate_calls=60, simulator_sessions=50,
)  # fmt: skip
"""Minimal sizes, to check that everything runs."""


@dataclass(frozen=True)
class Target:
    """A limit that a figure must meet."""

    limit: float
    unit: str = "×"
    at_least: bool = True

    def met_by(self, value: float) -> bool:
        """Return whether a value meets the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        space = "" if self.unit == "×" else " "
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{space}{self.unit}"


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    name: str
    title: str
    unit: str
    """The unit of `ours` and `other`."""
    ours: float
    other: float | None
    other_name: str
    value: float
    """The value compared with the target: a ratio, or `ours` itself if there is nothing to compare with."""
    target: Target | None = None
    """None for an informational figure."""
    ratios: tuple[float, ...] = ()
    """The ratio of each round."""

    @property
    def verdict(self) -> str:
        """Return "met" or "short", or nothing without a target."""
        return "" if self.target is None else "met" if self.target.met_by(self.value) else "short"

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for JSON."""
        target = None if self.target is None else str(self.target)
        return {**self.__dict__, "target": target, "verdict": self.verdict}


def take_turns(samples: Mapping[str, Sample], rounds: int) -> dict[str, list[float]]:
    """Return each contender's samples, without a first warm-up; the starting contender rotates."""
    taken: dict[str, list[float]] = {name: [] for name in samples}
    names = list(samples)
    for sample in samples.values():
        sample()
    for first in range(rounds):
        for name in islice(cycle(names), first, first + len(names)):
            gc.collect()
            taken[name].append(samples[name]())
    return taken


def per_item(function: Callable[[Any], Any], items: Sequence[Any], seconds: float) -> Sample:
    """Return a sample of the seconds per item; `function` is called on all items, repeatedly for at least `seconds`."""

    def sample() -> float:
        passes, start = 0, clock()
        while True:
            for item in items:
                function(item)
            passes += 1
            elapsed = clock() - start
            if elapsed >= seconds:
                return elapsed / (passes * len(items))

    return sample


def compare(
    name: str,
    title: str,
    ours: Sequence[float],
    other: Sequence[float],
    *,
    other_name: str,
    measure: Measure,
    unit: str,
    scale: float = 1.0,
    target: Target | None = None,
) -> Figure:
    """Return the figure for alternating samples.

    Args:
        name: The figure's name in the JSON.
        title: What is measured.
        ours: Our samples, one per round.
        other: The other contender's samples in the same rounds.
        other_name: The other contender.
        measure: "time" for how many times faster we are, "rate" for how many times more we do, "share" for our share of
            the other's time.
        unit: The unit of the samples after multiplication by `scale`.
        scale: The factor from the samples to `unit`.
        target: The limit for the median of the rounds' ratios.
    """
    ratios = [b / a if measure == "time" else a / b for a, b in zip(ours, other, strict=True)]
    return Figure(
        name=name,
        title=title,
        unit=unit,
        ours=statistics.median(ours) * scale,
        other=statistics.median(other) * scale,
        other_name=other_name,
        value=statistics.median(ratios),
        target=target,
        ratios=tuple(ratios),
    )


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table that also reads well on a terminal."""
    rows: list[tuple[str, ...]] = [("figure", "mxgateway", "other", "", "ratio", "target", "")]
    rows += [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def _row(figure: Figure) -> tuple[str, ...]:
    other = "" if figure.other is None else _quantity(figure.other, figure.unit)
    ratio = "" if figure.other is None else f"{_number(figure.value)}×"
    target = "" if figure.target is None else str(figure.target)
    return figure.title, _quantity(figure.ours, figure.unit), other, figure.other_name, ratio, target, figure.verdict


def _quantity(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
