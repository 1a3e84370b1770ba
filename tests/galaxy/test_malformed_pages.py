"""What no gateway should answer ends the walk, instead of keeping it going for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mxgateway import GrpcStatus, MxGatewayMalformedReplyError, MxGatewayRedeployError, proto
from tests.client.support import in_words
from tests.galaxy.peer import branch, page, peer_galaxy
from tests.rows import each_row

BOUND = 10.0


def round_of(length: int, tail: int) -> Any:
    """Return what lists without end: after `tail` pages it goes through the same `length` tokens again and again."""
    steps = 0

    async def answer(request: Any) -> Any:
        nonlocal steps
        steps += 1
        token = f"{steps if steps <= tail else tail + (steps - tail) % length}"
        is_browse = isinstance(request, proto.BrowseChildrenRequest)
        return branch(steps, 1, token) if is_browse else page(steps, 1, token)

    return answer


@each_row("tail", [0, 1, 5])
@each_row("length", [1, 2, 3, 17])
async def test_tokens_that_go_round_in_a_circle_are_noticed(length: int, tail: int) -> None:
    async with asyncio.timeout(BOUND), peer_galaxy(round_of(length, tail)) as (peer, galaxy):
        with pytest.raises(MxGatewayMalformedReplyError) as caught:
            await galaxy.discover_hierarchy()
        assert in_words(caught.value, "DiscoverHierarchy", "circle")
        assert len(peer.asked) <= 4 * (length + tail) + 4
        with pytest.raises(MxGatewayMalformedReplyError, match="circle"):
            await galaxy.browse()


async def test_an_empty_page_that_names_a_next_one_is_malformed() -> None:
    steps = 0

    async def answer(request: Any) -> Any:
        nonlocal steps
        steps += 1
        return page(1, 0, f"token {steps}", 5)

    async with asyncio.timeout(BOUND), peer_galaxy(answer) as (peer, galaxy):
        with pytest.raises(MxGatewayMalformedReplyError, match="empty page") as caught:
            await galaxy.discover_hierarchy()
        assert caught.value.reply.next_page_token == "token 1"
        assert len(peer.asked) == 1


async def test_more_objects_than_the_gateway_counts_are_malformed() -> None:
    steps = 0

    async def answer(request: Any) -> Any:
        nonlocal steps
        steps += 1
        return page(steps, 1, f"{steps}", 10)

    async with asyncio.timeout(BOUND), peer_galaxy(answer) as (peer, galaxy):
        with pytest.raises(MxGatewayMalformedReplyError, match="lists 11 objects although it counts 10"):
            await galaxy.discover_hierarchy()
        assert len(peer.asked) == 11


async def test_a_gateway_that_knows_none_of_its_own_tokens_does_not_keep_a_restarting_walk_going() -> None:
    async def answer(request: Any) -> Any:
        if request.page_token:
            return GrpcStatus.INVALID_ARGUMENT
        return branch(1, 1, "next") if isinstance(request, proto.BrowseChildrenRequest) else page(1, 1, "next", 5)

    async with asyncio.timeout(BOUND), peer_galaxy(answer) as (peer, galaxy):
        walk = galaxy.iter_hierarchy(on_redeploy="restart")
        found = []
        with pytest.raises(MxGatewayRedeployError):
            async for each in walk:
                found.append(each)
        assert len(found) == walk.restarts + 1 == 11
        del peer.asked[:]
        with pytest.raises(MxGatewayRedeployError):
            await galaxy.browse()
        assert len(peer.asked) == 8


@pytest.mark.parametrize("flags", [[], [True], [True] * 3])
async def test_hints_that_do_not_run_parallel_to_the_children_are_malformed(flags: list[bool]) -> None:
    async def answer(request: Any) -> Any:
        reply = branch(1, 2)
        reply.child_has_children = flags
        return reply

    async with peer_galaxy(answer) as (_, galaxy):
        with pytest.raises(MxGatewayMalformedReplyError) as caught:
            await galaxy.browse()
        assert in_words(caught.value, "child_has_children", f"{len(flags)} entries for 2 children")


async def test_a_raw_page_is_returned_as_it_is() -> None:
    async def answer(request: Any) -> Any:
        return branch(1, 2, "x") if isinstance(request, proto.BrowseChildrenRequest) else page(1, 0, "x", 7)

    async with peer_galaxy(answer) as (_, galaxy):
        assert (await galaxy.discover_hierarchy_raw(proto.DiscoverHierarchyRequest())).next_page_token == "x"
        assert len((await galaxy.browse_children_raw(proto.BrowseChildrenRequest())).children) == 2
