"""Checks against the gateway that the environment names; they leave nothing behind.

MXGATEWAY_INTEGRATION=1 turns them on. MXGATEWAY_ENDPOINT and MXGATEWAY_API_KEY say where and who, MXGATEWAY_TEST_ITEM names a tag that may be advised. With
MXGATEWAY_TEST_WRITE_VALUE, an integer, that tag is written as well. MXGATEWAY_PLAINTEXT=1 speaks without TLS.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from mxgateway import GatewayClient, MxGatewayAuthenticationError, MxGatewaySessionError, Session, proto

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.environ.get("MXGATEWAY_INTEGRATION") != "1", reason="needs a gateway: set MXGATEWAY_INTEGRATION=1"
    ),
]

BOUND = 20
"""Seconds that a plant has for an event."""


def _endpoint() -> str:
    return os.environ["MXGATEWAY_ENDPOINT"]


def _plaintext() -> bool:
    return os.environ.get("MXGATEWAY_PLAINTEXT") == "1"


@pytest.fixture
async def client() -> AsyncIterator[GatewayClient]:
    key = os.environ["MXGATEWAY_API_KEY"]
    async with GatewayClient.connect(_endpoint(), api_key=key, plaintext=_plaintext()) as client:
        yield client


@pytest.fixture
async def session(client: GatewayClient) -> AsyncIterator[Session]:
    async with client.open_session(client_session_name="live check") as session:
        yield session


async def _first(session: Session, family: proto.MxEventFamily, item: int) -> proto.MxEvent:
    async with asyncio.timeout(BOUND):
        async for event in session.stream_events():
            if event.family == family and event.item_handle == item:
                return event
    raise AssertionError("the stream ended")


async def test_a_session_opens_and_tells_who_it_is(session: Session) -> None:
    assert session.session_id
    assert session.gateway_protocol_version > 0
    assert (await session.state()).state == proto.SessionState.READY
    await session.ping()


async def test_an_advised_tag_delivers_its_current_value(session: Session) -> None:
    server = await session.register("live check")
    item = await session.add_item(server, os.environ["MXGATEWAY_TEST_ITEM"])
    await session.advise(server, item)
    event = await _first(session, proto.MxEventFamily.ON_DATA_CHANGE, item)
    assert event.worker_sequence > 0
    await session.unadvise(server, item)
    await session.remove_item(server, item)
    await session.unregister(server)


async def test_a_write_is_confirmed(session: Session) -> None:
    text = os.environ.get("MXGATEWAY_TEST_WRITE_VALUE")
    if text is None:
        pytest.skip("writes nothing: MXGATEWAY_TEST_WRITE_VALUE is not set")
    server = await session.register("live check")
    item = await session.add_item(server, os.environ["MXGATEWAY_TEST_ITEM"])
    await session.advise(server, item)
    done = await session.write_confirmed(server, item, int(text), timeout=BOUND)
    assert done.family == proto.MxEventFamily.ON_WRITE_COMPLETE


async def test_a_closed_session_takes_no_commands(client: GatewayClient) -> None:
    session = await client.open_session(client_session_name="live check")
    reply = await session.close()
    assert reply.final_state == proto.SessionState.CLOSED
    with pytest.raises(MxGatewaySessionError):
        await client.attach_session(session.session_id).register("too late")


async def test_an_unknown_key_is_refused() -> None:
    async with GatewayClient.connect(_endpoint(), api_key="mxgw_nobody_nothing", plaintext=_plaintext()) as client:
        with pytest.raises(MxGatewayAuthenticationError):
            await client.open_session()
