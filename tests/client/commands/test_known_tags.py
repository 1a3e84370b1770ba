"""What a session knows of items and types by name is forgotten when it is no longer true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mxgateway import (
    GatewayClient,
    Session,
    proto,
)
from mxgateway.simulator import SimulatedGateway
from tests.client.commands.test_tags import advised_items
from tests.client.support import (
    REFUSED_TAG,
    TAG,
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


async def test_a_type_is_looked_up_again_after_a_write_has_failed(gateway: SimulatedGateway, session: Session) -> None:
    await session.write_tags({REFUSED_TAG: 1}, confirm=True)
    await session.write_tags({REFUSED_TAG: 1}, confirm=True)
    assert Counter(kinds(gateway))["READ_BULK"] == 2
