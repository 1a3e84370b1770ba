"""What every benchmark is made of: samples taken in turns, medians, and figures that know their target."""

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
    """How much is measured."""

    rounds: int = 9
    """Samples of each contender; the figures are their medians."""
    sample_seconds: float = 0.02
    """The least that a sample of a function takes."""
    write_entries: int = 1000
    page_objects: int = 500
    page_attributes: int = 20
    stream_events: int = 30_000
    """Events of one stream."""
    live_events: int = 700
    """Events of one stream on which they come one by one, a millisecond apart."""
    memory_events: int = 1_000_000
    bulk_tags: int = 100_000
    """Tags that are subscribed, read and written in bulk."""
    galaxy_objects: int = 100_000
    galaxy_attributes: int = 10
    """Of each object."""
    galaxy_pages: tuple[int, int] = (5000, 500)
    """Objects of a page: the most, and what a gateway gives unless told; the first is a multiple of the second."""
    latency_calls: int = 400
    """Unary calls one after the other."""
    rate_calls: int = 2000
    """Unary calls at concurrency 50."""

    @property
    def few_rounds(self) -> int:
        """Rounds of what takes long."""
        return max(1, (self.rounds + 2) // 3)


QUICK: Final = Settings(
    rounds=1, sample_seconds=0.0, write_entries=20, page_objects=5, page_attributes=2, stream_events=300, live_events=30,
    memory_events=3000, bulk_tags=40, galaxy_objects=70, galaxy_attributes=2, galaxy_pages=(20, 5),
    latency_calls=10, rate_calls=60,
)  # fmt: skip
"""Sizes that show that everything runs, and nothing else."""


@dataclass(frozen=True)
class Target:
    """A bound that a figure must keep."""

    limit: float
    unit: str = "×"
    at_least: bool = True

    def met_by(self, value: float) -> bool:
        """Return whether a value keeps the bound."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        space = "" if self.unit == "×" else " "
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{space}{self.unit}"


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    title: str
    unit: str
    """Of `ours` and `other`."""
    ours: float
    other: float | None
    other_name: str
    value: float
    """What is compared with the target: a ratio, or `ours` itself where there is nothing to compare with."""
    target: Target | None = None
    """None for a figure that is for information."""
    ratios: tuple[float, ...] = ()
    """Of each round."""

    @property
    def verdict(self) -> str:
        """Return "met" or "short", or nothing without a target."""
        return "" if self.target is None else "met" if self.target.met_by(self.value) else "short"

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for JSON."""
        target = None if self.target is None else str(self.target)
        return {**self.__dict__, "target": target, "verdict": self.verdict}


def take_turns(samples: Mapping[str, Sample], rounds: int) -> dict[str, list[float]]:
    """Return each contender's samples, after one that does not count; in every round another contender begins."""
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
    """Return a sample of the seconds that `function` takes for one of `items`; each is used, over and over for at least `seconds`."""

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
    """Return the figure for samples that were taken in turns.

    Args:
        name: Stands for the figure in the JSON.
        title: What is measured.
        ours: Our samples, one for each round.
        other: The other contender's samples of the same rounds.
        other_name: Who that is.
        measure: "time" gives how many times faster we are, "rate" how many times more we do, "share" what we take of the other's time.
        unit: Of the samples, once they are multiplied by `scale`.
        scale: From the samples to `unit`.
        target: What the median of the rounds' ratios must keep.
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
