from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mxgateway.simulator import ManualClock, SystemClock
from mxgateway.simulator.clock import nanoseconds, timestamp


def test_a_manual_clock_stands_still_and_calls_back_in_order_each_at_its_moment() -> None:
    clock = ManualClock(datetime(2024, 1, 1, tzinfo=UTC))
    start = clock.now_ns()
    seen: list[tuple[str, int]] = []

    def note(name: str) -> None:
        seen.append((name, clock.now_ns() - start))

    def first() -> None:
        note("first")
        clock.call_later(0.5, lambda: note("nested"))

    clock.call_later(2.0, lambda: note("second"))
    clock.call_later(1.0, first)
    clock.call_later(2.0, lambda: note("third"))
    clock.call_later(1.5, lambda: note("cancelled")).cancel()
    assert clock.pending == 3
    assert clock.now_ns() == start
    clock.advance(2.0)
    assert seen == [
        ("first", 1_000_000_000),
        ("nested", 1_500_000_000),
        ("second", 2_000_000_000),
        ("third", 2_000_000_000),
    ]
    assert clock.now_ns() - start == 2_000_000_000
    assert clock.pending == 0


def test_a_manual_clock_moves_in_steps_of_100_ns() -> None:
    clock = ManualClock()
    start = clock.now_ns()
    clock.advance(0.0000001)
    assert clock.now_ns() - start == 100
    clock.advance(86_400 * 365)
    assert clock.now_ns() - start == 86_400 * 365 * 10**9 + 100


async def test_sleep_ends_when_the_clock_is_moved_and_can_be_cancelled() -> None:
    clock = ManualClock()
    sleeping, cancelled = asyncio.create_task(clock.sleep(5)), asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    clock.advance(4.9)
    await asyncio.sleep(0)
    assert not sleeping.done()
    clock.advance(0.1)
    await sleeping
    assert clock.pending == 0


async def test_the_system_clock_is_the_machines() -> None:
    clock = SystemClock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert clock.now_ns() % 100 == 0
    await clock.sleep(0)


@pytest.mark.parametrize("ns", [0, 100, -100, 1_704_067_200_123_456_700, -11_644_473_600 * 10**9])
def test_a_moment_survives_the_way_through_a_message(ns: int) -> None:
    assert nanoseconds(timestamp(ns)) == ns
