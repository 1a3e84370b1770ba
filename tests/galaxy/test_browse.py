"""Branches of the galaxy that are asked for when they are wanted, once for everybody who wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mxgateway import (
    GalaxyRepositoryClient,
    GrpcStatus,
    LazyBrowseNode,
    MxGatewayError,
    MxGatewayNotFoundError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    proto,
)
from mxgateway.simulator import SimulatedGateway, SimulatedKey
from mxgateway.wire import which_one_of
from tests.client.support import connect, requests, until
from tests.galaxy.peer import branch, peer_galaxy


def tags(nodes: tuple[LazyBrowseNode, ...] | list[LazyBrowseNode]) -> list[str]:
    return [node.object.tag_name for node in nodes]


async def test_the_top_level_and_what_is_below_it(galaxy: GalaxyRepositoryClient) -> None:
    top = await galaxy.browse()
    assert tags(top) == ["Area1", "Area2", "Engine_001", "Platform_001"]
    assert [node.has_children_hint for node in top] == [True, True, False, False]
    area = top[1]
    assert (area.is_expanded, area.children, area.parent) == (False, (), None)
    children = await area.expand()
    assert tags(children) == ["TankYard", "TestMachine_004", "TestMachine_005", "TestMachine_006"]
    assert area.children is children
    assert area.is_expanded
    assert {child.parent for child in children} == {area}
    (tank,) = await children[0].expand()
    assert tank.path == "Area2/TankYard/Tank02"
    assert [each.attribute_name for each in tank.object.attributes] == ["Level"]
    assert await tank.expand() == ()
    assert tank.is_expanded
    assert repr(area) == "<LazyBrowseNode 'Area2', 4 children>"
    assert repr(top[0]) == "<LazyBrowseNode 'Area1', not expanded>"


async def test_paging_is_hidden(gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient) -> None:
    (area, *_) = await galaxy.browse(page_size=1)
    assert tags(await area.expand()) == ["Pump01", "Tank01", "TestMachine_001", "TestMachine_002", "TestMachine_003"]
    assert len(requests(gateway, "BrowseChildren")) == 4 + 5


async def test_the_filters_hold_below_as_well(gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient) -> None:
    (area, *_) = await galaxy.browse(category_ids=[13, 10], include_attributes=False, page_size=100)
    assert not any(child.object.attributes for child in await area.expand())
    _, expansion = requests(gateway, "BrowseChildren")
    assert expansion == proto.BrowseChildrenRequest(
        parent_gobject_id=area.object.gobject_id, page_size=100, category_ids=[13, 10], include_attributes=False
    )


async def test_a_path_begins_where_browsing_began(galaxy: GalaxyRepositoryClient) -> None:
    (child, *_) = await galaxy.browse(parent_contained_path="/Area1/TestMachine_001/")
    assert child.path == "Area1/TestMachine_001/Child"
    (child, *_) = await galaxy.browse(parent_tag_name="TestMachine_001")
    assert child.path == "Child"


async def test_a_key_with_browse_constraints_sees_its_subtrees_alone() -> None:
    keys = [SimulatedKey(browse_subtrees=("Area2",))]
    async with SimulatedGateway(api_keys=keys) as gateway, connect(gateway, api_key=keys[0].reveal()) as client:
        (area,) = await client.galaxy.browse()
        assert area.path == "Area2"
        assert tags(await area.expand())[0] == "TankYard"


# -- together


async def test_a_hundred_callers_at_once_send_one_set_of_calls(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    (area, *_) = await galaxy.browse(page_size=2)
    before = len(requests(gateway, "BrowseChildren"))
    everybody = await asyncio.gather(*(area.expand() for _ in range(100)))
    assert len(requests(gateway, "BrowseChildren")) - before == 3
    assert len({id(children) for children in everybody}) == 1
    assert tags(everybody[0]) == ["Pump01", "Tank01", "TestMachine_001", "TestMachine_002", "TestMachine_003"]
    before += 3
    refreshed = await asyncio.gather(*(area.expand(refresh=True) for _ in range(100)))
    assert len(requests(gateway, "BrowseChildren")) - before == 3
    assert refreshed[0] is not everybody[0]
    assert area.children is refreshed[99]


class Gate:
    """Answers with a node, then with what a test lets through."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.reply: Callable[[], Any] = lambda: branch(2, 3)

    async def __call__(self, request: proto.BrowseChildrenRequest) -> Any:
        if not which_one_of(request, "parent"):
            return branch(1, 1)
        await self.go.wait()
        return self.reply()


async def test_a_failed_expansion_fails_all_waiters_each_by_its_own_and_can_be_tried_again() -> None:
    gate = Gate()
    async with peer_galaxy(gate) as (peer, galaxy):
        (node,) = await galaxy.browse()
        waiters = [asyncio.create_task(node.expand()) for _ in range(100)]
        await until(lambda: len(peer.asked) == 2)
        gate.reply = lambda: GrpcStatus.INTERNAL
        gate.go.set()
        errors = await asyncio.gather(*waiters, return_exceptions=True)
        assert {type(error) for error in errors} == {MxGatewayTransportError}
        assert len({str(error) for error in errors}) == 1
        assert len({id(error) for error in errors}) == 100
        assert all(isinstance(error, MxGatewayError) and error.__cause__ is not None for error in errors)
        assert (node.is_expanded, len(peer.asked)) == (False, 2)
        gate.reply = lambda: branch(2, 3)
        assert len(await node.expand()) == 3
        assert len(peer.asked) == 3


async def test_a_cancelled_first_caller_does_not_harm_the_others() -> None:
    gate = Gate()
    async with peer_galaxy(gate) as (peer, galaxy):
        (node,) = await galaxy.browse()
        waiters = [asyncio.create_task(node.expand()) for _ in range(5)]
        await until(lambda: len(peer.asked) == 2)
        for waiter in (waiters[0], waiters[3]):
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
        gate.go.set()
        children = [await waiters[number] for number in (1, 2, 4)]
        assert children == [node.children] * 3
        assert len(peer.asked) == 2


async def test_when_every_caller_is_cancelled_the_call_is_given_up_and_the_next_one_begins_anew() -> None:
    gate = Gate()
    async with peer_galaxy(gate) as (peer, galaxy):
        (node,) = await galaxy.browse()
        waiters = [asyncio.create_task(node.expand()) for _ in range(3)]
        await until(lambda: len(peer.asked) == 2)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.wait(waiters)
        assert galaxy.stats().calls_cancelled == 1
        assert not node.is_expanded
        gate.go.set()
        assert len(await node.expand()) == 3


async def test_a_caller_that_comes_while_the_last_one_is_cancelled_is_served() -> None:
    gate = Gate()
    gate.go.set()
    async with peer_galaxy(gate) as (_, galaxy):
        (node,) = await galaxy.browse()
        for turns in range(60):
            first = asyncio.create_task(node.expand(refresh=True))
            for _ in range(turns % 20):
                await asyncio.sleep(0)
            first.cancel()
            second = asyncio.create_task(node.expand(refresh=True))
            assert len(await second) == 3
            await asyncio.wait([first])


async def test_a_refresh_that_fails_leaves_the_children_that_are_here() -> None:
    gate = Gate()
    gate.go.set()
    async with peer_galaxy(gate) as (_, galaxy):
        (node,) = await galaxy.browse()
        children = await node.expand()
        gate.reply = lambda: GrpcStatus.NOT_FOUND
        with pytest.raises(MxGatewayNotFoundError):
            await node.expand(refresh=True)
        assert node.children is children
        assert await node.expand() is children


async def test_an_expansion_has_a_bound() -> None:
    gate = Gate()
    async with peer_galaxy(gate) as (_, galaxy):
        (node,) = await galaxy.browse()
        with pytest.raises(MxGatewayTimeoutError):
            await node.expand(timeout=0.02)
        gate.go.set()
        assert len(await node.expand(timeout=10)) == 3
