"""The client of a simulated gateway that is measured: its events, and its sessions."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from mxgateway import GatewayClient, Session
from tests.benchmarks import calls, plant, simulated, worker

PORT = int(sys.argv[1])
CHUNK = 50
"""Sessions opened or closed at a time."""

_held: list[Session] = []


async def events(client: GatewayClient, count: int) -> dict[str, float]:
    """Read so many events after as many for the warm-up, and close the session."""
    tags = [tag for tag in plant.tags_of(simulated.plant(), 2 * simulated.TAGS) if ".Counter" in tag]
    async with client.open_session() as session, session.stream_events() as received:
        server = await session.register("benchmark")
        await session.subscribe_bulk(server, tags)
        for _ in range(count):
            await anext(received)
        watch = worker.Stopwatch()
        for _ in range(count):
            await anext(received)
        return watch.stop(count, count)


async def open_and_close(client: GatewayClient, count: int) -> dict[str, float]:
    """Open and close so many sessions."""
    for _ in range(0, count, CHUNK):
        opened = await asyncio.gather(*(client.open_session() for _ in range(CHUNK)))
        await asyncio.gather(*(session.close() for session in opened))
    return {"sessions": count}


async def hold(client: GatewayClient, count: int) -> dict[str, float]:
    """Open so many sessions, each with a registration, and keep them."""
    for _ in range(0, count, CHUNK):
        opened = await asyncio.gather(*(client.open_session() for _ in range(CHUNK)))
        await asyncio.gather(*(session.register("benchmark") for session in opened))
        _held.extend(opened)
    return {"sessions": len(_held)}


def main() -> None:
    """Run the jobs for the parent process, all with one connection."""
    with asyncio.Runner() as runner:
        connecting = GatewayClient.connect(f"127.0.0.1:{PORT}", plaintext=True, api_key=calls.API_KEY)

        async def connect() -> GatewayClient:
            return await connecting

        client = runner.run(connect())

        def run(job: Any) -> worker.Job:
            return lambda **arguments: runner.run(job(client, **arguments))

        worker.serve({"events": run(events), "open_and_close": run(open_and_close), "hold": run(hold)})


if __name__ == "__main__":
    main()
