"""Events that arrive one by one, as in most plants: the client's CPU per event, wake-ups included."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tests.benchmarks import subscribe
from tests.benchmarks.harness import Figure, Settings, Target, compare
from tests.benchmarks.stream import AIO, CONTENDERS, Feed, Taken, measure
from tests.benchmarks.worker import Contender

BARE: Final = "bare protocol"
STREAM: Final = {"ours": CONTENDERS["ours"], AIO: CONTENDERS[AIO], BARE: Contender("client_bare", "stream")}
INTERVAL: Final = 0.001
FAST_INTERVAL: Final = 0.0002
FAST_EVENTS: Final = 3
"""How many times longer a fast stream is, to run long enough."""


@dataclass(frozen=True)
class Regime:
    """How events arrive, and the names of the figures."""

    name: str
    title: str
    interval: float
    events: int
    rounds: int
    with_targets: bool


def figures(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of events that arrive one by one."""
    events, rounds = settings.live_events, settings.rounds
    yield from _figures(Regime("live", "one event a millisecond", INTERVAL, events, rounds, with_targets=True))
    yield from _figures(
        Regime(
            "live-fast", "one event each 0.2 ms", FAST_INTERVAL, FAST_EVENTS * events, settings.few_rounds,
            with_targets=False,
        )
    )  # fmt: skip


def _figures(regime: Regime) -> Iterator[Figure]:
    feed = Feed(regime.events, interval=regime.interval)
    stream = measure(feed, STREAM, regime.rounds)
    subscription = measure(replace(feed, tags=subscribe.TAGS), subscribe.CONTENDERS, regime.rounds)
    yield _cpu(regime, "stream-aio", "client's CPU for one of a stream", stream, AIO, 0.70)
    yield _cpu(regime, "stream-bare", "client's CPU for one of a stream", stream, BARE, 1.35)
    yield _cpu(regime, "subscribe-aio", "… for an update of a subscription", subscription, AIO, 0.85)
    yield _late(regime, [*stream.late, *subscription.late])


def _cpu(regime: Regime, name: str, title: str, taken: Taken, other: str, most: float) -> Figure:
    return compare(
        f"{regime.name}-{name}", title if title.startswith("…") else f"{regime.title}, {title}", taken.cpu["ours"],
        taken.cpu[other], other_name=other, measure="share", unit="µs",
        target=Target(most, at_least=False) if regime.with_targets else None,
    )  # fmt: skip


def _late(regime: Regime, shares: list[float]) -> Figure:
    share = statistics.mean(shares) * 100
    return Figure(
        name=f"{regime.name}-late",
        title="… sends when the next was due already",
        unit="%",
        ours=share,
        other=None,
        other_name=f"of the server's {len(shares) * regime.events:,} sends",
        value=share,
    )
