from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import Any

import grpc
import pytest

from mxgateway.simulator import ManualClock, Plant, SimulatedGateway, generated_plant
from tests.simulator.peer import PATIENCE, Peer, cancelled, ok, take

INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def pages(peer: Peer, method: str = "DiscoverHierarchy", **fields: Any) -> list[Any]:
    found, token = [], ""
    while True:
        reply = await peer.call(method, page_token=token, **fields)
        found.append(reply)
        token = reply.next_page_token
        if not token:
            return found


async def objects(peer: Peer, **fields: Any) -> list[Any]:
    return [obj for page in await pages(peer, **fields) for obj in page.objects]


async def children(peer: Peer, **fields: Any) -> list[str]:
    return [child.browse_name for page in await pages(peer, "BrowseChildren", **fields) for child in page.children]


async def test_the_galaxy_and_the_tags_are_the_same_plant(peer: Peer) -> None:
    session = await peer.open()
    references = [attribute.full_tag_reference for obj in await objects(peer) for attribute in obj.attributes]
    assert {"TestChildObject.TestInt", "TestChildObject.TestIntArray[]"} < set(references)
    assert {f"TestMachine_{number:03}.TestChangingInt" for number in range(1, 7)} < set(references)
    results = ok(await session.on_server("add_item_bulk", tag_addresses=references)).add_item_bulk.results
    assert all(result.was_successful for result in results)
    readable = [reference for reference in references if not reference.endswith(("SlowInt", "SilentInt"))]
    results = ok(await session.on_server("read_bulk", tag_addresses=readable)).read_bulk.results
    assert all(result.was_successful for result in results)


async def test_an_object_carries_what_the_repository_knows(peer: Peer) -> None:
    found = {obj.tag_name: obj for obj in await objects(peer)}
    child, machine, area = found["TestChildObject"], found["TestMachine_001"], found["Area1"]
    assert child.parent_gobject_id == machine.gobject_id
    assert machine.parent_gobject_id == area.gobject_id
    assert area.parent_gobject_id == 0
    assert (child.contained_name, child.browse_name) == ("Child", "Child")
    assert (machine.contained_name, machine.browse_name) == ("", "TestMachine_001")
    assert (area.is_area, area.category_id, child.is_area, child.category_id) == (True, 13, False, 10)
    assert found["Platform_001"].category_id == 1
    assert found["Engine_001"].category_id == 3
    assert child.hosted_by_gobject_id == found["Engine_001"].gobject_id
    assert list(child.template_chain) == ["$TestChildObject", "$UserDefined"]
    attributes = {attribute.attribute_name: attribute for attribute in child.attributes}
    codes = {
        name: attributes[f"Test{name}"].mx_data_type for name in ("Bool", "Int", "Float", "Double", "String", "Time")
    }
    assert codes == {"Bool": 1, "Int": 2, "Float": 3, "Double": 4, "String": 5, "Time": 6}
    array = attributes["TestIntArray"]
    assert (array.is_array, array.array_dimension, array.array_dimension_present) == (True, 5, True)
    assert array.full_tag_reference == "TestChildObject.TestIntArray[]"
    assert not attributes["TestInt"].is_array
    assert {attribute.security_classification for attribute in found["TestSecurity"].attributes} == set(range(7))
    [level] = found["Tank02"].attributes
    assert (level.is_alarm, level.is_historized) == (True, True)


async def test_pages_together_are_the_whole_and_count_it(peer: Peer) -> None:
    whole = [obj.tag_name for obj in await objects(peer)]
    for size in (1, 2, 7, len(whole), 5000, 2**31 - 1):
        found = await pages(peer, page_size=size)
        assert [obj.tag_name for page in found for obj in page.objects] == whole
        assert {page.total_object_count for page in found} == {len(whole)}
        assert all(len(page.objects) == size for page in found[:-1])


async def test_a_page_has_500_objects_by_default_and_5000_at_most() -> None:
    async with (
        SimulatedGateway(plant=generated_plant(5200, 1)) as gateway,
        Peer(gateway.endpoint, gateway.api_key) as peer,
    ):
        assert len((await peer.call("DiscoverHierarchy", include_attributes=False)).objects) == 500
        assert len((await peer.call("DiscoverHierarchy", page_size=9999, include_attributes=False)).objects) == 5000


async def test_parents_come_before_their_children(peer: Peer) -> None:
    seen = {0}
    for obj in await objects(peer):
        assert obj.parent_gobject_id in seen
        seen.add(obj.gobject_id)


async def test_a_root_by_id_tag_or_path_limits_to_what_is_below_it(peer: Peer) -> None:
    by_tag = [obj.tag_name for obj in await objects(peer, root_tag_name="testmachine_001")]
    assert by_tag == ["TestMachine_001", "TestChildObject", "TestSecurity"]
    machine = (await objects(peer, root_tag_name="TestMachine_001"))[0]
    assert [obj.tag_name for obj in await objects(peer, root_gobject_id=machine.gobject_id)] == by_tag
    assert [obj.tag_name for obj in await objects(peer, root_contained_path="Area1/TestMachine_001")] == by_tag
    [child] = await objects(peer, root_contained_path="area1/testmachine_001/CHILD")
    assert child.tag_name == "TestChildObject"


async def test_max_depth_counts_levels_below_the_root(peer: Peer) -> None:
    async def below(depth: int, **root: Any) -> list[str]:
        return [obj.tag_name for obj in await objects(peer, max_depth={"value": depth}, **root)]

    assert await below(0, root_tag_name="Area2") == ["Area2"]
    assert "Tank02" not in await below(1, root_tag_name="Area2")
    assert "Tank02" in await below(2, root_tag_name="Area2")
    assert await below(0) == ["Area1", "Area2", "Engine_001", "Platform_001"]


async def test_each_filter_agrees_with_a_naive_one_and_filters_are_anded(peer: Peer) -> None:
    whole = await objects(peer)

    def naive(obj: Any, fields: dict[str, Any]) -> bool:
        chain = " ".join(obj.template_chain)
        return (
            (not fields.get("category_ids") or obj.category_id in fields["category_ids"])
            and (
                not fields.get("template_chain_contains") or any(p in chain for p in fields["template_chain_contains"])
            )
            and fnmatchcase(obj.tag_name.lower(), fields.get("tag_name_glob", "*").lower())
            and (not fields.get("alarm_bearing_only") or any(a.is_alarm for a in obj.attributes))
            and (not fields.get("historized_only") or any(a.is_historized for a in obj.attributes))
        )

    filters: list[dict[str, Any]] = [
        {"category_ids": [13]},
        {"category_ids": [1, 3]},
        {"template_chain_contains": ["Tank"]},
        {"template_chain_contains": ["Machine", "Pump"]},
        {"tag_name_glob": "testmachine_00?"},
        {"tag_name_glob": "*01"},
        {"tag_name_glob": "Tank"},
        {"alarm_bearing_only": True},
        {"historized_only": True},
    ]
    for first in filters:
        for second in filters:
            fields = {**first, **second}
            expected = [obj.tag_name for obj in whole if naive(obj, fields)]
            assert [obj.tag_name for obj in await objects(peer, **fields)] == expected, fields
            [page] = await pages(peer, **fields)
            assert page.total_object_count == len(expected)


async def test_attributes_come_unless_they_are_not_wanted(peer: Peer) -> None:
    assert any(obj.attributes for obj in await objects(peer))
    assert any(obj.attributes for obj in await objects(peer, include_attributes=True))
    assert not any(obj.attributes for obj in await objects(peer, include_attributes=False))


async def test_children_come_areas_first_and_then_by_name_without_case(peer: Peer) -> None:
    assert await children(peer) == ["Area1", "Area2", "Engine_001", "Platform_001"]
    assert await children(peer, parent_tag_name="Area2") == [
        "TankYard",
        "TestMachine_004",
        "TestMachine_005",
        "TestMachine_006",
    ]
    assert await children(peer, parent_contained_path="Area1/TestMachine_001", page_size=1) == ["Child", "Security"]
    [page] = await pages(peer, "BrowseChildren", parent_tag_name="Area2")
    assert list(page.child_has_children) == [True, False, False, False]
    assert page.total_child_count == 4
    assert page.cache_sequence == 1
    assert await children(peer, parent_tag_name="Area2", category_ids=[13]) == ["TankYard"]


async def test_an_unknown_root_or_parent_is_not_found(peer: Peer) -> None:
    for method, group in (("DiscoverHierarchy", "root"), ("BrowseChildren", "parent")):
        for arm, name in (("gobject_id", 999), ("tag_name", "Nobody"), ("contained_path", "Area1/Nobody")):
            failure = await peer.fails(method, **{f"{group}_{arm}": name})
            assert failure.code() is grpc.StatusCode.NOT_FOUND


async def test_bad_page_sizes_depths_and_tokens_are_invalid_arguments(peer: Peer) -> None:
    assert (await peer.fails("DiscoverHierarchy", max_depth={"value": -1})).code() is INVALID
    for method in ("DiscoverHierarchy", "BrowseChildren"):
        assert (await peer.fails(method, page_size=-1)).code() is INVALID
        for token in ("x", "MS4yLjM=", "1.2.3", "é"):
            assert (await peer.fails(method, page_token=token)).code() is INVALID


async def test_a_token_is_bound_to_its_question_and_to_the_deployment(gateway: SimulatedGateway, peer: Peer) -> None:
    token = (await peer.call("DiscoverHierarchy", page_size=2)).next_page_token
    again = await peer.call("DiscoverHierarchy", page_size=3, page_token=token)
    assert len(again.objects) == 3, "the page size may change"
    for fields in (
        {"tag_name_glob": "*"},
        {"root_tag_name": "Area1"},
        {"historized_only": True},
        {"max_depth": {"value": 1}},
    ):
        assert (await peer.fails("DiscoverHierarchy", page_token=token, **fields)).code() is INVALID
    assert (await peer.fails("BrowseChildren", page_token=token)).code() is INVALID
    gateway.deploy()
    assert (await peer.fails("DiscoverHierarchy", page_token=token)).code() is INVALID


async def test_a_token_of_another_key_is_refused() -> None:
    from mxgateway.simulator import SimulatedKey

    keys = [SimulatedKey(key_id="a"), SimulatedKey(key_id="b", browse_subtrees=("Area1",))]
    async with (
        SimulatedGateway(api_keys=keys) as gateway,
        Peer(gateway.endpoint, keys[0].reveal()) as first,
        Peer(gateway.endpoint, keys[1].reveal()) as second,
    ):
        token = (await first.call("DiscoverHierarchy", page_size=2)).next_page_token
        assert (await second.fails("DiscoverHierarchy", page_token=token)).code() is INVALID


async def test_test_connection_says_false_and_never_fails(gateway: SimulatedGateway, peer: Peer) -> None:
    assert (await peer.call("TestConnection")).ok
    gateway.galaxy.database_answers = False
    assert not (await peer.call("TestConnection")).ok


async def test_a_cold_cache_is_unavailable_and_the_deploy_time_waits_for_it(
    gateway: SimulatedGateway, peer: Peer
) -> None:
    gateway.galaxy.chill()
    for method in ("DiscoverHierarchy", "BrowseChildren"):
        assert (await peer.fails(method)).code() is grpc.StatusCode.UNAVAILABLE
    waiting = asyncio.create_task(peer.call("GetLastDeployTime"))
    ok(await peer.call("OpenSession"))
    assert not waiting.done()
    gateway.galaxy.load()
    assert (await asyncio.wait_for(waiting, PATIENCE)).present


async def test_the_deploy_time_is_told_when_there_is_one(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer
) -> None:
    clock.advance(60)
    gateway.deploy()
    reply = await peer.call("GetLastDeployTime")
    assert reply.time_of_last_deploy.ToNanoseconds() == clock.now_ns()
    gateway.galaxy.undeploy()
    reply = await peer.call("GetLastDeployTime")
    assert not reply.present
    assert not reply.HasField("time_of_last_deploy")


class TestWatchingDeployments:
    async def test_the_current_state_comes_at_once_and_then_every_deployment(
        self, gateway: SimulatedGateway, clock: ManualClock, peer: Peer
    ) -> None:
        watch = peer.stream("WatchDeployEvents")
        [state] = await take(watch, 1)
        assert state.sequence == 1
        assert state.time_of_last_deploy_present
        assert state.object_count == len(await objects(peer))
        assert state.attribute_count == sum(len(obj.attributes) for obj in await objects(peer))
        clock.advance(10)
        gateway.deploy()
        clock.advance(10)
        gateway.deploy(generated_plant(50, 2))
        second, third = await take(watch, 2)
        assert [second.sequence, third.sequence] == [2, 3]
        assert (
            second.time_of_last_deploy.ToNanoseconds() == second.observed_at.ToNanoseconds() == clock.now_ns() - 10**10
        )
        assert (third.object_count, third.attribute_count > 0) == (50, True)
        watch.cancel()

    async def test_a_state_that_the_client_knows_is_not_told_again(
        self, gateway: SimulatedGateway, clock: ManualClock, peer: Peer
    ) -> None:
        [state] = await take(peer.stream("WatchDeployEvents"), 1)
        watch = peer.stream("WatchDeployEvents", last_seen_deploy_time=state.time_of_last_deploy)
        await asyncio.wait_for(watch.initial_metadata(), PATIENCE)
        clock.advance(1)
        gateway.deploy()
        assert [event.sequence for event in await take(watch, 1)] == [2]
        [state] = await take(peer.stream("WatchDeployEvents", last_seen_deploy_time=state.time_of_last_deploy), 1)
        assert state.sequence == 2

    async def test_a_watcher_that_is_too_slow_sees_a_gap_in_the_sequence(
        self, gateway: SimulatedGateway, peer: Peer
    ) -> None:
        watch = peer.stream("WatchDeployEvents")
        await take(watch, 1)
        for _ in range(40):
            gateway.deploy()
        sequences = [event.sequence for event in await take(watch, 16)]
        assert sequences[-1] == 41
        assert sequences[0] > 2

    async def test_the_sequence_begins_again_after_a_restart(self, gateway: SimulatedGateway) -> None:
        gateway.deploy()
        await gateway.restart()
        async with Peer(gateway.endpoint, gateway.api_key) as peer:
            watch = peer.stream("WatchDeployEvents")
            assert [event.sequence for event in await take(watch, 1)] == [1]
            await cancelled(watch)


async def test_after_a_deployment_the_tags_are_those_of_the_new_plant(gateway: SimulatedGateway, peer: Peer) -> None:
    session = await peer.open()
    gateway.deploy(generated_plant(20, 2))
    new = next(obj for obj in await objects(peer) if obj.attributes).attributes[0].full_tag_reference
    tags = [new, "TestChildObject.TestInt"]
    results = ok(await session.on_server("read_bulk", tag_addresses=tags)).read_bulk.results
    assert [result.was_successful for result in results] == [True, False]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_generated_plant_follows_from_its_seed(seed: int) -> None:
    def shape(plant: Plant) -> list[tuple[str, int, str]]:
        return [(obj.tag_name, obj.parent_id, obj.template.name) for obj in plant.objects]

    assert shape(generated_plant(500, seed=seed)) == shape(generated_plant(500, seed=seed))
    assert shape(generated_plant(500, seed=seed)) != shape(generated_plant(500, seed=seed + 1))
    assert len(generated_plant(1000).objects) == 1000
