"""This client as a contender: streams, unary calls, and its memory."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from mxgateway import Gap, GatewayClient, TagUpdate, proto
from mxgateway.contract import Contract
from mxgateway.transport.connecting.open_channel import Opening
from tests.benchmarks import calls, worker
from tests.benchmarks.memory import Memory, Peak

PORT: Final = int(sys.argv[1])
CONTRACT: Final = sys.argv[2] if len(sys.argv) > 2 else ""
"""The file of the contract to speak; empty for the built-in one."""
SESSION_ID: Final = "session-0d9c2b64f5e84f7ab7f0b9a1c2d3e4f5"


def connect() -> Opening[GatewayClient]:
    contract = Contract.load(CONTRACT) if CONTRACT else None
    return GatewayClient.connect(f"127.0.0.1:{PORT}", plaintext=True, api_key=calls.API_KEY, contract=contract)


async def stream(events: int) -> dict[str, float]:
    """Read every event of a stream, as an application would."""
    async with connect() as client:
        session, count, watch = client.attach_session(SESSION_ID), 0, worker.Stopwatch()
        async with session.stream_events() as received:
            async for event in received:
                event.item_handle, event.value.double_value, event.quality, event.source_timestamp  # noqa: B018
                count += 1
        return watch.stop(count, events)


async def subscribe(events: int, tags: int) -> dict[str, float]:
    """Read every update of a subscription, as an application would."""
    async with connect() as client, client.subscribe(calls.tags(tags)) as updates:
        count, watch = 0, worker.Stopwatch()
        async for update in updates:
            if isinstance(update, TagUpdate):
                update.tag, update.value, update.quality, update.source_time  # noqa: B018
                count += 1
                if count == events:
                    break
            elif isinstance(update, Gap):
                raise AssertionError(update)
        return watch.stop(count, events)


async def memory(warm_up: int) -> dict[str, float]:
    """Read every event of a stream and measure the memory."""
    async with connect() as client:
        watched = Memory(warm_up)
        async with client.attach_session(SESSION_ID).stream_events() as received:
            async for event in received:
                event.item_handle, event.value.double_value, event.quality, event.source_timestamp  # noqa: B018
                watched.count()
        return watched.outcome()


async def galaxy(objects: int, attributes: int, page_size: int, *, memory: bool = False) -> dict[str, float]:
    """Read every object of the galaxy, keeping none."""
    async with connect() as client:
        count, watch = 0, worker.Stopwatch()
        with Peak(active=memory) as peak:
            async for each in client.galaxy.iter_hierarchy(page_size=page_size):
                each.gobject_id, each.tag_name, each.parent_gobject_id, each.is_area  # noqa: B018
                for attribute in each.attributes:
                    attribute.full_tag_reference, attribute.mx_data_type  # noqa: B018
                count += len(each.attributes) == attributes
        return watch.stop(count, objects) | {"first": peak.first, "growth": peak.growth}


async def unary(job: str, count: int) -> dict[str, float]:
    """Make unary calls."""
    async with connect() as client:

        async def call() -> None:
            reply = await client.invoke_raw(_add_item(), timeout=calls.TIMEOUT)
            if reply.add_item.item_handle != calls.ITEM_HANDLE:
                raise AssertionError(reply)

        return await calls.JOBS[job](call, count)


def _add_item() -> Any:
    return proto.MxCommandRequest(
        session_id=SESSION_ID,
        client_correlation_id=calls.CORRELATION_ID,
        command=proto.MxCommand(
            kind=proto.MxCommandKind.ADD_ITEM,
            add_item=proto.AddItemCommand(server_handle=1, item_definition=calls.ITEM_DEFINITION),
        ),
    )


if __name__ == "__main__":
    worker.serve(
        {
            "stream": lambda **arguments: asyncio.run(stream(**arguments)),
            "subscribe": lambda **arguments: asyncio.run(subscribe(**arguments)),
            "memory": lambda **arguments: asyncio.run(memory(**arguments)),
            "galaxy": lambda **arguments: asyncio.run(galaxy(**arguments)),
            "unary": lambda **arguments: asyncio.run(unary(**arguments)),
        }
    )
