"""Every filter, and every combination, against one that goes through all objects: what is selected, in which order, in which pages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mxgateway.simulator import SimulatedGateway, SimulatedKey, generated_plant
from tests.simulator.peer import Peer

OBJECTS = 260
SUBTREE = "Area_001"

unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class World:
    """A gateway with a generated galaxy, a client that sees all of it, and one that sees a part."""

    runner: asyncio.Runner
    peer: Peer
    narrow: Peer
    whole: list[Any]
    """All objects, as the client without a filter got them."""

    def pages(self, method: str, fields: dict[str, Any], *, narrow: bool = False) -> list[Any]:
        return self.runner.run(_pages(self.narrow if narrow else self.peer, method, fields))

    def ancestors(self, obj: Any) -> list[Any]:
        """Return an object and what contains it, outwards."""
        by_id = {each.gobject_id: each for each in self.whole}
        found = [obj]
        while found[-1].parent_gobject_id:
            found.append(by_id[found[-1].parent_gobject_id])
        return found

    def path(self, obj: Any) -> str:
        return "/".join(each.browse_name for each in reversed(self.ancestors(obj)))

    def is_visible(self, obj: Any) -> bool:
        return any(each.tag_name == SUBTREE for each in self.ancestors(obj))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with asyncio.Runner() as runner:
        keys = [SimulatedKey(key_id="all"), SimulatedKey(key_id="some", browse_subtrees=(SUBTREE.upper(),))]
        gateway = SimulatedGateway(plant=generated_plant(OBJECTS, 4, seed=7), api_keys=keys)
        runner.run(gateway.start())
        peers = runner.run(_connected(gateway.endpoint, keys))
        pages = runner.run(_pages(peers[0], "DiscoverHierarchy", {}))
        peer, narrow = peers
        yield World(runner, peer, narrow, [obj for page in pages for obj in page.objects])
        for peer in peers:
            runner.run(peer.channel.close())
        runner.run(gateway.stop())


async def _connected(endpoint: str, keys: list[SimulatedKey]) -> list[Peer]:
    return [Peer(endpoint, key.reveal()) for key in keys]


async def _pages(peer: Peer, method: str, fields: dict[str, Any]) -> list[Any]:
    found = [await peer.call(method, **fields)]
    while token := found[-1].next_page_token:
        found.append(await peer.call(method, page_token=token, **fields))
    return found


globs = st.one_of(
    st.sampled_from(["*", "?", "area_*", "PART_*7", "Unit_0000?0", "*_00*", "Part", "[U]nit*", "Unit_000010", "*.*"]),
    st.text(alphabet="*?_UPnartiA01234", min_size=1, max_size=6),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "category_ids": st.lists(st.sampled_from([1, 3, 10, 13, 99]), min_size=1, max_size=3),
        "template_chain_contains": st.lists(
            st.sampled_from(["$Unit01", "unit", "UserDefined", "Area", "$", "7", "Nothing"]), min_size=1, max_size=3
        ),
        "tag_name_glob": globs,
        "alarm_bearing_only": st.booleans(),
        "historized_only": st.booleans(),
    },
)
sizes = st.sampled_from([0, 1, 3, 50, 5000])
starts = st.tuples(st.sampled_from(["", "gobject_id", "tag_name", "contained_path"]), st.integers(0, OBJECTS - 1))


def passes(obj: Any, wanted: dict[str, Any]) -> bool:
    """Say in the plainest words whether an object passes the filters."""
    if wanted.get("category_ids") and obj.category_id not in wanted["category_ids"]:
        return False
    parts = [part.lower() for part in wanted.get("template_chain_contains", [])]
    if parts and not any(part in template.lower() for part in parts for template in obj.template_chain):
        return False
    glob = wanted.get("tag_name_glob", "*").lower().replace("[", "[[]")
    if not fnmatchcase(obj.tag_name.lower(), glob):
        return False
    if wanted.get("alarm_bearing_only") and not any(each.is_alarm for each in obj.attributes):
        return False
    return not wanted.get("historized_only") or any(each.is_historized for each in obj.attributes)


def start_at(world: World, group: str, start: tuple[str, int]) -> tuple[dict[str, Any], Any]:
    """Return the field that names where to start, and the object that it names."""
    arm, place = start
    if not arm:
        return {}, None
    obj = world.whole[place]
    named = {"gobject_id": obj.gobject_id, "tag_name": obj.tag_name.upper(), "contained_path": world.path(obj).lower()}
    return {f"{group}_{arm}": named[arm]}, obj


@unhurried
@given(filters, starts, st.none() | st.integers(0, 6), sizes, st.booleans())
def test_a_hierarchy_is_what_a_naive_filter_leaves_of_all_objects_in_their_order(
    world: World, wanted: dict[str, Any], start: tuple[str, int], depth: int | None, size: int, narrow: bool
) -> None:
    root, obj = start_at(world, "root", start)

    def level(each: Any) -> int:
        line = [outer.gobject_id for outer in world.ancestors(each)]
        if obj is None:
            return len(line) - 1
        return line.index(obj.gobject_id) if obj.gobject_id in line else -1

    expected = [
        each
        for each in world.whole
        if 0 <= level(each) <= (99 if depth is None else depth)
        and passes(each, wanted)
        and (not narrow or world.is_visible(each))
    ]
    fields = {**wanted, **root, "page_size": size, **({} if depth is None else {"max_depth": {"value": depth}})}
    pages = world.pages("DiscoverHierarchy", fields, narrow=narrow)
    assert [each for page in pages for each in page.objects] == expected
    assert {page.total_object_count for page in pages} == {len(expected)}
    assert all(len(page.objects) == (size or 500) for page in pages[:-1])


@unhurried
@given(filters, starts, sizes, st.booleans())
def test_children_are_what_a_naive_filter_leaves_of_all_objects_areas_first_and_by_name(
    world: World, wanted: dict[str, Any], start: tuple[str, int], size: int, narrow: bool
) -> None:
    parent, obj = start_at(world, "parent", start)
    parent_id = 0 if obj is None else obj.gobject_id
    seen = [each for each in world.whole if not narrow or world.is_visible(each)]
    expected = [each for each in seen if each.parent_gobject_id == parent_id and passes(each, wanted)]
    expected.sort(key=lambda each: (not each.is_area, each.browse_name.lower()))
    pages = world.pages("BrowseChildren", {**wanted, **parent, "page_size": size}, narrow=narrow)
    assert [each for page in pages for each in page.children] == expected
    assert {page.total_child_count for page in pages} == {len(expected)}
    parents = {each.parent_gobject_id for each in seen}
    hints = [hint for page in pages for hint in page.child_has_children]
    assert hints == [each.gobject_id in parents for each in expected]


@unhurried
@given(filters, filters)
def test_a_token_is_good_for_its_own_filters_and_for_no_others(
    world: World, wanted: dict[str, Any], other: dict[str, Any]
) -> None:
    first = world.runner.run(world.peer.call("DiscoverHierarchy", page_size=1, **wanted))
    token = first.next_page_token

    def meaning(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if value}

    if token and meaning(other) != meaning(wanted):
        failure = world.runner.run(world.peer.fails("DiscoverHierarchy", page_size=1, page_token=token, **other))
        assert failure.code().name == "INVALID_ARGUMENT"
    elif token:
        again = world.runner.run(world.peer.call("DiscoverHierarchy", page_size=1, page_token=token, **other))
        assert len(again.objects) == 1
