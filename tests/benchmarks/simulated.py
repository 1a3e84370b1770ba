"""A simulated gateway whose tags change without a pause, in a separate process, until stdin ends."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from typing import Final

from mxgateway.simulator import Plant, SimulatedGateway, SimulatedKey, SimulatorOptions, generated_plant
from tests.benchmarks import calls
from tests.benchmarks.memory import resident_bytes

TAGS: Final = 1000
INTERVAL: Final = 0.0005
"""Seconds between two values of a tag: shorter than the simulator needs for all of them."""


def plant() -> Plant:
    """Return a plant of so many counters, and as many constant values."""
    return generated_plant(TAGS * 102 // 100 + 8, 2, interval=INTERVAL)


async def serve(sessions: int) -> None:
    """Serve the plant, print the port, and answer each line of stdin with the resident memory and the CPU time."""
    # The queue is longer than any reader lets it become: the speed of the gateway is measured.
    options = SimulatorOptions(event_queue_limit=10**7, session_limit=sessions)
    key = SimulatedKey.parse(calls.API_KEY)
    async with SimulatedGateway(plant=plant(), api_keys=[key], options=options) as gateway:
        threading.Thread(target=_report, daemon=True).start()
        print(gateway.port, flush=True)
        await gateway.serve_forever()


def _report() -> None:
    for _ in sys.stdin:
        gc.collect()
        print(json.dumps({"resident": resident_bytes(), "cpu": time.process_time()}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(serve(int(sys.argv[2])))
    else:
        asyncio.run(serve(int(sys.argv[2])))
