"""A plant of 100,000 tags: long lists, many first values at once, and ticks that reach thousands of tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from mxgateway.simulator import (
    Attribute,
    ManualClock,
    Plant,
    PlantObject,
    SimulatedGateway,
    SimulatorOptions,
    Template,
    generated_plant,
)
from mxgateway.simulator.clock import Timer
from mxgateway.simulator.plant.behaviours.patterns import counter
from mxgateway.simulator.plant.live_tags import LivePlant, Sample
from tests.simulator.peer import CONTRACT, Peer, ending, integer, ok, take

# What a reader that keeps up lets the gateway send before it has read anything.
WIDE_WINDOW = [("grpc.http2.lookahead_bytes", 32 * 1024 * 1024), ("grpc.http2.bdp_probe", 0)]


def tags_of(plant: Plant) -> list[str]:
    return [f"{obj.tag_name}.{attribute.name}" for obj in plant.objects for attribute in obj.template.attributes]


def thousands(tags: list[str]) -> Iterator[list[str]]:
    return (tags[start : start + 1000] for start in range(0, len(tags), 1000))


def still_plant(objects: int) -> Plant:
    template = Template("$Still", attributes=tuple(Attribute(name=f"A{number}", value=number) for number in range(10)))
    return Plant([PlantObject(number, f"Still_{number}", template) for number in range(1, objects + 1)])


def test_a_generated_plant_of_100_000_tags_shares_its_attributes() -> None:
    plant = generated_plant(10_102, 10)
    assert len(set(tags_of(plant))) == 100_000
    assert len({id(attribute) for obj in plant.objects for attribute in obj.template.attributes}) <= 80
    assert all(plant.find(tag) is not None for tag in tags_of(plant)[::1000])


async def test_tags_are_subscribed_written_and_read_a_thousand_at_a_time() -> None:
    plant = still_plant(200)
    async with (
        SimulatedGateway(plant=plant, clock=ManualClock()) as gateway,
        Peer(gateway.endpoint, gateway.api_key, options=WIDE_WINDOW) as peer,
    ):
        session = await peer.open()
        stream = await session.attach()
        sequence = 0
        for tags in thousands(tags_of(plant)):
            results = ok(await session.on_server("subscribe_bulk", tag_addresses=tags)).subscribe_bulk.results
            assert all(result.was_successful for result in results)
            entries = [{"item_handle": result.item_handle, "value": integer(5)} for result in results]
            results = ok(await session.on_server("write_bulk", entries=entries)).write_bulk.results
            assert all(result.was_successful for result in results)
            events = await take(stream, 3000)
            assert [event.worker_sequence for event in events] == list(range(sequence + 1, sequence + 3001))
            sequence += 3000
            results = ok(await session.on_server("read_bulk", tag_addresses=tags)).read_bulk.results
            assert {(result.was_cached, result.value.int32_value) for result in results} == {(True, 5)}


@pytest.mark.parametrize("arm", ["subscribe_bulk", "advise_item_bulk"])
async def test_a_list_that_is_longer_than_the_event_queue_does_no_harm_while_a_stream_is_read(arm: str) -> None:
    plant = still_plant(300)
    async with (
        SimulatedGateway(plant=plant, options=SimulatorOptions(event_queue_limit=1500)) as gateway,
        Peer(gateway.endpoint, gateway.api_key, options=WIDE_WINDOW) as peer,
    ):
        session = await peer.open()
        stream = await session.attach()
        entries: dict[str, list[Any]] = {"tag_addresses": tags_of(plant)}
        if arm == "advise_item_bulk":
            added = ok(await session.on_server("add_item_bulk", **entries)).add_item_bulk.results
            entries = {"item_handles": [result.item_handle for result in added]}
        results = getattr(ok(await session.on_server(arm, **entries)), arm).results
        assert [result.was_successful for result in results] == [True] * 3000
        events = await take(stream, 3000)
        assert [event.item_handle for event in events] == [result.item_handle for result in results]


async def test_a_list_that_is_longer_than_the_event_queue_faults_a_session_that_nobody_reads() -> None:
    plant = still_plant(1100)
    async with (
        SimulatedGateway(plant=plant, clock=ManualClock()) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session = await peer.open()
        tags = tags_of(plant)
        ok(await session.on_server("subscribe_bulk", tag_addresses=tags[:10_000]))
        tags = tags[10_000:]
        failure = await peer.invoke_fails(
            session.session_id, "subscribe_bulk", server_handle=session.server, tag_addresses=tags
        )
        assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "overflowed at 10000 events" in failure.details()
        state = ok(await session.invoke("get_session_state")).session_state
        assert state.state == CONTRACT.number("SESSION_STATE_FAULTED")
        assert (await peer.invoke_fails(session.session_id, "ping")).code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_reader_that_reads_nothing_loses_its_stream_and_the_session() -> None:
    narrow = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
    plant = still_plant(1200)
    async with (
        SimulatedGateway(plant=plant, clock=ManualClock()) as gateway,
        Peer(gateway.endpoint, gateway.api_key, options=narrow) as peer,
    ):
        session = await peer.open()
        stream = await session.attach()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            for tags in thousands(tags_of(plant)):
                ok(await session.on_server("subscribe_bulk", tag_addresses=tags))
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await ending(stream))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


class CountingClock(ManualClock):
    """Notes how many samples each of its calls brings."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self.bursts: list[int] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        def counted() -> None:
            before = len(self.samples)
            callback()
            self.bursts.append(len(self.samples) - before)

        return super().call_later(delay, counted)


def test_a_tick_reaches_many_tags_in_small_bursts_each_once_and_with_one_time() -> None:
    clock = CountingClock()
    template = Template("$Fast", attributes=(Attribute(name="Count", pattern=counter),))
    live = LivePlant(Plant([PlantObject(number, f"Fast_{number}", template) for number in range(1, 2251)]), clock)
    for obj in live.plant.objects:
        found = live.find(f"{obj.tag_name}.Count")
        assert found is not None
        found[0].observe("test", clock.samples.append)
    clock.advance(2)
    assert [sample.native for sample in clock.samples] == [2] * 2250 + [3] * 2250
    assert len({sample.time_ns for sample in clock.samples}) == 2
    assert max(clock.bursts) <= 500
    live.stop()
    clock.advance(2)
    assert len(clock.samples) == 4500


def test_a_plant_that_stops_in_the_middle_of_a_tick_begins_the_next_one_afresh() -> None:
    clock = CountingClock()
    template = Template("$Fast", attributes=(Attribute(name="Count", pattern=counter),))
    live = LivePlant(Plant([PlantObject(number, f"Fast_{number}", template) for number in range(1, 1001)]), clock)
    found = [live.find(f"{obj.tag_name}.Count") for obj in live.plant.objects]
    tags = [each[0] for each in found if each is not None]
    assert len(tags) == 1000

    def forget_all(sample: Sample) -> None:
        for tag in tags:
            tag.forget("test")

    tags[0].observe("test", forget_all)
    for tag in tags[1:]:
        tag.observe("test", clock.samples.append)
    clock.advance(1)
    assert clock.samples == []
    assert clock.pending == 0
    for tag in tags:
        tag.observe("test", clock.samples.append)
    clock.advance(1)
    assert [sample.native for sample in clock.samples] == [3] * 1000
