"""A handle that is given out again while writes of the item before may still be completed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from mxgateway import MxGatewayError, MxGatewaySessionError
from tests.client.confirming import WRONG, accepted, confirm
from tests.client.support import Item, in_words, until
from tests.events.support import OTHER, TAG, Site, never_confirmed


async def _plain(world: Site, item: Item) -> None:
    await world.session.write(*item.pair, 3)


async def _cancelled(world: Site, item: Item) -> None:
    writing = confirm(world.session, item, 3)
    await accepted(world.gateway, world.session, 1)
    writing.cancel()
    await asyncio.wait([writing])


async def _doubted(world: Site, item: Item) -> None:
    world.proxy.to_client.freeze()
    writing = confirm(world.session, item, 3)
    await accepted(world.gateway, world.session, 1)
    world.lose_connections()
    await asyncio.wait([writing])
    assert isinstance(writing.exception(), MxGatewayError)


async def _remove(world: Site, item: Item) -> None:
    await world.session.remove_item(*item.pair)


async def _remove_in_bulk(world: Site, item: Item) -> None:
    await world.session.remove_item_bulk(item.server, [item.handle])


async def _unsubscribe(world: Site, item: Item) -> None:
    await world.session.unsubscribe_bulk(item.server, [item.handle])


async def _unregister(world: Site, item: Item) -> None:
    await world.session.unregister(item.server)


async def _suppressed(work: Awaitable[None]) -> None:
    with contextlib.suppress(MxGatewayError):
        await work


Act = Callable[[Site, Item], Awaitable[None]]


@pytest.mark.parametrize("write", [_plain, _cancelled, _doubted])
@pytest.mark.parametrize("remove", [_remove, _remove_in_bulk, _unsubscribe])
async def test_the_completion_of_a_removed_item_confirms_no_write_of_the_next_one(
    world: Site, write: Act, remove: Act
) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold_write_completions()
    await write(world, item)
    await remove(world, item)
    world.there.worker._last_handle = item.handle - 1
    (result,) = await world.session.subscribe_bulk(item.server, [TAG])
    assert result.item_handle == item.handle
    refused = confirm(world.session, item, WRONG, timeout=4)
    await asyncio.sleep(0.2)
    world.gateway.release_write_completions()
    await asyncio.wait([refused])
    never_confirmed(refused.exception() or refused.result())
    await world.confirm(item, 9)  # the doubt has ended with the completion


async def test_a_doubt_that_does_not_end_is_escaped_by_adding_the_tag_before_the_item_is_removed(world: Site) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold_write_completions()
    await _plain(world, item)
    await _remove(world, item)
    world.there.worker._last_handle = item.handle - 1
    (result,) = await world.session.add_item_bulk(item.server, [TAG])
    with pytest.raises(MxGatewayError) as doubt:
        await world.session.write_confirmed(item.server, result.item_handle, 5, timeout=4)
    assert in_words(doubt.value, "in doubt")
    item = await world.add_again(item)
    world.there.worker._writes.clear()
    world.gateway.release_write_completions()
    await world.confirm(item, 6)


async def test_a_write_by_name_takes_no_handle_whose_completions_may_still_come(world: Site) -> None:
    session = world.session
    await session.write_tags({TAG: 1}, confirm=True)
    server = session._tag_cache.server_handle
    handle = session._tag_cache.handles[TAG]
    world.gateway.hold_write_completions()
    await session.write(server, handle, 3)
    await session.remove_item(server, handle)
    world.there.worker._last_handle = handle - 1
    writing = asyncio.create_task(session.write_tags({TAG: 5, OTHER: 6}, confirm=True, timeout=10))
    await accepted(world.gateway, session, 3)
    world.gateway.release_write_completions()
    for write, value in zip(await writing, (5, 6), strict=True):
        assert write.ok
        assert write.event is not None
        assert world.write_of(write.event).value.int32_value == value
        assert write.event.item_handle != handle


@pytest.mark.parametrize("remove", [_remove, _remove_in_bulk, _unsubscribe, _unregister])
async def test_no_completion_goes_to_a_write_of_an_item_that_was_removed_without_an_answer(
    world: Site, remove: Act
) -> None:
    session, worker = world.session, world.there.worker
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold_write_completions()
    old = confirm(session, item, 2)
    await accepted(world.gateway, session, 1, known=True)
    world.proxy.to_client.freeze()
    removing = asyncio.create_task(_suppressed(remove(world, item)))
    await until(lambda: item.server not in worker.servers or not worker.servers[item.server].items)
    world.lose_connections()
    await removing
    worker._writes.clear()  # MXAccess drops them with their item
    worker._writes_due = 0
    if item.server not in worker.servers:
        worker.give_again(item.server)
    worker.give_again(item.handle)
    server = item.server if item.server in worker.servers else await session.register("tests")
    (result,) = await session.subscribe_bulk(server, [TAG])
    assert (server, result.item_handle) == item.pair
    world.gateway.release_write_completions()
    right = confirm(session, item, 3, timeout=4)
    await asyncio.wait([old, right])
    assert isinstance(old.exception(), MxGatewaySessionError)
    if (error := right.exception()) is None:
        assert world.write_of(right.result()).value.int32_value == 3
    else:
        assert in_words(error, "in doubt")
    await world.confirm(await world.add_again(item), 4)


@pytest.mark.parametrize("is_confirmed", [True, False], ids=["confirmed", "plain"])
async def test_a_write_that_was_refused_because_its_item_is_gone_leaves_no_doubt_of_the_next_item(
    world: Site, is_confirmed: bool
) -> None:
    item = await world.advised()
    await world.confirm(item, 1)
    world.gateway.hold_commands()
    removing = asyncio.create_task(_remove(world, item))
    await until(lambda: world.commands_received("REMOVE_ITEM") == 1)
    writing = confirm(world.session, item, 2) if is_confirmed else asyncio.create_task(_plain(world, item))
    await until(lambda: world.writes_received() == 2)
    world.gateway.release_commands()
    await asyncio.wait([removing, writing])
    assert isinstance(writing.exception(), MxGatewayError)
    world.there.worker.give_again(item.handle)
    handle = await world.session.add_item(item.server, TAG)
    assert handle == item.handle
    await world.session.advise(item.server, handle)
    await world.confirm(item, 3)
