"""A simulated gateway with as many tags as are asked for, in a process of its own, until its stdin ends."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from typing import Final

from mxgateway.simulator import Plant, SimulatedGateway, SimulatedKey, SimulatorOptions, generated_plant
from mxgateway.simulator.plant.model import reference
from tests.benchmarks import calls

ATTRIBUTES: Final = 2
"""Of each object: a counter, and one of eight types in turn; a plain write may write both."""
STILL: Final = 86_400.0
"""Seconds between two values of the counters: only the client's writes change anything."""


def plant_of(tags: int) -> Plant:
    """Return a plant with at least that many tags, always the same."""
    # One object in a hundred is an area, the platform or the engine, which have no attributes.
    return generated_plant(tags // ATTRIBUTES * 102 // 100 + 8, ATTRIBUTES, interval=STILL)


def tags_of(plant: Plant, count: int) -> list[str]:
    """Return the first tags of a plant."""
    tags = [reference(each, attribute) for each in plant.objects for attribute in each.template.attributes]
    if len(tags) < count:
        raise AssertionError(f"the plant has {len(tags)} tags")
    return tags[:count]


async def serve(tags: int) -> None:
    """Serve a plant and print the port."""
    # The queue holds the events of one whole bulk: how quick a client takes them is measured, and none is to lose its session for it.
    options = SimulatorOptions(event_queue_limit=4 * tags)
    key = SimulatedKey.parse(calls.API_KEY)
    async with SimulatedGateway(plant=plant_of(tags), api_keys=[key], options=options) as gateway:
        gc.disable()  # for both clients: going through a plant of this size is a quarter of the time, and of Python's making
        print(gateway.port, flush=True)
        await gateway.serve_forever()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    asyncio.run(serve(int(sys.argv[1])))
