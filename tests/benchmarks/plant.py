"""A simulated gateway with a given number of tags, in a separate process, until stdin ends."""

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
"""Attributes per object: a counter, and one of eight types in rotation; plain writes may write both."""
STILL: Final = 86_400.0
"""Seconds between two values of the counters: only the client's writes change values."""


def plant_of(tags: int) -> Plant:
    """Return a plant with at least this many tags, always the same."""
    # One object in a hundred is an area, the platform or an engine, without attributes.
    return generated_plant(tags // ATTRIBUTES * 102 // 100 + 8, ATTRIBUTES, interval=STILL)


def tags_of(plant: Plant, count: int) -> list[str]:
    """Return the first tags of a plant."""
    tags = [reference(each, attribute) for each in plant.objects for attribute in each.template.attributes]
    if len(tags) < count:
        raise AssertionError(f"the plant has {len(tags)} tags")
    return tags[:count]


async def serve(tags: int) -> None:
    """Serve a plant and print the port."""
    # The queue holds the events of a whole bulk: the speed of clients is measured, and none must lose its session.
    options = SimulatorOptions(event_queue_limit=4 * tags)
    key = SimulatedKey.parse(calls.API_KEY)
    async with SimulatedGateway(plant=plant_of(tags), api_keys=[key], options=options) as gateway:
        gc.disable()  # for both clients: scanning a plant of this size would take a quarter of the time
        print(gateway.port, flush=True)
        await gateway.serve_forever()


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    asyncio.run(serve(int(sys.argv[1])))
