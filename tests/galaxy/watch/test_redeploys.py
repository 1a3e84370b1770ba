"""The galaxy is deployed while it is read: between two pages, between browsing and expanding, under a token."""

from __future__ import annotations

from typing import Any

import pytest

from mxgateway import (
    GalaxyRepositoryClient,
    GatewayClient,
    GrpcStatus,
    MxGatewayInvalidRequestError,
    MxGatewayNotFoundError,
    MxGatewayRedeployError,
    proto,
)
from mxgateway.simulator import Plant, SimulatedGateway, SimulatedKey, small_plant
from tests.client.support import connect, in_words, requests, until
from tests.galaxy.peer import branch, page, peer_galaxy


def without(plant: Plant, *names: str) -> Plant:
    """Return a plant without some objects that contain nothing."""
    return Plant([obj for obj in plant.objects if obj.tag_name not in names])


def names(objects: list[proto.GalaxyObject]) -> list[str]:
    return [obj.tag_name for obj in objects]


# -- between two pages


@pytest.mark.parametrize("prefetch", [0, 1])
async def test_a_deployment_between_two_pages_is_an_error_of_its_own(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient, prefetch: int
) -> None:
    walk = galaxy.iter_hierarchy(page_size=3, prefetch=prefetch)
    first = [(await anext(walk)).tag_name for _ in range(3)]
    if prefetch:
        await until(lambda: len(requests(gateway, "DiscoverHierarchy")) == 2)
        first += [(await anext(walk)).tag_name for _ in range(3)]
        await galaxy.test_connection()  # the third page has been answered then
    gateway.deploy()
    with pytest.raises(MxGatewayRedeployError) as caught:
        async for each in walk:
            first.append(each.tag_name)
    error = caught.value
    assert isinstance(error, MxGatewayInvalidRequestError)
    assert in_words(error, "deployed between two pages", "start again at the first page")
    assert (error.grpc_status, error.method) == (GrpcStatus.INVALID_ARGUMENT, "GalaxyRepository/DiscoverHierarchy")
    assert isinstance(error.__cause__, MxGatewayInvalidRequestError)
    whole = names(await galaxy.discover_hierarchy())
    assert first == whole[: len(first)], "what came before was right"


async def test_a_walk_can_begin_again_by_itself_and_says_so(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    found: list[str] = []
    restarts = []
    async with galaxy.iter_hierarchy(page_size=3, on_redeploy="restart") as walk:
        async for each in walk:
            found.append(each.tag_name)
            restarts.append(walk.restarts)
            if len(found) == 4:
                gateway.deploy(without(small_plant(), "Pump01"))
    whole = names(await galaxy.discover_hierarchy())
    assert "Pump01" not in whole
    assert found[6:] == whole, "everything comes again"
    assert restarts == [0] * 6 + [1] * len(whole)
    assert walk.total_count == len(whole)


async def test_a_listing_that_begins_again_has_no_object_of_before(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client:
        deployed = False

        def deploy(reply: Any) -> Any:
            nonlocal deployed
            if not deployed:
                deployed = True
                gateway.deploy(without(small_plant(), "TestSecurity", "Pump01"))
            return reply

        gateway.reply_override("DiscoverHierarchy", deploy, times=None)
        found = names(await client.galaxy.discover_hierarchy(page_size=2, on_redeploy="restart"))
        assert found == names(await client.galaxy.discover_hierarchy())
        assert "Pump01" not in found

        deployed = False
        tree = await client.galaxy.tree(page_size=2)
        assert [obj.tag_name for obj in tree] == names(await client.galaxy.discover_hierarchy())
        with pytest.raises(MxGatewayRedeployError):
            deployed = False
            await client.galaxy.discover_hierarchy(page_size=2)


async def test_a_search_finds_what_is_there_after_a_deployment() -> None:
    first = True

    async def answer(request: Any) -> Any:
        nonlocal first
        if request.page_token:
            return GrpcStatus.INVALID_ARGUMENT
        reply = page(1, 2, "next", 4) if first else page(2, 1, "", 1)
        first = False
        return reply

    async with peer_galaxy(answer) as (_, galaxy):
        assert await galaxy.find("Object_*") == ["Object_2"]


async def test_a_galaxy_that_is_empty_after_a_deployment_has_nothing_of_before() -> None:
    async def answer(request: Any) -> Any:
        if request.page_token:
            return GrpcStatus.INVALID_ARGUMENT
        return page(1, 2, "next", 4) if len(peer.asked) == 1 else page(1, 0)

    async with peer_galaxy(answer) as (peer, galaxy):
        async with galaxy.iter_hierarchy(on_redeploy="restart") as walk:
            assert len([each async for each in walk]) == 2
        assert (walk.restarts, walk.total_count) == (1, 0)
        del peer.asked[:]
        assert await galaxy.discover_hierarchy(on_redeploy="restart") == []


async def test_a_root_that_a_deployment_has_taken_away_is_not_found(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    walk = galaxy.iter_hierarchy(root_tag_name="TestMachine_001", page_size=1, on_redeploy="restart")
    await anext(walk)
    gateway.deploy(without(small_plant(), "TestMachine_001", "TestChildObject", "TestSecurity"))
    with pytest.raises(MxGatewayNotFoundError, match="TestMachine_001"):
        await anext(walk)


# -- branches


async def test_an_expansion_after_a_deployment_shows_the_new_galaxy(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    nodes = {node.object.tag_name: node for node in await galaxy.browse()}
    gateway.deploy(without(small_plant(), "Pump01"))
    children = await nodes["Area1"].expand()
    assert "Pump01" not in [child.object.tag_name for child in children]
    gateway.deploy(small_plant())
    assert await nodes["Area1"].expand() is children, "what is here is not asked for again"
    refreshed = await nodes["Area1"].expand(refresh=True)
    assert refreshed[0].object.tag_name == "Pump01"


async def test_expanding_an_object_that_a_deployment_has_taken_away_is_not_found(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    machine = (await galaxy.browse(parent_tag_name="Area1", tag_name_glob="TestMachine_001"))[0]
    whole = small_plant()
    gateway.deploy(without(whole, "TestMachine_001", "TestChildObject", "TestSecurity"))
    with pytest.raises(MxGatewayNotFoundError, match=str(machine.object.gobject_id)):
        await machine.expand()
    assert not machine.is_expanded
    gateway.deploy(whole)
    assert [child.path for child in await machine.expand()] == []


async def test_a_deployment_between_two_pages_of_children_is_nobodys_concern(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    plants = [without(small_plant(), "Pump01"), None, None]

    def deploy(reply: Any) -> Any:
        if plants:
            gateway.deploy(plants.pop())
        return reply

    gateway.reply_override("BrowseChildren", deploy, times=None)
    nodes = await galaxy.browse(parent_tag_name="Area1", page_size=2)
    assert [node.object.tag_name for node in nodes] == [
        "Tank01",
        "TestMachine_001",
        "TestMachine_002",
        "TestMachine_003",
    ]
    assert len(requests(gateway, "BrowseChildren")) == 3 * 2 + 2


async def test_a_galaxy_that_is_deployed_again_and_again_is_an_error_in_the_end(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    def deploy(reply: Any) -> Any:
        gateway.deploy()
        return reply

    gateway.reply_override("BrowseChildren", deploy, times=None)
    with pytest.raises(MxGatewayRedeployError):
        await galaxy.browse(page_size=2)


async def test_pages_of_two_loads_of_the_cache_are_never_put_together() -> None:
    async def answer(request: Any) -> Any:
        number = len(peer.asked)
        return branch(number, 1, "" if number in (2, 4) else "next", sequence=1 if number == 1 else 2)

    async with peer_galaxy(answer) as (peer, galaxy):
        assert [node.object.gobject_id for node in await galaxy.browse()] == [3, 4]


# -- tokens


async def test_a_first_page_that_is_refused_has_nothing_to_do_with_a_deployment() -> None:
    async def answer(request: Any) -> Any:
        return GrpcStatus.INVALID_ARGUMENT

    async with peer_galaxy(answer) as (peer, galaxy):
        for call in (galaxy.discover_hierarchy(on_redeploy="restart"), galaxy.browse()):
            with pytest.raises(MxGatewayInvalidRequestError) as caught:
                await call
            assert type(caught.value) is MxGatewayInvalidRequestError
        assert len(peer.asked) == 2


async def test_a_token_of_another_question_is_refused(client: GatewayClient) -> None:
    galaxy = client.galaxy
    first = await galaxy.discover_hierarchy_raw(proto.DiscoverHierarchyRequest(page_size=2))
    for request in (
        proto.DiscoverHierarchyRequest(page_token=first.next_page_token, root_tag_name="Area1"),
        proto.DiscoverHierarchyRequest(page_token=first.next_page_token, historized_only=True),
        proto.DiscoverHierarchyRequest(page_token="no token"),
    ):
        with pytest.raises(MxGatewayInvalidRequestError) as caught:
            await galaxy.discover_hierarchy_raw(request)
        assert type(caught.value) is MxGatewayInvalidRequestError, "only a walk knows that its token was good once"
        assert caught.value.grpc_status is GrpcStatus.INVALID_ARGUMENT
    with pytest.raises(MxGatewayInvalidRequestError):
        await galaxy.browse_children_raw(proto.BrowseChildrenRequest(page_token=first.next_page_token))


async def test_a_token_of_another_key_is_refused() -> None:
    keys = [SimulatedKey(key_id="all"), SimulatedKey(key_id="some", browse_subtrees=("Area1",))]
    async with (
        SimulatedGateway(api_keys=keys) as gateway,
        connect(gateway) as one,
        connect(gateway, api_key=keys[1].reveal()) as other,
    ):
        first = await one.galaxy.discover_hierarchy_raw(proto.DiscoverHierarchyRequest(page_size=2))
        request = proto.DiscoverHierarchyRequest(page_size=2, page_token=first.next_page_token)
        with pytest.raises(MxGatewayInvalidRequestError):
            await other.galaxy.discover_hierarchy_raw(request)
        assert len((await one.galaxy.discover_hierarchy_raw(request)).objects) == 2
        assert {obj.tag_name for obj in await other.galaxy.discover_hierarchy()} < {
            obj.tag_name for obj in await one.galaxy.discover_hierarchy()
        }


async def test_a_gateway_that_was_restarted_between_two_pages_goes_on_or_says_that_it_cannot(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    gateway.deploy()
    walk = galaxy.iter_hierarchy(page_size=3)
    await anext(walk)
    await gateway.restart()
    with pytest.raises(MxGatewayRedeployError):
        async for _ in walk:
            pass
