"""What is closed answers at once also where tasks begin to run while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mxgateway import GatewayClient, MxGatewayError, MxGatewayTransportError, Session
from mxgateway.simulator import SimulatedGateway
from tests.client.support import connect

eager_task_factory = getattr(asyncio, "eager_task_factory", None)
pytestmark = pytest.mark.skipif(eager_task_factory is None, reason="eager tasks came with Python 3.12")


@pytest.fixture(autouse=True)
async def eager_tasks() -> None:
    asyncio.get_running_loop().set_task_factory(eager_task_factory)


async def test_a_session_closes_once_whoever_asks(gateway: SimulatedGateway, client: GatewayClient) -> None:
    session = await client.open_session()
    replies = await asyncio.gather(*(session.close() for _ in range(20)))
    assert len({id(reply) for reply in replies}) == 1
    assert not gateway.sessions


ON_A_CLOSED_CLIENT: dict[str, Callable[[GatewayClient, Session], Awaitable[object]]] = {
    "close": lambda client, session: client.close(),
    "open a session": lambda client, session: client.open_session().__aenter__(),
    "ping": lambda client, session: session.ping(),
    "close a session": lambda client, session: session.close(),
    "close a session of another": lambda client, session: client.attach_session("session-1").close(),
}


@pytest.mark.parametrize("what", ON_A_CLOSED_CLIENT)
async def test_a_closed_client_answers_at_once(gateway: SimulatedGateway, what: str) -> None:
    client = await connect(gateway)
    session = await client.open_session()
    await asyncio.gather(client.close(), client.close())
    assert not gateway.sessions
    async with asyncio.timeout(1):
        for _ in range(2):
            try:
                await ON_A_CLOSED_CLIENT[what](client, session)
            except MxGatewayError as error:
                assert "closed" in str(error)


async def test_a_client_closes_sessions_that_can_no_longer_be_closed(gateway: SimulatedGateway) -> None:
    client = await connect(gateway)
    sessions = [await client.open_session() for _ in range(3)]
    client._channel.end()
    async with asyncio.timeout(1):
        await client.close()
    for session in sessions:
        with pytest.raises(MxGatewayTransportError, match="client is closed"):
            await session.close()
