"""What a session knows of items and types by name is forgotten when it is no longer true."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from grpclib.const import Status

from mxgateway import (
    GatewayClient,
    MxGatewayError,
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.confirming import accepted
from tests.client.support import (
    REFUSED_TAG,
    TAG,
    advised_items,
    kinds,
    until,
)

# -- what is known of items and types


def removals() -> Iterator[Any]:
    yield pytest.param(lambda s, server, item: s.remove_item(server, item), id="remove_item")
    yield pytest.param(lambda s, server, item: s.remove_item_bulk(server, [item]), id="remove_item_bulk")
    yield pytest.param(lambda s, server, item: s.unsubscribe_bulk(server, [item]), id="unsubscribe_bulk")
    yield pytest.param(
        lambda s, server, item: s.invoke_raw(
            proto.MxCommand(proto.MxCommandKind.REMOVE_ITEM, remove_item=proto.RemoveItemCommand(server, item))
        ),
        id="invoke_raw",
    )


@pytest.mark.parametrize("remove", list(removals()))
async def test_an_item_that_was_removed_by_its_handle_is_not_used_again(
    gateway: SimulatedGateway, session: Session, remove: Any
) -> None:
    await session.write_tags({TAG: 1}, confirm=True)
    (server,) = gateway.sessions[session.session_id].worker.servers.values()
    await remove(session, server.handle, next(iter(server.items)))

    (write,) = await session.write_tags({TAG: 2}, confirm=True)
    assert write.ok


async def test_an_item_that_somebody_else_has_removed_fails_once(
    gateway: SimulatedGateway, session: Session, client: GatewayClient
) -> None:
    await session.write_tags({TAG: 1}, confirm=True)
    (server,) = gateway.sessions[session.session_id].worker.servers.values()
    await client.attach_session(session.session_id).remove_item(server.handle, next(iter(server.items)))

    (failed,) = await session.write_tags({TAG: 2}, confirm=True)
    assert "E_INVALIDARG" in failed.error
    (write,) = await session.write_tags({TAG: 3}, confirm=True)
    assert write.ok


@pytest.mark.usefixtures("no_linger")
async def test_an_idle_item_that_somebody_else_has_removed_is_added_again(
    gateway: SimulatedGateway, session: Session, client: GatewayClient
) -> None:
    await session.write_tags({TAG: 1}, confirm=True)
    await until(lambda: not advised_items(gateway, session))
    (server,) = gateway.sessions[session.session_id].worker.servers.values()
    await client.attach_session(session.session_id).remove_item(server.handle, next(iter(server.items)))

    (write,) = await session.write_tags({TAG: 3}, confirm=True)
    assert write.ok


# -- what a call without an answer leaves


async def lose_the_addition(gateway: SimulatedGateway, session: Session) -> None:
    """Write a tag, and lose what the gateway answers when it has added the item."""

    def lose(reply: proto.MxCommandReply) -> proto.MxCommandReply:
        gateway.drop_connections()
        return reply

    gateway.reply_override("Invoke.SubscribeBulk", lose)
    with pytest.raises(MxGatewayError):
        await session.write_tags({TAG: 1}, data_type=proto.MxDataType.INTEGER)


@pytest.mark.usefixtures("no_linger")
async def test_items_whose_addition_was_not_answered_are_let_go_of(gateway: SimulatedGateway, session: Session) -> None:
    await lose_the_addition(gateway, session)
    await until(lambda: not gateway.sessions[session.session_id].worker.servers)
    (write,) = await session.write_tags({TAG: 2}, confirm=True)
    assert write.ok
    await until(lambda: not advised_items(gateway, session))


@pytest.mark.usefixtures("no_linger")
async def test_an_item_that_could_not_be_unadvised_is_let_go_of(gateway: SimulatedGateway, session: Session) -> None:
    gateway.fail_next("Invoke.UnAdviseItemBulk", Status.UNAVAILABLE)
    await session.write_tags({TAG: 1})
    await until(lambda: not advised_items(gateway, session))
    (write,) = await session.write_tags({TAG: 2}, confirm=True)
    assert write.ok


@pytest.mark.usefixtures("no_linger")
async def test_items_are_not_let_go_of_while_a_read_or_a_write_needs_their_registration(
    gateway: SimulatedGateway, session: Session
) -> None:
    await session.write_tags({TAG: 0}, confirm=True)
    gateway.hold("Invoke.ReadBulk")
    reading = asyncio.create_task(session.read([TAG]))
    await until(lambda: kinds(gateway).count("READ_BULK") == 2)
    gateway.fail_next("Invoke.SubscribeBulk", Status.INTERNAL)
    with pytest.raises(MxGatewayError):
        await session.write_tags({REFUSED_TAG: 1}, data_type=proto.MxDataType.INTEGER)
    await asyncio.sleep(0.1)
    gateway.release("Invoke.ReadBulk")
    assert (await reading)[0].ok
    gateway.hold_write_completions()
    writing = asyncio.create_task(session.write_tags({TAG: 3}, confirm=True))
    await accepted(gateway, session, 1)
    await asyncio.sleep(0.1)
    gateway.release_write_completions()
    assert (await writing)[0].ok
    await until(lambda: not gateway.sessions[session.session_id].worker.servers)


async def test_a_type_is_looked_up_again_after_a_write_has_failed(gateway: SimulatedGateway, session: Session) -> None:
    await session.write_tags({REFUSED_TAG: 1}, confirm=True)
    await session.write_tags({REFUSED_TAG: 1}, confirm=True)
    assert Counter(kinds(gateway))["READ_BULK"] == 2
