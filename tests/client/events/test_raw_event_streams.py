"""A StreamEvents call of one's own: one reader, and nothing left behind when it is dropped."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway import GatewayClient, MxGatewayInvalidRequestError, Session, proto
from mxgateway.simulator import SimulatedGateway
from tests.client.support import Item, is_streaming, until


async def test_a_raw_stream_that_is_dropped_in_its_loop_is_cancelled_at_the_gateway(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, item: Item
) -> None:
    async for _ in client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id)):
        assert is_streaming(gateway, session)
        break
    await until(lambda: not is_streaming(gateway, session))
    await session.ping()


async def test_a_second_reader_of_a_raw_stream_is_refused_and_the_first_one_reads_on(
    gateway: SimulatedGateway, client: GatewayClient, session: Session
) -> None:
    async with client.stream_events_raw(proto.StreamEventsRequest(session_id=session.session_id)) as events:
        first = asyncio.create_task(events.messages())
        await until(lambda: is_streaming(gateway, session))
        with pytest.raises(MxGatewayInvalidRequestError, match="another task is already reading this stream"):
            await events.messages()
        server = await session.register("tests")
        await session.advise(server, await session.add_item(server, "TestChildObject.TestInt"))
        assert (await first)[0].worker_sequence == 1
