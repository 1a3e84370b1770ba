"""The benchmark commands: reads and events."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any, Final

import click

from mxgateway_cli.commands.values import READ_TIMEOUT
from mxgateway_cli.connecting.shared_options import CLIENT_NAME
from mxgateway_cli.declaring import vocabulary
from mxgateway_cli.declaring.command import Call, gateway_command
from mxgateway_cli.help.sections import option
from mxgateway_cli.input.named_tags import tag_options
from mxgateway_cli.terminal.stdout import Output

DEFAULT_ITEMS: Final = tuple(f"TestMachine_{number:03}.TestChangingInt" for number in range(1, 7))
"""Tags of the simulated gateway."""

_TAGS: Final = tag_options(
    f"The tags, repeated up to the bulk size.  [default: {DEFAULT_ITEMS[0]} to {DEFAULT_ITEMS[-1]}]", required=False
)
_DURATION: Final = vocabulary.duration(30, "--duration-seconds", more="The warm-up is not part of it.")
_BULK_SIZE: Final = option(
    "--bulk-size", type=click.IntRange(1, 100_000), metavar="N", default=6, show_default=True, help="Tags per call or session."
)  # fmt: skip


@gateway_command(
    "bench-read-bulk",
    *_TAGS,
    _BULK_SIZE,
    _DURATION,
    option("--warmup-seconds", type=click.FloatRange(0, 3600), metavar="SECONDS", default=3, show_default=True,
           help="How long to read before measuring."),
    READ_TIMEOUT,
    CLIENT_NAME,
    examples=(
        "mxgw-py bench-read-bulk --duration 0.2 --warmup-seconds 0",
        "mxgw-py bench-read-bulk --duration 0.2 --warmup-seconds 0 \\\n  Tank01.Level Tank02.Level --json",
    ),
)  # fmt: skip
async def bench_read_bulk(
    call: Call,
    tags: list[str],
    bulk_size: int,
    duration: float,
    warmup_seconds: float,
    timeout_ms: int,
    client_name: str,
) -> None:
    """Measure how fast subscribed tags are read.

    Opens a session, registers, subscribes, warms up, repeats read_bulk calls, and cleans up. Exit code 21 if some of
    the calls failed.
    """
    from mxgateway_cli.operations.benchmarks import ReadBenchmark

    benchmark = ReadBenchmark(_tags(tags, bulk_size), timeout_ms)
    async with (
        call.session(name=client_name) as session,
        benchmark.prepared(session, client_name, call.app.warn) as server,
        call.app.progress.duration("reading", warmup_seconds + duration, lambda: benchmark.successful),
    ):
        await benchmark.warm_up(session, server, warmup_seconds)
        await benchmark.run(session, server, duration)
    _write(call.output, benchmark.report(), value="callsPerSecond")
    benchmark.check()


@gateway_command(
    "bench-stream-events",
    *_TAGS,
    _BULK_SIZE,
    _DURATION,
    option("--session-count", type=click.IntRange(1, 1000), metavar="N", default=1, show_default=True,
           help="Number of concurrent sessions, over one connection."),
    option("--session-start-stagger-ms", type=click.IntRange(0, 60_000), metavar="MS", default=750, show_default=True,
           help="Delay between opening two sessions: a gateway starts one worker at a time."),
    CLIENT_NAME,
    examples=(
        "mxgw-py bench-stream-events --duration 0.2",
        "mxgw-py bench-stream-events --duration 0.2 --session-count 2 \\\n  --session-start-stagger-ms 10 --json",
    ),
)  # fmt: skip
async def bench_stream_events(
    call: Call,
    tags: list[str],
    bulk_size: int,
    duration: float,
    session_count: int,
    session_start_stagger_ms: int,
    client_name: str,
) -> None:
    """Measure event throughput and latency.

    Latency is the time from an event's worker timestamp to its arrival here, so the clocks of both machines must agree.
    Gaps are jumps in a session's worker sequence.
    """
    from mxgateway_cli.operations.benchmarks import EventBenchmark

    benchmark = EventBenchmark(_tags(tags, bulk_size), client_name, call.app.warn)
    stagger = session_start_stagger_ms / 1000
    total_seconds = stagger * (session_count - 1) + duration
    progress = call.app.progress.duration("streaming", total_seconds, lambda: benchmark.events)
    async with call.client() as client, progress:
        await benchmark.run(client, session_count, stagger, duration)
    _write(call.output, benchmark.report(), value="eventsPerSecond")


def _tags(tags: list[str], count: int) -> list[str]:
    """Return `count` tags: the given or the default ones, repeated as needed."""
    return list(islice(cycle(tags or DEFAULT_ITEMS), count))


def _write(output: Output, figures: Mapping[str, Any], *, value: str) -> None:
    if output.form != "table":
        output.document(figures, value=value)
        return
    rows: dict[str, Any] = {}
    for name, figure in figures.items():
        rows |= (
            {f"{name}.{part}": each for part, each in figure.items()} if isinstance(figure, dict) else {name: figure}
        )
    output.pairs(rows)
