"""The public calls about alarms, ready to be made."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from mxgateway import (
    AlarmBoard,
    AlarmChange,
    AlarmFeed,
    AlarmTransition,
    SnapshotComplete,
    SubscriptionState,
    proto,
)
from tests.client.stage import ALARM, Call, Stage, next_call


def _trigger(stage: Stage) -> None:
    stage.gateway.alarms.raise_alarm(ALARM)


async def _active(stage: Stage) -> None:
    stage.gateway.alarms.raise_alarm(ALARM)


def _acknowledge(stage: Stage) -> Any:
    return stage.client.acknowledge_alarm_raw(proto.AcknowledgeAlarmRequest(alarm_full_reference=ALARM))


async def acknowledged_again(stage: Stage) -> None:
    """Prove that the alarm can be acknowledged, after that was given up."""
    await stage.client.acknowledge_alarm(ALARM, timeout=10)
    (alarm,) = await stage.client.query_active_alarms(ALARM, timeout=10)
    assert alarm.is_acknowledged
    await next_call(stage)


# -- feeds


async def _read(stage: Stage) -> AlarmFeed:
    """A feed of which the snapshot has been read."""
    feed = stage.alarms()
    while not isinstance(await anext(feed), SnapshotComplete):
        pass
    await anext(feed)
    return feed


async def _waiting(stage: Stage) -> AlarmFeed:
    feed = await _read(stage)
    stage.soon(_trigger, stage)
    return feed


async def transition_again(stage: Stage) -> None:
    """Prove that the first feed brings what comes from now on."""
    stage.gateway.alarms.raise_alarm(ALARM)
    async with asyncio.timeout(10):
        async for message in stage.feeds[0]:
            if isinstance(message, AlarmTransition):
                return
    raise AssertionError("the feed has ended")


async def feed_again(stage: Stage) -> None:
    """Prove that there can be another feed."""
    await stage.feeds[0].aclose()
    stage.feeds.insert(0, await _read(stage))
    await transition_again(stage)


# -- boards


async def _board(stage: Stage) -> AlarmBoard:
    """A board that is connected."""
    board = stage.board()
    return await board.__aenter__()


async def _waiting_board(stage: Stage) -> AlarmBoard:
    board = await _board(stage)
    for _ in range(2):
        await anext(board)
    stage.soon(_trigger, stage)
    return board


async def change_again(stage: Stage) -> None:
    """Prove that the board tells what comes from now on."""
    stage.gateway.alarms.raise_alarm(ALARM)
    async with asyncio.timeout(10):
        async for change in stage.feeds[0]:
            if isinstance(change, AlarmChange):
                return
    raise AssertionError("the board has ended")


async def board_entered_again(stage: Stage) -> None:
    """Prove that a block that was not entered has ended its board, and that there can be another one."""
    board = stage.feeds[0]
    assert isinstance(board, AlarmBoard)
    if board.state is not SubscriptionState.CONNECTED:
        assert board.state is SubscriptionState.CLOSED
        stage.feeds.insert(0, await _board(stage))
    await change_again(stage)


async def board_again(stage: Stage) -> None:
    """Prove that the board is closed, and that there can be another one."""
    await stage.prepared.aclose()
    assert stage.prepared.state is SubscriptionState.CLOSED
    stage.feeds.insert(0, await _board(stage))
    await change_again(stage)


ALARM_CALLS: Final = [
    Call("GatewayClient.query_active_alarms", lambda s: s.client.query_active_alarms(), prepare=_active, reconnects=True),
    Call("GatewayClient.acknowledge_alarm", lambda s: s.client.acknowledge_alarm(ALARM), acknowledged_again, _active),
    Call("GatewayClient.acknowledge_alarm_raw", _acknowledge, acknowledged_again, _active),
    Call("AlarmFeed.__aenter__", lambda s: s.alarms().__aenter__(), feed_again, watches=1, reconnects=True),
    Call("AlarmFeed.__anext__", lambda s: s.prepared.__anext__(), transition_again, _waiting, watches=1),
    Call("AlarmFeed.__anext__ (the first)", lambda s: s.alarms().__anext__(), transition_again, watches=1),
    Call("AlarmFeed.messages", lambda s: s.prepared.messages(), transition_again, _waiting, watches=1),
    Call("AlarmFeed.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), feed_again, _read, watches=1),
    Call("AlarmFeed.aclose", lambda s: s.prepared.aclose(), feed_again, _read, watches=1),
    Call("AlarmBoard.__aenter__", lambda s: s.board().__aenter__(), board_entered_again, watches=1, reconnects=True),
    Call("AlarmBoard.__anext__", lambda s: s.prepared.__anext__(), change_again, _waiting_board, watches=1),
    Call("AlarmBoard.__anext__ (the first)", lambda s: s.board().__anext__(), change_again, watches=1),
    Call("AlarmBoard.__aexit__", lambda s: s.prepared.__aexit__(None, None, None), board_again, _board, watches=1),
    Call("AlarmBoard.aclose", lambda s: s.prepared.aclose(), board_again, _board, watches=1),
]  # fmt: skip
