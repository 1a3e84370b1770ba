"""Every filter, and all of them together, agree with filters that are too simple to be wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxgateway import GalaxyRepositoryClient, HierarchyOptions, proto
from mxgateway.simulator import (
    AlarmLimit,
    Attribute,
    Category,
    Plant,
    PlantObject,
    SimulatedGateway,
    Template,
    generated_plant,
)
from mxgateway.wire import which_one_of
from tests.client.support import connect, requests
from tests.rows import each_row
from tests.wire.profiles import bounded

LIMITS = (AlarmLimit(name="Hi", limit=80.0),)


@st.composite
def plants(draw: st.DrawFn) -> Plant:
    """A plant of any shape, with names and templates that resemble each other."""
    flags = draw(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=4))
    templates = [
        Template(
            f"${draw(st.sampled_from(['Tank', 'tank', 'Pump', 'SurgeTank']))}",
            draw(st.sampled_from([(), ("$UserDefined",), ("$Tank", "$UserDefined")])),
            draw(st.sampled_from(list(Category))),
            tuple(
                Attribute(name=f"A{n}", historized=historized, alarms=LIMITS if alarm else ())
                for n, (historized, alarm) in enumerate(flags[: draw(st.integers(0, 4))])
            ),
        )
        for _ in range(4)
    ]
    objects: list[PlantObject] = []
    for number in range(1, draw(st.integers(1, 14)) + 1):
        stem = draw(st.sampled_from(["Tank", "tank_", "Pump", "Ünit", "A[x]", "_"]))
        contained = draw(st.sampled_from(["", "Level", "b", "B", "_c"]))
        parent = draw(st.integers(0, number - 1))
        objects.append(PlantObject(number, f"{stem}{number}", draw(st.sampled_from(templates)), parent, contained))
    return Plant(objects)


GLOBS = st.lists(st.sampled_from([*"*?TtankPu1_[x]Ü", "an"]), min_size=1, max_size=5).map("".join)

FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "category_ids": st.lists(st.sampled_from([1, 3, 10, 13, 99]), max_size=3),
        "template_chain_contains": st.lists(st.sampled_from(["Tank", "surge", "$", "User", "nothing"]), max_size=2),
        "tag_name_glob": GLOBS,
        "alarm_bearing_only": st.booleans(),
        "historized_only": st.booleans(),
        "include_attributes": st.sampled_from([None, True, False]),
    },
)


def wanted(obj: PlantObject, filters: dict[str, Any]) -> bool:
    """Tell whether an object passes, as plainly as it can be said."""
    attributes = obj.template.attributes
    chain = [name.lower() for name in obj.template.chain]
    parts = filters.get("template_chain_contains") or [""]
    return (
        obj.template.category in (filters.get("category_ids") or list(Category))
        and any(part.lower() in name for part in parts for name in chain)
        and matches(filters.get("tag_name_glob", "*").lower(), obj.tag_name.lower())
        and (not filters.get("alarm_bearing_only") or any(attribute.alarms for attribute in attributes))
        and (not filters.get("historized_only") or any(attribute.historized for attribute in attributes))
    )


def matches(glob: str, text: str) -> bool:
    """Match letter by letter."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(matches(glob[1:], text[begin:]) for begin in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and matches(glob[1:], text[1:])


def children_of(plant: Plant, parent: int) -> list[PlantObject]:
    """Return areas first, then by what a tree shows, without case."""
    found = [obj for obj in plant.objects if obj.parent_id == parent]
    return sorted(
        found, key=lambda obj: (not obj.is_area, (obj.contained_name or obj.tag_name).lower(), obj.gobject_id)
    )


def below(plant: Plant, parent: int, depth: int | None) -> Iterator[PlantObject]:
    """Yield each child and what is below it."""
    for child in children_of(plant, parent):
        yield child
        if depth is None or depth > 0:
            yield from below(plant, child.gobject_id, None if depth is None else depth - 1)


def listed(plant: Plant, root: int, depth: int | None) -> list[PlantObject]:
    """Return the root and what is below it, or the whole plant."""
    if not root:
        return list(below(plant, 0, depth))
    top = next(obj for obj in plant.objects if obj.gobject_id == root)
    deeper = [] if depth == 0 else below(plant, root, None if depth is None else depth - 1)
    return [top, *deeper]


def shown(objects: list[proto.GalaxyObject]) -> list[tuple[int, str, int, list[str]]]:
    return [
        (obj.gobject_id, obj.tag_name, obj.parent_gobject_id, [each.attribute_name for each in obj.attributes])
        for obj in objects
    ]


def expected(objects: list[PlantObject], filters: dict[str, Any]) -> list[tuple[int, str, int, list[str]]]:
    with_attributes = filters.get("include_attributes") is not False
    return [
        (obj.gobject_id, obj.tag_name, obj.parent_id, [each.name for each in obj.template.attributes] * with_attributes)
        for obj in objects
        if wanted(obj, filters)
    ]


@given(plant=plants(), filters=FILTERS, depth=st.none() | st.integers(0, 3), data=st.data())
@bounded(120)
def test_a_listing_of_any_plant_agrees_with_a_naive_filter(
    plant: Plant, filters: dict[str, Any], depth: int | None, data: st.DataObject
) -> None:
    root = data.draw(st.integers(0, len(plant.objects)), label="root")
    size = data.draw(st.sampled_from([1, 2, 500]), label="page size")
    prefetch = data.draw(st.integers(0, 1), label="prefetch")
    right = expected(listed(plant, root, depth), filters)

    async def play() -> None:
        async with SimulatedGateway(plant=plant) as gateway, connect(gateway) as client:
            walk = client.galaxy.iter_hierarchy(
                root_gobject_id=root, max_depth=depth, page_size=size, prefetch=prefetch, **filters
            )
            async with walk:
                assert shown([obj async for obj in walk]) == right
            assert walk.total_count == len(right)

    asyncio.run(play())


@given(plant=plants(), filters=FILTERS, data=st.data())
@bounded(120)
def test_browsing_any_plant_agrees_with_a_naive_filter(
    plant: Plant, filters: dict[str, Any], data: st.DataObject
) -> None:
    parent = data.draw(st.integers(0, len(plant.objects)), label="parent")
    right = expected(children_of(plant, parent), filters)

    async def play() -> None:
        async with SimulatedGateway(plant=plant) as gateway, connect(gateway) as client:
            nodes = await client.galaxy.browse(parent_gobject_id=parent, page_size=2, **filters)
            assert shown([node.object for node in nodes]) == right
            for node in nodes:
                inner = children_of(plant, node.object.gobject_id)
                assert node.has_children_hint == bool(inner)
                assert shown([child.object for child in await node.expand()]) == expected(inner, filters)

    asyncio.run(play())


ONE_BY_ONE: list[dict[str, Any]] = [
    {"category_ids": [10, 13]},
    {"template_chain_contains": ["Unit03", "AREA"]},
    {"tag_name_glob": "unit_*0"},
    {"historized_only": True},
    {"include_attributes": False},
]


@pytest.fixture
async def large() -> AsyncIterator[tuple[Plant, GalaxyRepositoryClient]]:
    plant = generated_plant(600, attributes=4, seed=3)
    async with SimulatedGateway(plant=plant) as gateway, connect(gateway) as client:
        yield plant, client.galaxy


@each_row("use", list(product([False, True], repeat=len(ONE_BY_ONE))))
async def test_every_combination_of_filters_agrees_on_a_larger_plant(
    large: tuple[Plant, GalaxyRepositoryClient], use: tuple[bool, ...]
) -> None:
    plant, galaxy = large
    filters = {
        name: value for each, chosen in zip(ONE_BY_ONE, use, strict=True) if chosen for name, value in each.items()
    }
    found = await galaxy.discover_hierarchy(HierarchyOptions(**filters), page_size=100)
    assert shown(found) == expected(listed(plant, 0, None), filters)


async def test_a_root_can_be_named_in_three_ways(galaxy: GalaxyRepositoryClient) -> None:
    (machine,) = [obj for obj in await galaxy.discover_hierarchy() if obj.tag_name == "TestMachine_001"]
    names = ["TestMachine_001", "TestChildObject", "TestSecurity"]
    for root in (
        {"root_gobject_id": machine.gobject_id},
        {"root_tag_name": "TestMachine_001"},
        {"root_contained_path": "Area1/TestMachine_001"},
    ):
        assert [obj.tag_name for obj in await galaxy.discover_hierarchy(**root)] == names
        parent: dict[str, Any] = {name.replace("root", "parent"): value for name, value in root.items()}
        assert [node.object.tag_name for node in await galaxy.browse(**parent)] == names[1:]


async def test_object_0_is_the_top_level_and_is_not_named(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    await galaxy.discover_hierarchy(root_gobject_id=0)
    await galaxy.browse(parent_gobject_id=0)
    discovered, browsed = requests(gateway, "DiscoverHierarchy")[0], requests(gateway, "BrowseChildren")[0]
    assert (which_one_of(discovered, "root"), which_one_of(browsed, "parent")) == ("", "")


def test_the_naive_glob_is_one() -> None:
    for glob in ("a*b?", "*", "?", "[x]", "**a"):
        for text in ("", "a", "ab1", "axxbb", "[x]", "x", "ba"):
            pattern = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in glob)
            assert matches(glob, text) == bool(re.fullmatch(pattern, text))
