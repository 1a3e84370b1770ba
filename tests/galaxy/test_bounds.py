"""Pages without end are no list without end: what is kept of them is bounded, with an error that names the option."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from mxgateway import (
    GrpcStatus,
    LazyBrowseNode,
    MxGatewayInvalidRequestError,
    MxGatewayLimitError,
    MxGatewayMalformedReplyError,
    proto,
)
from tests.galaxy.peer import branch, page, peer_galaxy
from tests.rows import each_row

LIMIT = 20_000


def without_end() -> Any:
    """Return what names a fresh next page each time."""
    steps = 0

    async def answer(request: Any) -> Any:
        nonlocal steps
        steps += 1
        is_browse = isinstance(request, proto.BrowseChildrenRequest)
        return branch(steps, 10, f"t{steps}") if is_browse else page(steps, 10, f"t{steps}")

    return answer


CALLS: dict[str, Any] = {
    "discover_hierarchy": lambda galaxy: galaxy.discover_hierarchy(),
    "tree": lambda galaxy: galaxy.tree(),
    "find": lambda galaxy: galaxy.find("Nothing*.Such"),
    "browse": lambda galaxy: galaxy.browse(),
}


@each_row("name", CALLS)
async def test_a_list_of_pages_without_end_ends_with_an_error_that_names_the_option(name: str) -> None:
    async with asyncio.timeout(30), peer_galaxy(without_end(), max_listed_bytes=LIMIT) as (peer, galaxy):
        with pytest.raises(MxGatewayLimitError, match=f"more than {LIMIT} bytes.*max_listed_bytes") as caught:
            await CALLS[name](galaxy)
        assert caught.value.grpc_status is GrpcStatus.RESOURCE_EXHAUSTED
        assert caught.value.method.endswith("BrowseChildren" if name == "browse" else "DiscoverHierarchy")
        asked = len(peer.asked)
        await asyncio.sleep(0.05)
        assert len(peer.asked) == asked


async def unfold(nodes: Sequence[LazyBrowseNode]) -> None:
    waiting = [*nodes]
    while waiting:
        waiting += await waiting.pop().expand()


async def unfold_at_once(nodes: Sequence[LazyBrowseNode]) -> None:
    for children in await asyncio.gather(*(node.expand() for node in nodes)):
        await unfold_at_once(children)


@pytest.mark.parametrize("unfolding", [unfold, unfold_at_once])
async def test_all_nodes_of_one_browsing_are_bounded_together(unfolding: Any) -> None:
    steps = 0

    async def answer(_: Any) -> Any:
        nonlocal steps
        steps += 10
        return branch(steps, 10, "")

    async with asyncio.timeout(30), peer_galaxy(answer, max_listed_bytes=LIMIT) as (peer, galaxy):
        with pytest.raises(MxGatewayLimitError, match=f"more than {LIMIT} bytes.*max_listed_bytes"):
            await unfolding(await galaxy.browse())
        assert len(peer.asked) * 10 < LIMIT


async def test_nodes_that_are_replaced_do_not_count_any_more() -> None:
    fails = False

    async def answer(_: Any) -> Any:
        return page(1, 10, "") if fails else branch(1, 10, "")

    async with asyncio.timeout(30), peer_galaxy(answer, max_listed_bytes=LIMIT) as (_, galaxy):
        nodes = await galaxy.browse()
        for _ in range(200):
            for child in (await nodes[0].expand(refresh=True))[:2]:
                await child.expand()
            fails = True
            with pytest.raises(MxGatewayMalformedReplyError):
                await nodes[1].expand()
            fails = False


async def test_pages_that_are_not_kept_have_no_bound() -> None:
    async with asyncio.timeout(30), peer_galaxy(without_end(), max_listed_bytes=1) as (_, galaxy):
        taken = 0
        async with galaxy.iter_hierarchy() as objects:
            async for _ in objects:
                taken += 1
                if taken == 200:
                    break


async def test_a_list_that_ends_with_the_page_beyond_the_bound_is_complete() -> None:
    async def answer(request: Any) -> Any:
        return page(1, 10, "") if request.page_token else page(11, 10, "next")

    async with asyncio.timeout(30), peer_galaxy(answer) as (_, galaxy):
        assert len(await galaxy.discover_hierarchy()) == 20


@pytest.mark.parametrize("limit", [0, -5])
async def test_a_bound_that_is_none_is_refused(limit: int) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="max_listed_bytes"):
        async with peer_galaxy(without_end(), max_listed_bytes=limit):
            pass
