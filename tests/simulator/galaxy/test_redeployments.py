"""Deployments that change the galaxy, gateways that restart, watchers that are too slow, and calls that are held meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from mxgateway.simulator import Attribute, ManualClock, PlantObject, SimulatedGateway, Template, generated_plant
from mxgateway.simulator.alarms.conditions import AlarmSystem
from mxgateway.simulator.plant.live_tags import LivePlant
from tests.simulator.peer import PATIENCE, Peer, PeerSession, cancelled, ok, take

NEW = Template("$New", attributes=(Attribute(name="Value", value=7),))


async def names(peer: Peer, **fields: Any) -> list[str]:
    return [obj.tag_name for obj in (await peer.call("DiscoverHierarchy", **fields)).objects]


async def test_a_deployment_adds_removes_and_renames_objects(gateway: SimulatedGateway, peer: Peer) -> None:
    area = (await peer.call("DiscoverHierarchy", root_tag_name="Area1")).objects[0].gobject_id
    gateway.deploy(
        add=[PlantObject(900, "Mixer01", NEW, area)], remove=["testmachine_001"], rename={"Tank01": "Tank07"}
    )
    found = await names(peer, root_tag_name="Area1")
    assert {"Mixer01", "Tank07", "TestMachine_002"} < set(found)
    assert not {"Tank01", "TestMachine_001", "TestChildObject", "TestSecurity"} & set(found), (
        "what it contains goes too"
    )
    gateway.deploy(add=[PlantObject(901, "Mixer02", NEW, area)])
    assert {"Mixer01", "Mixer02"} < set(await names(peer, root_tag_name="Area1")), "one change builds on the other"


@pytest.mark.parametrize("change", [{"remove": ["Nobody"]}, {"rename": {"Nobody": "Somebody"}}])
async def test_an_object_that_is_not_there_is_neither_removed_nor_renamed(
    gateway: SimulatedGateway, peer: Peer, change: dict[str, Any]
) -> None:
    with pytest.raises(LookupError, match="Nobody"):
        gateway.deploy(**change)
    with pytest.raises(ValueError, match="not unique"):
        gateway.deploy(rename={"Tank01": "TANK02"})
    assert [event.sequence for event in await take(peer.stream("WatchDeployEvents"), 1)] == [1]


async def test_the_tags_follow_the_objects(gateway: SimulatedGateway, session: PeerSession) -> None:
    await session.advise("TestChildObject.TestInt")
    await session.advise("Tank01.Level")
    await session.drain()
    gateway.deploy(add=[PlantObject(900, "Mixer01", NEW)], rename={"Tank01": "Tank07"})
    gateway.set_tag("TestChildObject.TestInt", 99)
    gone, stays = await session.drain()
    assert (gone.quality, stays.value.int32_value) == (0, 99), "what stays goes on"
    tags = ["Mixer01.Value", "Tank07.Level", "Tank01.Level"]
    results = ok(await session.on_server("read_bulk", tag_addresses=tags)).read_bulk.results
    assert [result.was_successful for result in results] == [True, True, False]


async def test_a_tag_that_is_deployed_with_another_type_begins_anew(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    gateway.deploy(add=[PlantObject(900, "Mixer01", NEW)])
    gateway.set_tag("Mixer01.Value", 8)
    other = Template("$Other", attributes=(Attribute(name="Value", value=[1, 2], is_array=True),))
    gateway.deploy(remove=["Mixer01"], add=[PlantObject(900, "Mixer01", other)])
    results = ok(await session.on_server("read_bulk", tag_addresses=["Mixer01.Value[]"])).read_bulk.results
    assert list(results[0].value.array_value.int32_values.values) == [1, 2]


async def test_a_page_token_dies_in_a_deployment_between_two_pages(gateway: SimulatedGateway, peer: Peer) -> None:
    for method, fields in (("DiscoverHierarchy", {}), ("BrowseChildren", {"parent_tag_name": "Area1"})):
        token = (await peer.call(method, page_size=1, **fields)).next_page_token
        gateway.deploy(remove=["TestMachine_006"] if method == "DiscoverHierarchy" else [])
        failure = await peer.fails(method, page_size=1, page_token=token, **fields)
        assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "start again at the first page" in failure.details()
        assert (await peer.call(method, page_size=1, **fields)).next_page_token


async def test_a_restart_deploys_nothing_and_counts_from_1_again(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer
) -> None:
    clock.advance(60)
    gateway.deploy()
    [state] = await take(peer.stream("WatchDeployEvents"), 1)
    clock.advance(60)
    await gateway.restart()
    async with Peer(gateway.endpoint, gateway.api_key) as again:
        [after] = await take(again.stream("WatchDeployEvents"), 1)
        assert (state.sequence, after.sequence) == (2, 1)
        assert after.time_of_last_deploy == state.time_of_last_deploy
        assert after.observed_at.ToNanoseconds() == clock.now_ns()
        watch = again.stream("WatchDeployEvents", last_seen_deploy_time=state.time_of_last_deploy)
        await asyncio.wait_for(watch.initial_metadata(), PATIENCE)
        gateway.deploy()
        assert [event.sequence for event in await take(watch, 1)] == [2]
        await cancelled(watch)


async def test_a_galaxy_can_be_deployed_while_the_gateway_is_away(
    gateway: SimulatedGateway, clock: ManualClock, peer: Peer
) -> None:
    [before] = await take(peer.stream("WatchDeployEvents"), 1)
    clock.advance(60)
    await gateway.restart(deployed=True)
    async with Peer(gateway.endpoint, gateway.api_key) as again:
        watch = again.stream("WatchDeployEvents", last_seen_deploy_time=before.time_of_last_deploy)
        [after] = await take(watch, 1)
        assert (after.sequence, after.time_of_last_deploy.ToNanoseconds()) == (1, clock.now_ns())
        await cancelled(watch)


async def test_a_galaxy_that_was_never_deployed_is_not_by_a_restart(gateway: SimulatedGateway) -> None:
    gateway.galaxy.undeploy()
    await gateway.restart()
    async with Peer(gateway.endpoint, gateway.api_key) as peer:
        assert not (await peer.call("GetLastDeployTime")).present


async def test_a_watcher_misses_deployments_that_were_held_for_too_long(gateway: SimulatedGateway, peer: Peer) -> None:
    watch = peer.stream("WatchDeployEvents")
    await take(watch, 1)
    gateway.hold_deploy_events()
    for _ in range(30):
        gateway.deploy()
        await peer.call("TestConnection")  # the gateway has its time to tell, and tells nothing
    gateway.release_deploy_events()
    sequences = [event.sequence for event in await take(watch, 17)]
    assert (sequences[0], sequences[-1]) == (2, 31)
    assert sequences[1:] == list(range(16, 32)), "the newest are kept"
    await cancelled(watch)


async def test_calls_of_a_method_wait_while_it_is_held(gateway: SimulatedGateway, peer: Peer) -> None:
    gateway.hold("BrowseChildren")
    waiting = [asyncio.create_task(peer.call("BrowseChildren")) for _ in range(3)]
    assert (await peer.call("TestConnection")).ok
    gateway.deploy(add=[PlantObject(900, "Mixer01", NEW)])
    assert not any(task.done() for task in waiting)
    gateway.release("BrowseChildren")
    for reply in await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE):
        assert "Mixer01" in [child.tag_name for child in reply.children], "answered as of its release"


async def test_commands_of_a_kind_wait_while_it_is_held_and_the_switches_free_them(
    gateway: SimulatedGateway, session: PeerSession
) -> None:
    gateway.hold("Invoke.Register")
    waiting = asyncio.create_task(session.invoke("register"))
    ok(await session.invoke("ping"))
    assert not waiting.done()
    gateway.switches.clear()
    ok(await asyncio.wait_for(waiting, PATIENCE))


async def test_a_gateway_stops_while_calls_are_held() -> None:
    async with SimulatedGateway() as gateway, Peer(gateway.endpoint, gateway.api_key) as peer:
        gateway.hold("DiscoverHierarchy")
        waiting = asyncio.create_task(peer.fails("DiscoverHierarchy"))
        await peer.call("TestConnection")
        await asyncio.wait_for(gateway.stop(), PATIENCE)
        assert (await waiting).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_prepared_page_can_be_changed_like_any_reply(gateway: SimulatedGateway, peer: Peer) -> None:
    def shorter(reply: Any) -> Any:
        reply.objects = reply.objects[:1]
        return reply

    gateway.reply_override("DiscoverHierarchy", shorter)
    assert len((await peer.call("DiscoverHierarchy")).objects) == 1
    assert len((await peer.call("DiscoverHierarchy")).objects) > 1


def test_a_generated_galaxy_has_all_kinds_of_objects_at_many_levels() -> None:
    plant = generated_plant(3000, 10, seed=3)
    depths = {len(list(plant.ancestors(obj))) for obj in plant.objects}
    assert max(depths) >= 6
    assert {int(obj.template.category) for obj in plant.objects} == {1, 3, 10, 13}
    assert any(obj.is_area and obj.parent_id for obj in plant.objects)
    templates = {id(obj.template): obj.template for obj in plant.objects}.values()
    attributes = [attribute for template in templates for attribute in template.attributes]
    assert {attribute.data_type.traits.code for attribute in attributes} == {*range(1, 9), *range(13, 17)}
    assert {int(attribute.security) for attribute in attributes} == set(range(7))
    assert any(attribute.is_array for attribute in attributes)
    for trait in ("has_alarms", "is_historized"):
        assert {getattr(template, trait) for template in templates if template.attributes} == {True, False}
    paths = [(obj.parent_id, obj.browse_name) for obj in plant.objects]
    assert len(set(paths)) == len(paths), "a path names one object"


def test_a_galaxy_of_100_000_objects_shares_what_repeats() -> None:
    plant = generated_plant(100_000, 10)
    assert plant.attribute_count == sum(len(obj.template.attributes) for obj in plant.objects) > 980_000
    assert len({id(obj.template) for obj in plant.objects}) <= 11
    live = LivePlant(plant, ManualClock())
    alarms = AlarmSystem(live, feed_limit=10)
    assert not live._tags, "no tag and no alarm of its own before somebody asks"
    bearing = next(obj for obj in reversed(plant.objects) if obj.template.has_alarms)
    limit = next(attribute.alarms[0] for attribute in bearing.template.attributes if attribute.alarms)
    assert alarms.alarm(f"Galaxy!{plant.area_of(bearing)}.{bearing.tag_name}.{limit.name}").limit is limit
