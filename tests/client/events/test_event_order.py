"""Events come in the order of their worker sequence, without a hole, and from where they are asked for."""

from __future__ import annotations

import asyncio

from mxgateway import EventStream, GatewayClient, Session, from_mx_value, proto
from mxgateway.simulator import SimulatedGateway, SimulatorOptions
from tests.client.support import (
    DATA_CHANGE,
    TAG,
    WRITE_COMPLETE,
    Item,
    advised,
    change,
    connect,
    opened,
    requests,
    until,
)

OTHER_TAG = "TestChildObject.TestDouble"


async def take(events: EventStream, count: int) -> list[proto.MxEvent]:
    return [await anext(events) for _ in range(count)]


def sequences(events: list[proto.MxEvent]) -> list[int]:
    return [event.worker_sequence for event in events]


async def test_twelve_thousand_events_of_two_tags_come_in_order_and_without_a_hole() -> None:
    rounds, size = 12, 500
    async with SimulatedGateway() as gateway, connect(gateway) as client, client.open_session() as session:
        item = await advised(session)
        other = await session.add_item(item.server, OTHER_TAG)
        await session.advise(item.server, other)

        async def publish() -> None:
            for number in range(rounds):
                for value in range(number * size, (number + 1) * size):
                    gateway.set_tag(TAG, value)
                    gateway.set_tag(OTHER_TAG, float(value))
                await until(lambda: not len(gateway.sessions[session.session_id].events))

        async with session.stream_events() as events:
            publishing = asyncio.create_task(publish())
            received = await take(events, 2 + 2 * rounds * size)
            await publishing

    assert sequences(received) == list(range(1, len(received) + 1))
    values = {item.handle: [], other: []}  # type: dict[int, list[object]]
    for event in received[2:]:
        assert event.family == DATA_CHANGE
        values[event.item_handle].append(from_mx_value(event.value))
    assert values[item.handle] == list(range(rounds * size))
    assert values[other] == [float(value) for value in range(rounds * size)]


async def test_the_backlog_of_a_session_without_a_subscriber_comes_first(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    change(gateway, range(2000))
    async with session.stream_events() as events:
        backlog = await take(events, 2001)
        change(gateway, [7])
        live = await anext(events)

    assert sequences(backlog) == list(range(1, 2002))
    assert live.worker_sequence == 2002


async def test_a_stream_resumes_after_a_sequence_without_loss_or_repetition(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    change(gateway, range(99))
    async with session.stream_events() as events:
        await take(events, 60)
    change(gateway, range(20))
    async with session.stream_events(after_worker_sequence=60) as events:
        resumed = await take(events, 60)

    assert sequences(resumed) == list(range(61, 121))
    assert [request.after_worker_sequence for request in requests(gateway, "StreamEvents")] == [0, 60]


async def test_another_client_resumes_a_session_where_it_was_left(
    gateway: SimulatedGateway, client: GatewayClient, session: Session, item: Item
) -> None:
    change(gateway, range(9))
    async with session.stream_events() as events:
        await take(events, 10)
    async with connect(gateway) as other, other.attach_session(session.session_id).stream_events(4) as events:
        assert sequences(await take(events, 6)) == list(range(5, 11))


async def test_the_sentinel_of_a_replay_gap_is_delivered_as_it_is() -> None:
    options = SimulatorOptions(replay_limit=10)
    async with opened(options) as (gateway, session):
        await advised(session)
        change(gateway, range(99))
        async with session.stream_events() as events:
            await take(events, 100)
        async with session.stream_events(5) as events:
            sentinel, *rest = await take(events, 11)
            change(gateway, [1])
            rest += await take(events, 1)
        assert sentinel.replay_gap is not None
        async with session.stream_events(sentinel.replay_gap.oldest_available_sequence) as events:
            assert (await anext(events)).replay_gap is None

    assert sentinel == proto.MxEvent(
        session_id=session.session_id,
        replay_gap=proto.ReplayGap(requested_after_sequence=5, oldest_available_sequence=91),
    )
    assert sentinel.family == proto.MxEventFamily.UNSPECIFIED
    assert sequences(rest) == list(range(91, 102))


async def test_the_completions_of_writes_come_in_the_order_of_the_writes(
    gateway: SimulatedGateway, session: Session, item: Item
) -> None:
    gateway.hold_write_completions()
    async with session.stream_events() as events:
        for value in range(20):
            await session.write(*item.pair, value)
        gateway.release_write_completions()
        received = await take(events, 41)

    assert sequences(received) == list(range(1, 42))
    assert [event.family for event in received[1:]] == [WRITE_COMPLETE, DATA_CHANGE] * 20
    assert [from_mx_value(event.value) for event in received[2::2]] == list(range(20))


async def test_the_raw_stream_delivers_the_same_events(gateway: SimulatedGateway, client: GatewayClient) -> None:
    session = await client.open_session()
    await advised(session)
    change(gateway, range(49))
    request = proto.StreamEventsRequest(session_id=session.session_id)
    async with client.stream_events_raw(request) as events:
        received = [await anext(events) for _ in range(50)]

    assert sequences(received) == list(range(1, 51))
