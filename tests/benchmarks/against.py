"""Compares this source tree's client with another tree's: ``python -m tests.benchmarks.against ../before stream live``.

Both clients alternate on one server, which is this tree's. A ratio below 1× means that this tree is worse; for memory,
above 1×. Each client runs its own tree's benchmarks, with this interpreter.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.benchmarks import bulk, live, stream, subscribe, unary
from tests.benchmarks.harness import QUICK, Figure, Settings, table
from tests.benchmarks.stream import Feed, cpu_of, measure, rate
from tests.benchmarks.worker import Contender, Worker

OTHER: Final = "the other tree"
Pair = dict[str, Contender]


def of_stream(settings: Settings, tree: Path) -> Iterator[Figure]:
    """Yield the figures of a burst on an event stream."""
    taken = measure(Feed(settings.stream_events), _pair(stream.CONTENDERS["ours"], tree), settings.rounds)
    yield rate("stream", "event stream", taken, OTHER)
    yield cpu_of("stream-cpu", "… client's CPU for an event", taken, OTHER)


def of_subscribe(settings: Settings, tree: Path) -> Iterator[Figure]:
    """Yield the figures of a burst on a subscription."""
    feed = Feed(settings.stream_events, tags=subscribe.TAGS)
    taken = measure(feed, _pair(subscribe.CONTENDERS["ours"], tree), settings.rounds)
    yield rate("subscribe", "subscription to 1,000 tags", taken, OTHER)
    yield cpu_of("subscribe-cpu", "… client's CPU for an update", taken, OTHER)


def of_live(settings: Settings, tree: Path) -> Iterator[Figure]:
    """Yield the figures of events that arrive one by one."""
    feed = Feed(settings.live_events, interval=live.INTERVAL)
    taken = measure(feed, _pair(stream.CONTENDERS["ours"], tree), settings.rounds)
    yield cpu_of("live-stream", "one event a millisecond, client's CPU for one of a stream", taken, OTHER)
    taken = measure(replace(feed, tags=subscribe.TAGS), _pair(subscribe.CONTENDERS["ours"], tree), settings.rounds)
    yield cpu_of("live-subscribe", "… for an update of a subscription", taken, OTHER)


def of_unary(settings: Settings, tree: Path) -> Iterator[Figure]:
    """Yield the figures of unary calls."""
    yield from unary.figures(settings, _pair(unary.CONTENDERS["ours"], tree))


def of_bulk(settings: Settings, tree: Path) -> Iterator[Figure]:
    """Yield the figures of many tags at once."""
    with tempfile.TemporaryDirectory() as folder:
        yield from bulk.figures(settings, Path(folder), _pair(bulk.CONTENDERS["ours"], tree))


THEMES: Final[dict[str, Callable[[Settings, Path], Iterator[Figure]]]] = {
    "stream": of_stream,
    "subscribe": of_subscribe,
    "live": of_live,
    "unary": of_unary,
    "bulk": of_bulk,
}


def _pair(ours: Contender, tree: Path) -> Pair:
    return {"ours": ours, OTHER: replace(ours, tree=tree)}


def main(arguments: list[str] | None = None) -> None:
    """Compare the requested themes and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.against", description="Measure this source tree's client against another's."
    )
    parser.add_argument("tree", type=Path, help="the root of the other source tree")
    parser.add_argument("themes", nargs="+", choices=list(THEMES), metavar="theme", help=", ".join(THEMES))
    parser.add_argument("--rounds", type=int, help=f"samples of each contender; {Settings().rounds} unless told")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, to see that everything runs")
    options = parser.parse_args(arguments)
    settings = QUICK if options.quick else Settings()
    Worker.forks = options.quick
    if options.rounds is not None:
        settings = replace(settings, rounds=options.rounds)
    figures = [figure for theme in options.themes for figure in THEMES[theme](settings, options.tree.resolve())]
    print(table(replace(figure, target=None) for figure in figures))


if __name__ == "__main__":
    main()
