"""The pages of the hierarchy: asked for when they are wanted, held one at a time, and none lost when a read ends early."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from mxgateway import (
    GalaxyRepositoryClient,
    GrpcStatus,
    HierarchyPages,
    MxGatewayInvalidRequestError,
    MxGatewayTimeoutError,
    MxGatewayTransportError,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from mxgateway.wire import encode
from tests.benchmarks.memory import MIB, resident_bytes
from tests.client.support import requests, until
from tests.galaxy.peer import Answer, an_object, in_pages, page, peer_galaxy


class Held:
    """Lets the answers from some page on wait until the test lets them go."""

    def __init__(self, answer: Answer, first: str) -> None:
        self._answer, self._first = answer, first
        self.go = asyncio.Event()

    async def __call__(self, request: Any) -> Any:
        if request.page_token == self._first:
            await self.go.wait()
        return await self._answer(request)


async def numbers(walk: HierarchyPages, count: int | None = None) -> list[int]:
    """Read some objects, or all."""
    found: list[int] = []
    while count is None or len(found) < count:
        try:
            found.append((await anext(walk)).gobject_id)
        except StopAsyncIteration:
            break
    return found


# -- laziness


async def test_nothing_is_asked_before_the_first_read_and_no_page_before_the_last_object_of_the_one_before() -> None:
    async with peer_galaxy(in_pages(7, 3)) as (peer, galaxy):
        walk = galaxy.iter_hierarchy(page_size=3)
        await galaxy._channel.pause(0.01)
        assert peer.asked == []
        assert walk.total_count is None
        for number, tokens in [(1, [""]), (2, [""]), (3, [""]), (4, ["", "4"]), (6, ["", "4"]), (7, ["", "4", "7"])]:
            while (await anext(walk)).gobject_id != number:
                pass
            await galaxy._channel.pause(0.005)
            assert peer.tokens == tokens
            assert walk.total_count == 7
        assert await numbers(walk) == []
        assert peer.tokens == ["", "4", "7"]


async def test_a_page_is_asked_for_ahead_with_prefetch_and_never_two() -> None:
    async with peer_galaxy(in_pages(12, 3)) as (peer, galaxy):
        async with galaxy.iter_hierarchy(page_size=3, prefetch=1) as walk:
            for token, object_number in [("4", 1), ("7", 4), ("10", 7)]:
                assert (await anext(walk)).gobject_id == object_number
                await until(lambda: peer.tokens[-1] == token)  # noqa: B023 - called within the iteration
                await galaxy._channel.pause(0.005)
                assert peer.tokens[-1] == token
                await numbers(walk, 2)
            assert await numbers(walk) == [10, 11, 12]
        assert len(peer.asked) == 4


async def test_with_prefetch_the_gateway_works_while_the_page_before_is_consumed() -> None:
    held = Held(in_pages(6, 3), "4")
    async with peer_galaxy(held) as (peer, galaxy), galaxy.iter_hierarchy(prefetch=1) as walk:
        assert await numbers(walk, 1) == [1]
        await until(lambda: len(peer.asked) == 2)
        assert await numbers(walk, 2) == [2, 3], "what is here does not wait for what is not"
        held.go.set()
        assert await numbers(walk) == [4, 5, 6]


async def test_whole_pages_come_as_lists_and_a_page_that_was_begun_gives_its_rest() -> None:
    async with peer_galaxy(in_pages(7, 3)) as (_, galaxy):
        walk = galaxy.iter_hierarchy(page_size=3)
        assert await numbers(walk, 2) == [1, 2]
        assert [[each.gobject_id for each in page] async for page in walk.pages()] == [[3], [4, 5, 6], [7]]


async def test_an_empty_galaxy_is_one_empty_page() -> None:
    async with peer_galaxy(in_pages(0, 3)) as (peer, galaxy):
        walk = galaxy.iter_hierarchy()
        assert await numbers(walk) == []
        assert walk.total_count == 0
        assert await galaxy.discover_hierarchy() == []
        assert len(peer.asked) == 2


async def test_what_is_asked_is_the_same_for_every_page_but_for_the_token(
    gateway: SimulatedGateway, galaxy: GalaxyRepositoryClient
) -> None:
    await galaxy.discover_hierarchy(
        root_tag_name="Area1", max_depth=3, category_ids=[10], template_chain_contains=["Test"],
        tag_name_glob="Test*", include_attributes=True, page_size=2,
    )  # fmt: skip
    first, *rest = requests(gateway, "DiscoverHierarchy")
    assert rest
    assert first == proto.DiscoverHierarchyRequest(
        page_size=2, root_tag_name="Area1", max_depth=3, category_ids=[10], template_chain_contains=["Test"],
        tag_name_glob="Test*", include_attributes=True,
    )  # fmt: skip
    for each in rest:
        assert each.page_token
        each.page_token = ""
        assert each == first


# -- memory


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells the resident memory")
async def test_a_hundred_thousand_objects_of_ten_attributes_stay_under_sixty_mebibytes() -> None:
    attributes = [
        proto.GalaxyAttribute(f"Attribute_{n}", f"Object_000000.Attribute_{n}", 2, "Integer", is_historized=True)
        for n in range(10)
    ]
    objects = [an_object(number) for number in range(1, 501)]
    for each in objects:
        each.attributes, each.template_chain = attributes, ["$Unit", "$UserDefined"]
    body = encode(proto.DiscoverHierarchyReply(objects))

    async def answer(request: proto.DiscoverHierarchyRequest) -> bytes:
        number = int(request.page_token or 1)
        return body + encode(proto.DiscoverHierarchyReply([], str(number + 1) if number < 200 else "", 100_000))

    async with peer_galaxy(answer) as (_, galaxy), galaxy.iter_hierarchy() as walk:
        start = highest = resident_bytes()
        count = tags = 0
        async for each in walk:
            count, tags = count + 1, tags + len(each.attributes)
            if count % 250 == 0:
                highest = max(highest, resident_bytes())
        assert (count, tags) == (100_000, 1_000_000)
        assert (highest - start) / MIB < 60


# -- ends


@pytest.mark.parametrize("prefetch", [0, 1])
async def test_closing_in_the_middle_asks_for_nothing_more(prefetch: int) -> None:
    async with peer_galaxy(in_pages(9, 3)) as (peer, galaxy):
        async with galaxy.iter_hierarchy(prefetch=prefetch) as walk:
            assert await numbers(walk, 1) == [1]
        asked = len(peer.asked)
        assert await numbers(walk) == []
        assert [page async for page in walk.pages()] == []
        await walk.aclose()
        assert len(peer.asked) == asked <= 1 + prefetch


async def test_leaving_a_loop_in_the_middle_leaves_nothing_behind() -> None:
    async with peer_galaxy(in_pages(9, 3)) as (peer, galaxy):
        async with aclosing(galaxy.iter_hierarchy()) as walk:
            async for each in walk:
                if each.gobject_id == 4:
                    break
        before = asyncio.all_tasks()
        assert len(peer.asked) == 2
        assert not [task for task in before if "_ask" in repr(task)]


async def test_closing_frees_a_task_that_waits_for_a_page() -> None:
    held = Held(in_pages(9, 3), "")
    async with peer_galaxy(held) as (peer, galaxy):
        walk = galaxy.iter_hierarchy()
        reader = asyncio.create_task(numbers(walk))
        await until(lambda: peer.asked)
        await walk.aclose()
        assert await reader == []


async def test_a_page_that_comes_with_the_closing_is_dropped() -> None:
    async with peer_galaxy(in_pages(90, 1)) as (peer, galaxy):
        for turns in range(300):
            walk = galaxy.iter_hierarchy(prefetch=1)
            reader = asyncio.create_task(anext(walk, None))
            for _ in range(turns % 60):
                await asyncio.sleep(0)
            came = reader.done()
            await walk.aclose()
            assert (await reader is not None) == came
            assert await anext(walk, None) is None
        assert not [task for task in asyncio.all_tasks() if "_ask" in repr(task)]
        assert len(peer.asked) <= 600


@pytest.mark.parametrize("prefetch", [0, 1])
async def test_a_cancelled_read_leaves_its_page_to_the_next_one(prefetch: int) -> None:
    held = Held(in_pages(6, 3), "4")
    async with peer_galaxy(held) as (peer, galaxy), galaxy.iter_hierarchy(prefetch=prefetch) as walk:
        assert await numbers(walk, 3) == [1, 2, 3]
        for asked in (2, 3):
            reader = asyncio.create_task(numbers(walk))
            await until(lambda: len(peer.asked) == asked)  # noqa: B023 - called within the iteration
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        held.go.set()
        assert await numbers(walk) == [4, 5, 6]


async def test_a_page_that_has_just_come_is_not_lost_by_a_cancellation() -> None:
    async with peer_galaxy(in_pages(30, 1)) as (_, galaxy), galaxy.iter_hierarchy(prefetch=1) as walk:
        found: list[int] = []
        for turns in range(2000):
            reader = asyncio.create_task(anext(walk, None))
            for _ in range(turns % 40):
                await asyncio.sleep(0)
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled():
                if (each := reader.result()) is None:
                    break
                found.append(each.gobject_id)
        assert found == list(range(1, 31))


async def test_two_tasks_cannot_read_at_once() -> None:
    held = Held(in_pages(6, 3), "")
    async with peer_galaxy(held) as (peer, galaxy), galaxy.iter_hierarchy() as walk:
        reader = asyncio.create_task(numbers(walk, 3))
        await until(lambda: peer.asked)
        with pytest.raises(MxGatewayInvalidRequestError, match="another task is already reading these pages"):
            await anext(walk)
        held.go.set()
        assert await reader == [1, 2, 3]


# -- time and faults


async def test_each_page_has_the_bound_and_a_page_that_was_late_can_be_asked_for_again() -> None:
    held = Held(in_pages(6, 3), "4")
    async with peer_galaxy(held) as (peer, galaxy), galaxy.iter_hierarchy(timeout=0.05) as walk:
        assert await numbers(walk, 3) == [1, 2, 3]
        with pytest.raises(MxGatewayTimeoutError, match=r"DiscoverHierarchy") as caught:
            await anext(walk)
        assert caught.value.correlation_id
        held.go.set()
        assert await numbers(walk) == [4, 5, 6]
        assert peer.tokens == ["", "4", "4"]


async def test_the_bound_of_a_listing_is_one_for_all_of_its_pages() -> None:
    answer = in_pages(40, 1)

    async def slowly(request: Any) -> Any:
        await asyncio.sleep(0.02)
        return await answer(request)

    async with peer_galaxy(slowly) as (peer, galaxy):
        with pytest.raises(MxGatewayTimeoutError):
            await galaxy.discover_hierarchy(timeout=0.2)
        assert 1 < len(peer.asked) < 40


async def test_a_page_is_tried_again_while_the_gateway_is_unavailable() -> None:
    answer, failures = in_pages(6, 3), [GrpcStatus.UNAVAILABLE] * 2

    async def at_times(request: Any) -> Any:
        return failures.pop() if request.page_token and failures else await answer(request)

    async with peer_galaxy(at_times) as (peer, galaxy):
        assert len(await galaxy.discover_hierarchy()) == 6
        assert peer.tokens == ["", "4", "4", "4"]
        assert galaxy.stats().calls_retried == 2


async def test_without_retries_the_next_read_asks_for_the_page_that_failed() -> None:
    answer, failures = in_pages(6, 3), [GrpcStatus.UNAVAILABLE]

    async def at_times(request: Any) -> Any:
        return failures.pop() if request.page_token and failures else await answer(request)

    async with peer_galaxy(at_times, retry=None) as (_, galaxy), galaxy.iter_hierarchy(prefetch=1) as walk:
        assert await numbers(walk, 3) == [1, 2, 3]
        with pytest.raises(MxGatewayTransportError):
            await anext(walk)
        assert await numbers(walk) == [4, 5, 6]


async def test_a_failed_page_that_nobody_reads_is_no_complaint_of_the_loop() -> None:
    async def answer(request: Any) -> Any:
        return GrpcStatus.INTERNAL if request.page_token else page(1, 3, "4", 9)

    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with peer_galaxy(answer) as (peer, galaxy):
        walk = galaxy.iter_hierarchy(prefetch=1)
        assert await numbers(walk, 1) == [1]
        await until(lambda: galaxy.stats().calls_failed == 1)
        del walk
        assert len(peer.asked) == 2
    assert complaints == []
