from __future__ import annotations

import itertools
from typing import Any

import pytest

from mxgateway.simulator import (
    Attribute,
    Category,
    DataType,
    ManualClock,
    Plant,
    PlantObject,
    Security,
    SimulatedGateway,
    Template,
    small_plant,
)
from mxgateway.simulator.plant.live_tags import LivePlant, Sample, Tag
from tests.rows import each_row
from tests.simulator.peer import Peer, PeerSession


def test_the_small_plant_has_what_its_users_rely_on() -> None:
    plant = small_plant()
    for number in range(1, 7):
        target = plant.find(f"TestMachine_{number:03}.TestChangingInt")
        assert target is not None
        assert target.attribute.pattern is not None
    target = plant.find("TestChildObject.TestInt")
    assert target is not None
    assert target.attribute.security is Security.FREE_ACCESS
    for reference in ("Tank01.Level", "Pump01.Running"):
        assert plant.find(reference)
    types = {attribute.data_type for obj in plant.objects for attribute in obj.template.attributes}
    assert types == set(DataType)
    areas = [obj.tag_name for obj in plant.objects if obj.is_area]
    assert areas == ["Area1", "Area2", "TankYard"]
    for tag_name, area in (("TestChildObject", "Area1"), ("Engine_001", "")):
        obj = plant.object_by_tag(tag_name)
        assert obj is not None
        assert plant.area_of(obj) == area


@each_row(
    ("text", "context", "found"),
    [
        ("TestChildObject.TestInt", "", "TestInt"),
        ("testchildobject.TESTINT", "", "TestInt"),
        (" TestChildObject.TestInt ", "", "TestInt"),
        ("TestMachine_001.Child.TestInt", "", "TestInt"),
        ("Area1.TestMachine_001.Child.TestInt", "", "TestInt"),
        ("TestInt", "TestChildObject", "TestInt"),
        ("me.TestInt", "TestChildObject", "TestInt"),
        (".TestInt", "TestChildObject.", "TestInt"),
        ("Child.TestInt", "TestMachine_001", "TestInt"),
        ("TestChildObject.TestInt", "Nowhere", "TestInt"),
        ("TestChildObject.TestIntArray[]", "", "TestIntArray"),
        ("TestChildObject.TestIntArray[5]", "", "TestIntArray"),
        ("TestChildObject", "", None),
        ("TestChildObject.", "", None),
        ("TestChildObject.Nothing", "", None),
        ("Nowhere.TestInt", "", None),
        ("TestMachine_001.Nobody.TestInt", "", None),
        ("TestInt", "", None),
        ("", "", None),
        ("", "TestChildObject", None),
        ("[]", "", None),
    ],
)
def test_a_reference_finds_its_attribute(text: str, context: str, found: str | None) -> None:
    target = small_plant().find(text, context)
    assert (target and target.attribute.name) == found


def test_an_attribute_name_may_hold_dots() -> None:
    template = Template("$T", attributes=(Attribute(name="Level.HiHi.Limit"), Attribute(name="Level")))
    plant = Plant([PlantObject(1, "Tank", template)])
    for text, name in (("Tank.level.hihi.limit", "Level.HiHi.Limit"), ("Tank.Level", "Level")):
        target = plant.find(text)
        assert target is not None
        assert target.attribute.name == name


def test_a_plant_that_is_no_tree_of_unique_names_is_refused() -> None:
    area = Template("$Area", category=Category.AREA)
    with pytest.raises(ValueError, match="not unique"):
        Plant([PlantObject(1, "A", area), PlantObject(2, "a", area)])
    with pytest.raises(ValueError, match="not unique"):
        Plant([PlantObject(1, "A", area), PlantObject(1, "B", area)])
    with pytest.raises(ValueError, match="missing"):
        Plant([PlantObject(1, "A", area, 9)])


def tag_of(live: LivePlant, text: str) -> Tag:
    found = live.find(text)
    assert found is not None
    return found[0]


def values(seed: int) -> list[tuple[Any, int]]:
    clock = ManualClock()
    live = LivePlant(small_plant(seed=seed), clock)
    tags = [tag_of(live, f"TestMachine_{number:03}.Vibration") for number in range(1, 7)]
    seen: list[Sample] = []
    for tag in tags:
        tag.observe("test", seen.append)
    clock.advance(10)
    live.stop()
    return [(sample.native, sample.time_ns) for sample in seen]


def test_the_same_seed_gives_the_same_values_at_the_same_times() -> None:
    assert values(1) == values(1)
    assert values(1) != values(2)
    assert len(values(1)) == 6 * 20


def test_values_change_on_the_wall_clocks_grid() -> None:
    clock = ManualClock()
    live = LivePlant(small_plant(), clock)
    tag = tag_of(live, "TestMachine_001.TestChangingInt")
    assert (tag.sample.native, tag.sample.time_ns) == (1, clock.now_ns())
    clock.advance(2.75)
    assert tag.sample.native == 3
    assert tag.sample.time_ns % 10**9 == 0
    seen: list[Sample] = []
    tag.observe("test", seen.append)
    clock.advance(3)
    assert [sample.native for sample in seen] == [4, 5, 6]
    assert [b.time_ns - a.time_ns for a, b in itertools.pairwise(seen)] == [10**9, 10**9]
    tag.forget("test")
    tag.forget("test")
    idle = clock.pending
    clock.advance(3)
    assert (len(seen), clock.pending, idle) == (3, 0, 0)


async def test_a_plant_of_ones_own_is_served() -> None:
    pump = Template("$MyPump", attributes=(Attribute(name="Flow", data_type=DataType.DOUBLE, value=3.5),))
    async with (
        SimulatedGateway(plant=Plant([PlantObject(7, "P7", pump)])) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        session: PeerSession = await peer.open()
        await session.advise("P7.Flow")
        [event] = await session.drain()
        assert event.value.double_value == 3.5
        assert [obj.tag_name for obj in (await peer.call("DiscoverHierarchy")).objects] == ["P7"]


async def test_tags_change_by_themselves_in_real_time() -> None:
    fast = Template("$Fast", attributes=(Attribute(name="Count", pattern=lambda tick, *_: tick, interval=0.01),))
    async with (
        SimulatedGateway(plant=Plant([PlantObject(1, "Fast", fast)])) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        from tests.simulator.peer import take

        session = await peer.open()
        stream = await session.attach()
        await session.advise("Fast.Count")
        counts = [event.value.int32_value for event in await take(stream, 20)]
        assert counts == list(range(counts[0], counts[0] + 20))
