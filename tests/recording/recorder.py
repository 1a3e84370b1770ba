"""Records a simulated gateway over TCP with the library, and tells what a recording says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mxgateway import GatewayClient, to_json_dict
from mxgateway.simulator import ManualClock, Plant, Recording, RecordingWriter, SimulatedGateway
from mxgateway.simulator.recording.records import Record, RecordedAlarm, RecordedEvent

SAID = ("value", "quality", "sourceTimestamp", "statuses")
"""What a replay repeats of an event."""
SENT = 0.1
"""Seconds until everything that was sent has arrived."""


def client_of(gateway: SimulatedGateway) -> Any:
    """Return a client that is about to connect."""
    return GatewayClient.connect(gateway.endpoint, api_key=gateway.api_key, plaintext=True)


def tags_of(plant: Plant) -> list[str]:
    """Return the reference of every attribute."""
    return [
        f"{obj.tag_name}.{attribute.name}{'[]' if attribute.is_array else ''}"
        for obj in plant.objects
        for attribute in obj.template.attributes
    ]


async def recorded(
    gateway: SimulatedGateway, tags: list[str], path: Path, *, seconds: int = 0, **options: Any
) -> Recording:
    """Record tags for some seconds of the gateway's manual clock."""
    lines: list[str] = []
    async with client_of(gateway) as client, client.open_session() as session, session.stream_events() as events:
        writer = RecordingWriter(lines.append, **options)
        results = await session.subscribe_bulk(await session.register("recorder"), tags)
        names = {result.item_handle: tag for tag, result in zip(tags, results, strict=True)}
        for tag in tags:
            writer.subscribed(tag)

        async def take() -> None:
            async for event in events:
                writer.event(event, names[event.item_handle])

        taking = asyncio.create_task(take())
        for _ in range(seconds):
            await moved(gateway, 1.0)
        await moved(gateway, 0.0)
        await asyncio.sleep(SENT)
        taking.cancel()
    writer.end("duration")
    return written(path, lines)


async def moved(gateway: SimulatedGateway, seconds: float) -> None:
    """Move the gateway's clock, and let it send."""
    assert isinstance(gateway.clock, ManualClock)
    gateway.clock.advance(seconds)
    await asyncio.sleep(0.01)


def written(path: Path, lines: Iterable[str]) -> Recording:
    """Write a recording and load it."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Recording.load(path)


def events(recording: Recording) -> list[tuple[Any, ...]]:
    """Return what a recording says of each event, in order."""
    said = []
    for record in recording.records():
        if isinstance(record, RecordedEvent):
            event = to_json_dict(record.event)
            said.append((record.tag, *(event.get(key) for key in SAID)))
    return said


def alarms(recording: Recording) -> list[Any]:
    """Return the messages of the alarm feed, in order."""
    return [to_json_dict(record.message) for record in recording.records() if isinstance(record, RecordedAlarm)]


def of_kind(recording: Recording, kind: type[Record]) -> list[Any]:
    """Return the records of a kind."""
    return [record for record in recording.records() if isinstance(record, kind)]
