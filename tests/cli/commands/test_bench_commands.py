from __future__ import annotations

import asyncio
import os
import statistics

import pytest
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st

from mxgateway.wire import which_one_of
from mxgateway_cli.operations.benchmarks import Latencies, percentile
from tests.cli.gateway import TAG, Gateway
from tests.cli.in_process import refused
from tests.cli.terminal import terminal

LATENCIES = ["p50", "p95", "p99", "max", "mean"]
READ_KEYS = [
    "language", "durationMs", "totalCalls", "successfulCalls", "failedCalls", "totalReadResults", "cachedReadResults",
    "callsPerSecond", "latencyMs",
]  # fmt: skip
STREAM_KEYS = [
    "language", "durationMs", "sessionCount", "bulkSize", "totalEvents", "eventsPerSecond", "latencyMs", "gaps",
]  # fmt: skip
SHORT = ("--duration-seconds", "0.5", "--warmup-seconds", "0.1")


def commands(gateway: Gateway) -> list[str]:
    return [
        which_one_of(call.request.command, "payload") if call.method == "Invoke" else call.method
        for call in gateway.simulated.received
    ]


async def test_reading_is_measured_in_a_session_that_is_taken_back(gateway: Gateway) -> None:
    outcome = await gateway.mxgw("bench-read-bulk", *SHORT, "--json")

    assert (outcome.code, outcome.err) == (0, "")
    figures = outcome.document
    assert list(figures) == READ_KEYS
    assert list(figures["latencyMs"]) == LATENCIES
    assert figures["language"] == "python"
    assert figures["totalCalls"] == figures["successfulCalls"] > 0
    assert figures["failedCalls"] == 0
    assert figures["totalReadResults"] == figures["cachedReadResults"] == 6 * figures["totalCalls"]
    assert figures["durationMs"] >= 500
    assert figures["callsPerSecond"] == pytest.approx(figures["totalCalls"] / figures["durationMs"] * 1000, rel=0.01)
    assert 0 < figures["latencyMs"]["p50"] <= figures["latencyMs"]["p99"] <= figures["latencyMs"]["max"]
    done = commands(gateway)
    assert [name for name in dict.fromkeys(done) if name != "StreamEvents"] == [
        "OpenSession", "register", "subscribe_bulk", "read_bulk", "unsubscribe_bulk", "CloseSession",
    ]  # fmt: skip
    assert done.count("read_bulk") >= figures["totalCalls"]


async def test_the_tags_are_repeated_up_to_the_bulk_size(gateway: Gateway) -> None:
    arguments = ("--items", f"{TAG}, No.Such", "--bulk-size", "5", *SHORT, "--warmup-seconds", "0", "-ovalue")
    outcome = await gateway.mxgw("bench-read-bulk", *arguments)

    assert outcome.code == 0, outcome.err
    assert float(outcome.out) > 0
    [subscribe] = [
        call.request.command.subscribe_bulk
        for call in gateway.simulated.received
        if call.method == "Invoke" and which_one_of(call.request.command, "payload") == "subscribe_bulk"
    ]
    assert list(subscribe.tag_addresses) == [TAG, "No.Such", TAG, "No.Such", TAG]


async def test_calls_that_fail_are_counted_and_end_with_exit_code_21(gateway: Gateway) -> None:
    gateway.simulated.fail_next("Invoke.ReadBulk", Status.INTERNAL, "no luck", times=2)
    some = await gateway.mxgw("bench-read-bulk", "--duration-seconds", "1", "--warmup-seconds", "0", "--json")
    gateway.simulated.fail_next("Invoke.ReadBulk", Status.INTERNAL, "no luck", times=10_000)
    every = await gateway.mxgw("bench-read-bulk", *SHORT, "--json")

    assert some.code == 21
    assert some.document["failedCalls"] == 2
    assert some.document["totalCalls"] == some.document["successfulCalls"] + 2
    assert "no luck" in some.error["message"]
    assert every.code == 64 + Status.INTERNAL.value
    assert every.document["successfulCalls"] == 0
    assert not gateway.simulated.sessions


async def test_events_are_measured_over_several_sessions(gateway: Gateway) -> None:
    arguments = (
        "--session-count",
        "3",
        "--session-start-stagger-ms",
        "1",
        "--duration-seconds",
        "2",
        "--bulk-size",
        "4",
    )
    outcome = await gateway.mxgw("bench-stream-events", *arguments, "--json")

    assert (outcome.code, outcome.err) == (0, "")
    figures = outcome.document
    assert list(figures) == STREAM_KEYS
    assert list(figures["latencyMs"]) == LATENCIES
    assert (figures["sessionCount"], figures["bulkSize"], figures["gaps"]) == (3, 4, 0)
    assert figures["totalEvents"] > 0
    assert figures["eventsPerSecond"] == pytest.approx(figures["totalEvents"] / figures["durationMs"] * 1000, rel=0.01)
    assert commands(gateway).count("OpenSession") == 3
    assert not gateway.simulated.sessions


async def test_a_session_that_breaks_ends_the_measuring(gateway: Gateway) -> None:
    running = asyncio.ensure_future(gateway.mxgw("bench-stream-events", "--duration-seconds", "300"))
    async with asyncio.timeout(30):
        while not gateway.simulated.events_sent:
            await asyncio.sleep(0.01)
    [session_id] = gateway.simulated.sessions
    gateway.simulated.crash_worker(session_id)
    outcome = await running

    assert outcome.code == 64 + Status.UNAVAILABLE.value
    assert outcome.out == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals of this kind")
async def test_a_terminal_shows_progress_and_a_table(gateway: Gateway) -> None:
    async with terminal("bench-read-bulk", *SHORT, "--plaintext", env=gateway.env) as screen:
        assert await screen.ended() == 0
        assert "reading" in screen.text
        assert "/s " in screen.text
        assert "100%" in screen.text
        assert "latencyMs.p50 " in screen.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bench-read-bulk", "--items", " , "), "--items has an empty element"),
        (("bench-read-bulk", "--bulk-size", "0"), "--bulk-size"),
        (("bench-read-bulk", "--duration-seconds", "0"), "not a positive number"),
        (("bench-read-bulk", "--warmup-seconds", "-1"), "--warmup-seconds"),
        (("bench-stream-events", "--session-count", "0"), "--session-count"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(arguments: tuple[str, ...], says: str) -> None:
    outcome = refused(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err.splitlines()[0]


def test_percentiles_are_interpolated_linearly() -> None:
    ordered = [10.0, 20.0, 30.0, 40.0]

    assert [percentile(ordered, percent) for percent in (0, 50, 75, 95, 100)] == [10, 25, 32.5, 38.5, 40]
    assert percentile([7.0], 99) == 7


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_percentiles_agree_with_those_of_the_standard_library(numbers: list[float]) -> None:
    ordered = sorted(numbers)
    expected = statistics.quantiles(ordered, n=100, method="inclusive")

    for percent in (50, 95, 99):
        assert percentile(ordered, percent) == pytest.approx(expected[percent - 1], abs=1e-6)


def test_a_summary_of_nothing_is_zeros() -> None:
    latencies = Latencies()
    assert latencies.summary() == dict.fromkeys(LATENCIES, 0.0)

    for milliseconds in (1.0, 2.0, 6.0):
        latencies.add(milliseconds)
    assert latencies.summary() == {"p50": 2.0, "p95": 5.6, "p99": 5.92, "max": 6.0, "mean": 3.0}
