"""A recording replays to the same events, exact in order, value, quality, status and source time."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from mxgateway import from_mx_value
from mxgateway.simulator import ManualClock, Plant, Recording, Replay, SimulatedGateway, small_plant
from mxgateway.simulator.recording.records import RecordedGap, RecordedTag
from tests.recording.recorder import client_of, events, moved, of_kind, recorded, tags_of

INT = "TestChildObject.TestInt"
ODD = ["No.Such", "NoAttribute", "TestChildObject.TestIntArray[2]", "TestMachine_001.Child.TestDouble"]
"""An unknown tag, one that no galaxy has, an element of an array, and one by a contained name."""
PLANTS = {
    "demo": (Plant.demo(), []),
    "every type": (small_plant(), ODD),
}


@pytest.mark.parametrize("speed", [1.0, 10.0, 0.5, math.inf])
@pytest.mark.parametrize("name", PLANTS)
async def test_a_recording_replays_to_the_same_events(tmp_path: Path, name: str, speed: float) -> None:
    plant, odd = PLANTS[name]
    tags = [*tags_of(plant), *odd]
    async with SimulatedGateway(plant=plant, clock=ManualClock()) as gateway:
        first = await recorded(gateway, tags, tmp_path / "first.jsonl", seconds=6)
    async with SimulatedGateway(replay=Replay(first, speed), clock=ManualClock()) as gateway:
        second = await recorded(gateway, tags, tmp_path / "second.jsonl", seconds=6)

    assert len(events(first)) > len(tags)
    assert [said for said in events(second) if said[0] != "NoAttribute"] == [
        said for said in events(first) if said[0] != "NoAttribute"
    ]


async def test_a_tag_without_an_attribute_stays_unknown(tmp_path: Path) -> None:
    async with SimulatedGateway(clock=ManualClock()) as gateway:
        first = await recorded(gateway, ["NoAttribute"], tmp_path / "first.jsonl")
    async with SimulatedGateway(replay=first, clock=ManualClock()) as gateway:
        second = await recorded(gateway, ["NoAttribute"], tmp_path / "second.jsonl")
    [said], [again] = events(first), events(second)
    assert (again[2], again[4]) == (said[2], said[4])


async def numbers(path: Path, seconds: int = 5) -> Recording:
    """Return a recording of a tag that counts."""
    async with SimulatedGateway(clock=ManualClock()) as gateway:
        return await recorded(gateway, ["TestMachine_001.TestChangingInt"], path, seconds=seconds)


async def value(client: Any, tag: str = "TestMachine_001.TestChangingInt") -> Any:
    """Read a tag in a session of its own."""
    async with client.open_session() as session:
        [result] = await session.read_bulk(await session.register("reader"), [tag])
        return from_mx_value(result.value) if result.was_successful else result.error_message


def timed(path: Path, recording: Recording) -> Recording:
    """Rewrite a recording whose events come one second after another, as if they had been waited for."""
    lines, at = [], -1
    for line in (path).read_text("utf-8").splitlines():
        at += '"event"' in line
        head, comma, rest = line.partition(",")
        lines.append(f'{{"at":{max(at, 0)}{comma}{rest}' if head.startswith('{"at"') else line)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return Recording.load(path)


async def test_it_takes_as_long_as_life_and_reads_follow_it(tmp_path: Path) -> None:
    recording = timed(tmp_path / "a.jsonl", await numbers(tmp_path / "a.jsonl"))
    want = [said[1]["int32Value"] for said in events(recording)]
    async with SimulatedGateway(replay=recording, clock=ManualClock()) as gateway, client_of(gateway) as client:
        reading = asyncio.create_task(value(client))
        while not gateway.sessions or not next(iter(gateway.sessions.values())).worker.servers:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        await moved(gateway, 0.0)  # the first read begins it
        seen = [await reading]
        for _ in range(3):
            await moved(gateway, 1.0)
            seen.append(await value(client))
        assert seen == want[:4]


async def test_twice_as_quick_takes_half_the_time(tmp_path: Path) -> None:
    recording = timed(tmp_path / "a.jsonl", await numbers(tmp_path / "a.jsonl"))
    want = [said[1]["int32Value"] for said in events(recording)]
    async with SimulatedGateway(replay=Replay(recording, 2.0), clock=ManualClock()) as gateway:
        second = await recorded(gateway, list(recording.tags), tmp_path / "b.jsonl", seconds=2)
    assert [said[1]["int32Value"] for said in events(second)] == want[:5]


async def test_a_loop_begins_again_at_the_end(tmp_path: Path) -> None:
    recording = timed(tmp_path / "a.jsonl", await numbers(tmp_path / "a.jsonl", seconds=3))
    want = [said[1]["int32Value"] for said in events(recording)]
    async with SimulatedGateway(replay=Replay(recording, loop=True), clock=ManualClock()) as gateway:
        second = await recorded(gateway, list(recording.tags), tmp_path / "b.jsonl", seconds=8)
    found = [said[1]["int32Value"] for said in events(second)]
    assert len(found) > 2 * len(want)
    assert found[: 2 * len(want)] == want * 2


async def test_a_restart_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    recording = timed(tmp_path / "a.jsonl", await numbers(tmp_path / "a.jsonl"))
    want = [said[1]["int32Value"] for said in events(recording)]
    async with SimulatedGateway(replay=recording, clock=ManualClock()) as gateway:
        await recorded(gateway, list(recording.tags), tmp_path / "b.jsonl", seconds=2)
        await gateway.restart()
        second = await recorded(gateway, list(recording.tags), tmp_path / "c.jsonl", seconds=2)
    assert [said[1]["int32Value"] for said in events(second)] == want[2:5]


async def test_a_running_gateway_plays_to_the_end_of_a_recording(tmp_path: Path) -> None:
    recording = await numbers(tmp_path / "a.jsonl")
    async with SimulatedGateway() as gateway, client_of(gateway) as client:
        await gateway.replay(recording, speed=math.inf)
        assert await value(client) == events(recording)[-1][1]["int32Value"]
        gateway.set_tag(recording.tags[0], 77)
        assert await value(client) == 77


async def test_lost_events_are_a_jump_of_the_same_size(tmp_path: Path) -> None:
    tags = ["TestMachine_001.TestChangingInt"]
    async with SimulatedGateway(clock=ManualClock()) as gateway:

        async def lose() -> None:
            while not gateway.events_sent:
                await asyncio.sleep(0.01)
            next(iter(gateway.sessions.values())).events.skip(5)

        losing = asyncio.create_task(lose())
        first = await recorded(gateway, tags, tmp_path / "first.jsonl", seconds=4)
        await losing
    async with SimulatedGateway(replay=first, clock=ManualClock()) as gateway:
        second = await recorded(gateway, tags, tmp_path / "second.jsonl", seconds=4)

    assert [(gap.cause, gap.count) for gap in of_kind(first, RecordedGap)] == [("sequence", 5)]
    assert [(gap.cause, gap.first, gap.last) for gap in of_kind(second, RecordedGap)] == [
        (gap.cause, gap.first, gap.last) for gap in of_kind(first, RecordedGap)
    ]
    assert events(second) == events(first)


async def test_a_tag_without_a_value_says_nothing_until_its_first(tmp_path: Path) -> None:
    async with SimulatedGateway(clock=ManualClock()) as gateway:
        first = await recorded(gateway, [INT, "TestChildObject.SilentInt"], tmp_path / "first.jsonl")
    async with SimulatedGateway(replay=first) as gateway, client_of(gateway) as client:
        assert "No value" in await value(client, "TestChildObject.SilentInt")
    assert [record.tag for record in of_kind(first, RecordedTag)] == [INT, "TestChildObject.SilentInt"]


async def test_a_file_that_changes_meanwhile_ends_the_replay(tmp_path: Path) -> None:
    recording = await numbers(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text("", "utf-8")
    async with SimulatedGateway() as gateway:
        with pytest.raises(ValueError, match="has changed since it was loaded"):
            await gateway.replay(recording)


@pytest.mark.parametrize("speed", [0, -1, math.nan])
async def test_a_speed_is_above_zero(tmp_path: Path, speed: float) -> None:
    recording = await numbers(tmp_path / "a.jsonl", seconds=0)
    with pytest.raises(ValueError, match="above 0"):
        Replay(recording, speed)


async def test_a_plant_or_a_recording_is_served(tmp_path: Path) -> None:
    recording = await numbers(tmp_path / "a.jsonl", seconds=0)
    with pytest.raises(ValueError, match="not both"):
        SimulatedGateway(plant=small_plant(), replay=recording)
