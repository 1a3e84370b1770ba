"""The clock that moves a loop and a gateway, and the loop's own time after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mxgateway.testing import TestClock, ThreadedGateway


@asynccontextmanager
async def standing_time() -> AsyncIterator[tuple[TestClock, ThreadedGateway]]:
    """Stop the time of the running loop and of a gateway, as the fixture does."""
    clock = TestClock()
    with ThreadedGateway(clock=clock.gateway_clock) as gateway:
        clock.attach(gateway)
        clock.stop_time()
        try:
            yield clock, gateway
        finally:
            clock.let_run()


async def note_after(seconds: float, notes: list[Any]) -> None:
    await asyncio.sleep(seconds)
    notes.append(seconds)


async def test_timers_run_in_their_order_and_each_at_its_own_time() -> None:
    async with standing_time() as (clock, _):
        loop, began, notes = asyncio.get_running_loop(), clock.now, list[Any]()
        start = loop.time()
        tasks = [asyncio.create_task(note_after(seconds, notes)) for seconds in (3, 1, 2.5)]
        loop.call_later(2, lambda: notes.append((loop.time() - start, (clock.now - began).total_seconds())))
        await clock.advance(0.9)
        assert notes == []
        await clock.advance(2.1)
        assert [notes[0], notes[2], notes[3]] == [1, 2.5, 3]
        assert notes[1][0] == pytest.approx(2)
        assert loop.time() - start == pytest.approx((clock.now - began).total_seconds()) == pytest.approx(3)
        await asyncio.wait(tasks)


async def test_a_cancelled_timer_does_not_run_and_a_new_one_does() -> None:
    async with standing_time() as (clock, _):
        notes: list[str] = []
        loop = asyncio.get_running_loop()
        loop.call_later(1, notes.append, "cancelled").cancel()
        loop.call_later(1, lambda: loop.call_later(1, notes.append, "again"))
        await clock.advance(1.5)
        assert notes == []
        await clock.advance(0.5)
        assert notes == ["again"]


async def test_a_timeout_is_one_of_the_standing_time() -> None:
    async with standing_time() as (clock, _):

        async def bounded() -> str:
            try:
                async with asyncio.timeout(30):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "timed out"
            return "done"

        task = asyncio.create_task(bounded())
        await clock.advance(29.9)
        assert not task.done()
        await clock.advance(0.1)
        assert task.result() == "timed out"


async def test_afterwards_what_is_pending_runs_on_in_real_time() -> None:
    notes: list[float] = []
    async with standing_time() as (clock, _):
        task = asyncio.create_task(note_after(10.05, notes))
        await clock.advance(10)
    began = time.monotonic()
    await asyncio.wait_for(task, 5)
    assert time.monotonic() - began < 2
    async with standing_time() as (clock, _):  # the loop may stand still again
        task = asyncio.create_task(note_after(10, notes))
        await clock.advance(10)
        assert task.done()


async def test_without_a_standing_loop_it_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="use mx_clock in the async test function itself"):
        await TestClock().advance(1)
