"""A reader that is slow holds the gateway back, and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from mxgateway import GatewayClient, Session, from_mx_value
from mxgateway.simulator import SimulatedGateway
from tests.client.support import WRITE_COMPLETE, advised, change, until

TEXT_TAG = "TestChildObject.TestString"
EVENTS, SIZE = 6000, 4000  # more than windows and queues take


@pytest.fixture(autouse=True)
def short_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mxgateway.events.stream.QUEUE_LIMIT", 100)


def text(number: int) -> str:
    return f"{number:0{SIZE}}"


async def until_held_back(gateway: SimulatedGateway, session: Session) -> int:
    """Wait until the gateway sends no further event although other calls go on, and return how many it has sent."""
    quiet, sent = 0, gateway.events_sent
    while quiet < 20:
        await session.ping()
        quiet, sent = quiet + 1 if sent == gateway.events_sent else 0, gateway.events_sent
    return sent


async def test_a_slow_reader_holds_the_gateway_back_while_calls_go_on_and_loses_nothing(
    gateway: SimulatedGateway, session: Session
) -> None:
    await advised(session, TEXT_TAG)
    async with session.stream_events() as events:
        await anext(events)
        change(gateway, map(text, range(EVENTS)), TEXT_TAG)
        sent = await until_held_back(gateway, session)
        assert sent < EVENTS // 2

        for number in range(EVENTS):
            event = await anext(events)
            assert event.worker_sequence == number + 2
            assert from_mx_value(event.value) == text(number)


async def test_a_slow_reader_of_one_session_does_not_hold_back_another_session(
    gateway: SimulatedGateway, client: GatewayClient, session: Session
) -> None:
    await advised(session, TEXT_TAG)
    async with session.stream_events() as slow:
        await anext(slow)
        change(gateway, map(text, range(EVENTS)), TEXT_TAG)
        await until_held_back(gateway, session)

        async with client.open_session() as other:
            item = await advised(other)
            async with other.stream_events() as events:
                await anext(events)
                change(gateway, range(500))
                received = [(await anext(events)).worker_sequence for _ in range(500)]
            assert (await other.write_confirmed(*item.pair, 1)).family == WRITE_COMPLETE

    assert received == list(range(2, 502))


async def test_a_confirmation_comes_through_behind_a_slow_reader(gateway: SimulatedGateway, session: Session) -> None:
    text_item = await advised(session, TEXT_TAG)
    other = await session.add_item(text_item.server, "TestChildObject.TestInt")
    await session.advise(text_item.server, other)
    async with session.stream_events() as slow:
        await anext(slow)
        change(gateway, map(text, range(EVENTS)), TEXT_TAG)
        await until_held_back(gateway, session)

        # Two at once: the second waits for its turn when the first one asks for the stream.
        confirmations = await asyncio.gather(
            *(session.write_confirmed(text_item.server, other, value) for value in range(2))
        )
        assert confirmations[0].worker_sequence < confirmations[1].worker_sequence
        received = [(await anext(slow)).worker_sequence for _ in range(EVENTS)]
        assert received == list(range(received[0], received[0] + EVENTS))


async def test_a_reader_that_goes_lets_the_others_go_on(gateway: SimulatedGateway, session: Session) -> None:
    await advised(session, TEXT_TAG)
    async with session.stream_events() as quick:
        await anext(quick)
        async with session.stream_events():  # never read
            change(gateway, map(text, range(EVENTS)), TEXT_TAG)
            await until_held_back(gateway, session)
        for number in range(EVENTS):
            assert (await anext(quick)).worker_sequence == number + 2
    await until(lambda: not gateway.sessions[session.session_id].events.is_attached)
