"""Tags by a pattern, the galaxy in memory, and what an object is called from the top."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import GalaxyRepositoryClient, GalaxyTree, MxGatewayInvalidRequestError, proto
from mxgateway.simulator import Plant, SimulatedGateway, generated_plant
from tests.client.support import connect, in_words, requests
from tests.galaxy.peer import an_object, in_pages, peer_galaxy
from tests.galaxy.test_filters import matches, plants
from tests.rows import each_row
from tests.wire.profiles import bounded

# -- find


@each_row(
    ("pattern", "found"),
    [
        ("Tank*.Level", ["Tank01.Level", "Tank02.Level"]),
        ("tank01.LEVEL", ["Tank01.Level"]),
        ("Tank0?.L*", ["Tank01.Level", "Tank02.Level"]),
        ("Tank*", ["Tank01", "TankYard", "Tank02"]),
        ("Pump01.*", ["Pump01.Running", "Pump01.Setpoint", "Pump01.Hours"]),
        ("*.TestIntArray[]", ["TestChildObject.TestIntArray[]"]),
        ("*.TestIntArray", ["TestChildObject.TestIntArray[]"]),
        ("Tank[0]1.Level", []),
        ("Tank", []),
        ("Nobody.*", []),
        ("Tank?Level", []),
        ("Pump01?Hours*.", []),
    ],
)
async def test_a_pattern_finds_references_and_without_a_dot_objects(
    galaxy: GalaxyRepositoryClient, pattern: str, found: list[str]
) -> None:
    assert await galaxy.find(pattern) == found


async def test_brackets_stand_for_themselves_whatever_the_gateway_makes_of_them() -> None:
    async def answer(request: Any) -> Any:
        listed = [an_object(1), an_object(2)]
        listed[1].tag_name = "Object_[1]"
        return proto.DiscoverHierarchyReply(listed, "", 2)

    async with peer_galaxy(answer) as (_, galaxy):
        assert await galaxy.find("Object_[1]") == ["Object_[1]"]


async def test_what_is_found_can_be_added(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client, client.open_session() as session:
        tags = await client.galaxy.find("*.Test*")
        assert len(tags) > 20
        server = await session.register("tests")
        assert all(result.was_successful for result in await session.add_item_bulk(server, tags))


async def test_the_gateway_is_asked_for_no_more_than_can_match(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    for pattern in ("Tank0?.Level", "Tank01.Level", "*.Level", "Tank0?"):
        await galaxy.find(pattern)
    asked = requests(gateway, "DiscoverHierarchy")
    assert [(each.tag_name_glob, each.include_attributes) for each in asked] == [
        ("Tank0*", True), ("Tank01", True), ("*", True), ("Tank0?", False),
    ]  # fmt: skip


PATTERNS = (
    st.lists(st.sampled_from([*"*?.Tak1_A0[x]", "Pump"]), min_size=1, max_size=7)
    .map("".join)
    .filter(lambda text: text[0] != ".")
)


@given(plant=plants(), pattern=PATTERNS)
@bounded(80)
def test_a_search_agrees_with_a_naive_one(plant: Plant, pattern: str) -> None:
    async def play() -> None:
        async with SimulatedGateway(plant=plant) as gateway, connect(gateway) as client:
            whole = await client.galaxy.discover_hierarchy()
            tags = [each.full_tag_reference for obj in whole for each in obj.attributes]
            texts = tags if "." in pattern else [obj.tag_name for obj in whole]
            right = [text for text in texts if matches(pattern.lower(), text.lower())]
            assert await client.galaxy.find(pattern) == right

    asyncio.run(play())


async def test_a_pattern_that_finds_more_than_its_bound_is_refused_without_reading_on() -> None:
    async with peer_galaxy(in_pages(5000, 500)) as (peer, galaxy):
        with pytest.raises(MxGatewayInvalidRequestError) as caught:
            await galaxy.find("Object*")
        assert in_words(caught.value, "'Object*' matches more than 1000 tags", "narrow the pattern, or raise limit")
        assert 3 <= len(peer.asked) <= 4
        assert len(await galaxy.find("Object*", limit=5000)) == 5000
        with pytest.raises(MxGatewayInvalidRequestError, match="more than 4999"):
            await galaxy.find("Object*", limit=4999)


async def test_a_pattern_of_many_stars_takes_no_longer_than_it_must() -> None:
    async def answer(request: Any) -> Any:
        return proto.DiscoverHierarchyReply([an_object(1)] * 3, "", 3)

    async with peer_galaxy(answer) as (_, galaxy), asyncio.timeout(10):
        assert await galaxy.find("*".join("object_1" * 4) + "*b") == []


# -- the tree


async def test_a_tree_knows_children_parents_and_paths(galaxy: GalaxyRepositoryClient) -> None:
    tree = await galaxy.tree(page_size=3)
    whole = await galaxy.discover_hierarchy()
    assert list(tree) == whole
    assert len(tree) == len(whole)
    assert [root.tag_name for root in tree.roots] == ["Area1", "Area2", "Engine_001", "Platform_001"]
    child = tree.by_tag_name("testchildobject")
    assert child is not None
    assert tree.get(child.gobject_id) is child
    assert tree.path(child) == "Area1/TestMachine_001/Child"
    machine = tree.parent(child)
    assert machine is not None
    assert [each.tag_name for each in tree.children(machine)] == ["TestChildObject", "TestSecurity"]
    assert tree.parent(tree.roots[0]) is None
    assert tree.children(child) == ()
    assert (tree.get(999), tree.by_tag_name("Nobody")) == (None, None)
    assert repr(tree) == "<GalaxyTree of 16 objects below 4 roots>"


async def test_a_path_leads_back_to_its_object(gateway: SimulatedGateway) -> None:
    async with SimulatedGateway(plant=generated_plant(300, 1, seed=5)) as gateway, connect(gateway) as client:
        tree = await client.galaxy.tree()
        for each in list(tree)[::25]:
            (found,) = await client.galaxy.discover_hierarchy(root_contained_path=tree.path(each), max_depth=0)
            assert found == each


async def test_a_filtered_tree_has_what_is_left_as_roots(galaxy: GalaxyRepositoryClient) -> None:
    tree = await galaxy.tree(category_ids=[10], template_chain_contains=["TestChild", "Tank"])
    assert [(root.tag_name, tree.path(root)) for root in tree.roots] == [
        ("Tank01", "Tank01"), ("TestChildObject", "Child"), ("Tank02", "Tank02"),
    ]  # fmt: skip
    below = await galaxy.tree(root_tag_name="TestMachine_001")
    assert [root.tag_name for root in below.roots] == ["TestMachine_001"]


def test_objects_that_contain_each_other_are_no_endless_path() -> None:
    first, second, own = an_object(1, 2), an_object(2, 1), an_object(3, 3)
    tree = GalaxyTree([first, second, own, an_object(1)])
    assert tree.path(first) == "Object_2/Object_1"
    assert (tree.path(own), tree.parent(own)) == ("Object_3", None)
    assert tree.roots == (own,)
    assert len(tree) == 3, "of two with the same id the first one counts"


@given(plant=plants())
@bounded(40)
def test_a_tree_of_any_plant_is_the_plant(plant: Plant) -> None:
    async def play() -> None:
        async with SimulatedGateway(plant=plant) as gateway, connect(gateway) as client:
            tree = await client.galaxy.tree(page_size=3)
            for each in tree:
                ours = [child.gobject_id for child in tree.children(each)]
                assert ours == [child.gobject_id for child in plant.children(each.gobject_id)]
                truth = plant.object_by_id(each.gobject_id)
                assert truth is not None
                chain = [outer.browse_name for outer in plant.ancestors(truth)]
                assert tree.path(each) == "/".join(reversed(chain))
            assert [root.gobject_id for root in tree.roots] == [root.gobject_id for root in plant.children(0)]

    asyncio.run(play())
