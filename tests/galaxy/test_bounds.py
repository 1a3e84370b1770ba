"""Pages without end are no list without end: what is kept of them is bounded, with an error that names the option."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mxgateway import GrpcStatus, MxGatewayInvalidRequestError, MxGatewayLimitError, proto
from tests.galaxy.peer import branch, page, peer_galaxy

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


@pytest.mark.parametrize("name", CALLS)
async def test_a_list_of_pages_without_end_ends_with_an_error_that_names_the_option(name: str) -> None:
    async with asyncio.timeout(30), peer_galaxy(without_end(), max_listed_bytes=LIMIT) as (peer, galaxy):
        with pytest.raises(MxGatewayLimitError, match=f"more than {LIMIT} bytes.*max_listed_bytes") as caught:
            await CALLS[name](galaxy)
        assert caught.value.grpc_status is GrpcStatus.RESOURCE_EXHAUSTED
        assert caught.value.method.endswith("BrowseChildren" if name == "browse" else "DiscoverHierarchy")
        asked = len(peer.asked)
        await asyncio.sleep(0.05)
        assert len(peer.asked) == asked


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
