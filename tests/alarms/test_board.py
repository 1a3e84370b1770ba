"""The alarm board over real TCP: what it shows, what it tells, and how it goes through faults."""

from __future__ import annotations

import asyncio

import pytest
from grpclib.const import Status

from mxgateway import (
    AlarmChange,
    ConnectionChange,
    GatewayClient,
    MxGatewayAuthenticationError,
    MxGatewayError,
    MxGatewayTransportError,
    Origin,
    Outcome,
    RecoveryOptions,
    SubscriptionState,
    proto,
)
from mxgateway.simulator import ManualClock, SimulatedGateway
from mxgateway.testing.network.fault_proxy import FaultProxy
from tests.alarms.rig import (
    ALARMS,
    CONNECTED,
    CONNECTING,
    ELSEWHERE,
    HI,
    HIHI,
    LO,
    QUICK,
    RECOVERING,
    SUBTAG,
    Replay,
    alarm_plant,
    board_of,
    feeds,
    is_right,
    truth,
)
from tests.client.support import connect, requests, until


@pytest.fixture
def client(proxied: GatewayClient) -> GatewayClient:
    return proxied


# -- what it shows and tells


async def test_every_active_alarm_is_on_the_board_when_its_block_is_entered_and_changes_follow(
    gateway: SimulatedGateway, client: GatewayClient, clock: ManualClock
) -> None:
    gateway.alarms.raise_alarm(HIHI)
    gateway.alarms.raise_alarm(ELSEWHERE)
    async with board_of(client) as replay:
        assert dict(replay.board.active) == truth(gateway)
        assert replay.board.state is CONNECTED
        clock.advance(1)
        gateway.alarms.acknowledge(HIHI, "seen", "me")
        gateway.alarms.clear_alarm(ELSEWHERE)
        clock.advance(1)
        gateway.alarms.raise_alarm(HIHI)
        gateway.alarms.raise_alarm(LO)
        await until(lambda: len(replay.changes) == 4)
        assert is_right(replay.board, gateway)
        assert replay.alarms == dict(replay.board.active)
    assert replay.told == [("acknowledged", HIHI), ("cleared", ELSEWHERE), ("retriggered", HIHI), ("raised", LO)]
    assert replay.states == [CONNECTING, CONNECTED]
    assert {change.origin for change in replay.changes} == {Origin.LIVE}
    first = replay.changes[0]
    assert (first.alarm.operator, first.alarm.comment, first.alarm.is_acknowledged) == ("me", "seen", True)
    assert first.transition is not None
    assert replay.board.provider is not None
    assert replay.board.provider.mode is proto.AlarmProviderMode.ALARMMGR
    assert replay.statuses == []


async def test_without_a_block_the_first_read_begins_it_and_the_active_alarms_come_as_changes(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.alarms.raise_alarm(HIHI)
    board = client.alarm_board()
    assert (board.state, dict(board.active), board.provider) == (SubscriptionState.NEW, {}, None)
    async with asyncio.timeout(10):
        items = [await anext(board) for _ in range(4)]
    await board.aclose()
    connecting, raised, status, connected = items
    assert isinstance(connecting, ConnectionChange)
    assert isinstance(raised, AlarmChange)
    assert (raised.kind.value, raised.origin, raised.before) == ("raised", Origin.SNAPSHOT, None)
    assert status == board.provider
    assert isinstance(connected, ConnectionChange)
    assert (connected.state, connected.outcome, connected.cause) == (CONNECTED, None, None)


async def test_a_prefix_keeps_other_alarms_off_the_board(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy
) -> None:
    gateway.alarms.raise_alarm(ELSEWHERE)
    async with board_of(client, prefix="Galaxy!Area1.") as replay:
        gateway.alarms.raise_alarm(HIHI)
        await until(lambda: replay.changes)
        proxy.reset_all()
        await until(lambda: replay.states[-1] is RECOVERING)
        await until(lambda: replay.states[-1] is CONNECTED)
        assert list(replay.board.active) == [HIHI]
    assert replay.told == [("raised", HIHI)]


async def test_the_view_cannot_be_changed(client: GatewayClient) -> None:
    async with board_of(client) as replay:
        with pytest.raises(TypeError):
            replay.board.active["x"] = None  # type: ignore[index]
        assert "0 active alarms, connected" in repr(replay.board)


# -- faults


async def interrupted(replay: Replay, proxy: FaultProxy) -> None:
    """Take the network away and wait until the board knows."""
    await proxy.refuse()
    proxy.reset_all()
    await until(lambda: RECOVERING in replay.states)


async def test_an_alarm_that_stayed_through_an_interruption_is_not_told_again(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy
) -> None:
    for reference in ALARMS:
        gateway.alarms.raise_alarm(reference)
    gateway.alarms.acknowledge(HI, "seen", "me")
    async with board_of(client) as replay:
        await interrupted(replay, proxy)
        assert dict(replay.board.active) == truth(gateway)
        await proxy.accept()
        await until(lambda: replay.states[-1] is CONNECTED)
        assert is_right(replay.board, gateway)
    assert replay.changes == []
    assert replay.statuses == []
    lost, back = replay.connections[-2:]
    assert isinstance(lost.cause, MxGatewayError)
    assert (lost.outcome, back.outcome, back.cause) == (None, Outcome.REBUILT, None)


async def test_what_has_changed_within_an_interruption_is_told_before_the_board_is_connected_again(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy, clock: ManualClock
) -> None:
    for reference in (HIHI, HI, LO):
        gateway.alarms.raise_alarm(reference)
    async with board_of(client) as replay:
        await interrupted(replay, proxy)
        clock.advance(1)
        gateway.alarms.clear_alarm(HIHI)
        gateway.alarms.acknowledge(HI, "seen", "me")
        gateway.alarms.raise_alarm(LO)
        gateway.alarms.raise_alarm(ELSEWHERE)
        gateway.alarms.raise_alarm(ALARMS[5])
        gateway.alarms.clear_alarm(ALARMS[5])
        replay.held = True
        await proxy.accept()
        await until(lambda: replay.board.state is CONNECTED)
        replay.held = False
        await until(lambda: replay.states[-1] is CONNECTED)
        assert replay.alarms == dict(replay.board.active) == truth(gateway)
    assert sorted(replay.told) == [
        ("acknowledged", HI), ("cleared", HIHI), ("raised", ELSEWHERE), ("retriggered", LO),
    ]  # fmt: skip
    assert {change.origin for change in replay.changes} == {Origin.SNAPSHOT}
    assert {change.transition for change in replay.changes} == {None}


async def test_a_gateway_that_was_started_anew_has_its_alarms_on_the_board(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.alarms.raise_alarm(HIHI)
    async with board_of(client) as replay:
        await gateway.restart()
        gateway.set_tag("Tank4.Level", 10.0)
        await until(lambda: is_right(replay.board, gateway) and replay.alarms == dict(replay.board.active))
    assert ("cleared", HIHI) in replay.told
    assert ("raised", ELSEWHERE) in replay.told


async def test_a_feed_that_the_gateway_ends_is_begun_anew(
    gateway: SimulatedGateway, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with board_of(client) as replay:
        gateway.fail_next("StreamAlarms", Status.RESOURCE_EXHAUSTED, "later", times=2)
        gateway.drop_connections(politely=True)
        await until(lambda: replay.states.count(CONNECTED) == 2)
    causes = [change.cause for change in replay.connections if change.state is RECOVERING]
    assert len(causes) == 1
    assert feeds(gateway) == 4


async def test_a_failover_reads_the_alarms_anew_without_an_interruption_and_keeps_what_was_known(
    gateway: SimulatedGateway, client: GatewayClient, clock: ManualClock
) -> None:
    gateway.alarms.raise_alarm(HIHI)
    async with board_of(client) as replay:
        gateway.alarms.fail_over(degraded=True, reason="gone")
        await until(lambda: replay.changes)
        alarm = replay.board.active[HIHI]
        assert (alarm.degraded, alarm.provider, alarm.description, alarm.limit) == (
            True, SUBTAG, "Level very high", 90.0,
        )  # fmt: skip
        clock.advance(1)
        gateway.alarms.acknowledge(HIHI, "seen", "me")
        await until(lambda: len(replay.changes) == 2)
        gateway.alarms.fail_over(degraded=False, reason="back")
        await until(lambda: len(replay.changes) == 3 and is_right(replay.board, gateway))
    assert [kind for kind, _ in replay.told] == ["changed", "acknowledged", "changed"]
    assert [status.reason for status in replay.statuses] == ["gone", "back"]
    assert replay.states == [CONNECTING, CONNECTED]
    assert (replay.alarms[HIHI].operator, replay.alarms[HIHI].comment) == ("me", "seen")
    assert feeds(gateway) == 3


async def test_a_key_that_is_refused_for_a_while_does_not_end_the_board(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy
) -> None:
    async with board_of(client) as replay:
        gateway.fail_next("StreamAlarms", Status.UNAUTHENTICATED, "no", times=2)
        proxy.reset_all()
        await until(lambda: replay.states.count(CONNECTED) == 2)


async def test_recovery_that_gives_up_ends_the_board_with_the_last_error(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy
) -> None:
    options = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02, give_up_after=0.05)
    async with client.alarm_board(recovery=options) as board:
        replay = Replay(board, dict(board.active))
        await proxy.refuse()
        proxy.reset_all()
        await asyncio.wait_for(replay.run(), 10)
        assert isinstance(replay.error, MxGatewayTransportError)
        assert board.state is SubscriptionState.FAILED
        with pytest.raises(StopAsyncIteration):
            await anext(board)


async def test_time_of_interruptions_that_were_mended_does_not_count_for_giving_up(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy
) -> None:
    options = RecoveryOptions(initial_backoff=0.01, max_backoff=0.02, give_up_after=0.2)
    async with board_of(client, recovery=options) as replay:
        for number in (2, 3):
            proxy.reset_all()
            await until(lambda: replay.ended or replay.states.count(CONNECTED) == number)  # noqa: B023
            await asyncio.sleep(0.25)
        assert replay.states.count(CONNECTED) == 3


async def test_a_board_that_cannot_begin_raises_and_leaves_nothing(
    gateway: SimulatedGateway, client: GatewayClient
) -> None:
    gateway.fail_next("StreamAlarms", Status.UNAUTHENTICATED, "no", times=2)
    board = client.alarm_board(recovery=QUICK)
    with pytest.raises(MxGatewayAuthenticationError):
        async with board:
            pytest.fail("the block was entered")
    assert board.state is SubscriptionState.FAILED
    board = client.alarm_board(recovery=QUICK)
    with pytest.raises(MxGatewayAuthenticationError):
        async for _ in board:
            pass
    assert feeds(gateway) == 2


async def test_a_client_that_is_closed_ends_its_boards(gateway: SimulatedGateway) -> None:
    async with connect(gateway) as client:
        board = client.alarm_board(recovery=QUICK)
        await board.__aenter__()
        replay = Replay(board)
        task = asyncio.create_task(replay.run())
        await asyncio.sleep(0)
        await client.close()
        await asyncio.wait_for(task, 10)
    assert isinstance(replay.error, MxGatewayTransportError)
    assert board.state is SubscriptionState.FAILED
    await board.aclose()


async def test_waking_ends_a_pause(gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy) -> None:
    slow = RecoveryOptions(initial_backoff=600.0, max_backoff=600.0)
    async with board_of(client, recovery=slow) as replay:
        await interrupted(replay, proxy)
        await proxy.accept()
        await until(lambda: replay.board.wake() or replay.board.state is CONNECTED)  # type: ignore[func-returns-value]


async def test_closing_during_an_interruption_ends_it_at_once(
    gateway: SimulatedGateway, client: GatewayClient, proxy: FaultProxy
) -> None:
    slow = RecoveryOptions(initial_backoff=600.0, max_backoff=600.0)
    before = asyncio.all_tasks()
    board = client.alarm_board(recovery=slow)
    async with board:
        replay = Replay(board)
        task = asyncio.create_task(replay.run())
        await interrupted(replay, proxy)
        await asyncio.wait_for(board.aclose(), 5)
        await asyncio.wait_for(task, 5)
        await board.aclose()
    assert (replay.error, board.state) == (None, SubscriptionState.CLOSED)
    assert asyncio.all_tasks() == before


async def test_closing_before_the_beginning_is_no_beginning(gateway: SimulatedGateway, client: GatewayClient) -> None:
    board = client.alarm_board()
    await board.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(board)
    assert board.state is SubscriptionState.CLOSED
    assert not requests(gateway, "StreamAlarms")


# -- a slow consumer


async def test_a_slow_consumer_is_told_the_last_change_of_each_alarm() -> None:
    async with SimulatedGateway(plant=alarm_plant()) as gateway, connect(gateway) as client:
        async with board_of(client) as replay:
            replay.board._supervisor.queue._limit = 20
            replay.held = True
            for _ in range(200):
                gateway.alarms.raise_alarm(HIHI)
                gateway.alarms.clear_alarm(HI)
                gateway.alarms.raise_alarm(HI)
                gateway.alarms.acknowledge(HI, "", "")
            gateway.alarms.raise_alarm(LO)
            await until(lambda: LO in replay.board.active)
            assert len(replay.board._supervisor.queue) <= 20
            replay.held = False
            await until(lambda: replay.alarms == dict(replay.board.active))
            assert is_right(replay.board, gateway)
    assert replay.board.conflated > 500
    assert any(change.conflated > 100 for change in replay.changes)
