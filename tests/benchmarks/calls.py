"""Timed unary calls: the same two jobs for every contender."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

API_KEY: Final = "mxgw_bench_0123456789abcdef0123456789abcdef"
CORRELATION_ID: Final = "5f0c1d9e7a3b4c2d8e6f"
ITEM_DEFINITION: Final = "TankFarm01_Tank_017.Level3.PV"
ITEM_HANDLE: Final = 17
"""The item handle in the servers' replies."""
TIMEOUT: Final = 10.0
BULK_TIMEOUT: Final = 30.0
CONCURRENCY: Final = 50
WARM_UP: Final = 20

Call = Callable[[], Awaitable[None]]


async def latency(call: Call, count: int) -> dict[str, float]:
    """Call sequentially; return the median in seconds."""
    for _ in range(WARM_UP):
        await call()
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - start)
    return {"p50": statistics.median(taken)}


async def throughput(call: Call, count: int) -> dict[str, float]:
    """Call from `CONCURRENCY` tasks at once; return calls per second."""
    await asyncio.gather(*[call() for _ in range(CONCURRENCY)])
    left = iter(range(count))
    start = time.perf_counter()
    await asyncio.gather(*[_call_while(left, call) for _ in range(CONCURRENCY)])
    return {"rate": count / (time.perf_counter() - start)}


async def _call_while(left: Iterator[int], call: Call) -> None:
    for _ in left:
        await call()


JOBS: Final = {"latency": latency, "throughput": throughput}


def tags(count: int) -> list[str]:
    """Return the tags of a subscription."""
    return [f"TankFarm{number // 50:02}_Tank_{number:03}.Level.PV" for number in range(count)]
