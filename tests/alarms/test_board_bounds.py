"""A gateway that goes on telling alarms ends the board that it is told to, with an error of its own kind, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count, islice
from typing import Any

import pytest

from mxgateway import (
    AlarmBoard,
    AlarmChange,
    GatewayClient,
    GrpcStatus,
    MxGatewayInvalidRequestError,
    MxGatewayLimitError,
    MxGatewayProtocolError,
    SubscriptionState,
    proto,
)
from mxgateway.alarms.active_set import ActiveSet
from mxgateway.alarms.change_queue import ChangeQueue
from mxgateway.alarms.memory_limits import ORDINARY
from mxgateway.wire import encode
from tests.alarms.test_active_set import Kind, State, alarm, transition
from tests.peers.http2.raw_peers import Http2Peer, Http2Server, grpc_message
from tests.rows import each_row

LIMIT = 500
Feed = proto.AlarmFeedMessage
DONE = Feed(snapshot_complete=True)


def active(number: int, text: str = "") -> Feed:
    return Feed(active_alarm=snapshot(number, text))


def snapshot(number: int, text: str = "") -> proto.ActiveAlarmSnapshot:
    return proto.ActiveAlarmSnapshot(
        alarm_full_reference=f"Galaxy!A.B{number}.Hi", current_state=State.ACTIVE, severity=500, description=text
    )


def told(number: int, kind: int = Kind.RAISE, text: str = "") -> Feed:
    return Feed(
        transition=proto.OnAlarmTransitionEvent(
            alarm_full_reference=f"Galaxy!A.B{number}.Hi", transition_kind=proto.AlarmTransitionKind(kind), severity=5,
            description=text,
        )
    )  # fmt: skip


def raised_and_done() -> Iterator[Feed]:
    yield DONE
    yield from (told(number) for number in count())


def raised_with_long_texts() -> Iterator[Feed]:
    yield DONE
    yield from (told(number, text="x" * 100 * ORDINARY) for number in count())


def raised_with_a_long_value() -> Iterator[Feed]:
    value = proto.MxValue(array_value=proto.MxArray(int32_values=proto.Int32Array(values=[5] * 100 * ORDINARY)))
    yield DONE
    yield Feed(
        transition=proto.OnAlarmTransitionEvent(
            alarm_full_reference="Galaxy!A.B.Hi", transition_kind=Kind.RAISE, current_value=value
        )
    )


ENDLESS: dict[str, Callable[[], Iterator[Feed]]] = {
    "a snapshot of other alarms": lambda: (active(number) for number in count()),
    "a snapshot of one alarm again and again": lambda: (active(1) for _ in count()),
    "a snapshot of long texts": lambda: (active(number, "x" * 100 * ORDINARY) for number in count()),
    "alarms that are raised before the snapshot is complete": lambda: (told(number) for number in count()),
    "alarms that are raised": raised_and_done,
    "alarms with long texts": raised_with_long_texts,
    "an alarm with a long value": raised_with_a_long_value,
}


@asynccontextmanager
async def fed(feed: Callable[[], Iterator[Any]], most: int = 20_000) -> AsyncIterator[GatewayClient]:
    """A client of a gateway that answers every call with the same messages, and then says nothing."""

    async def script(peer: Http2Peer) -> None:
        while True:
            stream_id = (await peer.request()).stream_id
            await peer.send(peer.headers(stream_id))
            messages = islice(feed(), most)
            while part := b"".join(grpc_message(encode(each)) for each in islice(messages, 50)):
                if stream_id in peer.resets:
                    break
                await peer.send_data(stream_id, part)

    async with (
        Http2Server(script, credits=True) as server,
        GatewayClient.connect(server.endpoint, plaintext=True) as client,
    ):
        yield client


@each_row("name", ENDLESS)
async def test_a_board_that_is_told_alarms_without_end_fails_with_an_error_that_names_the_option(name: str) -> None:
    async with asyncio.timeout(30), fed(ENDLESS[name]) as client:
        board = client.alarm_board(max_alarms=LIMIT)
        with pytest.raises(MxGatewayLimitError, match=f"more than {LIMIT} alarms.*max_alarms") as caught:
            async with board:
                await drained(board)
        assert isinstance(caught.value, MxGatewayProtocolError)
        assert (caught.value.grpc_status, caught.value.retryable) == (GrpcStatus.RESOURCE_EXHAUSTED, False)
        assert board.state is SubscriptionState.FAILED
        assert len(board.active) <= LIMIT + 1


async def drained(board: AlarmBoard) -> None:
    async for _ in board:
        pass


async def test_a_board_whose_consumer_does_not_read_ends_all_the_same() -> None:
    async with asyncio.timeout(30), fed(raised_and_done) as client:
        board = client.alarm_board(max_alarms=LIMIT)
        await anext(board)
        while board.state is not SubscriptionState.FAILED:
            await asyncio.sleep(0.01)
        changes = []
        with pytest.raises(MxGatewayLimitError):
            async for change in board:
                changes.append(change)
        assert sum(isinstance(change, AlarmChange) for change in changes) == LIMIT + 1


async def test_as_many_alarms_as_are_allowed_stay_on_the_board() -> None:
    def feed() -> Iterator[Feed]:
        yield from map(active, range(LIMIT - 1))
        yield DONE
        for number in range(1000):
            yield told(number + LIMIT)
            yield told(number + LIMIT, Kind.CLEAR)
        yield told(7, Kind.ACKNOWLEDGE)
        yield told(10 * LIMIT)

    async with asyncio.timeout(30), fed(feed) as client, client.alarm_board(max_alarms=LIMIT) as board:
        while f"Galaxy!A.B{10 * LIMIT}.Hi" not in board.active:
            await anext(board)
        assert len(board.active) == LIMIT
        assert board.state is SubscriptionState.CONNECTED


async def test_active_alarms_without_end_are_an_error_of_the_query_and_of_a_silent_board() -> None:
    async with asyncio.timeout(30), fed(lambda: map(snapshot, count())) as client:
        with pytest.raises(MxGatewayLimitError, match="max_alarms"):
            await client.query_active_alarms(max_alarms=LIMIT)


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "many"])
async def test_a_bound_that_is_none_is_refused(client: GatewayClient, limit: Any) -> None:
    with pytest.raises(MxGatewayInvalidRequestError, match="max_alarms"):
        client.alarm_board(max_alarms=limit)
    with pytest.raises(MxGatewayInvalidRequestError, match="max_alarms"):
        await client.query_active_alarms(max_alarms=limit)


def test_long_changes_make_a_consumer_slow_before_they_are_many() -> None:
    queue, active_set = ChangeQueue(limit=10), ActiveSet()
    long = alarm("A", description="x" * 4 * ORDINARY)
    for severity in range(20):
        change = active_set.apply(transition(Kind.RAISE, long, severity=severity))
        assert change is not None
        queue.put(change)
    assert len(queue) <= 2
    assert queue.conflated >= 18
    while queue.pop() is not None:
        pass
    for name in "BCD":
        change = active_set.apply(transition(Kind.RAISE, alarm(name)))
        assert change is not None
        queue.put(change)
    assert len(queue) == 3


def test_what_a_set_weighs_follows_its_alarms() -> None:
    active_set = ActiveSet()
    active_set.replace([alarm("A"), alarm("B", description="x" * 2 * ORDINARY)])
    assert active_set.weight == 4
    active_set.apply(transition(Kind.RAISE, alarm("A", comment="x" * ORDINARY)))
    assert active_set.weight == 5
    active_set.apply(transition(Kind.CLEAR, alarm("B")))
    assert active_set.weight == 2
    active_set.replace([])
    assert active_set.weight == 0
